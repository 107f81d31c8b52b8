use std::fmt::Write;
use std::path::PathBuf;

use redact::one_line;
use tz::TimeZone;

use crate::api::{IssuedToken, PlatformUrl};
use crate::io::clock::{Timestamp, local_and_relative};
use crate::options::shown;

/// A place where a token was put.
pub enum Place {
    /// The step's outputs.
    Outputs,
    /// A variable for later steps.
    Variable(String),
    /// A file.
    File(PathBuf),
    /// A session.
    Session(String),
}

impl Place {
    fn name(&self) -> String {
        match self {
            Place::Outputs => "the step's outputs".into(),
            Place::Variable(name) => format!("the variable {name}"),
            Place::File(path) => one_line(&path.display().to_string()),
            Place::Session(name) => format!("the session '{name}'"),
        }
    }
}

/// The token's user, scope, end and places, for standard error.
#[must_use]
pub fn for_people(token: &IssuedToken, platform: &PlatformUrl, places: &[Place], now: Timestamp, zone: &TimeZone) -> String {
    let mut text = format!("an access token for {} at {}", who(token), platform.as_str());
    for (name, value) in facts(token, places, now, zone) {
        let _ = write!(text, "\n  {name:<7} {value}");
    }
    text
}

/// The same as a small Markdown table.
#[must_use]
pub fn for_the_step(token: &IssuedToken, platform: &PlatformUrl, places: &[Place], now: Timestamp, zone: &TimeZone) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let mut text = format!("### JFrog access token\n\n| | |\n|---|---|\n| for | {} at {} |\n", cell(&who(token)), cell(platform.as_str()));
    for (name, value) in facts(token, places, now, zone) {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
    text
}

fn who(token: &IssuedToken) -> String {
    token.username().map_or_else(|| "a user the token does not name".into(), |name| shown(&name))
}

fn facts(token: &IssuedToken, places: &[Place], now: Timestamp, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let until = token.expires_at().map_or_else(|| "for ever".into(), |end| local_and_relative(end, now, zone));
    let put: Vec<_> = places.iter().map(Place::name).collect();
    let mut facts = vec![("scope", one_line(&token.scope)), ("until", until)];
    if !put.is_empty() {
        facts.push(("put in", put.join(", ")));
    }
    facts
}
