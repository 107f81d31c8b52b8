//! How this program starts itself in the background. What std starts inherits every handle that can be: it would keep the pipes open that
//! the caller reads to their end. So std starts one that starts another without any handle, and ends.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime;
use winsafe::{CreateProcess, STARTUPINFO, co};
use zeroize::Zeroizing;

use super::{Offer, accept, detach};

/// The word before the arguments of the process in the middle.
const STARTS: &str = "background-starts";
/// The word before the place from where the last process takes its arguments and its input.
const IS: &str = "background-is";

/// How long the process in the middle lives at most. Its starter gives up before.
const LIFE: Duration = Duration::from_secs(15);
/// How often it looks whether the last one has ended.
const LOOK: Duration = Duration::from_millis(20);

/// This program, started to outlive the process that starts it.
pub struct Background(Child);

impl Background {
    /// Starts it with these arguments, variables and input.
    ///
    /// # Errors
    /// Fails if it can't be started, or doesn't take the input.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        input: Option<&str>,
    ) -> io::Result<Self> {
        let mut middle = Command::new(program);
        middle.arg(STARTS).args(arguments).env_clear().envs(variables);
        middle.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        detach(&mut middle);
        let mut middle = middle.spawn()?;
        if let Some(mut stdin) = middle.stdin.take() {
            stdin.write_all(input.unwrap_or_default().as_bytes())?;
        }
        Ok(Self(middle))
    }

    /// How it ended, if it has, before `release`.
    ///
    /// # Errors
    /// Fails if the system does.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Lets go of it: from now on it is on its own.
    pub fn release(mut self) {
        let _ = self.0.kill();
    }

    /// Gives up: it may come up all the same.
    pub fn give_up(self) {
        self.release();
    }
}

/// If this process was started in the background, puts its real arguments in place. Returns its input; or the exit code if this was the
/// process in the middle, which has done all that it had to.
///
/// # Errors
/// Fails if it was, and what it needs is gone.
pub fn detached(arguments: &mut Vec<OsString>) -> io::Result<ControlFlow<i32, Box<dyn Read + Send>>> {
    match arguments.get(1).and_then(|word| word.to_str()) {
        Some(STARTS) => start_the_last(arguments).map(ControlFlow::Break),
        Some(IS) => {
            let given = accept(Path::new(arguments.get(2).map_or("".as_ref(), OsString::as_os_str)))?;
            let (words, input) = given.split_once("\0\0").ok_or(io::ErrorKind::InvalidData)?;
            arguments.truncate(1);
            arguments.extend(words.split('\0').map(OsString::from));
            Ok(ControlFlow::Continue(Box::new(io::Cursor::new(input.as_bytes().to_vec()))))
        }
        _ => Ok(ControlFlow::Continue(Box::new(io::stdin()))),
    }
}

fn start_the_last(arguments: &[OsString]) -> io::Result<i32> {
    let mut given = Zeroizing::new(String::with_capacity(1 << 16));
    for word in &arguments[2..] {
        *given += word.to_str().ok_or(io::ErrorKind::InvalidInput)?;
        *given += "\0";
    }
    *given += "\0";
    io::stdin().read_to_string(&mut given)?;
    runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let offer = Offer::new(Path::new(""))?;
        let program = std::env::current_exe()?;
        // A path can't hold quotes.
        let line = format!("\"{}\" {IS} {}", program.display(), offer.place().display());
        let flags = co::CREATE::NO_WINDOW | co::CREATE::NEW_PROCESS_GROUP;
        // No variables: it gets ours. (winsafe frees those that it is given too early.)
        let last = CreateProcess(program.to_str(), Some(&line), None, None, false, flags, &[], None, &mut STARTUPINFO::default());
        let last = last.map_err(|error| io::Error::from_raw_os_error(error.raw().cast_signed()))?;
        let ended = || last.hProcess.WaitForSingleObject(Some(0)) == Ok(co::WAIT::OBJECT_0);
        let begun = Instant::now();
        let watching = async {
            while !ended() && begun.elapsed() < LIFE {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::pin!(watching);
        tokio::select! {
            given = offer.give(&given) => given?,
            () = &mut watching => {}
        }
        watching.await;
        Ok(if ended() { last.hProcess.GetExitCodeProcess().unwrap_or(1).cast_signed() } else { 0 })
    })
}
