//! What a program prints. A pipe can't be waited for here, so a thread reads it.

use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use stdio_override::{StderrOverride, StdoutOverride};
use winsafe::{HSTD, co};

use super::super::Ready;

/// How much is read at once.
const PIECE: usize = 64 << 10;
/// How many pieces wait to be passed on.
const PIECES: usize = 4;

enum Message {
    Data(Vec<u8>),
    /// The end of the stream.
    Over,
    /// Only to wake up who waits.
    Ended,
}

/// A stream that is read to be passed on.
pub enum Source {
    /// A stream of this process's own: reading it waits.
    Own(File),
    /// What a program prints.
    Program(Stream),
}

/// What a program prints on one of its streams.
pub struct Stream {
    messages: Receiver<Message>,
    /// What was received and not read yet.
    piece: Vec<u8>,
    ended: Option<Arc<AtomicBool>>,
    over: bool,
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
            Source::Program(stream) => stream.wait(at_most),
        }
    }
}

impl Stream {
    fn wait(&mut self, at_most: Option<Duration>) -> Ready {
        if self.piece.is_empty() && !self.over {
            let received = match at_most {
                Some(time) => self.messages.recv_timeout(time),
                None => self.messages.recv().map_err(RecvTimeoutError::from),
            };
            match received {
                Ok(Message::Data(piece)) => self.piece = piece,
                Ok(Message::Over) | Err(RecvTimeoutError::Disconnected) => self.over = true,
                Ok(Message::Ended) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
        let ended = self.ended.take_if(|ended| ended.load(Ordering::Acquire)).is_some();
        Ready { data: !self.piece.is_empty(), over: self.piece.is_empty() && self.over, ended }
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Own(file) => file.read(into),
            Source::Program(stream) => {
                let read = stream.piece.len().min(into.len());
                into[..read].copy_from_slice(&stream.piece[..read]);
                stream.piece.drain(..read);
                Ok(read)
            }
        }
    }
}

/// Tells the streams of a program that it has ended, by being dropped.
pub struct Ending(Vec<(Arc<AtomicBool>, SyncSender<Message>)>);

impl Drop for Ending {
    fn drop(&mut self) {
        for (ended, messages) in &self.0 {
            ended.store(true, Ordering::Release);
            // If there is no room, it is awake anyway.
            let _ = messages.try_send(Message::Ended);
        }
    }
}

/// The two output streams of a program that is about to start.
pub struct Outputs {
    /// The program's standard output and standard error.
    pub ends: [Stdio; 2],
    /// For each stream: where to read what the program prints, and which of our own streams to pass it on to.
    pub streams: Vec<(Source, File)>,
    /// Tells them that it has ended.
    pub ending: Ending,
    /// The terminals made for the program; always none here.
    pub screens: Screens,
}

impl Outputs {
    /// Creates pipes in place of our own streams.
    ///
    /// # Errors
    /// Fails if a pipe can't be created.
    pub fn new() -> io::Result<Self> {
        keep_streams();
        let (mut streams, mut ending) = (Vec::new(), Ending(Vec::new()));
        let mut end_for = |own: io::Result<File>| -> io::Result<Stdio> {
            // Our own stream is closed: what the program prints there is discarded, as it would be without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            let (from, end) = io::pipe()?;
            let (sender, messages) = sync_channel(PIECES);
            let ended = Arc::new(AtomicBool::new(false));
            ending.0.push((ended.clone(), sender.clone()));
            std::thread::spawn(move || read(from, &sender));
            streams.push((Source::Program(Stream { messages, piece: Vec::new(), ended: Some(ended), over: false }), own));
            Ok(end.into())
        };
        let ends = [end_for(super::stdout())?, end_for(super::stderr())?];
        Ok(Self { ends, streams, ending, screens: Screens(Vec::new()) })
    }
}

/// Puts handles that no program inherits in the place of our own streams. What std starts inherits every handle that it can, and what a
/// program leaves behind would keep the pipes open that our caller reads to their end.
fn keep_streams() {
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

/// Reads a pipe to its end, or until nobody listens any more.
fn read(mut from: PipeReader, to: &SyncSender<Message>) {
    let mut room = vec![0; PIECE];
    while let Ok(read @ 1..) = from.read(&mut room) {
        if to.send(Message::Data(room[..read].to_vec())).is_err() {
            return;
        }
    }
    let _ = to.send(Message::Over);
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
