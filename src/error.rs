//! What can go wrong, whether trying again can help, and what the user should do next.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::Duration;

use serde::Serialize;

/// The result of what can fail in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of a failure, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something on this machine: a file, a folder, a closed pipe.
    Local,
    /// An input is wrong. Nothing was sent.
    Input,
    /// There is no credential. Nothing was sent.
    NoCredential,
    /// The platform refused the request (4xx), or redirected it to where the credential must not go.
    Refused,
    /// The platform could not be reached: name look-up, connection, TLS, proxy or time-out.
    Unreachable,
    /// The platform's answer is of no use (429, 5xx, not JSON, no token).
    Unusable,
    /// The program to run does not exist.
    NotFound,
    /// The program to run can't be executed.
    NotExecutable,
    /// A signal of this number ended the work.
    Interrupted(u8),
}

/// The exit code of `exec` if jf-token itself fails, as of `env` and others that run a program.
const OWN_FAILURE: i32 = 125;
/// The exit codes of a shell whose program can't be run, or does not exist.
const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

impl Kind {
    /// The exit code, as `--help` and `docs/options.md` document it, of a command that ends with its program's exit code or of another.
    #[must_use]
    pub fn exit_code(self, runs_program: bool) -> i32 {
        match self {
            Kind::NotFound if runs_program => NOT_FOUND,
            Kind::NotExecutable if runs_program => NOT_EXECUTABLE,
            Kind::Interrupted(signal) => 128 + i32::from(signal),
            _ if runs_program => OWN_FAILURE,
            Kind::Local | Kind::NotFound | Kind::NotExecutable => 1,
            Kind::Input => 2,
            Kind::NoCredential => 3,
            Kind::Refused => 4,
            Kind::Unreachable => 5,
            Kind::Unusable => 6,
        }
    }

    /// The word for it in messages for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Local => "local",
            Kind::NotFound => "not_found",
            Kind::NotExecutable => "not_executable",
            Kind::Input => "input",
            Kind::NoCredential => "no_credential",
            Kind::Refused => "refused",
            Kind::Unreachable => "unreachable",
            Kind::Unusable => "unusable",
            Kind::Interrupted(_) => "interrupted",
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

/// What became of a failed request. Together with whether the request changes anything, it decides on a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing was sent: trying again is safe.
    NotSent,
    /// 429 or 503: the work was not done. Try again, but not before the time that the server gave.
    Busy(Option<Duration>),
    /// It was sent, and nobody knows whether the work was done.
    Unknown,
    /// Another try would end the same way.
    Final,
}

/// Why the platform refused, as far as its status and its words tell. Classified in one place, `api::refusal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 400: `Token not revocable`.
    NotRevocable,
    /// 400, with a field of the request in its message.
    WrongField,
    /// 400 for another reason: an input is wrong.
    BadRequest,
    /// 401: the bearer has expired.
    Expired,
    /// 401: the bearer was revoked.
    Revoked,
    /// 401: the bearer was signed with another key.
    Signature,
    /// 401: the bearer is for other services.
    Audience,
    /// 401 for another reason.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 404: the refresh token does not exist, because it was used before.
    SpentRefreshToken,
    /// 404 for another reason.
    NotFound,
    /// Any other status.
    Other,
}

/// A failure: what happened to what, and what to do next. Contains no secret and no raw page of a server.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
    outcome: Outcome,
    status: Option<u16>,
    refusal: Option<Refusal>,
    option: Option<&'static str>,
    what: String,
    help: String,
}

/// A failure as it is reported. Its fields are those of a line of `--log-format json`, none of which is ever left out.
#[derive(Serialize)]
pub struct Report<'e> {
    /// Tells it from a warning or a note.
    pub level: &'static str,
    /// `Kind::word`.
    pub kind: &'static str,
    /// The exit code of jf-token; none where another decides that, such as a program's own.
    pub exit_code: Option<i32>,
    /// What happened to what.
    pub message: Cow<'e, str>,
    /// What to do next.
    pub help: Option<Cow<'e, str>>,
    /// Whether the same may succeed if it is tried again, with nothing changed.
    pub retryable: bool,
    /// The HTTP status of the answer, if one came.
    pub http_status: Option<u16>,
    /// The option whose value is wrong or missing, without dashes, whether a flag, a variable or an input gave it.
    pub option: Option<&'static str>,
    /// The title of an annotation in the CI's log.
    #[serde(skip)]
    pub title: &'static str,
}

