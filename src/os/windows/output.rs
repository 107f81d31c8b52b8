//! What a program prints. A pipe can't be waited for here, so a thread reads it.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::process::Stdio;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stdio_override::{StderrOverride, StdoutOverride};
use winsafe::{HSTD, co};

use super::super::{Outputs, Patient, Ready};

/// How much is read at once.
const PIECE: usize = 64 << 10;

/// A stream that is read to be passed on.
pub enum Source {
    /// A stream of this process's own: reading it waits.
    Own(File),
    /// What a program prints.
    Program(Arc<Stream>),
}

/// What a program prints on one of its streams, read by a thread.
#[derive(Default)]
pub struct Stream {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What was read and not passed on yet: at most a piece, and then the thread waits.
    piece: Vec<u8>,
    over: bool,
    ended: bool,
    /// Nobody passes it on any more.
    abandoned: bool,
}

impl Stream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits for a change of the state, until `deadline` if there is one. False: it has passed.
    fn wait<'s>(&self, state: MutexGuard<'s, State>, deadline: Option<Instant>) -> (MutexGuard<'s, State>, bool) {
        let Some(deadline) = deadline else { return (self.changed.wait(state).unwrap_or_else(PoisonError::into_inner), true) };
        let left = deadline.saturating_duration_since(Instant::now());
        (self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0, !left.is_zero())
    }

    /// Reads a pipe to its end.
    fn read(&self, mut from: PipeReader) {
        let mut room = vec![0; PIECE];
        while let Ok(read @ 1..) = from.read(&mut room) {
            let mut state = self.state();
            while !state.piece.is_empty() && !state.abandoned {
                state = self.wait(state, None).0;
            }
            if state.abandoned {
                return;
            }
            state.piece.extend_from_slice(&room[..read]);
            drop(state);
            self.changed.notify_all();
        }
        self.change(|state| state.over = true);
    }

    fn look(&self, at_most: Option<Duration>) -> Ready {
        let deadline = at_most.map(|time| Instant::now() + time);
        let mut state = self.state();
        let mut in_time = true;
        while state.piece.is_empty() && !state.over && !state.ended && in_time {
            (state, in_time) = self.wait(state, deadline);
        }
        let ended = std::mem::take(&mut state.ended);
        Ready { data: !state.piece.is_empty(), over: state.piece.is_empty() && state.over, ended }
    }
}

impl Source {
    /// A stream of this process's own.
    #[must_use]
    pub fn own(file: File) -> Self {
        Self::Own(file)
    }

    /// Waits until there is something to read, the program has ended, or the time `at_most` is up.
    pub fn wait(&mut self, at_most: Option<Duration>) -> Ready {
        match self {
            Source::Own(_) => Ready { data: true, ..Ready::default() },
            Source::Program(stream) => stream.look(at_most),
        }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Own(file) => file.read(into),
            Source::Program(stream) => {
                let mut state = stream.state();
                let read = state.piece.len().min(into.len());
                into[..read].copy_from_slice(&state.piece[..read]);
                state.piece.drain(..read);
                drop(state);
                stream.changed.notify_all();
                Ok(read)
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Source::Program(stream) = self {
            stream.change(|state| state.abandoned = true);
        }
    }
}

/// Tells the streams of a program that it has ended, by being dropped.
pub struct Ending(Vec<Arc<Stream>>);

impl Drop for Ending {
    fn drop(&mut self) {
        for stream in &self.0 {
            stream.change(|state| state.ended = true);
        }
    }
}

impl Outputs {
    /// Creates pipes in place of our own streams.
    ///
    /// # Errors
    /// Fails if a pipe can't be created.
    pub fn new() -> io::Result<Self> {
        keep_inherited();
        let (mut streams, mut ending) = (Vec::new(), Ending(Vec::new()));
        let mut end_for = |own: io::Result<File>| -> io::Result<Stdio> {
            // Our own stream is closed: what the program prints there is discarded, as it would be without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            let (from, end) = io::pipe()?;
            let stream = Arc::new(Stream::default());
            ending.0.push(stream.clone());
            let reading = stream.clone();
            std::thread::spawn(move || reading.read(from));
            streams.push((Source::Program(stream), Patient(own)));
            Ok(end.into())
        };
        let ends = [end_for(super::stdout())?, end_for(super::stderr())?];
        Ok(Self { ends, streams, ending, screens: Screens(Vec::new()) })
    }
}

/// Puts handles that no program inherits in the place of our own streams. What std starts inherits every handle that it can, and what a
/// program leaves behind would keep the pipes open that our caller reads to their end.
pub fn keep_inherited() {
    let (Ok(output), Ok(errors)) = (super::stdout(), super::stderr()) else { return };
    let inherited = [co::STD_HANDLE::OUTPUT, co::STD_HANDLE::ERROR].map(HSTD::GetStdHandle);
    let ours = (StdoutOverride::from_io(output), StderrOverride::from_io(errors));
    match (ours, inherited) {
        ((Ok(output), Ok(errors)), [Ok(first), Ok(second)]) => {
            // They stay for the rest of this process.
            std::mem::forget((output, errors));
            if first.ptr() == second.ptr() {
                std::mem::forget(second);
            }
        }
        (_, inherited) => std::mem::forget(inherited),
    }
}

/// The terminals made for a program; always none here.
pub struct Screens(Vec<std::convert::Infallible>);

impl Screens {
    /// Always true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Does nothing on this system.
    pub fn follow(&mut self) {
        self.0.clear();
    }
}
