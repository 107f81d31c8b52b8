//! Streams that another process may have made non-blocking: the flag belongs to the open pipe or terminal, which many share. Node does so.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::Patient;

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
