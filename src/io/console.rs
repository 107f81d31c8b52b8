//! The only place that prints. Standard output is for data. Messages and workflow commands go to standard error, which CI runners scan as
//! well.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use crate::error::{Error, Kind, Report, Result};
use crate::os;

/// How serious a message in the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The job can go on.
    Warning,
    /// What was asked for did not happen.
    Error,
}

/// How messages are written: `--log-format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people; failures and warnings as the CI wants them.
    #[default]
    Text,
    /// For programs: a JSON object a line.
    Json,
}

impl LogFormat {
    /// Every format with its name.
    pub const WORDS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// A message of which there is nothing more to say than its text.
#[derive(Serialize)]
struct Message<'a> {
    level: &'static str,
    message: &'a str,
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

/// A message that says which program it comes from.
fn signed(text: &str) -> String {
    harmless(&format!("jf-token: {text}"))
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
    format: LogFormat,
    quiet: bool,
    /// What somebody else printed there does not end with a line break.
    is_within_line: bool,
}

impl Console {
    /// Prints to these streams, in the style of this log and in this format.
    #[must_use]
    pub fn new(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>, style: Arc<dyn LogStyle>, format: LogFormat) -> Self {
        Self {
            stdout: Mutex::new(stdout),
            talk: Mutex::new(Talk { to: stderr, style, format, quiet: false, is_within_line: false }),
            wording: OnceLock::new(),
        }
    }

    /// From now on, prints warnings and errors only.
    pub fn be_quiet(&self) {
        self.talk().quiet = true;
    }

    /// What somebody else printed to standard error does not end with a line break: the next message begins with one.
    pub fn is_within_line(&self) {
        self.talk().is_within_line = true;
    }

    /// Sends messages to `to` from now on, which is not the log of a CI.
    pub fn redirect(&self, to: Box<dyn Write + Send>) {
        let mut talk = self.talk();
        (talk.to, talk.style) = (to, Arc::new(Plain));
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
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
            let kind = os::asked_to_stop().map_or(Kind::Local, Kind::Interrupted);
            Error::new(kind, format!("can't write to standard output: {error}"), "")
        })
    }

    /// Prints a line to standard error, whatever the format: a command of the CI's. If that can't be written, nothing is lost, so errors are
    /// ignored.
    pub fn line(&self, text: &str) {
        let mut talk = self.talk();
        let text = printable(&talk.style.escape(text));
        let first = if std::mem::take(&mut talk.is_within_line) { "\n" } else { "" };
        let _ = talk.to.write_all(format!("{first}{text}\n").as_bytes()).and_then(|()| talk.to.flush());
    }

    /// Prints what happens on the way, unless nobody wants to know.
    pub fn say(&self, text: &str) {
        if !self.talk().quiet {
            let text = self.worded(text);
            self.tell("info", &text, || signed(&text));
        }
    }

    /// Prints what was asked of others and answered, for who looks for a fault.
    pub fn trace(&self, text: &str) {
        self.tell("debug", text, || text.to_owned());
    }

    /// Prints a warning, as an annotation if the CI has them.
    pub fn warn(&self, text: &str) {
        let text = self.worded(text);
        self.tell("warning", &text, || {
            let annotation = self.talk().style.annotation(Level::Warning, "jf-token", &text);
            annotation.unwrap_or_else(|| signed(&format!("warning: {text}")))
        });
    }

    fn tell(&self, level: &'static str, text: &str, for_people: impl FnOnce() -> String) {
        match self.format() {
            LogFormat::Text => self.line(&for_people()),
            LogFormat::Json => self.json(&Message { level, message: &harmless(text) }),
        }
    }

    fn format(&self) -> LogFormat {
        self.talk().format
    }

    fn json(&self, message: &impl Serialize) {
        self.line(&harmless_json(&serde_json::to_string(message).unwrap_or_default()));
    }

    /// Prints what failed and what to do about it, as an annotation if the CI has them.
    pub fn error(&self, report: &Report) {
        if self.format() == LogFormat::Json {
            let help = report.help.as_deref().map(|help| harmless(&self.worded(help)).into());
            return self.json(&Report { message: harmless(&self.worded(&report.message)).into(), help, ..*report });
        }
        let text = self.worded(&report.text());
        let annotation = self.talk().style.annotation(Level::Error, report.title, &text);
        self.line(&annotation.unwrap_or_else(|| signed(&text.replace('\n', "\n  "))));
    }
}
