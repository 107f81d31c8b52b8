use std::time::{Duration, SystemTime};

use redact::Secret;

use super::{Session, State};
use crate::error::{Error, Result};
use crate::io::SecretSource;

/// A folder that changed less than this ago may change again without a new time stamp.
const RACY: Duration = Duration::from_millis(100);
/// Each secret costs time and memory. Of those that their session has replaced, and forgotten because they are revoked or expired, so many of
/// the last stay hidden in every form. The others are then hidden as they are.
const JUST_REPLACED: usize = 3;
/// So it is above this number with the secrets of sessions that are gone: those may be alive. Of all that ended no more are kept.
const MOST: usize = 100;

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
    /// First those that were given.
    secrets: Vec<Secret>,
    /// The names of the sessions that the others were found in.
    sessions: Vec<String>,
    /// Those that ended long ago.
    ended: Vec<Secret>,
    /// How many were found in sessions.
    learnt: usize,
    seen: Option<SystemTime>,
    blind: Option<String>,
}

impl Watch {
    /// Watches the folder of this session. What was given is hidden too.
    #[must_use]
    pub fn new(session: Session, given: Vec<Secret>) -> Self {
        Self {
            session: Some(session),
            secrets: given.clone(),
            given,
            sessions: Vec::new(),
            ended: Vec::new(),
            learnt: 0,
            seen: None,
            blind: None,
            missing: None,
        }
    }

    /// Does not know all, because of this failure: only what was given, and what the folder of this session holds, if it could be found.
    #[must_use]
    pub fn blind(error: &Error, session: Option<Session>, given: Vec<Secret>) -> Self {
        let missing = Some(words(error));
        Self {
            session,
            secrets: given.clone(),
            given,
            sessions: Vec::new(),
            ended: Vec::new(),
            learnt: 0,
            seen: None,
            blind: missing.clone(),
            missing,
        }
    }

    fn look(&mut self, session: &Session) -> Result<()> {
        // A folder that vanished may come back. What it held stays known.
        let Some(changed) = session.changed()? else {
            self.seen = None;
            return Ok(());
        };
        // A state file is only ever replaced, which changes its folder's time stamp.
        if self.seen == Some(changed) {
            return Ok(());
        }
        session.check_home()?;
        let (states, unreadable): (Vec<_>, Vec<_>) = session.all()?.map(|session| session.read()).partition(Result::is_ok);
        let states: Vec<State> = states.into_iter().flatten().collect();
        self.seen = SystemTime::now().duration_since(changed).is_ok_and(|age| age > RACY).then_some(changed);
        for (state, secret) in states.iter().flat_map(|state| state.secrets().map(move |secret| (state, secret))) {
            if !self.secrets.contains(secret) {
                self.secrets.push(secret.clone());
                self.sessions.push(state.name.clone());
                self.learnt += 1;
            }
        }
        self.forget(&states);
        if let Some(error) = unreadable.into_iter().find_map(Result::err) {
            // It may be mended in place.
            self.seen = None;
            return Err(error);
        }
        self.blind.clone_from(&self.missing);
        Ok(())
    }

    /// Does not look for every form any more of those that ended long ago.
    fn forget(&mut self, states: &[State]) {
        let is_remembered = |secret: &Secret| states.iter().flat_map(State::secrets).any(|other| other == secret);
        let over = (self.given.len()..self.secrets.len()).filter(|index| !is_remembered(&self.secrets[*index]));
        let goes_on = |index: &usize| states.iter().any(|state| state.name == self.sessions[*index - self.given.len()]);
        let (replaced, vanished): (Vec<_>, Vec<_>) = over.partition(goes_on);
        let of = |all: &[usize], most: usize| all[..all.len().saturating_sub(most)].to_vec();
        let mut ended = [of(&replaced, JUST_REPLACED), of(&vanished, MOST)].concat();
        ended.sort_unstable();
        for index in ended.into_iter().rev() {
            self.sessions.remove(index - self.given.len());
            self.ended.push(self.secrets.remove(index));
        }
        self.ended.drain(..self.ended.len().saturating_sub(MOST));
    }
}

fn words(error: &Error) -> String {
    format!("{error}, so its secrets can't be hidden")
}

impl SecretSource for Watch {
    fn refresh(&mut self) -> bool {
        let Some(session) = self.session.take() else { return false };
        let before = self.learnt;
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
        if let Err(error) = looked {
            self.blind = Some(words(&error));
        }
        self.learnt != before
    }

    fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    fn ended(&self) -> &[Secret] {
        &self.ended
    }

    fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }
}
