//! What can go wrong, whether trying again can help, and what the user should do next.

use std::fmt;
use std::time::Duration;

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The family of a failure. It decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something on this machine: a file, a folder, a closed pipe.
    Local,
    /// An input is wrong. Nothing was sent.
    Input,
    /// Nothing proves who the caller is. Nothing was sent.
    NoCredential,
    /// The platform understood the request and said no (4xx).
    Refused,
    /// The platform could not be reached: name, connection, TLS, proxy, time-out.
    Unreachable,
    /// The platform answered, but not with anything of use (429, 5xx, not JSON, no token).
    Unusable,
    /// There is no such program to run.
    NotFound,
    /// The program can't be run.
    NotExecutable,
    /// A signal of this number ended the work.
    Interrupted(u8),
}

impl Kind {
    /// The exit code, as `--help` and the README document it.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Kind::Local | Kind::NotFound | Kind::NotExecutable => 1,
            Kind::Input => 2,
            Kind::NoCredential => 3,
            Kind::Refused => 4,
            Kind::Unreachable => 5,
            Kind::Unusable => 6,
            Kind::Interrupted(signal) => 128 + signal,
        }
    }

    /// A short title for an annotation in the CI's log.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Kind::Local => "jf-token failed",
            Kind::NotFound | Kind::NotExecutable => "jf-token: no such program",
            Kind::Input => "jf-token: wrong input",
            Kind::NoCredential => "jf-token: no credential",
            Kind::Refused => "jf-token: refused by the platform",
            Kind::Unreachable => "jf-token: the platform can't be reached",
            Kind::Unusable => "jf-token: no usable answer from the platform",
            Kind::Interrupted(_) => "jf-token: interrupted",
        }
    }
}

/// What became of a request that failed: this, and whether it changes anything, decides the retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing was sent: again is safe.
    NotSent,
    /// 429 or 503: the work was not done; again, but not before the server says.
    Busy(Option<Duration>),
    /// Sent, and nobody knows whether the work was done.
    Lost,
    /// Again would end the same way.
    Final,
}

/// A failure: what happened to what, and what to do next. Holds no secret and no raw server page.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    fate: Fate,
    status: Option<u16>,
    said: Option<String>,
    what: String,
    next: String,
}

impl Error {
    /// A failure that trying again does not help.
    pub fn new(kind: Kind, what: impl Into<String>, next: impl Into<String>) -> Self {
        Self { kind, fate: Fate::Final, status: None, said: None, what: what.into(), next: next.into() }
    }

    /// An input is wrong: what is wrong with it, and what would be right.
    pub fn input(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Kind::Input, what, next)
    }

    /// A file operation failed.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let next = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "Check who may write there.",
            std::io::ErrorKind::NotFound => "Check that the folder exists.",
            std::io::ErrorKind::StorageFull => "Free some space on that disk.",
            _ => "",
        };
        Self::new(Kind::Local, format!("can't {doing} {}: {error}", path.display()), next)
    }

    /// The same failure with what is known of the request.
    #[must_use]
    pub fn with_fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    /// The same failure with the HTTP status, and the platform's own words if it was the platform that answered.
    #[must_use]
    pub fn answered(mut self, status: u16, said: Option<String>) -> Self {
        self.status = Some(status);
        self.said = said;
        self
    }

    /// The same failure with what it meant put before it.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// The same failure with other advice.
    #[must_use]
    pub fn with_next(mut self, next: &str) -> Self {
        next.clone_into(&mut self.next);
        self
    }

    /// The same failure with one more sentence of advice.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        if !self.next.is_empty() {
            self.next.push(' ');
        }
        self.next.push_str(advice);
        self
    }

    /// The family of this failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What became of the request.
    #[must_use]
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// The HTTP status of the answer, if one came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The platform's own words in lower case, if it was the platform that answered.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        self.said.as_ref().map(|said| said.to_lowercase())
    }

    /// What the user should do next; may be empty.
    #[must_use]
    pub fn next(&self) -> &str {
        &self.next
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}
