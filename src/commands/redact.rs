//! `redact`: passes standard input on, with every secret of the job's sessions hidden.

use std::io::{self, ErrorKind};

use super::CommandSpec;
use crate::api::Transport;
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::io::{SharedRedactor, pass_on};
use crate::lifecycle::Context;
use crate::options::table::{ACCESS_TOKEN, ACCESS_TOKEN_FILE, PASS_IF_UNREADABLE};
use crate::options::{Operands, Syntax};
use crate::os;
use crate::session::{Session, Watch};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "redact",
        aliases: &[],
        usage: "PROGRAM 2>&1 | jf-token redact [OPTIONS]",
        about: "Pass standard input on with every secret of the job's sessions hidden",
        examples: &["./publish.sh 2>&1 | jf-token redact"],
        operands: Operands::Output,
        groups: &[],
        options: &[&ACCESS_TOKEN, &ACCESS_TOKEN_FILE, &PASS_IF_UNREADABLE],
        formats: &[],
    },
    run,
};

/// The exit code of a program that SIGPIPE ended, as a shell reports it.
const BROKEN_PIPE: i32 = 128 + 13;

fn run(cx: &Context) -> anyhow::Result<i32> {
    let passes_blindly = cx.options.pass_if_unreadable;
    let redactor = SharedRedactor::new(watch(cx), cx.masks()).passing_blindly(passes_blindly);
    if let Some(why) = redactor.blind() {
        let what = if passes_blindly { "everything is passed on all the same" } else { "nothing is passed on" };
        cx.console.warn(&format!("{what}: {why}"));
    } else if redactor.knows_nothing() {
        cx.console.say("nothing to hide yet: there is no session, and no JF_ACCESS_TOKEN");
    }
    let closed = |name: &str, error: &io::Error| Error::new(Kind::Local, format!("can't use standard {name}: {error}"), "");
    let stdin = os::stdin().map_err(|error| closed("input", &error))?;
    let stdout = os::stdout().map_err(|error| closed("output", &error))?;
    os::widen(&stdin);
    os::widen(&stdout);
    let passed = pass_on(os::Source::own(stdin), os::Patient(stdout), &redactor);
    cx.warn_of_hidden_masks(&redactor);
    match passed {
        Ok(_) => end(cx, &redactor),
        // Not a failure, but not everything was passed on, so the exit code must not be 0.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(BROKEN_PIPE),
        Err(error) => Err(Error::new(Kind::Local, format!("can't pass everything on: {error}"), "").into()),
    }
}

/// What is to be hidden. What can't be read makes it blind, and ends nothing: a broken pipe would kill the program that prints.
fn watch(cx: &Context) -> Watch {
    let credential = cx.credential().map(|found| found.map(Credential::secrets).unwrap_or_default());
    let mut transport = cx.transport().map(Transport::secrets);
    let session = Session::check_owner(cx.place()).and_then(|()| cx.session());
    let given = credential.iter().flatten().copied().chain(transport.iter_mut().flatten()).cloned().collect();
    match (session, credential.err().or(transport.err())) {
        (Ok(session), None) => Watch::new(session, given),
        (Ok(session), Some(error)) => Watch::blind(&error, Some(session), given),
        (Err(error), _) => Watch::blind(&error, None, given),
    }
}

fn end(cx: &Context, redactor: &SharedRedactor) -> anyhow::Result<i32> {
    if let Some(why) = redactor.withheld() {
        let help = "Mend it, or remove the file if no token in it is alive; --pass-if-unreadable passes on what can't be checked.";
        return Err(Error::new(Kind::Local, format!("output was withheld: {why}"), help).into());
    }
    if let Some(why) = redactor.blind().filter(|_| cx.options.pass_if_unreadable) {
        cx.console.warn(&format!("everything was passed on all the same: {why}"));
    }
    Ok(0)
}
