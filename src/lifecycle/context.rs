use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use redact::Secret;
use tokio::runtime::Runtime;

use crate::api::{Client, Http, Limits, PlatformUrl, RetryBudget};
use crate::ci::{self, Action, Ci};
use crate::credential::{self, Credential};
use crate::error::{Error, Kind, Result};
use crate::io::clock::{self, Timestamp};
use crate::io::{Console, Environment};
use crate::options::{Options, table};
use crate::session::{Place, Session, StoredToken};

/// All that a command works with; nothing of the outside is reached but through it. One process has one, with one runtime and one
/// client of each platform.
pub struct Context {
    /// What was asked.
    pub options: Options,
    /// The environment variables.
    pub environment: Environment,
    folder: PathBuf,
    /// Where to print.
    pub console: Console,
    /// The CI it runs in.
    pub ci: Arc<dyn Ci>,
    /// The use of our GitHub Action, if it is one.
    pub action: Option<Action>,
    clock: fn() -> SystemTime,
    stdin: Mutex<Box<dyn Read + Send>>,
    credential: OnceLock<Result<Option<Credential>>>,
    clients: Mutex<Vec<(PlatformUrl, Arc<Http>)>>,
    runtime: OnceLock<Runtime>,
}

/// The part of the outside that a context takes over.
pub struct Outside {
    /// The environment variables.
    pub environment: Environment,
    /// The working directory.
    pub folder: PathBuf,
    /// The clock.
    pub now: fn() -> SystemTime,
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
}

/// Time for one request as a whole.
pub const REQUEST: Duration = Duration::from_secs(30);
/// How long another process may hold the session.
pub const LOCK: Duration = Duration::from_secs(60);

impl Context {
    /// All that a command works with.
    #[must_use]
    pub fn new(options: Options, outside: Outside, console: Console, ci: Arc<dyn Ci>, action: Option<Action>) -> Self {
        Self {
            options,
            environment: outside.environment,
            folder: outside.folder,
            console,
            ci,
            action,
            clock: outside.now,
            stdin: Mutex::new(outside.stdin),
            credential: OnceLock::new(),
            clients: Mutex::default(),
            runtime: OnceLock::new(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    /// The clock itself.
    #[must_use]
    pub fn clock(&self) -> fn() -> SystemTime {
        self.clock
    }

    /// Prints a failure. Returns the exit code.
    pub fn report(&self, failure: Error) -> u8 {
        ci::report(&failure.into(), self.ci.as_ref(), &self.console)
    }

    /// The platform's address, if it was given.
    ///
    /// # Errors
    /// When it can't be one.
    pub fn platform(&self) -> Result<Option<PlatformUrl>> {
        let connection = &self.options.connection;
        connection.url.as_ref().map(|given| PlatformUrl::new(given, connection.insecure_http)).transpose()
    }

    /// The platform's address.
    ///
    /// # Errors
    /// When it was not given, or can't be one.
    pub fn platform_or_fail(&self) -> Result<PlatformUrl> {
        self.platform()?.ok_or_else(|| {
            Error::input(
                "the platform's URL is missing",
                "Set JF_URL, the action's input url, or --url to it, such as https://acme.jfrog.io.",
            )
        })
    }

    /// What proves who the job is, if something was given. It is looked for once: a pipe can't be read again.
    ///
    /// # Errors
    /// When what was given is wrong.
    pub fn credential(&self) -> Result<Option<&Credential>> {
        let found = self.credential.get_or_init(|| {
            let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
            credential::find(&self.options.credential, &mut **stdin)
        });
        found.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// What proves who the job is.
    ///
    /// # Errors
    /// When nothing was given, or what was given is wrong.
    pub fn credential_or_fail(&self) -> Result<&Credential> {
        self.credential()?.ok_or_else(|| credential::missing(&self.options.credential))
    }

    /// What decides which session is meant.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place {
            options: &self.options.session,
            environment: &self.environment,
            folder: &self.folder,
            ci: self.ci.as_ref(),
            action: self.action.as_ref(),
        }
    }

    /// The session that the options name.
    ///
    /// # Errors
    /// When the name could not be a file's.
    pub fn session(&self) -> Result<Session> {
        Session::find(self.place()).map(|session| self.checked(session))
    }

    /// The session that a later command of the job means.
    ///
    /// # Errors
    /// As `session`, and when it could be any of several.
    pub fn session_of_job(&self) -> Result<Session> {
        Session::of_job(self.place()).map(|session| self.checked(session))
    }

    /// The session for a new token.
    ///
    /// # Errors
    /// As `session`.
    pub fn session_for_new_token(&self) -> Result<Session> {
        Session::for_new_token(self.place()).map(|session| self.checked(session))
    }

    fn checked(&self, session: Session) -> Session {
        if session.was_exposed() {
            let folder = session.home().display();
            self.console.warn(&format!("other users could look into {folder}, which holds tokens; only this user can now"));
        }
        session
    }

    /// Limits for a command that somebody waits for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { budget: RetryBudget(self.options.connection.retry_for), timeout: REQUEST }
    }

    /// Works with a client of the platform that tells the console what it does.
    ///
    /// # Errors
    /// The work's, and when there can be no client.
    pub async fn with_client<T>(
        &self,
        platform: &PlatformUrl,
        limits: Limits,
        work: impl AsyncFnOnce(&Client<'_>) -> Result<T>,
    ) -> Result<T> {
        let http = self.http(platform)?;
        work(&Client::new(&http, platform, limits, &self.console, self.options.diagnostics.verbose)).await
    }

    fn http(&self, platform: &PlatformUrl) -> Result<Arc<Http>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = clients.iter().find(|(other, _)| other == platform) {
            return Ok(http.clone());
        }
        let http = Arc::new(Http::new(platform, &self.environment, self.clock)?);
        clients.push((platform.clone(), http.clone()));
        Ok(http)
    }

    /// The runtime in which all that waits does so.
    ///
    /// # Errors
    /// When the system has none.
    pub fn runtime(&self) -> Result<&Runtime> {
        if self.runtime.get().is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let fail = |error| Error::new(Kind::Local, format!("the network can't be set up: {error}"), "");
            let _ = self.runtime.set(runtime.map_err(fail)?);
        }
        self.runtime.get().ok_or_else(|| Error::new(Kind::Local, "the network can't be set up", ""))
    }

