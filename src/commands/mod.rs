//! One file a command: it says what it is on the command line, asks for a token's life, and prints.

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
    /// What it is on the command line.
    pub syntax: Syntax,
    /// Does what it says. Returns the exit code.
    pub run: fn(&Context) -> anyhow::Result<u8>,
}

/// Every command, in the order of `--help`. Without a word it is the first.
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

/// Every command as it is on the command line.
#[must_use]
pub fn syntaxes() -> [&'static Syntax; ALL.len()] {
    ALL.map(|command| &command.syntax)
}

/// Prints a session's token, its refresh token only if that was asked for: the next renewal needs it, and nobody else is to spend it.
fn print(cx: &Context, mut stored: StoredToken, format: Format) -> anyhow::Result<()> {
    let refresh_token = cx.options.hand_over.refresh_token;
    stored.token.refresh_token = stored.token.refresh_token.filter(|_| refresh_token);
    Ok(cx.console.data(&deliver::print(format, &stored.token, &stored.platform, refresh_token)?)?)
}
