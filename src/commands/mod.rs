//! One file a command.

mod create;
mod inspect;
mod revoke;

use std::io::Read;
use std::time::{Duration, SystemTime};

use crate::access::{Access, Http, Patience};
use crate::ci::Ci;
use crate::console::Console;
use crate::error::{Error, Kind, Result};
use crate::inputs::options::{INSECURE_HTTP, RETRY_FOR, URL, VERBOSE};
use crate::inputs::{Command, Inputs, PlatformUrl, seconds};

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
}

/// Time for one request as a whole.
const REQUEST: Duration = Duration::from_secs(30);

impl Job<'_, '_> {
    /// Does what the command says.
    ///
    /// # Errors
    /// When it could not be done.
    pub fn run(self, command: Command) -> anyhow::Result<()> {
        match command {
            Command::Create => create::run(self),
            Command::Revoke => revoke::run(self),
            Command::Inspect => inspect::run(self),
        }
    }

    fn platform(&self) -> Result<Option<PlatformUrl>> {
        let insecure = self.inputs.switch(&INSECURE_HTTP)?;
        self.inputs.text(&URL)?.map(|given| PlatformUrl::new(&given, insecure)).transpose()
    }

    fn patience(&self) -> Result<Patience> {
        let span = self.inputs.text(&RETRY_FOR)?.map(|given| seconds(&given)).transpose()?;
        Ok(Patience(Duration::from_secs(span.unwrap_or(30))))
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
