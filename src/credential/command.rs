//! Runs a program that prints a secret.

use std::io::{PipeReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use redact::{Secret, one_line, without, without_tokens};
use zeroize::Zeroizing;

use super::Asking;
use super::reading::LONGEST;
use crate::error::{Error, Kind, Outcome, Result};
use crate::io::text_of;
use crate::options::table;
use crate::os;

/// How much of a message is shown, in characters.
const LONGEST_MESSAGE: usize = 300;

/// What a program printed.
pub struct Printed {
    /// Whether it ended well, and how it ended.
    pub status: std::process::ExitStatus,
    /// Its standard output, or the beginning of it.
    pub output: Zeroizing<String>,
    /// Its standard error, or the beginning of it.
    pub errors: Zeroizing<String>,
}

impl Printed {
    /// How it failed, in words that follow its name, with the end of what it said, and without secrets.
    pub fn failure(&self, secrets: &[&Secret]) -> String {
        let said = self.errors.trim();
        let said = one_line(&without_tokens(&without(said, secrets)));
        let skipped = said.chars().count().saturating_sub(LONGEST_MESSAGE);
        let said: String = said.chars().skip(skipped).collect();
        let ended = self.status;
        if said.is_empty() { format!("failed ({ended})") } else { format!("failed ({ended}): {said}") }
    }
}

/// Runs a command to its end, without the credential in its environment. `name` is what to call it in a message.
///
/// # Errors
/// Fails if it can't be started, or takes longer than `limit`; then it is ended, with what it started.
pub async fn run(asking: &Asking<'_>, mut command: Command, name: &str, limit: Duration) -> Result<Printed> {
    let fail = |why: String, help: &str| Error::new(Kind::Unusable, format!("{name} {why}"), help).with_outcome(Outcome::NotSent);
    let passed = asking.environment.without(|variable, _| table::is_hidden(variable));
    let not_started = |error: std::io::Error| fail(format!("can't be started: {error}"), "Is it installed, and on the PATH?");
    let (output, its_output) = std::io::pipe().map_err(not_started)?;
    let (errors, its_errors) = std::io::pipe().map_err(not_started)?;
    let path = asking.environment.os("PATH");
    // What the command sets itself is to stay.
    let own: Vec<_> = command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
    command.env_clear().envs(passed).envs(path.map(|path| ("PATH", path)));
    for (name, value) in own {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(its_output).stderr(its_errors);
    os::detach(&mut command);
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(not_started)?;
    // Its ends of the pipes are the program's alone.
    drop(command);
    let group = os::Group::of(&child);
    let (output, errors) = (tokio::task::spawn_blocking(|| read(output)), tokio::task::spawn_blocking(|| read(errors)));
    let done = tokio::time::timeout(limit, async {
        let status = child.wait().await;
        (status, output.await, errors.await)
    });
    let Ok((status, output, errors)) = done.await else {
        return Err(fail(format!("took longer than {} s", limit.as_secs()), "It was ended. Does it wait for something?"));
    };
    group.release();
    let status = status.map_err(|error| fail(format!("was lost: {error}"), ""))?;
    Ok(Printed { status, output: output.unwrap_or_default(), errors: errors.unwrap_or_default() })
}

/// Reads as much as a secret may have. Who goes on printing after that finds the pipe closed.
fn read(from: PipeReader) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let _ = from.take(LONGEST + 1).read_to_end(&mut bytes);
    text_of(&bytes).unwrap_or_else(|| Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}
