//! One file a command.

mod create;
mod exec;
mod get;
mod inspect;
mod keep;
mod keeper;
mod mint;
mod redact;
mod refresh;
mod renew;
mod revoke;

use std::ffi::OsStr;
use std::io::Read;
use std::time::{Duration, SystemTime};

use crate::access::{Access, Http, Patience};
use crate::ci::Ci;
use crate::clock::{self, Millis};
use crate::console::Console;
use crate::credential::{self, Found};
use crate::deliver::Format;
use crate::error::{Error, Kind, Result};
use crate::inputs::options::{self, INSECURE_HTTP, RETRY_FOR, URL, VERBOSE, Value};
use crate::inputs::{Command, Inputs, PlatformUrl, seconds};
use crate::redact::Secret;
use crate::session::Held;

/// All that a command works with; nothing of the outside is reached but through it.
pub struct Job<'a, 'c> {
    /// What was asked.
    pub inputs: &'a Inputs,
    /// Standard input.
    pub stdin: &'a mut dyn Read,
    /// Where to print.
    pub console: &'a Console<'c>,
    /// The CI it runs in.
    pub ci: &'a dyn Ci,
    /// The clock.
    pub now: fn() -> SystemTime,
    /// The credential that came by standard input, which is read once.
    piped: Option<Found>,
}

/// The exit code of `exec` when it is not the program's.
pub const OWN_FAILURE: u8 = 125;

/// Time for one request as a whole.
const REQUEST: Duration = Duration::from_secs(30);
/// How long another process may hold the session.
const LOCK: Duration = Duration::from_secs(60);

impl<'a, 'c> Job<'a, 'c> {
    /// All that a command works with.
    pub fn new(inputs: &'a Inputs, stdin: &'a mut dyn Read, console: &'a Console<'c>, ci: &'a dyn Ci, now: fn() -> SystemTime) -> Self {
        Self { inputs, stdin, console, ci, now, piped: None }
    }

    /// Does what the command says. Returns the exit code.
    ///
    /// # Errors
    /// When it could not be done.
    pub fn run(self, command: Command) -> anyhow::Result<u8> {
        let done = match command {
            Command::Exec => return Ok(exec::run(&self)),
            Command::Redact => return redact::run(self),
            Command::Keep => return keep::run(self),
            Command::Create => create::run(self),
            Command::Get => get::run(self),
            Command::Refresh => refresh::run(self),
            Command::Revoke => revoke::run(self),
            Command::Inspect => inspect::run(self),
        };
        done.map(|()| 0)
    }

    fn platform(&self) -> Result<Option<PlatformUrl>> {
        let insecure = self.inputs.switch(&INSECURE_HTTP)?;
        self.inputs.text(&URL)?.map(|given| PlatformUrl::new(&given, insecure)).transpose()
    }

    fn patience(&self) -> Result<Patience> {
        let span = self.inputs.text(&RETRY_FOR)?.map(|given| seconds(&given)).transpose()?;
        Ok(Patience(Duration::from_secs(span.unwrap_or(30))))
    }

    fn credential(&mut self) -> Result<Option<Found>> {
        if self.piped.is_none() {
            let found = credential::find(self.inputs, self.stdin)?;
            if !found.as_ref().is_some_and(|found| found.piped) {
                return Ok(found);
            }
            self.piped = found;
        }
        Ok(self.piped.clone())
    }

    fn credential_or_fail(&mut self) -> Result<Secret> {
        match self.credential()? {
            Some(found) => Ok(found.secret),
            None => Err(credential::missing(self.inputs)?),
        }
    }

    /// The same with another place to print.
    fn told_to<'b, 'd>(self, console: &'b Console<'d>) -> Job<'b, 'd>
    where
        'a: 'b,
    {
        Job { inputs: self.inputs, stdin: self.stdin, console, ci: self.ci, now: self.now, piped: self.piped }
    }

    /// What another process may inherit that is not to have the credential, under whatever name it is there.
    fn environment_without<'e>(&'e self, credential: Option<&'e Secret>) -> impl Iterator<Item = (&'e OsStr, &'e OsStr)> {
        let is_secret = |option: &&&options::Opt| {
            matches!(option.value, Value::Secret(_))
                || [options::ACCESS_TOKEN_FILE.name, options::ACCESS_TOKEN_STDIN.name].contains(&option.name)
        };
        let names: Vec<String> =
            options::ALL.iter().filter(is_secret).flat_map(|option| [option.variable.to_owned(), option.input_variable()]).collect();
        let holds = |value: &OsStr, secret: &Secret| {
            let secret = secret.expose().as_bytes();
            value.as_encoded_bytes().windows(secret.len()).any(|window| window == secret)
        };
        self.inputs.environment.iter().filter(move |(name, value)| {
            !names.iter().any(|secret| *name == OsStr::new(secret)) && !credential.is_some_and(|credential| holds(value, credential))
        })
    }

    /// Prints a session's token, its refresh token only if `refresh_token` says so: the next renewal needs it, and nobody else is to spend it.
    fn print(&self, mut held: Held, format: Format, refresh_token: bool) -> anyhow::Result<()> {
        held.grant.refresh_token = held.grant.refresh_token.filter(|_| refresh_token);
        Ok(self.console.data(&format.print(&held.grant, &held.platform, refresh_token)?)?)
    }

    fn millis(&self) -> Millis {
        clock::millis((self.now)())
    }

    /// When a token ends, in words that follow "it".
    fn end_of(&self, held: &Held) -> String {
        let Some(end) = held.grant.expires_at() else { return "never ends".into() };
        let (now, zone) = (clock::seconds((self.now)()), clock::zone(&self.inputs.environment));
        format!("{} {}", if end > now { "ends" } else { "ended" }, clock::local_and_relative(end, now, &zone))
    }
}
/// A client of the platform that tells the console what it does.
fn with_access<T>(
    job: &Job,
    platform: &PlatformUrl,
    patience: Patience,
    timeout: Duration,
    work: impl AsyncFnOnce(&Access<'_>) -> Result<T>,
) -> Result<T> {
    let note = |line: &str| job.console.say(line);
    let trace = |line: &str| job.console.line(line);
    let trace = job.inputs.switch(&VERBOSE)?.then_some(&trace as &dyn Fn(&str));
    let http = Http::new(platform, &job.inputs.environment, timeout, trace, job.now)?;
    let access = Access::new(http, platform.clone(), patience, &note);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Local, format!("the network can't be set up: {error}"), ""))?;
    let done = runtime.block_on(work(&access));
    // A host name that is still being looked up must not hold the end of a job.
    runtime.shutdown_background();
    done
}

fn no_url() -> Error {
    Error::input("the platform's URL is missing", "Set JF_URL, the action's input url, or --url to it, such as https://acme.jfrog.io.")
}
