//! Passes a stream on with its secrets hidden.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use memchr::memmem;
use redact::{Patterns, Redactor, Secret};

use super::mask_lines::{MaskCommand, MaskLines, Obeyed, Piece};
use crate::os::{self, Patient};

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

    /// Every secret that is known so far and may be of use to somebody.
    fn secrets(&self) -> &[Secret];

    /// Those that ended long ago.
    fn ended(&self) -> &[Secret];

    /// Why not all secrets are known.
    fn blind(&self) -> Option<&str>;
}

/// The secrets to hide, for all streams of a program. The search is only set up when needed: a program that prints nothing needs none.
pub struct SharedRedactor {
    known: Mutex<Known>,
    /// What was made last, and of which generation of the secrets.
    patterns: Mutex<Option<(u64, Arc<Patterns>)>>,
    /// Whether to pass output on though not all secrets are known.
    passes_blindly: bool,
    masks: Option<Masks>,
}

struct Known {
    source: Box<dyn SecretSource>,
    /// How often there were new secrets.
    generation: u64,
    /// Why output was withheld.
    withheld: Option<String>,
    /// Whether that was told.
    is_told: bool,
}

/// The lines by which the job's log is told to hide something.
pub struct Masks {
    command: &'static MaskCommand,
    /// The value of the variable that tells the steps apart.
    step: String,
    obeyed: Mutex<Obeyed>,
    /// Whether a secret's was hidden, for it may not have reached the log.
    hidden: AtomicBool,
}

impl Masks {
    /// Lines of this kind. `step` is the value of its variable.
    #[must_use]
    pub fn new(command: &'static MaskCommand, step: &str) -> Self {
        Self { command, step: step.to_owned(), obeyed: Mutex::default(), hidden: AtomicBool::default() }
    }
}

impl SharedRedactor {
    /// Hides what the source knows now, and what it learns later. What masks a secret in the job's log is passed on to that.
    pub fn new(source: impl SecretSource + 'static, masks: Option<Masks>) -> Self {
        let mut source = Box::new(source);
        source.refresh();
        let known = Known { source, generation: 0, withheld: None, is_told: false };
        Self { known: Mutex::new(known), patterns: Mutex::default(), passes_blindly: false, masks }
    }

    /// Passes output on even if not all secrets are known.
    #[must_use]
    pub fn passing_blindly(self, passes_blindly: bool) -> Self {
        Self { passes_blindly, ..self }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        locked(&self.known)
    }

    /// Why not all secrets are known, if so.
    #[must_use]
    pub fn blind(&self) -> Option<String> {
        self.known().source.blind().map(str::to_owned)
    }

    /// Why output was withheld, if some was: what can't be read can't be hidden.
    #[must_use]
    pub fn withheld(&self) -> Option<String> {
        self.known().withheld.clone()
    }

    /// The same, once.
    pub fn news(&self) -> Option<String> {
        let mut known = self.known();
        let why = known.withheld.clone().filter(|_| !known.is_told);
        known.is_told |= why.is_some();
        why
    }

    /// Whether a line that masks a secret was hidden, and the job's log may not know that secret.
    #[must_use]
    pub fn has_hidden_a_mask(&self) -> bool {
        self.masks.as_ref().is_some_and(|masks| masks.hidden.load(Ordering::Relaxed))
    }

    /// Whether there is nothing to hide yet.
    pub fn knows_nothing(&self) -> bool {
        self.known().source.secrets().is_empty()
    }

    /// Asks the source for new secrets. Returns the number of their generation.
    pub fn refresh(&self) -> u64 {
        let mut known = self.known();
        known.generation += u64::from(known.source.refresh());
        known.generation
    }

    /// Patterns for every secret that the source knows now, and the number of that generation.
    fn patterns(&self) -> (u64, Arc<Patterns>) {
        let mut last = locked(&self.patterns);
        let known = self.known();
        let generation = known.generation;
        if let Some(last) = last.as_ref().filter(|(made_of, _)| *made_of == generation) {
            return last.clone();
        }
        // While the many forms of many secrets are indexed, a renewal must not wait.
        let (secrets, ended) = (known.source.secrets().to_vec(), known.source.ended().to_vec());
        drop(known);
        *last = None;
        last.insert((generation, Arc::new(Patterns::with_ended(secrets.iter(), ended.iter())))).clone()
    }

    /// Whether what was just read must be withheld.
    fn withholds(&self) -> bool {
        let mut known = self.known();
        let why = known.source.blind().filter(|_| !self.passes_blindly).map(str::to_owned);
        if known.withheld.is_none() {
            known.withheld.clone_from(&why);
        }
        why.is_some()
    }

