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
pub enum Outcome {
    /// Nothing was sent: again is safe.
    NotSent,
    /// 429 or 503: the work was not done; again, but not before the server says.
    Busy(Option<Duration>),
    /// Sent, and nobody knows whether the work was done.
    Unknown,
    /// Again would end the same way.
    Final,
}

/// Why the platform said no, as far as its status and its words tell. Classified in one place, `api::refusal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: `Token not revocable`.
    NotRevocable,
    /// 400, otherwise: an input.
    BadRequest,
    /// 401: the bearer has expired.
    Expired,
    /// 401: the bearer was revoked.
    Revoked,
    /// 401: the bearer was signed with another key.
    Signature,
    /// 401: the bearer is for other services.
    Audience,
    /// 401, otherwise.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404: no such refresh token; it was used before.
    SpentRefreshToken,
    /// 404, otherwise.
    NotFound,
    /// Any other status.
    Other,
}

/// A failure: what happened to what, and what to do next. Holds no secret and no raw server page.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    outcome: Outcome,
    status: Option<u16>,
    refusal: Option<Refusal>,
    what: String,
    help: String,
}

impl Error {
    /// A failure that trying again does not help.
    pub fn new(kind: Kind, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, outcome: Outcome::Final, status: None, refusal: None, what: what.into(), help: help.into() }
    }

    /// An input is wrong: what is wrong with it, and what would be right.
    pub fn input(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Kind::Input, what, help)
    }

    /// A file operation failed.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "Check who may write there.",
            std::io::ErrorKind::NotFound => "Check that the folder exists.",
            std::io::ErrorKind::StorageFull => "Free some space on that disk.",
            _ => "",
        };
        Self::new(Kind::Local, format!("can't {doing} {}: {error}", path.display()), help)
    }

    /// The same failure with what is known of the request.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same failure with the HTTP status, and why the platform refused, if it was the platform that answered.
    #[must_use]
    pub fn answered(mut self, status: u16, refusal: Option<Refusal>) -> Self {
        self.status = Some(status);
        self.refusal = refusal;
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
    pub fn with_help(mut self, help: &str) -> Self {
        help.clone_into(&mut self.help);
        self
    }

    /// The same failure with one more sentence of advice.
    #[must_use]
    pub fn with_advice(mut self, advice: &str) -> Self {
        if !self.help.is_empty() {
            self.help.push(' ');
        }
        self.help.push_str(advice);
        self
    }

    /// The family of this failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What became of the request.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The HTTP status of the answer, if one came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Why the platform refused, if it was the platform that answered: what stands in front of it has the same statuses.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether what was asked for may have been done, though no answer told so: it was lost, or something else's page came instead.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        self.outcome == Outcome::Unknown || (self.kind == Kind::Unusable && self.status.is_none())
    }

    /// Whether the same may work later, with nothing changed. What stands in front of a platform that is being restarted says 404 and 403 too.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let from_elsewhere = self.status.is_some() && self.refusal.is_none();
        self.outcome != Outcome::Final || from_elsewhere || matches!(self.kind, Kind::Unreachable | Kind::Unusable | Kind::Local)
    }

    /// What the user should do next; may be empty.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}
