//! What each CI needs: how it is recognised, how it masks, how a job hands values on. One file a CI, one line in `KNOWN`.

mod github;
mod gitlab;
mod none;

use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::{Error, Result};

/// The CI, if the environment is its.
type Detect = fn(&Environment) -> Option<Box<dyn Ci>>;

/// Every CI that is recognised, the more particular first.
const KNOWN: [Detect; 3] = [github::detect, gitlab::detect, none::detect];

/// The CI that the environment belongs to.
#[must_use]
pub fn detect(environment: &Environment) -> Box<dyn Ci> {
    KNOWN.iter().find_map(|detect| detect(environment)).unwrap_or_else(none::outside)
}

/// No CI at all: where what is printed goes to a file or a person.
#[must_use]
pub fn outside() -> Box<dyn Ci> {
    none::outside()
}

/// How bad a message for the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The job can go on.
    Warning,
    /// What was asked did not happen.
    Error,
}

/// A CI. What it can't do, the defaults say.
pub trait Ci: Sync {
    /// Its name for people.
    fn name(&self) -> &'static str;

    /// Whether a job runs here, so that what is printed is read by others.
    fn is_ci(&self) -> bool {
        true
    }

    /// Whether the program was started as an action, whose end another process of ours sees.
    fn is_action(&self) -> bool {
        false
    }

    /// A folder that is the job's own, lasts until its last command, and is no artifact.
    fn home(&self) -> Option<PathBuf> {
        None
    }

    /// Whether the folder above that one may not have been there before, so that it goes too when it is empty.
    fn may_lack_folder_above(&self) -> bool {
        false
    }

    /// What tells this job from others on the same machine, where there is no such folder; fit for a file's name.
    fn job(&self) -> Option<String> {
        None
    }

    /// The session that an earlier step of the same use saved.
    fn saved_session(&self) -> Option<String> {
        None
    }

    /// The line that has the log masker hide a value.
    fn mask(&self, _value: &str) -> Option<String> {
        None
    }

    /// The line that shows a message where the job's result is shown.
    fn annotation(&self, _level: Level, _title: &str, _text: &str) -> Option<String> {
        None
    }

    /// Checks, before a token exists, that its values could be handed on.
    ///
    /// # Errors
    /// When a file of the CI can't be written.
    fn check(&self) -> Result<()> {
        Ok(())
    }

    /// Saves a value for the end of the same use.
    ///
    /// # Errors
    /// When it can't be written.
    fn save_state(&self, _name: &str, _value: &str) -> Result<()> {
        Ok(())
    }

    /// Sets outputs of the step, all or none. False: there are none here.
    ///
    /// # Errors
    /// When they can't be written.
    fn set_outputs(&self, _pairs: &[(&str, String)]) -> Result<bool> {
        Ok(false)
    }

    /// Whether a variable of this name can be set for the job's later steps.
    ///
    /// # Errors
    /// When it can't, with what to do instead.
    fn check_variable(&self, _name: &str) -> Result<()> {
        let what = format!("{} has no way to set a variable for later steps", self.name());
        Err(Error::input(what, "Write a file with --output-file, and read it in the later command: . FILE"))
    }

    /// Sets a variable for the job's later steps.
    ///
    /// # Errors
    /// When it can't be written.
    fn set_variable(&self, _name: &str, _value: &str) -> Result<()> {
        Ok(())
    }

    /// Lets the job's later steps find the programs in this folder.
    ///
    /// # Errors
    /// When it can't be written.
    fn add_to_path(&self, _folder: &Path) -> Result<()> {
        Ok(())
    }

    /// Adds to the page that the CI shows of the step, in Markdown.
    ///
    /// # Errors
    /// When it can't be written.
    fn summarize(&self, _markdown: &str) -> Result<()> {
        Ok(())
    }
}