    /// Takes note of a mask that is hidden, if it is one of a secret.
    fn hide_mask(&self, lines: &[u8]) {
        let Some(masks) = &self.masks else { return };
        let is_of = |secret: &Secret| memmem::find(lines, secret.expose().as_bytes()).is_some();
        if self.known().source.secrets().iter().any(is_of) {
            masks.hidden.store(true, Ordering::Relaxed);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes everything on, until the stream ends or nobody reads any more. When the program that writes has ended, what it wrote before is
/// passed on, and its children's output for a short while. Returns whether that ends within a line.
///
/// # Errors
/// Fails if the stream can't be read or its output can't be written. `BrokenPipe` means that nobody reads any more.
pub fn pass_on(mut from: os::Source, to: Patient<File>, shared: &SharedRedactor) -> io::Result<bool> {
    let mut stream = Stream::new(to, shared);
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
        let read = match from.read(stream.room()) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                stream.finish()?;
                return Err(error);
            }
        };
        last_words += if end.is_some() { read } else { 0 };
        stream.pass(read)?;
    }
    stream.finish()
}

/// Where a stream goes, and whether what was written to it ends within a line.
struct Target {
    to: Patient<File>,
    is_within_line: bool,
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        if let Some(last) = bytes[..written].last() {
            self.is_within_line = *last != b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// A stream on its way.
struct Stream<'s> {
    shared: &'s SharedRedactor,
    target: Target,
    /// The redactor, and the generation of the secrets that it knows.
    at_work: Option<(Redactor, u64)>,
    lines: Option<MaskLines>,
    /// Whether it reaches the job's log, once that was looked up.
    reaches_log: Option<bool>,
    /// Not all secrets were known at some time: the rest is withheld.
    is_withheld: bool,
}

impl<'s> Stream<'s> {
    fn new(to: Patient<File>, shared: &'s SharedRedactor) -> Self {
        let lines = shared.masks.as_ref().map(|masks| MaskLines::new(masks.command));
        Self { shared, target: Target { to, is_within_line: false }, at_work: None, lines, reaches_log: None, is_withheld: false }
    }

    fn redactor(&mut self) -> &mut Redactor {
        let (redactor, _) = self.at_work.get_or_insert_with(|| {
            self.shared.refresh();
            let (generation, patterns) = self.shared.patterns();
            (Redactor::new(patterns), generation)
        });
        redactor
    }

    fn room(&mut self) -> &mut [u8] {
        self.redactor().room()
    }

    /// Passes on what was read into the room.
    fn pass(&mut self, read: usize) -> io::Result<()> {
        // A token is on the disk before anybody can print it. So what was just read contains no secret that is not there by now.
        let now = self.shared.refresh();
        self.is_withheld |= self.shared.withholds();
        if self.is_withheld {
            return Ok(());
        }
        if let Some((redactor, known)) = self.at_work.as_mut().filter(|(_, known)| *known != now) {
            // The old and the new ones together would take twice as much memory.
            redactor.learn(Arc::new(Patterns::new(std::iter::empty())));
            let (generation, patterns) = self.shared.patterns();
            redactor.learn(patterns);
            *known = generation;
        }
        match self.split(read) {
            Some(pieces) => pieces.into_iter().try_for_each(|piece| self.pass_piece(piece)),
            None => self.pass_room(read),
        }
    }

    fn split(&mut self, read: usize) -> Option<Vec<Piece>> {
        let (lines, masks) = (self.lines.as_mut()?, self.shared.masks.as_ref()?);
        let (redactor, _) = self.at_work.as_mut()?;
        lines.split(&redactor.room()[..read], &mut locked(&masks.obeyed))
    }

    fn pass_room(&mut self, read: usize) -> io::Result<()> {
        match &mut self.at_work {
            Some((redactor, _)) => redactor.pass(read, &mut self.target),
            None => Ok(()),
        }
    }

    fn pass_piece(&mut self, piece: Piece) -> io::Result<()> {
        match piece {
            Piece::Masks(lines) if self.reaches_log() => {
                self.end_text()?;
                self.target.write_all(&lines)
            }
            Piece::Masks(lines) => {
                self.shared.hide_mask(&lines);
                self.pass_text(&lines)
            }
            Piece::Text(text) => self.pass_text(&text),
        }
    }

    fn pass_text(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let room = self.room();
            let (now, rest) = text.split_at(text.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.pass_room(now.len())?;
            text = rest;
        }
        Ok(())
    }

    fn reaches_log(&mut self) -> bool {
        let (shared, to) = (self.shared, &self.target.to.0);
        *self.reaches_log.get_or_insert_with(|| {
            let reaches = |masks: &Masks| os::is_read_by_starter(to, masks.command.step, &masks.step, masks.command.has_handler);
            shared.masks.as_ref().is_some_and(reaches)
        })
    }

    fn end_text(&mut self) -> io::Result<()> {
        self.at_work.take().map_or(Ok(()), |(mut redactor, _)| redactor.finish(&mut self.target))
    }

    /// Passes on what was held back, unless the rest is withheld. Returns whether all of it ends within a line.
    fn finish(mut self) -> io::Result<bool> {
        if !self.is_withheld {
            let kept = self.lines.as_mut().map(MaskLines::finish).unwrap_or_default();
            self.pass_text(&kept)?;
            self.end_text()?;
        }
        Ok(self.target.is_within_line)
    }
}
