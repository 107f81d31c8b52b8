//! `redact`: passes standard input on, with every secret of the job's sessions hidden.

use std::io::{self, ErrorKind};

use super::CommandSpec;
use crate::api::Transport;
use crate::credential::Credential;
use crate::error::{Error, Kind};
use crate::io::{SharedRedactor, pass_on};
use crate::lifecycle::Context;
use crate::options::table::{ACCESS_TOKEN, ACCESS_TOKEN_FILE};
use crate::options::{Operands, Syntax};
use crate::os;
use crate::session::Watch;

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "redact",
        aliases: &[],
        usage: "PROGRAM 2>&1 | jf-token redact [OPTIONS]",
        about: "Pass standard input on with every secret of the job's sessions hidden",
        examples: &["./publish.sh 2>&1 | jf-token redact"],
        operands: Operands::Output,
        groups: &[],
        options: &[&ACCESS_TOKEN, &ACCESS_TOKEN_FILE],
        formats: &[],
    },
    run,
};

/// The exit code of a program that SIGPIPE ended, as a shell reports it.
const BROKEN_PIPE: i32 = 128 + 13;

fn run(cx: &Context) -> anyhow::Result<i32> {
    let credential = cx.credential()?.map(Credential::secrets).unwrap_or_default().into_iter();
    let given = credential.chain(cx.transport().into_iter().flat_map(Transport::secrets)).cloned().collect();
    let redactor = SharedRedactor::new(Watch::new(cx.session()?, given));
    if let Some(why) = redactor.blind() {
        cx.console.warn(&format!("nothing is passed on: {why}"));
    } else if redactor.knows_nothing() {
        cx.console.say("nothing to hide yet: there is no session, and no JF_ACCESS_TOKEN");
    }
    let closed = |name: &str, error: &io::Error| Error::new(Kind::Local, format!("can't use standard {name}: {error}"), "");
    let stdin = os::stdin().map_err(|error| closed("input", &error))?;
    let stdout = os::stdout().map_err(|error| closed("output", &error))?;
    os::widen(&stdin);
    os::widen(&stdout);
    match pass_on(os::Source::own(stdin), stdout, &redactor) {
        Ok(()) => Ok(0),
        // Not a failure, but not everything was passed on, so the exit code must not be 0.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(BROKEN_PIPE),
        Err(error) => {
            let help = if redactor.blind().is_some() { "Remove the file if no token in it is alive." } else { "" };
            Err(Error::new(Kind::Local, format!("can't pass everything on: {error}"), help).into())
        }
    }
}
