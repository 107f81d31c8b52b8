use std::fs::File;
use std::io::{self, Read};

/// Reads the first line of a file and not one byte more: the rest belongs to another program.
pub struct FirstLine {
    from: Option<File>,
    ended: bool,
}

impl FirstLine {
    /// Reads from this file; `None` reads as empty.
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
