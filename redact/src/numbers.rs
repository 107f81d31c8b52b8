//! Secrets as lists of numbers: hex with blanks in between, dumps, `\x65`, `0x65,`, `\u0065`, decimal and octal lists, characters one by one.
//!
//! All of these share what ordinary text does not: for 32 bytes and more, no two letters beyond F follow each other. Such a *quiet* run is read
//! as numbers, in each of the ways that its numbers allow, whatever stands between them, and what they spell is looked up.
//!
//! A dump has an offset before its numbers, and often the text behind them. So the numbers of a line are its longest series of them without
//! anything else in between, and they follow on those of the line before; other lines in between do not matter.

use std::ops::Range;

use super::PIECE;
use super::block;
use super::marks::Marks;
use super::patterns::{Patterns, Place};

/// The shortest run that is read: sixteen numbers of two digits. A date with what stands around it is mostly shorter.
const QUIET: usize = 47;
/// The bits of a block that lie in every run of this length in it.
const MIDDLE: u64 = (1 << QUIET) - (1 << (block::LENGTH - QUIET));
/// So many numbers in sequence are held back: fewer may occur in any text.
const FEW: usize = 4;
/// The longest number. In more hex digits than that the forms themselves are found.
const LONGEST: usize = 18;

/// No index into the buffer is as large.
const MOST: usize = 1 << 20;

/// Where a number stands in the stream.
#[derive(Clone, Copy, Default)]
struct Span {
    /// The end of the number before, if it is of the same series.
    before: u64,
    start: u64,
    end: u64,
    /// The serial number of the span before, in whatever line.
    last: u32,
}

/// How many spans are remembered.
const SPANS: usize = 256;

/// What numbers spell.
#[derive(Clone, Copy, Default)]
struct Tail {
    window: u128,
    /// The serial number of the last character's span.
    last: u32,
    /// Where the last 16 end in a form, if they are a stretch of it.
    place: Option<Place>,
}

/// The numbers of one notation.
#[derive(Default)]
struct Series {
    now: Tail,
    length: usize,
    /// The longest series of this line, and its length.
    best: Tail,
    best_length: usize,
    /// That of the line before.
    line_before: Tail,
    /// The first of two hex digits, and where it stands.
    half: Option<(u8, u64)>,
}

/// The notations.
const HEX: usize = 0;
/// Hex with the low byte first.
const WORDS: usize = 1;
const DECIMAL: usize = 2;
const OCTAL: usize = 3;
const BINARY: usize = 4;
const CHARACTERS: usize = 5;

/// Where the last of these pairs is, in the block before `at`.
fn last_pair(pairs: u64, at: usize) -> Option<usize> {
    (pairs != 0).then(|| at - 1 - pairs.leading_zeros() as usize)
}

/// Reads the quiet runs of a stream. A position is one in the stream.
#[expect(clippy::struct_excessive_bools, reason = "what was seen so far")]
pub struct Numbers {
    series: [Series; 6],
    /// By their serial numbers, modulo their count.
    spans: Box<[Span; SPANS]>,
    serial: u32,
    /// Whether there was anything in this line yet.
    is_begun: bool,
    /// Whether the last numbers were part of a secret.
    is_hot: bool,
    /// The position of the buffer's first byte.
    base: u64,
    /// Up to where it has read.
    read: u64,
    /// Where the quiet run began that is not over yet.
    quiet: u64,
    /// Whether the last byte is a letter.
    letter: bool,
    /// Whether there was no number in this line yet.
    is_first: bool,
}

impl Numbers {
    /// For a buffer with so many bytes of history.
    pub fn new(history: usize) -> Self {
        let start = history as u64;
        Self {
            series: Default::default(),
            spans: Box::new([Span::default(); SPANS]),
            serial: 0,
            is_begun: false,
            is_hot: false,
            base: 0,
            read: start,
            quiet: start,
            letter: false,
            is_first: true,
        }
    }

    /// For when other patterns count.
    pub fn forget_places(&mut self) {
        for series in &mut self.series {
            for tail in [&mut series.now, &mut series.best, &mut series.line_before] {
                tail.place = None;
            }
        }
    }

    /// The last of the text before was taken back.
    pub fn take_back(&mut self, count: usize) {
        self.base = self.base.wrapping_sub(count as u64);
    }

