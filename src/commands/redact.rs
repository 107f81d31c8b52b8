//! Pass standard input on with every secret of the job's sessions hidden.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::Job;
use crate::error::{Error, Kind};
use crate::inputs::options::ACCESS_TOKEN_STDIN;
use crate::os;
use crate::redact::{Patterns, Redactor, Secret};
use crate::session::{Session, State};

/// A folder that changed so shortly ago may have changed again within the same tick of its clock.
const RACY: Duration = Duration::from_millis(100);
/// With more, those that no session remembers are let go: they have long ended, and each costs memory.
const MOST_SECRETS: usize = 100;
/// A program's children may hold its standard output after its end: for so long they may be silent, and for so long in all.
const SILENCE: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(3);
/// What a pipe may hold at most: the program's own last words may be as long, and may take the reader longer.
const LAST_WORDS: usize = 1 << 20;
/// Of who writes when nobody reads any more, as a shell tells it.
const BROKEN_PIPE: u8 = 128 + 13;

pub fn run(mut job: Job) -> anyhow::Result<u8> {
    let session = Session::find(job.inputs, job.ci)?;
    // Set for another command, it says nothing of this: standard input is what is passed on.
    let credential = if job.inputs.switch(&ACCESS_TOKEN_STDIN)? { None } else { job.credential()? };
    let hider = Hider::new(Watch::new(session, credential.map(|found| found.secret)));
    if hider.knows_nothing() {
        job.console.say("nothing to hide yet: there is no session, and no JF_ACCESS_TOKEN");
    }
    let closed = |name: &str, error: &io::Error| Error::new(Kind::Local, format!("can't use standard {name}: {error}"), "");
    let stdin = os::stdin().map_err(|error| closed("input", &error))?;
    let stdout = os::stdout().map_err(|error| closed("output", &error))?;
    os::widen(&stdin);
    os::widen(&stdout);
    match pass_on(&stdin, stdout, &hider, None) {
        Ok(()) => Ok(0),
        // Nothing went wrong, but who has not passed all on must not say so.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(BROKEN_PIPE),
        Err(error) => Err(Error::new(Kind::Local, format!("can't pass everything on: {error}"), "").into()),
    }
}

/// The secrets of all sessions that are remembered where this one is, as they come.
pub struct Watch {
    session: Session,
    credential: Option<Secret>,
    secrets: Vec<Secret>,
    seen: Option<SystemTime>,
}

impl Watch {
    /// The credential is hidden too.
    pub fn new(session: Session, credential: Option<Secret>) -> Self {
        Self { session, secrets: credential.iter().cloned().collect(), credential, seen: None }
    }

    /// Looks again if something changed. Returns whether there are new secrets.
    fn look(&mut self) -> bool {
        // A state file is only ever replaced, which changes its folder.
        let Ok(changed) = self.session.home().metadata().and_then(|found| found.modified()) else { return false };
        if self.seen == Some(changed) {
            return false;
        }
        self.seen = SystemTime::now().duration_since(changed).is_ok_and(|age| age > RACY).then_some(changed);
        let states: Vec<_> = self.session.all().filter_map(|session| session.read().ok()).collect();
        let known = || states.iter().flat_map(State::secrets);
        let new: Vec<_> = known().filter(|secret| !self.secrets.contains(secret)).cloned().collect();
        let found = !new.is_empty();
        self.secrets.extend(new);
        if self.secrets.len() > MOST_SECRETS {
            self.secrets.retain(|secret| self.credential.as_ref() == Some(secret) || known().any(|other| other == secret));
        }
        found
    }
}

/// What is hidden, for all streams of a program. Made ready for search when it is needed first: a program that prints nothing needs none.
pub struct Hider(Mutex<(Watch, Option<Arc<Patterns>>)>);

impl Hider {
    /// Everything that is known now.
    pub fn new(mut watch: Watch) -> Self {
        watch.look();
        Self(Mutex::new((watch, None)))
    }

    fn knows_nothing(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.secrets.is_empty()
    }

    /// Learns what is known by now.
    pub fn look(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0.look() {
            known.1 = None;
        }
    }

    /// Everything that is known by now.
    fn patterns(&self) -> Arc<Patterns> {
        self.look();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, patterns) = &mut *known;
        patterns.get_or_insert_with(|| Arc::new(Patterns::new(watch.secrets.iter()))).clone()
    }
}

/// Passes everything on until its end, or until nobody reads any more. When `ended` is closed at its other end, the program that
/// writes has ended: what it wrote is passed on, and its children's output for a while.
///
/// # Errors
/// When it can't be written, or can't be read on.
pub fn pass_on(mut from: &File, mut to: impl Write, hider: &Hider, ended: Option<&PipeReader>) -> io::Result<()> {
    let mut at_work = None;
    let (mut end, mut last_words) = (None::<Instant>, 0);
    loop {
        let at_most = end.map(|_| if last_words < LAST_WORDS { Duration::ZERO } else { SILENCE });
        let ready = os::readable(from, ended.filter(|_| end.is_none()), at_most);
        if ready.ended {
            end = Some(Instant::now());
        }
        if !ready.data && !ready.over {
            match end {
                Some(_) if last_words < LAST_WORDS => last_words = LAST_WORDS,
                Some(_) => break,
                None => {}
            }
            continue;
        }
        if ready.over || last_words >= LAST_WORDS && end.is_some_and(|end| end.elapsed() > LINGER) {
            break;
        }
        let (redactor, patterns) = at_work.get_or_insert_with(|| {
            let patterns = hider.patterns();
            (Redactor::new(patterns.clone()), patterns)
        });
        let read = match from.read(redactor.room()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // So a terminal ends.
            Err(_) if ended.is_some() => break,
            Err(error) => {
                redactor.finish(&mut to)?;
                return Err(error);
            }
        };
        last_words += if end.is_some() { read } else { 0 };
        // A token is on the disk before anybody can print it: what was read just now may hold only what is there now.
        let now = hider.patterns();
        if !Arc::ptr_eq(&now, patterns) {
            redactor.learn(now.clone());
            *patterns = now;
        }
        redactor.pass(read, &mut to)?;
    }
    at_work.map_or(Ok(()), |(mut redactor, _)| redactor.finish(&mut to))
}
