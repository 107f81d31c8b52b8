//! One file per command: how it looks on the command line, what it asks of `lifecycle`, and what it prints.

mod create;
mod exchange;
mod exec;
mod get;
mod identity;
mod inspect;
mod keep;
mod redact;
mod refresh;
mod revoke;
mod status;

use crate::deliver;
use crate::error::Result;
use crate::lifecycle::Context;
use crate::options::{Format, Syntax};
use crate::session::StoredToken;

/// A command.
pub struct CommandSpec {
    /// How it looks on the command line.
    pub syntax: Syntax,
    /// Runs it. Returns the exit code.
    pub run: fn(&Context) -> anyhow::Result<i32>,
}

/// Every command, in the order of `--help`. If none is given, the first one runs.
pub const ALL: [&CommandSpec; 11] = [
    &create::COMMAND,
    &get::COMMAND,
    &exec::COMMAND,
    &keep::COMMAND,
    &refresh::COMMAND,
    &redact::COMMAND,
    &revoke::COMMAND,
    &status::COMMAND,
    &inspect::COMMAND,
    &exchange::COMMAND,
    &identity::COMMAND,
];

/// How every command looks on the command line.
#[must_use]
pub fn syntaxes() -> [&'static Syntax; ALL.len()] {
    ALL.map(|command| &command.syntax)
}

/// Prints a token. Its refresh token is printed only if asked for, because the next renewal needs it and nobody else should spend it; jf's
/// own names for the command print the whole answer, as jf does.
fn print(cx: &Context, stored: &StoredToken, format: Format) -> Result<()> {
    let whole = cx.options.as_jf && format == Format::Json;
    let refresh_token = whole || cx.options.hand_over.refresh_token;
    let text = deliver::print(format, &stored.token, &stored.platform, refresh_token)?;
    if format == Format::Env
        && let Some(text) = deliver::left_out(&stored.token, &stored.platform, refresh_token)
    {
        cx.console.say(&text);
    }
    if format.holds_a_token() { cx.token_data(&text) } else { cx.console.data(&text) }
}