    /// Marks what the numbers spell, up to the end of the new part of the buffer. Returns how many bytes there are to be held back.
    pub fn search(
        &mut self,
        patterns: &Patterns,
        buffer: &[u8],
        letters: &[u64],
        new: Range<usize>,
        is_last: bool,
        marks: &mut Marks,
    ) -> usize {
        let (mut quiet, mut letter) = (self.index(self.quiet), u64::from(self.letter));
        // The pairs of letters in the block before. If there are none, `quiet` is up to date.
        let mut before = 0_u64;
        for (at, &letters) in new.clone().step_by(block::LENGTH).zip(letters) {
            let pairs = letters & (letters << 1 | letter);
            letter = letters >> 63;
            // Where the last pair is, is not asked for each block: that takes many cycles.
            if pairs & MIDDLE == 0 || before >> 1 >> ((block::LENGTH - QUIET) as u32 + pairs.trailing_zeros()) == 0 {
                quiet = last_pair(before, at).unwrap_or(quiet);
                self.end_runs(patterns, buffer, quiet, at, pairs, marks);
            }
            before = pairs;
        }
        if !new.is_empty() {
            self.letter = letters[(new.len() - 1) / block::LENGTH] >> ((new.len() - 1) % block::LENGTH) & 1 == 1;
        }
        quiet = last_pair(before, new.start + new.len().next_multiple_of(block::LENGTH)).unwrap_or(quiet);
        self.quiet = self.position(quiet);
        let mut open = 0;
        if quiet + QUIET <= new.end {
            self.read_run(patterns, buffer, quiet..new.end, !is_last, marks);
            // What was read last may have been taken back.
            open = self.open(patterns).map_or(0, |open| new.end.saturating_sub(self.index(open)));
        }
        self.base = self.base.wrapping_add(new.len() as u64);
        open
    }

    /// Reads the runs that these pairs of letters end.
    #[cold]
    fn end_runs(&mut self, patterns: &Patterns, buffer: &[u8], quiet: usize, at: usize, pairs: u64, marks: &mut Marks) {
        if pairs == 0 {
            return;
        }
        let first = at + pairs.trailing_zeros() as usize;
        if quiet + QUIET <= first {
            self.read_run(patterns, buffer, quiet..first, false, marks);
        }
        // One more may lie between two of the pairs.
        let inner = [1, 2, 4, 8, 16, 15].into_iter().fold(!pairs, |free, by| free & free >> by) & u64::MAX << (first - at);
        if inner != 0 {
            let start = inner.trailing_zeros();
            let end = (pairs >> start).trailing_zeros() + start;
            if end < 64 {
                self.read_run(patterns, buffer, at + start as usize - 1..at + end as usize, false, marks);
            }
        }
    }

