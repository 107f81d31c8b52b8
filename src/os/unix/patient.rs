//! Streams that another process may have made non-blocking: the flag belongs to the open pipe or terminal, which many share. Node does so.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::PIPE_BUF;

use super::super::{OwnStream, Patient};
use super::asked_to_stop;

/// How long to wait at once. The poll of macOS refuses terminals: then it is how often to try.
const MOMENT: Duration = Duration::from_millis(20);

impl<T: AsFd> Patient<T> {
    /// Does something that would wait if the stream were a blocking one.
    fn wait<R>(&mut self, until: PollFlags, mut attempt: impl FnMut(&mut T) -> io::Result<R>) -> io::Result<R> {
        loop {
            match attempt(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait(&self.0, until),
                done => return done,
            }
        }
    }
}

impl<T: AsFd> Write for OwnStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut stream = [PollFd::new(&self.0, PollFlags::OUT)];
            let patience = if asked_to_stop().is_some() { Duration::ZERO } else { MOMENT };
            let has_room = !matches!(poll(&mut stream, Timespec::try_from(patience).ok().as_ref()), Ok(0) | Err(Errno::INTR));
            if has_room {
                // As much as fits into a pipe that has room at all.
                match rustix::io::write(&self.0, &bytes[..bytes.len().min(PIPE_BUF)]) {
                    Err(Errno::AGAIN) => {}
                    done => return Ok(done?),
                }
            }
            if asked_to_stop().is_some() {
                return Err(io::Error::other("nobody reads it"));
            }
            if has_room {
                std::thread::sleep(MOMENT);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn wait(stream: &impl AsFd, until: PollFlags) {
    let mut stream = [PollFd::new(stream, until)];
    let ready = poll(&mut stream, Timespec::try_from(MOMENT).ok().as_ref());
    if ready.is_err() || ready == Ok(1) && !stream[0].revents().contains(until) {
        std::thread::sleep(MOMENT);
    }
}

impl<T: Write + AsFd> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(PollFlags::OUT, |stream| stream.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait(PollFlags::OUT, Write::flush)
    }
}

impl<T: Read + AsFd> Read for Patient<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.wait(PollFlags::IN, |stream| stream.read(into))
    }
}
