use std::io::{self, Write};
use std::sync::Arc;

use memchr::memchr_iter;
use zeroize::Zeroizing;

use super::patterns::{Patterns, last_8, window_before};
use super::{HIDDEN, PIECE};

/// So many bytes of what was read before are kept: a piece, a `\r`, and some to load 8 or 16 at once at any place.
const HISTORY: usize = 32;
const ROOM: usize = 64 * 1024;

/// Passes a stream of bytes on, and hides in it, as `***`, every stretch of 16 bytes or more of any form of a secret.
///
/// It sees through line breaks (`\n`, `\r\n`), with or without a `\` or `=` before them. What stands before a break is final: where
/// a secret is folded at less than 16, up to 15 bytes stay visible. Within a line it holds back at most 15 bytes, and only what may
/// be the start of such a stretch.
pub struct Redactor {
    patterns: Arc<Patterns>,
    /// The history, the room, and a piece more to load from.
    buffer: Zeroizing<Vec<u8>>,
    marks: Marks,
    /// How many bytes at the history's end are held back.
    held: usize,
    /// Whether the last byte passed on was hidden.
    hiding: bool,
    /// How many bytes of the history are of the current line.
    line: usize,
    /// The last 16 bytes before the current line: without line breaks, and without the `\` and `=` before them as well.
    joined: [u128; 2],
    composed: Vec<u8>,
}