    /// Reads a quiet run. If it is open, more of it may follow.
    fn read_run(&mut self, patterns: &Patterns, buffer: &[u8], run: Range<usize>, is_open: bool, marks: &mut Marks) {
        let mut at = self.index(self.read);
        if at < run.start {
            self.end_line();
            at = run.start;
        }
        let is_list = self.is_hot || block::may_be_list(buffer, at..run.end) && is_list(&buffer[at..run.end]);
        if !is_list {
            return;
        }
        self.is_hot = true;
        while at < run.end {
            let byte = buffer[at];
            let mut end = at + 1;
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    while end < run.end && buffer[end].is_ascii_alphanumeric() {
                        end += 1;
                    }
                    if is_open && !self.is_complete(buffer, at..end, run.end) {
                        break;
                    }
                    self.is_begun = true;
                    self.read_character(patterns, buffer, at..end, marks);
                    let number = &buffer[at..end];
                    let is_offset =
                        number.len() >= 4 && (buffer[end] == b':' || self.is_first && next_number(buffer, end..run.end) != number.len());
                    self.is_first = false;
                    // A sign of percent-encoding that is encoded itself.
                    let sign =
                        if at.checked_sub(1).is_some_and(|before| buffer[before] == b'%') && number.len() == 4 && number.starts_with(b"25")
                        {
                            2
                        } else {
                            0
                        };
                    self.read_number(patterns, &number[sign..], at + sign, is_offset, marks);
                }
                b'\n' | b'\r' => self.end_line(),
                b'!'..=b'~' => {
                    if is_open && end == run.end {
                        break;
                    }
                    self.read_character(patterns, buffer, at..end, marks);
                }
                _ => {}
            }
            at = end;
        }
        self.read = self.position(at);
        // What was found may go on where the next run is too short to tell.
        self.is_hot = self.series.iter().any(|series| series.now.place.is_some() || series.line_before.place.is_some());
    }

    fn read_character(&mut self, patterns: &Patterns, buffer: &[u8], word: Range<usize>, marks: &mut Marks) {
        if word.len() == 1 && is_blank(buffer, word.end) && is_blank(buffer, word.start.wrapping_sub(1)) {
            self.is_begun = true;
            self.push(patterns, CHARACTERS, buffer[word.start], word.start, word.end, marks);
        } else {
            self.series[CHARACTERS].end();
        }
    }

    /// Whether what is behind this number does not matter for it, or is known.
    fn is_complete(&self, buffer: &[u8], number: Range<usize>, end: usize) -> bool {
        let rest = &buffer[number.end..end];
        if number.len() > LONGEST {
            return true;
        }
        if !self.is_first || number.len() < 4 {
            return !rest.is_empty();
        }
        // It may be an offset.
        let mut next =
            rest.iter().skip_while(|byte| !byte.is_ascii_alphanumeric() && **byte != b'\n').skip_while(|byte| byte.is_ascii_alphanumeric());
        next.next().is_some()
    }

    /// Reads a number in every notation that it may be in.
    fn read_number(&mut self, patterns: &Patterns, whole: &[u8], at: usize, is_offset: bool, marks: &mut Marks) {
        let digits = match whole {
            [b'0', b'x' | b'X' | b'o', digits @ ..] | [b'x' | b'X' | b'u' | b'U', digits @ ..] | digits => digits,
        };
        let (length, end) = (digits.len(), at + whole.len());
        if length == 0 {
            return;
        }
        let (mut highest, mut hex, mut decimal, mut octal, mut binary) = (0, 0_u64, 0_u64, 0_u64, 0_u64);
        for &digit in &digits[..length.min(LONGEST)] {
            let digit = u64::from(DIGITS[usize::from(digit)]);
            highest = highest.max(digit);
            hex = hex << 4 | digit;
            decimal = decimal.wrapping_mul(10).wrapping_add(digit);
            octal = octal << 3 | digit;
            binary = binary << 1 | digit;
        }
        let is_hex = highest < 16 && length <= 16 && !is_offset;
        if is_hex {
            self.read_hex(patterns, digits, end - length, at, marks);
        } else {
            self.series[HEX].end();
        }
        let words = match length {
            4 | 8 | 16 if is_hex => length / 2,
            _ => 0,
        };
        let decimals = match length {
            1..=3 if highest < 10 => 1,
            4 | 5 if highest < 10 => 2,
            8..=10 if highest < 10 => 4,
            _ => 0,
        };
        let octals = match length {
            3 if highest < 8 => 1,
            6 if highest < 8 => 2,
            11 if highest < 8 => 4,
            _ => 0,
        };
        let binaries = usize::from(length == 8 && highest < 2);
        for (notation, value, bytes) in
            [(WORDS, hex, words), (DECIMAL, decimal, decimals), (OCTAL, octal, octals), (BINARY, binary, binaries)]
        {
            if bytes > 0 && (bytes == 8 || value >> (8 * bytes) == 0) {
                value.to_le_bytes()[..bytes].iter().for_each(|byte| self.push(patterns, notation, *byte, at, end, marks));
            } else {
                self.series[notation].end();
            }
        }
    }

    fn read_hex(&mut self, patterns: &Patterns, digits: &[u8], first: usize, whole: usize, marks: &mut Marks) {
        if digits.len().is_multiple_of(2) {
            self.series[HEX].half = None;
        }
        for (at, &digit) in (first..).zip(digits) {
            let digit = DIGITS[usize::from(digit)];
            let start = if at == first { whole } else { at };
            match self.series[HEX].half.take() {
                None => self.series[HEX].half = Some((digit, self.position(start))),
                Some((half, start)) => self.push(patterns, HEX, half << 4 | digit, self.index(start), at + 1, marks),
            }
        }
    }

    /// The next character that the numbers of a notation spell. In UTF-16 every other is a NUL.
    fn push(&mut self, patterns: &Patterns, notation: usize, byte: u8, start: usize, end: usize, marks: &mut Marks) {
        if byte == 0 {
            return;
        }
        let [start, end] = [start, end].map(|index| self.position(index));
        let Series { now, length, .. } = &mut self.series[notation];
        let before = if *length > 0 { self.spans[now.last as usize % SPANS].end } else { start };
        self.serial = self.serial.wrapping_add(1);
        self.spans[self.serial as usize % SPANS] = Span { before, start, end, last: now.last };
        now.last = self.serial;
        now.window = now.window << 8 | u128::from(byte);
        *length += 1;
        let followed = now.place.filter(|place| patterns.matching(*place, &[byte]) == 1).map(|place| place.on(1));
        let before = now.place.take();
        now.place = followed.or_else(|| patterns.end_of(now.window));
        if now.place.is_some() {
            let count = if before.is_some() { 1 } else { PIECE };
            let last = now.last;
            self.hide(last, count, marks);
        }
    }

    /// Marks the numbers of so many characters, back from this one.
    #[cold]
    fn hide(&self, mut serial: u32, count: usize, marks: &mut Marks) {
        for left in (0..count).rev() {
            let Span { before, start, end, last } = self.spans[serial as usize % SPANS];
            if self.serial.wrapping_sub(serial) as usize >= SPANS {
                return;
            }
            // What is before the buffer has a large index.
            let [before, start, end] = [before, start, end].map(|position| position.wrapping_sub(self.base) as usize);
            // What stands between two of them is hidden too.
            let start = if left == 0 && count > 1 { start } else { start.min(before) };
            if start < end && end <= MOST {
                marks.set(start, end);
            }
            serial = last;
        }
    }

    fn end_line(&mut self) {
        if std::mem::take(&mut self.is_begun) {
            self.series.iter_mut().for_each(Series::end_line);
        }
        self.is_first = true;
    }

    /// From where on to hold back: from the first number of a few that may be the start of a stretch.
    fn open(&self, patterns: &Patterns) -> Option<u64> {
        let span = |serial: u32| self.spans[serial as usize % SPANS];
        if let Some(series) = self.series.iter().find(|series| series.length > 0 && series.now.place.is_some()) {
            return Some(span(series.now.last).end);
        }
        let open = self.series.iter().filter_map(|series| {
            let count = patterns.filter.longest_end(series.now.window);
            let first = (1..count.min(series.length)).fold(series.now.last, |serial, _| span(serial).last);
            (count >= FEW).then(|| if series.length > 0 { span(first).start } else { self.read })
        });
        open.min_by_key(|position| position.wrapping_sub(self.base))
    }

    fn position(&self, index: usize) -> u64 {
        self.base.wrapping_add(index as u64)
    }

    /// The index of a position, 0 if it is before the buffer.
    fn index(&self, position: u64) -> usize {
        let index = position.wrapping_sub(self.base) as usize;
        if index > MOST { 0 } else { index }
    }
}

