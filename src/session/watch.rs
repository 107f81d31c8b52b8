use std::time::{Duration, SystemTime};

use redact::Secret;

use super::{Session, State};
use crate::io::SecretSource;

/// A folder that changed less than this ago may change again without a new time stamp.
const RACY: Duration = Duration::from_millis(100);
/// Above this number, secrets that no session remembers are dropped: they expired long ago, and each costs memory.
const MOST_SECRETS: usize = 100;

/// The secrets of all sessions in the same folder as this one, including those yet to come.
pub struct Watch {
    session: Session,
    credential: Vec<Secret>,
    secrets: Vec<Secret>,
    seen: Option<SystemTime>,
    blind: Option<String>,
}

impl Watch {
    /// Watches the folder of this session. The credential is hidden too.
    #[must_use]
    pub fn new(session: Session, credential: Vec<Secret>) -> Self {
        Self { session, secrets: credential.clone(), credential, seen: None, blind: None }
    }
}

impl SecretSource for Watch {
    fn refresh(&mut self) -> bool {
        // A state file is only ever replaced, which changes its folder's time stamp.
        let Ok(changed) = self.session.home().metadata().and_then(|found| found.modified()) else { return false };
        if self.seen == Some(changed) {
            return false;
        }
        self.seen = SystemTime::now().duration_since(changed).is_ok_and(|age| age > RACY).then_some(changed);
        let (states, unreadable): (Vec<_>, Vec<_>) = self.session.all().map(|session| session.read()).partition(Result::is_ok);
        let states: Vec<State> = states.into_iter().flatten().collect();
        self.blind = unreadable.into_iter().find_map(Result::err).map(|error| format!("{error}, so its secrets can't be hidden"));
        let known = || states.iter().flat_map(State::secrets);
        let new: Vec<_> = known().filter(|secret| !self.secrets.contains(secret)).cloned().collect();
        let found = !new.is_empty();
        self.secrets.extend(new);
        if self.secrets.len() > MOST_SECRETS {
            self.secrets.retain(|secret| self.credential.contains(secret) || known().any(|other| other == secret));
        }
        found
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }
}
