use std::ffi::OsStr;
use std::future::poll_fn;
use std::io::Read;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use memchr::memmem;
use redact::Secret;
use tokio::runtime::Runtime;

use super::Stop;
use crate::api::{Auth, Client, Clients, IssuedToken, Limits, PlatformUrl, RetryBudget, TokenRequest, Transport};
use crate::ci::{self, Action, Ci, Extent, Masking};
use crate::credential::{self, Asking, Credential, CredentialPlace, Issuing};
use crate::error::{Error, Kind, Result};
use crate::io::clock::{self, Timestamp};
use crate::io::{Console, Environment, Masks, SharedRedactor};
use crate::options::{Options, Revoke, set_instead, shown, table};
use crate::os;
use crate::session::{Session, SessionPlace, StoredToken};

/// Everything that a command works with. It reaches the outside world only through this. A process has one, with one runtime and one HTTP
/// client per platform.
pub struct Context {
    /// What was asked for.
    pub options: Options,
    /// The environment variables.
    pub environment: Environment,
    folder: PathBuf,
    /// Where to print.
    pub console: Console,
    /// The CI that this runs in.
    pub ci: Arc<dyn Ci>,
    /// The use of our GitHub Action, if this is one.
    pub action: Option<Action>,
    clock: fn() -> SystemTime,
    stdin: Mutex<Box<dyn Read + Send>>,
    credential: OnceLock<Result<Option<Credential>>>,
    remembered: OnceLock<Option<Credential>>,
    transport: OnceLock<Result<Transport>>,
    clients: Clients,
    runtime: OnceLock<Runtime>,
    /// What the job's log was told to hide.
    pub masking: Masking,
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
/// How far ahead of data (standard output) its masks (standard error) must be: a runner reads the two with two threads.
const HEAD_START: Duration = Duration::from_millis(100);
/// How long to wait while another process holds the session.
pub const LOCK: Duration = Duration::from_secs(60);

impl Context {
    /// A context. The credential, the clients and the runtime are set up when they are first needed.
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
            remembered: OnceLock::new(),
            transport: OnceLock::new(),
            clients: Clients::default(),
            runtime: OnceLock::new(),
            masking: Masking::default(),
        }
    }

    /// The current time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)().into()
    }

    /// The clock that `now` reads.
    #[must_use]
    pub fn clock(&self) -> fn() -> SystemTime {
        self.clock
    }

    /// Prints a failure that does not decide the exit code, or not alone.
    pub fn report(&self, failure: &Error) {
        ci::report(&failure.clone().into(), None, self.ci.as_ref(), &self.console);
    }

    /// The platform's address: what the credential brings, else what was given. No other credential is read for it.
    ///
    /// # Errors
    /// Fails if it is wrong, or the credential that would bring it is.
    pub fn platform(&self) -> Result<Option<PlatformUrl>> {
        if let Some(guide) = self.guide()? {
            return Ok(guide.platform());
        }
        if self.credential_brings_platform()
            && let Some(brought) = self.credential()?.and_then(Credential::platform)
        {
            return Ok(Some(brought));
        }
        let connection = &self.options.connection;
        connection.url.as_ref().map(|given| PlatformUrl::new(given, connection.insecure_http)).transpose()
    }

    /// The credential, if nothing but that knows the platform.
    fn guide(&self) -> Result<Option<&Credential>> {
        if self.options.credential.get(&table::URL).is_none() {
            return Ok(None);
        }
        Ok(self.credential()?.filter(|credential| credential.is_named_by(&table::URL)))
    }

    /// Whether the credential may be sent to this platform. One that has yet to be asked for its own checks that itself.
    ///
    /// # Errors
    /// Fails if the platform that was given is wrong.
    pub fn is_for(&self, platform: &PlatformUrl) -> Result<bool> {
        match self.guide()? {
            Some(guide) => Ok(guide.platform().is_none_or(|own| own == *platform)),
            None => Ok(self.platform()?.as_ref() == Some(platform)),
        }
    }

    /// Asks for the platform's address, if nothing but the credential knows it.
    ///
    /// # Errors
    /// Fails if there is no answer.
    pub async fn locate(&self) -> Result<()> {
        let Some(guide) = self.guide()? else { return Ok(()) };
        let asking = self.asking(self.limits());
        tokio::select! {
            located = guide.locate(&asking) => located,
            signal = Stop::Signal.requested() => Err(Error::new(Kind::Interrupted(signal), "stopped while logging in", "")),
        }
    }

    /// The platform's address. Not for use in async code.
    ///
    /// # Errors
    /// Fails if it was not given, or is wrong, or is not told.
    pub fn platform_or_fail(&self) -> Result<PlatformUrl> {
        if self.guide()?.is_some() {
            self.block_on(self.locate())?;
        }
        self.platform()?.ok_or_else(|| {
            credential::unusable(&mut self.place_of_credential(&mut std::io::empty())).unwrap_or_else(|| {
                let instead = set_instead(&self.environment, &table::URL);
                let help = "Set JF_URL or --url to it, such as https://acme.jfrog.io.";
                Error::input("the platform's URL is missing", instead + help).of_option(Some(table::URL.name))
            })
        })
    }

    fn credential_brings_platform(&self) -> bool {
        credential::brings_platform(&self.place_of_credential(&mut std::io::empty()))
    }

    /// The token that is asked for; `own_life` is as in `TokenRequest::new`, and a session that `is_remembered` revokes it at its end. As in jf,
    /// a configured server says for whom, where nobody else does.
    ///
    /// # Errors
    /// Fails on the first option that is wrong.
    pub fn wanted(&self, own_life: Option<Duration>, is_remembered: bool) -> Result<TokenRequest> {
        let is_revoked = is_remembered && self.options.session.revoke != Revoke::Never;
        let mut request = TokenRequest::new(&self.options.token, own_life, is_revoked)?;
        if request.username.is_none() && self.credential_brings_platform() {
            request.username = self.credential()?.and_then(Credential::user).map(str::to_owned);
        }
        Ok(request)
    }

    /// What token to ask for, as `wanted`. Warns of parts of the scope that are unknown here.
    ///
    /// # Errors
    /// Fails on the first option that is wrong.
    pub fn token_request(&self, own_life: Option<Duration>, is_remembered: bool) -> Result<TokenRequest> {
        let options = &self.options.token;
        let request = self.wanted(own_life, is_remembered)?;
        for entry in request.unknown_scopes() {
            let source = options.scope.as_ref().map(|given| format!("{}: ", given.source)).unwrap_or_default();
            self.console.warn(&format!("{source}'{}' is unknown here; it is sent as it is", shown(entry)));
        }
        Ok(request)
    }

    /// How the platform is reached. It is read once, when it is first needed.
    ///
    /// # Errors
    /// Fails if something that was given for that is wrong.
    pub fn transport(&self) -> Result<&Transport> {
        let (connection, credential) = (&self.options.connection, &self.options.credential);
        let brought = || self.credential().ok().flatten().and_then(Credential::client_certificate);
        let brought = || self.credential_brings_platform().then(brought).flatten();
        let read = self.transport.get_or_init(|| Transport::new(connection, credential, brought()));
        read.as_ref().map_err(Clone::clone)
    }

    /// The credential, if one was given. It is looked for once, because a pipe can't be read again.
    ///
    /// # Errors
    /// Fails if it is wrong.
    pub fn credential(&self) -> Result<Option<&Credential>> {
        let found = self.credential.get_or_init(|| self.with_place(credential::find));
        found.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// Looks for a credential, or what is a part of one.
    ///
    /// # Errors
    /// Fails as `find` does.
    pub fn with_place<T>(&self, find: impl FnOnce(&mut CredentialPlace) -> Result<T>) -> Result<T> {
        let mut stdin = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        find(&mut self.place_of_credential(&mut **stdin))
    }

    /// The access token that the options give, if any, also beside another kind of credential. It is looked for once.
    ///
    /// # Errors
    /// Fails if it is wrong.
    pub fn administrator(&self) -> Result<Option<&Credential>> {
        let found = self.credential.get_or_init(|| self.with_place(credential::access_token));
        found.as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    fn place_of_credential<'p>(&'p self, stdin: &'p mut dyn Read) -> CredentialPlace<'p> {
        CredentialPlace {
            options: &self.options,
            environment: &self.environment,
            ci: self.ci.as_ref(),
            in_job: self.ci.is_ci() || self.action.is_some(),
            in_action: self.action.is_some(),
            stdin,
        }
    }

    /// The files that may hold the credential.
    pub fn files_of_credential(&self) -> Vec<PathBuf> {
        credential::files(&self.options.credential, &self.environment).collect()
    }

    /// What of the credential is at hand and remembered nowhere here: it must not get lost. Nothing if it is wrong, which others tell.
    pub fn only_here(&self, session: Option<&Session>) -> Vec<&Secret> {
        let secrets = self.credential().ok().flatten().map(Credential::secrets).unwrap_or_default();
        let Some(state) = session.and_then(|session| session.read().ok()) else { return secrets };
        secrets.into_iter().filter(|secret| !state.knows(secret)).collect()
    }

    /// The credential by which a token was issued, where the options name none. It is looked for once.
    #[must_use]
    pub fn remembered_credential(&self, issuing: &Issuing) -> Option<&Credential> {
        let found = self.remembered.get_or_init(|| credential::remembered(issuing, &mut self.place_of_credential(&mut std::io::empty())));
        found.as_ref()
    }

    /// The credential.
    ///
    /// # Errors
    /// Fails if none was given, or it is wrong.
    pub fn credential_or_fail(&self) -> Result<&Credential> {
        self.credential()?.ok_or_else(|| credential::missing(&mut self.place_of_credential(&mut std::io::empty())))
    }

    /// What decides which session is meant.
    #[must_use]
    pub fn place(&self) -> SessionPlace<'_> {
        SessionPlace {
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
    /// Fails if the name can't be that of a file.
    pub fn session(&self) -> Result<Session> {
        Session::find(self.place()).and_then(|session| self.checked(session))
    }

    /// The session that a later command of the job means.
    ///
    /// # Errors
    /// As `session`. Also fails if there are several.
    pub fn session_of_job(&self) -> Result<Session> {
        Session::of_job(self.place()).and_then(|session| self.checked(session))
    }

    /// The session for a new token.
    ///
    /// # Errors
    /// As `session`.
    pub fn session_for_new_token(&self) -> Result<Session> {
        Session::for_new_token(self.place()).and_then(|session| self.checked(session))
    }

    fn checked(&self, session: Session) -> Result<Session> {
        if session.was_exposed() {
            self.warn_of_exposure(&session);
        }
        session.check_name().map(|()| session)
    }

    /// Says that the session's folder was open to others.
    pub fn warn_of_exposure(&self, session: &Session) {
        let folder = session.home().display();
        self.console.warn(&format!("other users could look into {folder}, which holds tokens; only this user can now"));
    }

    /// Limits for a command that somebody waits for.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits { budget: RetryBudget(self.options.connection.retry_for), timeout: REQUEST }
    }

    /// What a credential asks with that is not at hand.
    #[must_use]
    pub fn asking(&self, limits: Limits) -> Asking<'_> {
        Asking {
            environment: &self.environment,
            console: &self.console,
            transport: self.transport(),
            given: self.platform().ok().flatten(),
            clients: &self.clients,
            now: self.clock,
            limits,
            in_flight: std::rc::Rc::default(),
            verbose: self.options.diagnostics.verbose,
            insecure_http: self.options.connection.insecure_http,
            ci: self.ci.as_ref(),
            masking: &self.masking,
            known: self.credential.get().and_then(|found| found.as_ref().ok()?.as_ref()).map(Credential::secrets).unwrap_or_default(),
        }
    }

    /// What proves to this platform who asks, if there is a credential.
    ///
    /// # Errors
    /// Fails if it can't be had.
    pub async fn authenticate(&self, credential: &Credential, platform: &PlatformUrl, limits: Limits) -> Result<Auth> {
        credential.authenticate(platform, &self.asking(limits)).await
    }

    /// Runs `work` with a client for the platform that reports to the console.
    ///
    /// # Errors
    /// Fails as `work` does, or if the client can't be set up.
    pub async fn with_client<T>(
        &self,
        platform: &PlatformUrl,
        limits: Limits,
        work: impl AsyncFnOnce(&Client<'_>) -> Result<T>,
    ) -> Result<T> {
        self.asking(limits).with_client(platform, work).await
    }

    /// The runtime that everything async runs in.
    ///
    /// # Errors
    /// Fails if the system can't provide one.
    pub fn runtime(&self) -> Result<&Runtime> {
        if self.runtime.get().is_none() {
            let fail = |error, help| Error::new(Kind::Local, format!("the network can't be set up: {error}"), help);
            os::check_room().map_err(|error| fail(error, "Let this process open more files: ulimit -n."))?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let _ = self.runtime.set(runtime.map_err(|error| fail(error, ""))?);
        }
        self.runtime.get().ok_or_else(|| Error::new(Kind::Local, "the network can't be set up", ""))
    }

    /// Runs a future to its end. Not for use in async code.
    ///
    /// # Errors
    /// Fails as the future does, or if there is no runtime.
    pub fn block_on<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let (mut future, mut done) = (pin!(future), None);
        let mut work = poll_fn(|cx| future.as_mut().poll(cx).map(|result| done = Some(result)));
        // One type for all commands: else the program holds the runtime's loop for each.
        let work: &mut (dyn Future<Output = ()> + Unpin) = &mut work;
        self.runtime()?.block_on(work);
        done.unwrap_or_else(|| Err(Error::new(Kind::Local, "the network went away", "")))
    }

    /// The lines by which a program makes the job's log hide something, if it has such.
    #[must_use]
    pub fn masks(&self) -> Option<Masks> {
        let command = self.ci.mask_command()?;
        Some(Masks::new(command, self.environment.get(command.step).ok()??))
    }

    /// Says that a mask was hidden with the rest of what was printed.
    pub fn warn_of_hidden_masks(&self, redactor: &SharedRedactor) {
        if redactor.has_hidden_a_mask() {
            self.console.warn(
                "a line that masks a secret in the job's log was hidden, for it may not have reached that log, which may show the secret \
                 from now on: run what prints the mask where its output goes straight to the log",
            );
        }
    }

    /// Makes the job's log hide these secrets.
    ///
    /// # Errors
    /// Fails if one might not be hidden.
    pub fn mask<'s>(&self, secrets: impl Iterator<Item = &'s Secret>, extent: Extent) -> Result<()> {
        self.masking.tell(self.ci.as_ref(), &self.console, secrets, extent)
    }

    /// Makes the job's log hide a token that a session holds, unless all of it does. What it was told before may have been lost with the
    /// output of a step, so the whole values are repeated.
    ///
    /// # Errors
    /// As `mask`.
    pub fn mask_stored(&self, stored: &StoredToken) -> Result<()> {
        let extent = if stored.unheard { Extent::Pieces } else { Extent::Whole };
        if stored.masked { Ok(()) } else { self.mask(stored.token.secrets(), extent) }
    }

    /// Makes the job's log hide the credential, and what else opens the platform. A secret that a step has in its environment the CI masks
    /// itself; it is repeated, in case it was made within the job.
    ///
    /// # Errors
    /// As `mask`.
    pub fn mask_credential(&self, credential: &Credential) -> Result<()> {
        let known = |token: &&Secret| self.environment.without(|_, _| false).any(|(_, value)| holds(value, token));
        self.mask(credential.token().filter(known).into_iter(), Extent::Whole)?;
        self.mask(credential.token().into_iter(), Extent::Pieces)?;
        self.mask(credential.secrets().into_iter(), Extent::Whole)?;
        self.mask(self.transport()?.secrets_of_headers(), Extent::Pieces)?;
        self.mask(self.transport()?.secrets_of_key(), Extent::Whole)
    }

    /// What to say where every process of this user, such as the program of `exec`, can read the credential in the environment of a process above
    /// this one, which is not ours to change. Only on Linux.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        let secrets = self.credential().ok().flatten()?.secrets();
        let process = secrets.into_iter().find_map(|secret| os::ancestor_with(secret.expose().as_bytes()))?;
        let name = os::name_of(process).unwrap_or_default();
        Some(format!(
            "the credential is in the environment of process {process} ({}), where any program of this user can read it: give it by a file ({}), \
             or replace that process: exec jf-token exec …",
            shown(&name),
            table::ACCESS_TOKEN_FILE.variable
        ))
    }

    /// Whether the log hides what this process issued.
    #[must_use]
    pub fn has_masked(&self) -> bool {
        self.masking.last().is_some()
    }

    /// Prints data that contains a token, some time after its masks.
    ///
    /// # Errors
    /// Fails if nobody reads standard output any more.
    pub fn token_data(&self, text: &str) -> Result<()> {
        let ahead = self.masking.last().map_or(HEAD_START, |since| since.elapsed());
        std::thread::sleep(HEAD_START.saturating_sub(ahead));
        self.console.data(text)
    }

    /// The variables that another process may inherit: without those for these credentials or for one that was given and is not used, and
    /// without any other that contains one of these secrets.
    pub fn environment_without<'e>(
        &'e self,
        credentials: &[&'e Credential],
        secrets: &'e [Secret],
    ) -> impl Iterator<Item = (&'e OsStr, &'e OsStr)> {
        let given = self.options.credential.get(&table::OIDC_TOKEN_VAR).map(|given| given.text.as_str());
        let names = credentials.iter().flat_map(|credential| credential.hidden_variables()).chain(given);
        let names: Vec<_> = names.map(|name| os::variable_key(name.as_ref()).into_owned()).collect();
        self.environment.without(move |name, value| {
            table::is_hidden(name) || names.iter().any(|hidden| hidden == name) || secrets.iter().any(|secret| holds(value, secret))
        })
    }

    /// When a token expires, in words that follow "it": `ends …`, `ended …` or `never ends`.
    #[must_use]
    pub fn end_of(&self, stored: &StoredToken) -> String {
        self.end_of_token(&stored.token)
    }

    /// The same of a token that is not remembered.
    #[must_use]
    pub fn end_of_token(&self, token: &IssuedToken) -> String {
        let Some(end) = token.expires_at() else { return "never ends".into() };
        let (now, zone) = (self.now(), clock::zone(&self.environment));
        format!("{} {}", if end > now { "ends" } else { "ended" }, clock::local_and_relative(end, now, &zone))
    }
}

fn holds(value: &OsStr, secret: &Secret) -> bool {
    memmem::find(value.as_encoded_bytes(), secret.expose().as_bytes()).is_some()
}

impl Drop for Context {
    fn drop(&mut self) {
        // A look-up of a host name that is still running must not delay the end of a job.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