impl Redactor {
    /// For a stream that begins now.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self {
            patterns,
            buffer: Zeroizing::new(vec![0; HISTORY + ROOM + PIECE]),
            marks: Marks { bits: vec![0; (HISTORY + ROOM).div_ceil(64)], any: false },
            held: 0,
            hiding: false,
            line: 0,
            joined: [0; 2],
            composed: Vec::new(),
        }
    }

    /// From now on these are hidden. What is held back is judged by them too.
    pub fn learn(&mut self, patterns: Arc<Patterns>) {
        self.patterns = patterns;
    }

    /// Room for the next bytes.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[HISTORY..HISTORY + ROOM]
    }

    /// This many bytes were put into the room: passes on all that can be.
    ///
    /// # Errors
    /// What the writer says.
    pub fn pass(&mut self, read: usize, out: &mut dyn Write) -> io::Result<()> {
        let from = HISTORY - self.held;
        let end = HISTORY + read.min(ROOM);
        self.search_lines(end);
        self.search_breaks(end);
        self.held = self.open(end).min(end - from);
        let written = self.write(from, end - self.held, out);
        self.marks.clear(end);
        self.buffer.copy_within(end - HISTORY..end, 0);
        written
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.pass(0, out)?;
        let held = std::mem::take(&mut self.held);
        self.write(HISTORY - held, HISTORY, out)
    }

    /// Marks the stretches without a break. Any 15 bytes hold 8 that begin at a multiple of 8.
    fn search_lines(&mut self, end: usize) {
        let Self { patterns, buffer, marks, .. } = self;
        let mut unseen = 0;
        let mut look = |at: usize, bytes: &[u8; 8]| {
            if !patterns.may_hold(u64::from_le_bytes(*bytes)) {
                return;
            }
            for start in unseen.max(at - 8)..=at.min(end - PIECE) {
                if patterns.hold(window_before(buffer, start + PIECE)) {
                    marks.set(start, start + PIECE);
                }
            }
            unseen = at + 1;
        };
        let (blocks, rest) = buffer[8..end].as_chunks::<64>();
        for (at, block) in (8..).step_by(64).zip(blocks) {
            if patterns.may_hold_any(block) {
                (at..).step_by(8).zip(block.as_chunks().0).for_each(|(at, bytes)| look(at, bytes));
            }
        }
        (8 + blocks.len() * 64..).step_by(8).zip(rest.as_chunks().0).for_each(|(at, bytes)| look(at, bytes));
    }

    /// Marks what stands behind the last break of the stretches that have one.
    fn search_breaks(&mut self, end: usize) {
        let mut start = HISTORY - self.line;
        // All that a break may be in has been seen of a long line.
        let mut seen = self.line == HISTORY;
        for at in memchr_iter(b'\n', &self.buffer[HISTORY..end]) {
            let newline = HISTORY + at;
            let stop = newline - usize::from(newline > start && self.buffer[newline - 1] == b'\r');
            if start < stop {
                if !seen {
                    Self::search_break(&self.patterns, &self.buffer, &mut self.marks, self.joined, start, stop);
                }
                self.joined = self.joined_with(start, stop);
            }
            start = newline + 1;
            seen = false;
        }
        if start < end && !seen {
            Self::search_break(&self.patterns, &self.buffer, &mut self.marks, self.joined, start, end);
        }
        self.line = (end - start).min(HISTORY);
    }

    /// Of a stretch, 8 bytes stand before its last break or behind it.
    fn search_break(patterns: &Patterns, buffer: &[u8], marks: &mut Marks, joined: [u128; 2], start: usize, stop: usize) {
        let longest = (stop - start).min(PIECE - 1);
        let next = window_before(buffer, start + PIECE);
        let behind = longest >= 8 && patterns.may_hold(last_8(next >> 64));
        let [plain, uncontinued] = joined;
        let other = (uncontinued != plain).then_some(uncontinued);
        for joined in [plain].into_iter().chain(other) {
            let before = patterns.may_hold(last_8(joined));
            if !before && !behind {
                continue;
            }
            let lengths = if before { 1 } else { 8 }..=if behind { longest } else { longest.min(8) };
            let found = lengths.rev().find(|&length| patterns.hold(joined << (8 * length) | next >> (8 * (PIECE - length))));
            if let Some(length) = found {
                marks.set(start, start + length);
            }
        }
    }

    /// What is joined when the current line, from `start` to `stop`, ends.
    fn joined_with(&self, start: usize, stop: usize) -> [u128; 2] {
        let last = window_before(&self.buffer, stop);
        let length = stop - start;
        let [plain, uncontinued] = match self.joined {
            _ if length >= PIECE => [last; 2],
            joined => joined.map(|joined| joined << (8 * length) | last & ((1 << (8 * length)) - 1)),
        };
        let continued = matches!(self.buffer[stop - 1], b'\\' | b'=');
        [plain, if continued { uncontinued >> 8 } else { uncontinued }]
    }

    /// How many bytes at the end may yet become part of a stretch that is hidden.
    fn open(&self, end: usize) -> usize {
        if self.line == 0 {
            return 0;
        }
        let last = window_before(&self.buffer, end);
        let length = self.line.min(PIECE - 1);
        let ends = self.joined.map(|joined| {
            let window = joined << (8 * length) | last & ((1 << (8 * length)) - 1);
            self.patterns.longest_end(window)
        });
        let open = ends[0].max(ends[1]).min(length);
        (end - open..end).rev().take_while(|&at| !self.marks.has(at)).count()
    }

    fn write(&mut self, from: usize, to: usize, out: &mut dyn Write) -> io::Result<()> {
        if from == to {
            return Ok(());
        }
        if !self.marks.any {
            self.hiding = false;
            return out.write_all(&self.buffer[from..to]);
        }
        self.composed.clear();
        let mut at = from;
        while at < to {
            let hide = self.marks.has(at);
            let next = self.marks.run_end(at, to);
            if !hide {
                self.composed.extend_from_slice(&self.buffer[at..next]);
            } else if !self.hiding {
                self.composed.extend_from_slice(HIDDEN.as_bytes());
            }
            self.hiding = hide;
            at = next;
        }
        if self.composed.is_empty() { Ok(()) } else { out.write_all(&self.composed) }
    }
}

/// Which bytes of the buffer are hidden, a bit each.
struct Marks {
    bits: Vec<u64>,
    any: bool,
}

impl Marks {
    fn set(&mut self, start: usize, end: usize) {
        self.any = true;
        for at in start..end {
            self.bits[at / 64] |= 1 << (at % 64);
        }
    }

    fn has(&self, at: usize) -> bool {
        self.bits[at / 64] >> (at % 64) & 1 == 1
    }

    /// Where the bytes that are like this one end.
    fn run_end(&self, at: usize, end: usize) -> usize {
        let flip = if self.has(at) { u64::MAX } else { 0 };
        let mut word = at / 64;
        let mut others = (self.bits[word] ^ flip) & u64::MAX << (at % 64);
        while others == 0 {
            word += 1;
            let Some(bits) = self.bits.get(word) else { return end };
            others = bits ^ flip;
        }
        end.min(word * 64 + others.trailing_zeros() as usize)
    }

    fn clear(&mut self, end: usize) {
        if self.any {
            self.bits[..end.div_ceil(64)].fill(0);
            self.any = false;
        }
    }
}