impl<'e> Report<'e> {
    /// Reports a failure, which may be one of `Error` with something before it.
    #[must_use]
    pub fn new(failure: &'e anyhow::Error, exit_code: Option<i32>) -> Self {
        let error = failure.downcast_ref::<Error>();
        let kind = error.map_or(Kind::Local, Error::kind);
        let help = error.map(Error::help).filter(|help| !help.is_empty());
        Self {
            level: "error",
            kind: kind.word(),
            exit_code,
            message: failure.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ").into(),
            help: help.map(Cow::from),
            retryable: error.is_some_and(Error::is_worth_another_try),
            http_status: error.and_then(|error| error.status),
            option: error.and_then(|error| error.option),
            title: kind.title(),
        }
    }

    /// What happened, and on a line of its own what to do next.
    #[must_use]
    pub fn text(&self) -> String {
        self.help.iter().fold(self.message.to_string(), |text, help| format!("{text}\n{help}"))
    }
}

impl Error {
    /// A failure that another try can't help.
    pub fn new(kind: Kind, what: impl Into<String>, help: impl Into<String>) -> Self {
        Self { kind, outcome: Outcome::Final, status: None, refusal: None, option: None, what: what.into(), help: help.into() }
    }

    /// A wrong input: what is wrong with it, and what would be right.
    pub fn input(what: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Kind::Input, what, help)
    }

    /// A failed file operation. `doing` is the verb, such as `write`.
    pub fn file(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        let help = match error.kind() {
            std::io::ErrorKind::PermissionDenied => "Check who may write there.",
            std::io::ErrorKind::NotFound => "Check that the folder exists.",
            std::io::ErrorKind::StorageFull => "Free some space on that disk.",
            _ => "",
        };
        Self::new(Kind::Local, format!("can't {doing} {}: {error}", path.display()), help)
    }

    /// The same failure with this outcome of the request.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.outcome = outcome;
        self
    }

    /// The same failure with the HTTP status and, if the platform itself answered, why it refused.
    #[must_use]
    pub fn answered(mut self, status: u16, refusal: Option<Refusal>) -> Self {
        self.status = Some(status);
        self.refusal = refusal;
        self
    }

    /// The same failure, which is about the value of this option, or that it has none.
    #[must_use]
    pub fn of_option(mut self, option: Option<&'static str>) -> Self {
        self.option = option;
        self
    }

    /// The same failure, with what it means put before it.
    #[must_use]
    pub fn about(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// The same failure, at the end of so many tries.
    #[must_use]
    pub fn after_tries(mut self, tries: u32, time: Duration) -> Self {
        if tries > 1 {
            let _ = write!(self.what, " (tried {tries} times in {}.{} s)", time.as_secs(), time.subsec_millis() / 100);
        }
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
        if !self.help.is_empty() && !advice.is_empty() {
            self.help.push(' ');
        }
        self.help.push_str(advice);
        self
    }

    /// The kind of this failure.
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

    /// Why the platform refused. `None` if something in front of it answered, which uses the same statuses.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// Whether the work may have been done without an answer that says so: the answer was lost, or something of no use came instead.
    #[must_use]
    pub fn may_be_done(&self) -> bool {
        let no_answer = self.kind == Kind::Unusable && self.status.is_none() && self.outcome != Outcome::NotSent;
        self.outcome == Outcome::Unknown || no_answer
    }

    /// Whether the same may succeed later: somebody may have changed something by then.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        self.is_worth_another_try() || matches!(self.kind, Kind::Unreachable | Kind::Unusable | Kind::Local)
    }

    /// Whether the same may succeed with nothing changed here. What is in front of a platform that restarts may answer 403 and 404 too.
    #[must_use]
    pub fn is_worth_another_try(&self) -> bool {
        self.outcome != Outcome::Final || (self.status.is_some() && self.refusal.is_none())
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
