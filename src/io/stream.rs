//! Passes a stream on with its secrets hidden.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redact::{Patterns, Redactor, Secret};

use crate::os;

/// A program's children may keep its standard output open after its end. They are heard until they have been silent for `SILENCE`, and for
/// `LINGER` at most.
const SILENCE: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(3);
/// The most that a pipe can hold. What the program itself printed last may be as long, and reading it may take longer than `LINGER`.
const LAST_WORDS: usize = 1 << 20;

/// A source of secrets to hide, which may grow over time.
pub trait SecretSource: Send {
    /// Looks for changes. Returns whether there are new secrets.
    fn refresh(&mut self) -> bool;

    /// Every secret that is known so far.
    fn secrets(&self) -> &[Secret];

    /// Why not all secrets are known. What can't be read can't be hidden, so nothing is passed on any more.
    fn blind(&self) -> Option<&str>;
}

/// The secrets to hide, for all streams of a program. The search is only set up when needed: a program that prints nothing needs none.
pub struct SharedRedactor(Mutex<Known>);

struct Known {
    source: Box<dyn SecretSource>,
    patterns: Option<Arc<Patterns>>,
}

impl SharedRedactor {
    /// Hides what the source knows now, and what it learns later.
    pub fn new(source: impl SecretSource + 'static) -> Self {
        let mut source = Box::new(source);
        source.refresh();
        Self(Mutex::new(Known { source, patterns: None }))
    }

    /// Why not all secrets are known, if so.
    #[must_use]
    pub fn blind(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).source.blind().map(str::to_owned)
    }

    /// Whether there is nothing to hide yet.
    pub fn knows_nothing(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).source.secrets().is_empty()
    }

    /// Asks the source for new secrets.
    pub fn refresh(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.source.refresh() {
            known.patterns = None;
        }
    }

    /// Patterns for every secret that the source knows now.
    fn patterns(&self) -> Arc<Patterns> {
        self.refresh();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { source, patterns } = &mut *known;
        patterns.get_or_insert_with(|| Arc::new(Patterns::new(source.secrets().iter()))).clone()
    }
}

/// Passes everything on, until the stream ends or nobody reads any more. When the program that writes has ended, what it wrote before is
/// passed on, and its children's output for a short while.
///
/// # Errors
/// Fails if the stream can't be read or its output can't be written. `BrokenPipe` means that nobody reads any more.
pub fn pass_on(mut from: os::Source, mut to: impl Write, shared: &SharedRedactor) -> io::Result<()> {
    let mut at_work = None;
    let mut blind = shared.blind();
    let (mut end, mut last_words) = (None::<Instant>, 0);
    loop {
        let at_most = end.map(|_| if last_words < LAST_WORDS { Duration::ZERO } else { SILENCE });
        let ready = from.wait(at_most);
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
            let patterns = shared.patterns();
            (Redactor::new(patterns.clone()), patterns)
        });
        let read = match from.read(redactor.room()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                redactor.finish(&mut to)?;
                return Err(error);
            }
        };
        last_words += if end.is_some() { read } else { 0 };
        // A token is on the disk before anybody can print it. So what was just read contains no secret that is not there by now.
        let now = shared.patterns();
        blind = blind.or_else(|| shared.blind());
        if blind.is_some() {
            continue;
        }
        if !Arc::ptr_eq(&now, patterns) {
            redactor.learn(now.clone());
            *patterns = now;
        }
        redactor.pass(read, &mut to)?;
    }
    match blind {
        // What was held back is not passed on either.
        Some(why) => Err(io::Error::other(why)),
        None => at_work.map_or(Ok(()), |(mut redactor, _)| redactor.finish(&mut to)),
    }
}
