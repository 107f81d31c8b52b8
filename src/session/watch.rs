use std::time::{Duration, SystemTime};

use redact::Secret;

use super::{Session, State};
use crate::error::{Error, Result};
use crate::io::SecretSource;

/// A folder that changed less than this ago may change again without a new time stamp.
const RACY: Duration = Duration::from_millis(100);
/// Above this number, secrets that no session remembers are dropped: they expired long ago, and each costs memory.
const MOST_SECRETS: usize = 100;

/// How often, and how far apart, to try again before what can't be read counts as such: the system may be short of something for a moment.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// The secrets of all sessions in the same folder as this one, including those yet to come.
pub struct Watch {
    /// None: it could not be found.
    session: Option<Session>,
    /// What can't be known, whatever the sessions hold.
    missing: Option<String>,
    given: Vec<Secret>,
    secrets: Vec<Secret>,
    seen: Option<SystemTime>,
    blind: Option<String>,
}

impl Watch {
    /// Watches the folder of this session. What was given is hidden too.
    #[must_use]
    pub fn new(session: Session, given: Vec<Secret>) -> Self {
        Self { session: Some(session), secrets: given.clone(), given, seen: None, blind: None, missing: None }
    }

    /// Does not know all, because of this failure: only what was given, and what the folder of this session holds, if it could be found.
    #[must_use]
    pub fn blind(error: &Error, session: Option<Session>, given: Vec<Secret>) -> Self {
        let missing = Some(words(error));
        Self { session, secrets: given.clone(), given, seen: None, blind: missing.clone(), missing }
    }

    fn look(&mut self, session: &Session) -> Result<bool> {
        // A folder that vanished may come back. What it held stays known.
        let Some(changed) = session.changed()? else {
            self.seen = None;
            return Ok(false);
        };
        // A state file is only ever replaced, which changes its folder's time stamp.
        if self.seen == Some(changed) {
            return Ok(false);
        }
        session.check_home()?;
        let (states, unreadable): (Vec<_>, Vec<_>) = session.all()?.map(|session| session.read()).partition(Result::is_ok);
        let states: Vec<State> = states.into_iter().flatten().collect();
        self.seen = SystemTime::now().duration_since(changed).is_ok_and(|age| age > RACY).then_some(changed);
        let known = || states.iter().flat_map(State::secrets);
        let new: Vec<_> = known().filter(|secret| !self.secrets.contains(secret)).cloned().collect();
        let found = !new.is_empty();
        self.secrets.extend(new);
        if self.secrets.len() > MOST_SECRETS {
            self.secrets.retain(|secret| self.given.contains(secret) || known().any(|other| other == secret));
        }
        if let Some(error) = unreadable.into_iter().find_map(Result::err) {
            // It may be mended in place.
            self.seen = None;
            return Err(error);
        }
        self.blind.clone_from(&self.missing);
        Ok(found)
    }
}

fn words(error: &Error) -> String {
    format!("{error}, so its secrets can't be hidden")
}

impl SecretSource for Watch {
    fn refresh(&mut self) -> bool {
        let Some(session) = self.session.take() else { return false };
        let before = self.secrets.len();
        let mut looked = self.look(&session);
        let tries = if self.blind.is_some() { 0 } else { TRIES };
        for _ in 0..tries {
            if looked.is_ok() {
                break;
            }
            std::thread::sleep(PAUSE);
            looked = self.look(&session);
        }
        self.session = Some(session);
        match looked {
            Ok(found) => found || self.secrets.len() != before,
            Err(error) => {
                self.blind = Some(words(&error));
                self.secrets.len() != before
            }
        }
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }
}
