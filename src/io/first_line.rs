use std::fs::File;
use std::io::{self, Read};

/// The first line of a file, and no byte more: the rest is another program's.
pub struct FirstLine {
    from: Option<File>,
    ended: bool,
}

impl FirstLine {
    /// Of this file; without one there is nothing to read.
    #[must_use]
    pub fn new(from: Option<File>) -> Self {
        Self { from, ended: false }
    }
}

impl Read for FirstLine {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let (Some(from), Some(to), false) = (&mut self.from, to.first_chunk_mut::<1>(), self.ended) else { return Ok(0) };
        let read = from.read(to)?;
        self.ended = read == 0 || to == b"\n";
        Ok(read)
    }
}
