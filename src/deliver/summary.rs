use std::fmt::Write;
use std::path::PathBuf;

use tz::TimeZone;

use crate::access::Grant;
use crate::clock::{Seconds, local_and_relative};
use crate::inputs::{PlatformUrl, shown};
use crate::redact::one_line;

/// Where a token was put.
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

/// Who, what for, until when, where: for standard error.
#[must_use]
pub fn for_people(grant: &Grant, platform: &PlatformUrl, places: &[Place], now: Seconds, zone: &TimeZone) -> String {
    let mut text = format!("an access token for {} at {}", who(grant), platform.as_str());
    for (name, value) in facts(grant, places, now, zone) {
        let _ = write!(text, "\n  {name:<7} {value}");
    }
    text
}

/// The same as a small table in Markdown.
#[must_use]
pub fn for_the_step(grant: &Grant, platform: &PlatformUrl, places: &[Place], now: Seconds, zone: &TimeZone) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('<', "&lt;");
    let mut text = format!("### JFrog access token\n\n| | |\n|---|---|\n| for | {} at {} |\n", cell(&who(grant)), cell(platform.as_str()));
    for (name, value) in facts(grant, places, now, zone) {
        let _ = writeln!(text, "| {name} | {} |", cell(&value));
    }
    text
}

fn who(grant: &Grant) -> String {
    grant.username().map_or_else(|| "a user the token does not name".into(), |name| shown(&name))
}

fn facts(grant: &Grant, places: &[Place], now: Seconds, zone: &TimeZone) -> Vec<(&'static str, String)> {
    let until = grant.expires_at().map_or_else(|| "for ever".into(), |end| local_and_relative(end, now, zone));
    let put: Vec<_> = places.iter().map(Place::name).collect();
    let mut facts = vec![("scope", one_line(&grant.scope)), ("until", until)];
    if !put.is_empty() {
        facts.push(("put in", put.join(", ")));
    }
    facts
}