impl Series {
    fn end(&mut self) {
        self.half = None;
        if self.length > 0 {
            if self.length > self.best_length {
                (self.best, self.best_length) = (self.now, self.length);
            }
            (self.now, self.length) = (self.line_before, 0);
        }
    }

    fn end_line(&mut self) {
        self.end();
        if self.best_length > 0 {
            (self.line_before, self.now, self.best_length) = (self.best, self.best, 0);
        }
    }
}

/// Whether this may be a list: so many hex digits in a series of numbers, or characters one by one. A date has less.
fn is_list(run: &[u8]) -> bool {
    let (mut digits, mut alone, mut word) = (0, 0, 0);
    for &byte in run {
        match KINDS[usize::from(byte)] {
            b'0' => (digits, word) = (digits + 1, word + 1),
            b'z' => (digits, word) = (0, word + 1),
            // Ends a word.
            b' ' => {
                alone = match word {
                    0 => alone,
                    1 => alone + 1,
                    _ => 0,
                };
                word = 0;
            }
            _ => word += 1,
        }
        if digits > 25 || alone > 11 {
            return true;
        }
    }
    false
}

/// The value of each byte as a hex digit; 99 if it is none.
const DIGITS: [u8; 256] = {
    let (mut digits, mut value) = ([99; 256], 0);
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// For each byte whether it is a hex digit or part of how a number begins, another letter, a blank or a line break, or anything else.
const KINDS: [u8; 256] = {
    let mut kinds = [b'.'; 256];
    let mut byte = 0;
    while byte < 256 {
        let known = byte as u8;
        if known.is_ascii_hexdigit() || matches!(known, b'x' | b'X' | b'u' | b'U') {
            kinds[byte] = b'0';
        } else if known.is_ascii_alphabetic() {
            kinds[byte] = b'z';
        } else if known.is_ascii_whitespace() {
            kinds[byte] = b' ';
        }
        byte += 1;
    }
    kinds
};

fn is_blank(buffer: &[u8], at: usize) -> bool {
    matches!(buffer.get(at), Some(b' ' | b'\t' | b'\n' | b'\r'))
}

/// The length of the next number of this line.
fn next_number(buffer: &[u8], rest: Range<usize>) -> usize {
    let line = buffer[rest].split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let numbers = line.split(|byte| !byte.is_ascii_alphanumeric());
    numbers.map(<[u8]>::len).find(|length| *length > 0).unwrap_or(0)
}
