use std::time::Duration;

use serde::Deserialize;

use super::{Ci, Export};
use crate::error::Result;
use crate::io::Environment;

/// A use of our GitHub Action: what its main step and its post step agree on. Their scripts say that they are such.
pub struct Action {
    saved: Saved,
}

/// What `Export::State` becomes in the post step (docs.github.com, "Sending values to the pre and post actions").
#[derive(Default, Deserialize)]
struct Saved {
    state_session: Option<String>,
}

impl Action {
    /// All the time there is at the end: on a cancel the runner kills after 7.5 s.
    pub const END: Duration = Duration::from_secs(5);

    /// A step of the action, with what the step before saved.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self { saved: environment.read() }
    }

    /// The session that the main step saved.
    #[must_use]
    pub fn saved_session(&self) -> Option<&str> {
        self.saved.state_session.as_deref()
    }

    /// Saves the session for the post step.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save_session(ci: &dyn Ci, name: &str) -> Result<()> {
        ci.export(Export::State { name: "SESSION", value: name }).map(drop)
    }
}