    /// Waits for a future, where nothing else is waited for.
    ///
    /// # Errors
    /// The future's, and the system's.
    pub fn block_on<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime()?.block_on(future)
    }

    /// Has the job's log hide every form of these secrets.
    ///
    /// # Errors
    /// When one may not be hidden.
    pub fn mask<'s>(&self, secrets: impl Iterator<Item = &'s Secret>) -> Result<()> {
        // A command counts at the start of a line only, and another program may have left half a one.
        let start = if self.action.is_some() { "" } else { "\n" };
        let log = |lines: &str| self.console.line(&format!("{start}{lines}"));
        self.ci.mask(&secrets.collect::<Vec<_>>(), &log).map(drop)
    }

    /// What another process may inherit that is not to have the credential, under whatever name it is there.
    pub fn environment_without<'e>(&'e self, credential: Option<&'e Secret>) -> impl Iterator<Item = (&'e OsStr, &'e OsStr)> {
        let names: Vec<String> = table::hidden().flat_map(|option| [option.variable.to_owned(), option.input_variable()]).collect();
        let holds = |value: &OsStr, secret: &Secret| {
            let secret = secret.expose().as_bytes();
            value.as_encoded_bytes().windows(secret.len()).any(|window| window == secret)
        };
        self.environment.iter().filter(move |(name, value)| {
            !names.iter().any(|secret| *name == OsStr::new(secret)) && !credential.is_some_and(|credential| holds(value, credential))
        })
    }

    /// When a token ends, in words that follow "it".
    #[must_use]
    pub fn end_of(&self, stored: &StoredToken) -> String {
        let Some(end) = stored.token.expires_at() else { return "never ends".into() };
        let (now, zone) = (self.now(), clock::zone(&self.environment));
        format!("{} {}", if end > now { "ends" } else { "ended" }, clock::local_and_relative(end, now, &zone))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // A host name that is still being looked up must not hold the end of a job.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
