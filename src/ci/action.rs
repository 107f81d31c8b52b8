use std::time::Duration;

use super::{Ci, Export};
use crate::error::Result;
use crate::io::Environment;

/// One use of our GitHub Action, and what its main step tells its post step. The action's own scripts say that this is one.
pub struct Action {
    /// What `Export::State` saved, as the post step gets it (docs.github.com, "Sending values to the pre and post actions").
    saved_session: Option<String>,
}

impl Action {
    /// The time limit at the end of the job. After a cancel, the runner kills the step after 7.5 s.
    pub const END: Duration = Duration::from_secs(5);

    /// How long a token lives if no life was asked for.
    pub const LIFE: Duration = Duration::from_secs(3600);

    /// A step of the action, with what an earlier step saved.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self { saved_session: environment.get("STATE_SESSION").ok().flatten().map(str::to_owned) }
    }

    /// The session that the main step saved.
    #[must_use]
    pub fn saved_session(&self) -> Option<&str> {
        self.saved_session.as_deref()
    }

    /// Saves the session's name for the post step.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn save_session(ci: &dyn Ci, name: &str) -> Result<()> {
        ci.export(Export::State { name: "SESSION", value: name }).map(drop)
    }
}
