use std::fs::File;
use std::io::{self, Read};

use crate::os::Patient;

/// Reads the first line of a file and not one byte more: the rest belongs to another program.
pub struct FirstLine {
    from: Option<Patient<File>>,
    /// How many bytes were read, and the last two of them.
    read: usize,
    last: [u8; 2],
    /// The line feed, if a byte order mark says that the text is in UTF-16.
    wide: Option<[u8; 2]>,
    ended: bool,
}

impl FirstLine {
    /// Reads from this file; `None` reads as empty.
    #[must_use]
    pub fn new(from: Option<Patient<File>>) -> Self {
        Self { from, read: 0, last: [0; 2], wide: None, ended: false }
    }

    fn is_at_the_end(&mut self, byte: u8) -> bool {
        self.read += 1;
        self.last = [self.last[1], byte];
        match (self.read, self.last) {
            (2, [0xff, 0xfe]) => self.wide = Some([b'\n', 0]),
            (2, [0xfe, 0xff]) => self.wide = Some([0, b'\n']),
            _ => {}
        }
        self.wide.map_or(byte == b'\n', |line_feed| self.read.is_multiple_of(2) && self.last == line_feed)
    }
}

impl Read for FirstLine {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let (Some(from), Some(to), false) = (&mut self.from, to.first_chunk_mut::<1>(), self.ended) else { return Ok(0) };
        let read = from.read(to)?;
        self.ended = read == 0 || self.is_at_the_end(to[0]);
        Ok(read)
    }
}
