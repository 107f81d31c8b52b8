use std::time::Duration;

use serde::Deserialize;

use super::{Ci, Export};
use crate::error::Result;
use crate::io::Environment;

/// One use of our GitHub Action, and what its main step tells its post step. The action's own scripts say that this is one.
pub struct Action {
    saved: Saved,
}

/// What `Export::State` saved, as the post step gets it (docs.github.com, "Sending values to the pre and post actions").
#[expect(clippy::struct_field_names, reason = "the variables' names")]
#[derive(Default, Deserialize)]
struct Saved {
    state_session: Option<String>,
    state_token_id: Option<String>,
    state_token_url: Option<String>,
    state_token_end: Option<String>,
    state_failed: Option<String>,
}

/// A token as the main step saved it: no secret, but enough to end it or to name it where its session is gone or out of reach.
pub struct SavedToken<'a> {
    /// Its id.
    pub id: &'a str,
    /// The platform's address.
    pub url: &'a str,
    /// When it ends, in words that follow "it".
    pub end: &'a str,
}

impl Action {
    /// The time limit at the end of the job. After a cancel, the runner kills the step after 7.5 s.
    pub const END: Duration = Duration::from_secs(5);

    /// How long a token lives if no life was asked for.
    pub const LIFE: Duration = Duration::from_secs(3600);

    /// A step of the action, with what an earlier step saved.
    #[must_use]
    pub fn new(environment: &Environment) -> Self {
        Self { saved: environment.read() }
    }

    /// The session that the main step saved.
    #[must_use]
    pub fn saved_session(&self) -> Option<&str> {
        self.saved.state_session.as_deref()
    }

    /// Saves the session's name for the post step.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn save_session(ci: &dyn Ci, name: &str) -> Result<()> {
        ci.export(Export::State { name: "SESSION", value: name }).map(drop)
    }

    /// Saves for the post step what a token is called, where it is good and when it ends.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn save_token(ci: &dyn Ci, token: &SavedToken) -> Result<()> {
        let SavedToken { id, url, end } = *token;
        [("TOKEN_ID", id), ("TOKEN_URL", url), ("TOKEN_END", end)]
            .into_iter()
            .try_for_each(|(name, value)| ci.export(Export::State { name, value }).map(drop))
    }

    /// Saves for the post step that this step has failed and said why: nothing is to be looked for.
    pub fn save_failure(ci: &dyn Ci) {
        let _ = ci.export(Export::State { name: "FAILED", value: "true" });
    }

    /// Whether the main step was killed before it could say which token it got.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        let Saved { state_session, state_token_id, state_failed, .. } = &self.saved;
        state_session.is_some() && state_token_id.is_none() && state_failed.is_none()
    }

    /// The token that the main step saved.
    #[must_use]
    pub fn saved_token(&self) -> Option<SavedToken<'_>> {
        let Saved { state_token_id: Some(id), state_token_url: Some(url), state_token_end: end, .. } = &self.saved else { return None };
        Some(SavedToken { id, url, end: end.as_deref().unwrap_or_default() })
    }
}
