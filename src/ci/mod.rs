//! What each CI needs: how it is recognised, how it masks, how a job hands values on, who vouches for it. One file a CI, one line in `KNOWN`.

mod action;
mod github;
mod gitlab;
mod none;

use std::path::{Path, PathBuf};

use redact::Secret;

use crate::error::{Error, Kind, Result};
use crate::io::{Console, Environment, LogStyle};

pub use action::Action;

/// The CI, if the environment is its.
type Detect = fn(&Environment) -> Option<Box<dyn Ci>>;

/// Every CI that is recognised, the more particular first.
const KNOWN: [Detect; 3] = [github::detect, gitlab::detect, none::detect];

/// The CI that the environment belongs to.
#[must_use]
pub fn detect(environment: &Environment) -> Box<dyn Ci> {
    KNOWN.iter().find_map(|detect| detect(environment)).unwrap_or_else(none::outside)
}

/// Whether a CI has a way to do what it was asked.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It was done.
    Done,
    /// There is no such thing here.
    Unsupported,
}

/// Something that outlives the command, for others to read.
#[derive(Clone, Copy)]
pub enum Export<'a> {
    /// A variable for the job's later steps.
    Variable {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// The step's outputs, all or none.
    Outputs(&'a [(&'a str, String)]),
    /// A value for the end of the same use of an action.
    State {
        /// Its name.
        name: &'a str,
        /// Its value.
        value: &'a str,
    },
    /// A folder of programs, for the job's later steps.
    Path(&'a Path),
    /// Markdown for the page that shows the step.
    Summary(&'a str),
}

/// Where a job keeps what lasts until its last command.
#[derive(Default)]
pub struct JobHome {
    /// A folder of the job's own that is no artifact.
    pub folder: Option<PathBuf>,
    /// Whether the folder above it may not have been there before, so that it goes too when it is empty.
    pub may_lack_folder_above: bool,
    /// Where there is no such folder: what tells this job from others on the same machine; fit for a file's name.
    pub id: Option<String>,
}

/// The CI's word for who the job is: an identity token, or the way to one.
#[derive(Debug)]
pub enum IdToken {
    /// There is none, and why: what to change in the job.
    Unavailable(String),
    /// It is there.
    Value(Secret),
    /// The CI is to be asked for it, with a GET.
    Fetch {
        /// The whole address, the audience in it.
        url: String,
        /// What the CI knows the job by.
        bearer: Secret,
        /// The field of the answer that holds it.
        field: &'static str,
    },
    /// A program of the CI's prints it.
    Run(Vec<String>),
}

/// A CI. What it can't do, the defaults say.
pub trait Ci: LogStyle + Send + Sync {
    /// Its name for people.
    fn name(&self) -> &'static str;

    /// Whether a job runs here, so that what is printed is read by others.
    fn is_ci(&self) -> bool {
        true
    }

    /// What is the job's own.
    fn job(&self) -> JobHome {
        JobHome::default()
    }

    /// Has the job's log hide every form of these secrets, by a line for `log` or by a program of the CI's.
    ///
    /// # Errors
    /// When a secret may not be hidden.
    fn mask(&self, _secrets: &[&Secret], _log: &dyn Fn(&str)) -> Result<Support> {
        Ok(Support::Unsupported)
    }

    /// Checks, before a token exists, that all of this could be handed on. The values are not looked at.
    ///
    /// # Errors
    /// When it can't, with what to do instead.
    fn prepare(&self, exports: &[Export]) -> Result<()> {
        if exports.iter().any(|export| matches!(export, Export::Variable { .. })) {
            let what = format!("{} has no way to set a variable for later steps", self.name());
            return Err(Error::input(what, "Write a file with --output-file, and read it in the later command: . FILE"));
        }
        Ok(())
    }

    /// Hands a value on.
    ///
    /// # Errors
    /// When it can't be written; then nothing of it is.
    fn export(&self, _export: Export) -> Result<Support> {
        Ok(Support::Unsupported)
    }

    /// The job's identity token. Where an audience can't be chosen, one that is asked for makes it unavailable.
    fn id_token(&self, _audience: Option<&str>) -> IdToken {
        IdToken::Unavailable(format!("{} gives a job no identity token that is known here", self.name()))
    }
}

/// Prints a failure, where the job's result is shown too. Returns the exit code.
pub fn report(failure: &anyhow::Error, ci: &dyn Ci, console: &Console) -> u8 {
    let error = failure.downcast_ref::<Error>();
    let kind = error.map_or(Kind::Local, Error::kind);
    let what = failure.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
    let help = error.map(Error::help).unwrap_or_default();
    let text = if help.is_empty() { what } else { format!("{what}\n{help}") };
    console.error(kind.title(), &text);
    // A summary that can't be written must not hide the failure itself.
    let _ = ci.export(Export::Summary(&format!("### {}\n\n```text\n{text}\n```\n", kind.title())));
    kind.exit_code()
}
