//! The one place that prints. Standard output is data; talk and workflow commands go to standard error, which runners scan too.

use std::cell::RefCell;
use std::io::Write;

use crate::ci::{Ci, Level};
use crate::error::{Error, Kind, Result};
use crate::redact::{Secret, masks};

/// Where everything that is printed goes through.
pub struct Console<'a> {
    stdout: RefCell<&'a mut dyn Write>,
    stderr: RefCell<&'a mut dyn Write>,
    ci: &'a dyn Ci,
}

impl<'a> Console<'a> {
    /// Prints to these streams, in the way of this CI.
    pub fn new(stdout: &'a mut dyn Write, stderr: &'a mut dyn Write, ci: &'a dyn Ci) -> Self {
        Self { stdout: RefCell::new(stdout), stderr: RefCell::new(stderr), ci }
    }

    /// Data that was asked for.
    ///
    /// # Errors
    /// When the reader is gone: then the data is lost.
    pub fn data(&self, text: &str) -> Result<()> {
        let mut stdout = self.stdout.borrow_mut();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Error::new(Kind::Local, format!("can't write to standard output: {error}"), ""))
    }

    /// A line of talk as it is. If nobody listens, nothing is lost.
    pub fn line(&self, text: &str) {
        let mut stderr = self.stderr.borrow_mut();
        // Runners take ##[…] for a command anywhere in a line, and the text may be a server's.
        let text = text.replace("##[", "## [");
        let _ = writeln!(stderr, "{text}").and_then(|()| stderr.flush());
    }

    /// A line of talk that says whose it is.
    pub fn say(&self, text: &str) {
        self.line(&format!("jf-token: {text}"));
    }

    /// Something that the user should know.
    pub fn warn(&self, text: &str) {
        match self.ci.annotation(Level::Warning, "jf-token", text) {
            Some(annotation) => self.line(&annotation),
            None => self.say(&format!("warning: {text}")),
        }
    }

    /// Has the CI's log hide every form of these secrets.
    pub fn mask<'s>(&self, secrets: impl Iterator<Item = &'s Secret>) {
        if self.ci.mask("").is_some() {
            // A command counts at the start of a line only, and another program may have left half a one.
            let start = if self.ci.is_action() { "" } else { "\n" };
            let lines: Vec<String> = secrets.flat_map(masks).filter_map(|value| self.ci.mask(&value)).collect();
            self.line(&format!("{start}{}", lines.join("\n")));
        }
    }

    /// A failure, the only way one is printed: what happened, what to do. Returns the exit code.
    pub fn failure(&self, failure: &anyhow::Error) -> u8 {
        let error = failure.downcast_ref::<Error>();
        let kind = error.map_or(Kind::Local, Error::kind);
        let what = failure.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        let next = error.map(Error::next).unwrap_or_default();
        let text = if next.is_empty() { what } else { format!("{what}\n{next}") };
        match self.ci.annotation(Level::Error, kind.title(), &text) {
            Some(annotation) => {
                self.line(&annotation);
                // A summary that can't be written must not hide the failure itself.
                let _ = self.ci.summarize(&format!("### {}\n\n```text\n{text}\n```\n", kind.title()));
            }
            None => self.say(&text.replace('\n', "\n  ")),
        }
        kind.exit_code()
    }
}
