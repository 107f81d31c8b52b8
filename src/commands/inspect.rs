//! `inspect`: shows a token's claims and, with `--online`, what the platform knows of it. Never shows the token.

use redact::Secret;
use serde_json::{Map, Value};

use super::CommandSpec;
use crate::api::claims::{Claims, claims, user};
use crate::api::{Auth, PlatformUrl};
use crate::credential::Credential;
use crate::deliver;
use crate::error::{Error, Kind, Result};
use crate::io::clock::{self, Timestamp, local_and_relative};
use crate::lifecycle::Context;
use crate::options::table::{FORMAT, ONLINE, SESSION, VERBOSE};
use crate::options::{Format, Group, Operands, Source, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "inspect",
        aliases: &[],
        usage: "jf-token inspect [OPTIONS]",
        about: "Show what a token is: its claims and the platform's view, never the token",
        examples: &["jf-token inspect --online"],
        operands: Operands::None,
        groups: &[Group::Connection, Group::Credential],
        options: &[&FORMAT, &SESSION, &ONLINE, &VERBOSE],
        formats: &[Format::Table, Format::Json],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let (token, platform) = token(cx)?;
    let claims = claims(&token).ok_or_else(|| {
        Error::input(
            "the token is neither an access token (a JWT) nor a reference token, so it shows nothing",
            "A refresh token or an API key can't be inspected.",
        )
    })?;
    let known = if cx.options.diagnostics.online {
        // Send a remembered token only to the platform that it is for.
        let platform = platform.map_or_else(|| cx.platform_or_fail(), Ok)?;
        Some(cx.block_on(cx.with_client(&platform, cx.limits(), async |client| client.look_up("me", &Auth::Bearer(token.clone())).await))?)
    } else {
        None
    };
    let as_json = cx.options.hand_over.format == Some(Format::Json);
    let text = if as_json { print_json(&claims, known) } else { print_table(cx, &claims, known) };
    cx.console.data(&text)?;
    Ok(0)
}

/// The token to inspect: one given as a flag, else the session's if it has one, else one given in another way.
fn token(cx: &Context) -> Result<(Secret, Option<PlatformUrl>)> {
    let named = cx.options.session.name.as_ref();
    let is_beaten = |found: &Credential| named.is_some_and(|named| named.source.rank() < found.source.rank());
    let given = cx.credential()?.filter(|found| !is_beaten(found)).and_then(|found| Some((found, found.token()?)));
    if let Some((found, token)) = given
        && matches!(found.source, Source::Flag(_))
    {
        if let Some(named) = named.filter(|named| named.source.rank() == found.source.rank()) {
            return Err(named.wrong(format!("{} gives a token too", found.source), "Give one of them."));
        }
        return Ok((token.clone(), None));
    }
    let session = cx.session()?;
    // In a CI, every session belongs to this job. Elsewhere, it may belong to another program.
    let session = if cx.ci.is_ci() { session.or_latest()? } else { session };
    if let Some(stored) = session.read()?.current {
        return Ok((stored.token.access_token, Some(stored.platform)));
    }
    given.map(|(_, token)| (token.clone(), None)).ok_or_else(|| {
        let what = format!("there is no token to inspect: the session '{}' holds none", session.name());
        Error::new(
            Kind::NoCredential,
            what,
            "Give one with --access-token-file, --access-token-stdin or JF_ACCESS_TOKEN, or name a --session.",
        )
    })
}

fn print_json(claims: &Claims, known: Option<Map<String, Value>>) -> String {
    let end = claims.get("exp").and_then(Value::as_u64).and_then(|at| Timestamp::from_secs(at).rfc3339());
    let fields = [
        ("claims", Some(claims.clone().into())),
        ("username", user(claims).map(Value::from)),
        ("expires_at", end.map(Value::from)),
        ("platform", known.map(Value::from)),
    ];
    deliver::pretty(&deliver::object(fields.into_iter().filter_map(|(name, value)| Some((name, value?)))))
}

fn print_table(cx: &Context, claims: &Claims, known: Option<Map<String, Value>>) -> String {
    let (now, zone) = (cx.now(), clock::zone(&cx.environment));
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let claim = |name: &str| claims.get(name).map(text);
    // What is no time is shown as it is.
    let time = |value: &Value| value.as_u64().map_or_else(|| text(value), |at| local_and_relative(Timestamp::from_secs(at), now, &zone));
    let mut rows = vec![
        ("user".to_owned(), user(claims).map(str::to_owned)),
        ("subject".to_owned(), claim("sub")),
        ("scope".to_owned(), claim("scp")),
        ("audience".to_owned(), claim("aud")),
        ("issuer".to_owned(), claim("iss")),
        ("token id".to_owned(), claim("jti")),
        ("issued".to_owned(), claims.get("iat").map(time)),
        ("ends".to_owned(), Some(claims.get("exp").map_or_else(|| "never".into(), time))),
        ("extension".to_owned(), claim("ext")),
    ];
    let time_or_text =
        |name: &str, value: &Value| if matches!(name, "expiry" | "issued_at" | "last_used") { time(value) } else { text(value) };
    let platform = known.into_iter().flatten();
    rows.extend(platform.map(|(name, value)| (format!("platform: {}", name.replace('_', " ")), Some(time_or_text(&name, &value)))));
    deliver::table(rows)
}
