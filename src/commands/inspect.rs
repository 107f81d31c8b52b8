//! What a token is: its claims, and with `--online` what the platform knows of it. Never the token.

use serde_json::{Map, Value, json};

use super::{Job, REQUEST, no_url, with_access};
use crate::access::{Claims, claims, user_name};
use crate::clock::{self, local_and_relative, rfc3339};
use crate::credential;
use crate::error::{Error, Kind, Result};
use crate::inputs::options::{FORMAT, ONLINE, SESSION};
use crate::inputs::{PlatformUrl, Source};
use crate::redact::{Secret, one_line};
use crate::session::Session;

const FORMATS: [(&str, bool); 2] = [("table", false), ("json", true)];

pub fn run(mut job: Job) -> anyhow::Result<()> {
    let as_json = job.inputs.own_word(&FORMAT, &FORMATS)?.unwrap_or_default();
    let online = job.inputs.switch(&ONLINE)?;
    let (token, platform) = token(&mut job)?;
    let claims = claims(&token).ok_or_else(|| {
        Error::input(
            "the token is neither an access token (a JWT) nor a reference token, so it shows nothing",
            "A refresh token or an API key can't be inspected.",
        )
    })?;
    let known = if online {
        // A token that was remembered goes to the platform that it is for, and to no other.
        let platform = platform.map_or_else(|| job.platform()?.ok_or_else(no_url), Ok)?;
        Some(with_access(&job, &platform, job.patience()?, REQUEST, async |access| access.look_up("me", &token).await)?)
    } else {
        None
    };
    let text = if as_json { print_json(&claims, known) } else { print_table(&job, &claims, known) };
    Ok(job.console.data(&text)?)
}

/// A token given as a flag; else the session's, where there is one; else the one in the variables.
fn token(job: &mut Job) -> Result<(Secret, Option<PlatformUrl>)> {
    let named = job.inputs.text(&SESSION)?;
    let is_beaten = |found: &credential::Found| named.as_ref().is_some_and(|named| named.source.rank() < found.source.rank());
    let given = job.credential()?.filter(|found| !is_beaten(found));
    if let Some(found) = &given
        && matches!(found.source, Source::Flag(_))
    {
        if let Some(named) = named.filter(|named| named.source.rank() == found.source.rank()) {
            return Err(named.wrong(format!("{} gives a token too", found.source), "Give one of them."));
        }
        return Ok((found.secret.clone(), None));
    }
    let session = Session::find(job.inputs, job.ci)?;
    // In a job any session is the job's own; elsewhere it may be another program's.
    let session = if job.ci.is_ci() { session.or_latest() } else { session };
    if let Some(held) = session.read()?.tokens.pop() {
        return Ok((held.grant.access_token, Some(held.platform)));
    }
    given.map(|found| (found.secret, None)).ok_or_else(|| {
        let what = format!("there is no token to inspect: the session '{}' holds none", session.name());
        Error::new(
            Kind::NoCredential,
            what,
            "Give one with --access-token-file, --access-token-stdin or JF_ACCESS_TOKEN, or name a --session.",
        )
    })
}

fn print_json(claims: &Claims, known: Option<Map<String, Value>>) -> String {
    let end = claims.get("exp").and_then(Value::as_u64).map(rfc3339);
    let mut shown = json!({ "claims": claims });
    if let Some(fields) = shown.as_object_mut() {
        fields.extend(user(claims).map(|user| ("username".to_owned(), user.into())));
        fields.extend(end.map(|end| ("expires_at".to_owned(), end.into())));
        fields.extend(known.map(|known| ("platform".to_owned(), known.into())));
    }
    serde_json::to_string_pretty(&shown).unwrap_or_default() + "\n"
}

fn print_table(job: &Job, claims: &Claims, known: Option<Map<String, Value>>) -> String {
    let now = clock::seconds((job.now)());
    let zone = clock::zone(&job.inputs.environment);
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    };
    let claim = |name: &str| claims.get(name).map(text);
    let time = |name: &str| claims.get(name).and_then(Value::as_u64).map(|at| local_and_relative(at, now, &zone));
    let mut rows = vec![
        ("user".to_owned(), user(claims)),
        ("subject".to_owned(), claim("sub")),
        ("scope".to_owned(), claim("scp")),
        ("audience".to_owned(), claim("aud")),
        ("issuer".to_owned(), claim("iss")),
        ("token id".to_owned(), claim("jti")),
        ("issued".to_owned(), time("iat")),
        ("ends".to_owned(), Some(time("exp").unwrap_or_else(|| "never".into()))),
        ("extension".to_owned(), claim("ext")),
    ];
    let time_or_text = |name: &str, value: &Value| match value.as_u64() {
        Some(at) if matches!(name, "expiry" | "issued_at" | "last_used") => local_and_relative(at, now, &zone),
        _ => text(value),
    };
    let platform = known.into_iter().flatten();
    rows.extend(platform.map(|(name, value)| (format!("platform: {}", name.replace('_', " ")), Some(time_or_text(&name, &value)))));
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.into_iter()
        .filter_map(|(name, value)| Some(one_line(&format!("{name:<width$}  {}", value?)).replace("##[", "## [") + "\n"))
        .collect()
}

fn user(claims: &Claims) -> Option<String> {
    claims.get("sub").and_then(Value::as_str).map(|subject| user_name(subject).to_owned())
}
