//! `get`: prints the session's token, valid for as long as asked. If necessary, renews it first.

use super::{CommandSpec, print};
use crate::api::IssuedToken;
use crate::lifecycle::{Context, TokenSource};
use crate::options::table::{FORMAT, MIN_TTL, OUTPUT_REFRESH_TOKEN, RENEW_BY, SESSION, VERBOSE};
use crate::options::{Format, Group, Operands, Syntax};
use crate::session::Session;

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "get",
        aliases: &[],
        usage: "jf-token get [OPTIONS]",
        about: "Print the session's token, renewed first if it must be",
        examples: &["jf-token get --format header | curl -H @- \"$JF_URL/access/api/v1/tokens/me\""],
        operands: Operands::None,
        groups: &[Group::Connection, Group::Credential],
        options: &[&FORMAT, &OUTPUT_REFRESH_TOKEN, &RENEW_BY, &MIN_TTL, &SESSION, &VERBOSE],
        formats: &[Format::Json, Format::Token, Format::Env, Format::Shell, Format::PowerShell, Format::Header, Format::Reference],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let format = cx.options.hand_over.format.unwrap_or(Format::Token);
    let session = cx.session_of_job()?;
    let mut source = TokenSource::new(cx, session);
    let mut stored = source.token(cx.options.renewal.min_ttl)?;
    cx.mask_stored(&stored)?;
    if stored.unheard {
        was_heard(&source.session, &stored.token);
    }
    // Whoever uses `expires_in` counts from now, not from when the token was issued.
    let (end, now) = (stored.token.expires_at(), cx.now().whole_second());
    stored.token.expires_in = end.map(|end| end.since(now));
    stored.token.issued_at = now;
    Ok(print(cx, &stored, format).map(|()| 0)?)
}

/// Remembers that the log hides this token now. If that can't be remembered, the next command waits too.
fn was_heard(session: &Session, token: &IssuedToken) {
    if let Ok(Some(mut guard)) = session.try_lock()
        && let Some(current) = guard.state.current.as_mut().filter(|current| current.token.access_token == token.access_token)
    {
        current.unheard = false;
        let _ = guard.write();
    }
}
