//! A stream that is passed on with its secrets hidden.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redact::{Patterns, Redactor, Secret};

use crate::os;

/// A program's children may hold its standard output after its end: for so long they may be silent, and for so long in all.
const SILENCE: Duration = Duration::from_secs(1);
const LINGER: Duration = Duration::from_secs(3);
/// What a pipe may hold at most: the program's own last words may be as long, and may take the reader longer.
const LAST_WORDS: usize = 1 << 20;

/// The secrets to hide, as they come.
pub trait SecretSource: Send {
    /// Looks again if something changed. Returns whether there are new secrets.
    fn refresh(&mut self) -> bool;

    /// Everything that is known by now.
    fn secrets(&self) -> &[Secret];
}

/// What is hidden, for all streams of a program. Made ready for search when it is needed first: a program that prints nothing needs none.
pub struct SharedRedactor(Mutex<Known>);

struct Known {
    source: Box<dyn SecretSource>,
    patterns: Option<Arc<Patterns>>,
}

impl SharedRedactor {
    /// Everything that the source knows now, and what it will know.
    pub fn new(source: impl SecretSource + 'static) -> Self {
        let mut source = Box::new(source);
        source.refresh();
        Self(Mutex::new(Known { source, patterns: None }))
    }

    /// Whether there is nothing to hide yet.
    pub fn knows_nothing(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).source.secrets().is_empty()
    }

    /// Learns what is known by now.
    pub fn refresh(&self) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.source.refresh() {
            known.patterns = None;
        }
    }

    /// Everything that is known by now.
    fn patterns(&self) -> Arc<Patterns> {
        self.refresh();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { source, patterns } = &mut *known;
        patterns.get_or_insert_with(|| Arc::new(Patterns::new(source.secrets().iter()))).clone()
    }
}

/// Passes everything on until its end, or until nobody reads any more. When `ended` is closed at its other end, the program that
/// writes has ended: what it wrote is passed on, and its children's output for a while.
///
/// # Errors
/// When it can't be written, or can't be read on.
pub fn pass_on(mut from: &File, mut to: impl Write, shared: &SharedRedactor, ended: Option<&PipeReader>) -> io::Result<()> {
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
            let patterns = shared.patterns();
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
        let now = shared.patterns();
        if !Arc::ptr_eq(&now, patterns) {
            redactor.learn(now.clone());
            *patterns = now;
        }
        redactor.pass(read, &mut to)?;
    }
    at_work.map_or(Ok(()), |(mut redactor, _)| redactor.finish(&mut to))
}
