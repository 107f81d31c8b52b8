//! One file per command: how it looks on the command line, what it asks of `lifecycle`, and what it prints.

mod create;
mod exec;
mod get;
mod inspect;
mod keep;
mod redact;
mod refresh;
mod revoke;

use crate::deliver;
use crate::lifecycle::Context;
use crate::options::{Format, Syntax};
use crate::session::StoredToken;

/// A command.
pub struct CommandSpec {
    /// How it looks on the command line.
    pub syntax: Syntax,
    /// Runs it. Returns the exit code.
    pub run: fn(&Context) -> anyhow::Result<u8>,
}

/// Every command, in the order of `--help`. If none is given, the first one runs.
pub const ALL: [&CommandSpec; 8] = [
    &create::COMMAND,
    &get::COMMAND,
    &exec::COMMAND,
    &keep::COMMAND,
    &refresh::COMMAND,
    &redact::COMMAND,
    &revoke::COMMAND,
    &inspect::COMMAND,
];

/// How every command looks on the command line.
#[must_use]
pub fn syntaxes() -> [&'static Syntax; ALL.len()] {
    ALL.map(|command| &command.syntax)
}

/// Prints a session's token. Its refresh token is printed only if asked for: the next renewal needs it, and nobody else should spend it.
fn print(cx: &Context, mut stored: StoredToken, format: Format) -> anyhow::Result<()> {
    let refresh_token = cx.options.hand_over.refresh_token;
    stored.token.refresh_token = stored.token.refresh_token.filter(|_| refresh_token);
    Ok(cx.console.data(&deliver::print(format, &stored.token, &stored.platform, refresh_token)?)?)
}
