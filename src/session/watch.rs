use std::time::{Duration, SystemTime};

use redact::Secret;

use super::{Session, State, StoredToken};
use crate::error::{Error, Result};
use crate::io::SecretSource;
use crate::io::clock::Timestamp;

/// A folder that changed less than this ago may change again without a new time stamp.
const RACY: Duration = Duration::from_millis(100);
/// Each secret costs time and memory. Of one that is of no use to anybody only the plain form is looked for: it has expired so long ago, or
/// less if it lived for less. A refresh token does not expire.
const LATER: Duration = Duration::from_secs(60);
/// Above this number that holds for those that no session remembers, too. Of all of these no more are kept.
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
    /// When each of the others is of no more use.
    ends: Vec<Option<Timestamp>>,
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
        Self::of(Some(session), None, given)
    }

    /// Does not know all, because of this failure: only what was given, and what the folder of this session holds, if it could be found.
    #[must_use]
    pub fn blind(error: &Error, session: Option<Session>, given: Vec<Secret>) -> Self {
        Self::of(session, Some(words(error)), given)
    }

    fn of(session: Option<Session>, missing: Option<String>, given: Vec<Secret>) -> Self {
        let (blind, secrets) = (missing.clone(), given.clone());
        Self { session, missing, given, secrets, ends: Vec::new(), ended: Vec::new(), learnt: 0, seen: None, blind }
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
        let now = SystemTime::now().into();
        for (secret, end) in states.iter().flat_map(State::tokens).flat_map(ends) {
            let is_over = end.is_some_and(|end| end < now);
            if !(self.secrets.contains(secret) || is_over && self.ended.contains(secret)) {
                self.secrets.push(secret.clone());
                self.ends.push(end);
                self.learnt += 1;
            }
        }
        self.forget(&states, now);
        if let Some(error) = unreadable.into_iter().find_map(Result::err) {
            // It may be mended in place.
            self.seen = None;
            return Err(error);
        }
        self.blind.clone_from(&self.missing);
        Ok(())
    }

    /// Does not look for every form any more of those that are of no use.
    fn forget(&mut self, states: &[State], now: Timestamp) {
        let is_remembered = |secret: &Secret| states.iter().flat_map(State::secrets).any(|other| other == secret);
        let mut index = 0;
        while let Some(end) = self.ends.get(index) {
            let at = self.given.len() + index;
            if end.is_some_and(|end| end < now) || self.secrets.len() > MOST && !is_remembered(&self.secrets[at]) {
                self.ends.remove(index);
                self.ended.push(self.secrets.remove(at));
            } else {
                index += 1;
            }
        }
        self.ended.drain(..self.ended.len().saturating_sub(MOST));
    }
}

/// When each secret of a token is of no more use.
fn ends(stored: &StoredToken) -> impl Iterator<Item = (&Secret, Option<Timestamp>)> {
    let token = &stored.token;
    let end = token.expires_at().map(|end| end.after(LATER.min(token.expires_in.unwrap_or_default())));
    token.secrets().map(move |secret| (secret, end.filter(|_| token.refresh_token.as_ref() != Some(secret))))
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
