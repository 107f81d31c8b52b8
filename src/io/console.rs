//! The only place that prints. Standard output is for data. Messages and workflow commands go to standard error, which CI runners scan as
//! well.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::{Error, Kind, Result};

/// How serious a message in the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The job can go on.
    Warning,
    /// What was asked for did not happen.
    Error,
}

/// What a CI makes of the lines in its log.
pub trait LogStyle: Send + Sync {
    /// The line that makes the CI show a message with the job's result; `None` if it has no such line.
    fn annotation(&self, _level: Level, _title: &str, _text: &str) -> Option<String> {
        None
    }

    /// The text, changed so that no part of it is a command to the CI. Some runners take `##[…]` or `##word[…]` as one anywhere in a line.
    fn escape<'t>(&self, text: &'t str) -> Cow<'t, str> {
        without_commands(text)
    }
}

/// A log that only people read.
struct Plain;

impl LogStyle for Plain {}

/// The text with a space in each `##[`, `##vso[`, `##teamcity[` and the like.
#[must_use]
pub fn without_commands(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("##");
    let first = parts.next().unwrap_or_default();
    let is_command = |part: &str| part.trim_start_matches(|c: char| c == '#' || c.is_ascii_alphabetic()).starts_with('[');
    let rest: Vec<_> = parts.map(|part| if is_command(part) { ["## ", part] } else { ["##", part] }).collect();
    if rest.is_empty() { text.into() } else { (first.to_owned() + &rest.concat().concat()).into() }
}

/// JSON that means the same, and in which no text is a command to a CI, or of use to a terminal.
#[must_use]
pub fn harmless_json(json: &str) -> String {
    let mut harmless = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            // Such characters are in strings only: of those that lay out JSON, none is among them.
            '#' if harmless.ends_with('#') => harmless.push_str(r"\u0023"),
            '\u{7f}'..='\u{9f}' => {
                let _ = write!(harmless, "\\u{:04x}", u32::from(c));
            }
            c => harmless.push(c),
        }
    }
    harmless
}

/// The text, changed so that no line begins like a command of GitHub's.
fn harmless(text: &str) -> String {
    let line = |line: &str| if line.trim_start().starts_with("::") { line.replacen("::", ": :", 1) } else { line.to_owned() };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// Without control characters, but for line breaks.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// What everything that is printed goes through.
pub struct Console {
    stdout: Mutex<Box<dyn Write + Send>>,
    talk: Mutex<Talk>,
    wording: OnceLock<Wording>,
}

/// A message as its reader knows what it speaks of.
type Wording = Box<dyn Fn(&str) -> String + Send + Sync>;

struct Talk {
    to: Box<dyn Write + Send>,
    style: Arc<dyn LogStyle>,
}

impl Console {
    /// Prints to these streams, in the style of this log.
    #[must_use]
    pub fn new(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>, style: Arc<dyn LogStyle>) -> Self {
        Self { stdout: Mutex::new(stdout), talk: Mutex::new(Talk { to: stderr, style }), wording: OnceLock::new() }
    }

    /// Sends messages to `to` from now on, which is not the log of a CI.
    pub fn redirect(&self, to: Box<dyn Write + Send>) {
        *self.talk() = Talk { to, style: Arc::new(Plain) };
    }

    /// Words messages so from now on.
    pub fn word(&self, wording: impl Fn(&str) -> String + Send + Sync + 'static) {
        let _ = self.wording.set(Box::new(wording));
    }

    /// A message as its reader knows what it speaks of.
    pub fn worded(&self, text: &str) -> String {
        self.wording.get().map_or_else(|| text.to_owned(), |wording| wording(text))
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints data that was asked for.
    ///
    /// # Errors
    /// Fails if it can't be written, for example because the reader is gone. The data is then lost.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Error::new(Kind::Local, format!("can't write to standard output: {error}"), ""))
    }

    /// Prints a line of text to standard error. If that can't be written, nothing is lost, so errors are ignored.
    pub fn line(&self, text: &str) {
        let mut talk = self.talk();
        let text = printable(&talk.style.escape(text));
        let _ = talk
            .to
            .write_all(
                format!(
                    "{text}
"
                )
                .as_bytes(),
            )
            .and_then(|()| talk.to.flush());
    }

    /// Prints a message that says which program it comes from.
    pub fn say(&self, text: &str) {
        self.line(&harmless(&format!("jf-token: {}", self.worded(text))));
    }

    /// Prints a warning, as an annotation if the CI has them.
    pub fn warn(&self, text: &str) {
        let annotation = self.talk().style.annotation(Level::Warning, "jf-token", &self.worded(text));
        match annotation {
            Some(annotation) => self.line(&annotation),
            None => self.say(&format!("warning: {text}")),
        }
    }

    /// Prints what happened and what to do about it, as an annotation with this title if the CI has them.
    pub fn error(&self, title: &str, text: &str) {
        let annotation = self.talk().style.annotation(Level::Error, title, &self.worded(text));
        match annotation {
            Some(annotation) => self.line(&annotation),
            None => self.say(&text.replace('\n', "\n  ")),
        }
    }
}
