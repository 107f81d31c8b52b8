//! The one place that prints. Standard output is data; talk and workflow commands go to standard error, which runners scan too.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Kind, Result};

/// How bad a message for the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The job can go on.
    Warning,
    /// What was asked did not happen.
    Error,
}

/// What a CI makes of the lines in its log.
pub trait LogStyle: Send + Sync {
    /// The line that shows a message where the job's result is shown.
    fn annotation(&self, _level: Level, _title: &str, _text: &str) -> Option<String> {
        None
    }

    /// A text in which nothing is a command of the CI. Some runners take `##[…]` for one anywhere in a line.
    fn escape<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.contains("##[") { text.replace("##[", "## [").into() } else { text.into() }
    }
}

/// A log that nobody but people reads.
struct Plain;

impl LogStyle for Plain {}

/// Where everything that is printed goes through.
pub struct Console {
    stdout: Mutex<Box<dyn Write + Send>>,
    talk: Mutex<Talk>,
}

struct Talk {
    to: Box<dyn Write + Send>,
    style: Arc<dyn LogStyle>,
}

impl Console {
    /// Prints to these streams, in the style of this log.
    #[must_use]
    pub fn new(stdout: Box<dyn Write + Send>, stderr: Box<dyn Write + Send>, style: Arc<dyn LogStyle>) -> Self {
        Self { stdout: Mutex::new(stdout), talk: Mutex::new(Talk { to: stderr, style }) }
    }

    /// From now on talk goes there, which is no CI's log.
    pub fn redirect(&self, to: Box<dyn Write + Send>) {
        *self.talk() = Talk { to, style: Arc::new(Plain) };
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Data that was asked for.
    ///
    /// # Errors
    /// When the reader is gone: then the data is lost.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut stdout = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Error::new(Kind::Local, format!("can't write to standard output: {error}"), ""))
    }

    /// A line of talk as it is. If nobody listens, nothing is lost.
    pub fn line(&self, text: &str) {
        let mut talk = self.talk();
        let text = talk.style.escape(text).into_owned();
        let _ = writeln!(talk.to, "{text}").and_then(|()| talk.to.flush());
    }

    /// A line of talk that says whose it is.
    pub fn say(&self, text: &str) {
        self.line(&format!("jf-token: {text}"));
    }

    /// Something that the user should know.
    pub fn warn(&self, text: &str) {
        let annotation = self.talk().style.annotation(Level::Warning, "jf-token", text);
        match annotation {
            Some(annotation) => self.line(&annotation),
            None => self.say(&format!("warning: {text}")),
        }
    }

    /// What happened and what to do, under a title where the job's result is shown.
    pub fn error(&self, title: &str, text: &str) {
        let annotation = self.talk().style.annotation(Level::Error, title, text);
        match annotation {
            Some(annotation) => self.line(&annotation),
            None => self.say(&text.replace('\n', "\n  ")),
        }
    }
}
