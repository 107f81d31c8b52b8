use std::fmt::Write;
use std::path::PathBuf;

use redact::one_line;
use tz::TimeZone;

use crate::api::IssuedToken;
use crate::io::clock::{Timestamp, local_and_relative};
use crate::options::shown;
use crate::session::StoredToken;

/// Where a token was put.
pub enum Destination {
    /// The step's outputs.
    Outputs,
    /// A variable for later steps.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// A session.
    Session(String),
}

impl Destination {
    fn name(&self) -> String {
        match self {
            Destination::Outputs => "the step's outputs".into(),
            Destination::Variable(name) => format!("the variable {name}"),
            Destination::File(path) => one_line(&path.display().to_string()),
            Destination::Session(name) => format!("the session '{name}'"),
        }
    }
}

/// The token's user, scope, end and places, and the `used` variables that other programs read too, for standard error.
#[must_use]
pub fn for_people(stored: &StoredToken, places: &[Destination], used: &[&str], now: Timestamp, zone: &TimeZone) -> String {
    let mut text = format!("an access token for {} at {}", who(&stored.token), stored.platform.as_str());
    for (name, value) in facts(stored, places, used, now, zone) {
        let _ = write!(text, "\n  {name:<7} {value}");
    }
    text
}

/// The same as a small Markdown table.
#[must_use]
pub fn for_the_step(stored: &StoredToken, places: &[Destination], used: &[&str], now: Timestamp, zone: &TimeZone) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let mut text = format!(
        "### JFrog access token\n\n| | |\n|---|---|\n| for | {} at {} |\n",
        cell(&who(&stored.token)),
        cell(stored.platform.as_str())
    );
    for (name, value) in facts(stored, places, used, now, zone) {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
    text
}

fn who(token: &IssuedToken) -> String {
    token.username().map_or_else(|| "a user the token does not name".into(), |name| shown(&name))
}

fn facts(stored: &StoredToken, places: &[Destination], used: &[&str], now: Timestamp, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let until = stored.token.expires_at().map_or_else(|| "for ever".into(), |end| local_and_relative(end, now, zone));
    let put: Vec<_> = places.iter().map(Destination::name).collect();
    let mut facts = vec![("scope", may(stored)), ("until", until)];
    if let Some(exchange) = stored.issuing.exchange() {
        let then = if stored.issuing.request().is_some() { ", then minted" } else { "" };
        facts.push(("by", format!("the OIDC provider '{}'{then}", shown(&exchange.provider_name))));
    }
    if !used.is_empty() {
        facts.push(("used", used.join(", ")));
    }
    if !put.is_empty() {
        facts.push(("put in", put.join(", ")));
    }
    facts
}

/// What the token may do, said in full if nothing that was asked for limits it.
fn may(stored: &StoredToken) -> String {
    let (request, granted) = (stored.issuing.request(), one_line(&stored.token.scope));
    let is_all = request.is_none_or(|request| request.scope.is_none()) && matches!(granted.as_str(), "" | "applied-permissions/user");
    let exchanged = stored.token.user.as_ref().filter(|_| request.is_none());
    let of_the_credential = || stored.token.username().filter(|_| !granted.is_empty());
    match exchanged.or_else(|| request?.username.as_ref()).cloned().or_else(of_the_credential) {
        _ if !is_all => granted,
        Some(name) => format!("everything that {} may", shown(&name)),
        None => "everything that the credential may".into(),
    }
}
