//! `status`: shows what the session remembers: its token, how it was issued and is renewed, and what holds it. Asks nobody.

use super::CommandSpec;
use crate::credential::Issuing;
use crate::deliver;
use crate::error::{Error, Kind};
use crate::io::clock::{self, Timestamp};
use crate::lifecycle::{Context, MINT_FIRST};
use crate::options::table::{FORMAT, SESSION};
use crate::options::{Format, Operands, Syntax, shown};
use crate::session::{Session, State, StoredToken};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "status",
        aliases: &[],
        usage: "jf-token status [OPTIONS]",
        about: "Show what the session remembers of its token: whose it is, until when, how it is renewed, which files hold it; never the token itself",
        operands: Operands::None,
        groups: &[],
        options: &[&FORMAT, &SESSION],
        formats: &[Format::Table, Format::Json],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let session = cx.session_of_job()?;
    let state = session.read()?;
    let Some(stored) = &state.current else {
        let what = format!("the session '{}' holds no token", session.name());
        return Err(Error::new(Kind::NoCredential, what, MINT_FIRST).into());
    };
    let rows = rows(cx, &session, &state, stored);
    cx.console.data(&if cx.options.hand_over.format == Some(Format::Json) {
        let fields = rows.into_iter().filter_map(|(name, value)| Some((name.replace(' ', "_"), value?.into())));
        deliver::pretty(&deliver::object(fields))
    } else {
        deliver::table(rows)
    })?;
    Ok(0)
}

fn rows(cx: &Context, session: &Session, state: &State, stored: &StoredToken) -> Vec<(String, Option<String>)> {
    let (now, zone, token) = (cx.now(), clock::zone(&cx.environment), &stored.token);
    let time = |at: Timestamp| clock::local_and_relative(at, now, &zone);
    let files: Vec<_> = stored.files.iter().map(|file| file.path.display().to_string()).collect();
    let others = state.tokens().count() - 1;
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let keeper = if session.has_keeper() { "running".into() } else { state.why_not_kept().unwrap_or_else(|| "none".into()) };
    [
        ("session", text(session.name())),
        ("platform", text(stored.platform.as_str())),
        ("token id", text(&token.token_id)),
        ("user", token.username()),
        ("scope", text(&token.scope)),
        ("issued", Some(time(token.issued_at))),
        ("ends", Some(token.expires_at().map_or_else(|| "never".into(), time))),
        ("issued by", Some(issued_by(&stored.issuing))),
        (
            "renewed by",
            text(if token.refresh_token.is_some() && stored.renew_by.allows_refresh() {
                "its refresh token"
            } else {
                again(&stored.issuing)
            }),
        ),
        ("files", text(&files.join(", "))),
        ("variable", stored.variable.clone()),
        ("keeper", text(&keeper)),
        ("earlier tokens", (others > 0).then(|| others.to_string())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn again(issuing: &Issuing) -> &'static str {
    match (issuing.exchange(), issuing.request()) {
        (Some(_), Some(_)) => "another exchange and mint",
        (Some(_), None) => "another exchange",
        (None, _) => "another mint",
    }
}

fn issued_by(issuing: &Issuing) -> String {
    let exchange = issuing.exchange().map(|exchange| format!("an exchange at the OIDC provider '{}'", shown(&exchange.provider_name)));
    match (exchange, issuing.request().is_some()) {
        (Some(exchange), true) => format!("a mint with the token of {exchange}"),
        (Some(exchange), false) => exchange,
        (None, _) => "a mint".into(),
    }
}
