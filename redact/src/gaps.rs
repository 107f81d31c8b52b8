//! What stands between the characters of a text without being one, and is taken out for the search: a terminal does not show it.

use std::ops::Range;

use zeroize::Zeroizing;

use super::{PIECE, block};

/// A longer sequence, or one that does not end, is text.
pub const LONGEST: usize = 512;

/// A backspace behind more gaps than this takes no character back.
const MOST_BETWEEN: usize = 64;

/// More than this does not wait for what follows it: about twice what one read can bring, in bytes.
const FULL: usize = 128 * 1024;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 7;
const BACKSPACE: u8 = 8;

/// Soft hyphen, zero-width space and (non-)joiners and marks, word joiner, byte order mark.
const SOFT: [&[u8]; 8] =
    [b"\xc2\xad", b"\xe2\x80\x8b", b"\xe2\x80\x8c", b"\xe2\x80\x8d", b"\xe2\x80\x8e", b"\xe2\x80\x8f", b"\xe2\x81\xa0", b"\xef\xbb\xbf"];

#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// A NUL of UTF-16, which belongs to the character before.
    Nul,
    /// An escape sequence. It is passed on, whatever is hidden.
    Sequence,
    /// A character that a backspace takes back, with it where nothing is between them.
    Overprinted,
    /// A backspace.
    Backspace,
    /// A soft break.
    Soft,
}

impl Kind {
    /// Whether to show a gap, if what is before or behind it is hidden.
    fn is_shown(self, before: bool, behind: bool) -> bool {
        match self {
            Self::Sequence => true,
            Self::Overprinted | Self::Backspace => !before && !behind,
            Self::Nul | Self::Soft => !(before && behind),
        }
    }
}

struct Gap {
    /// The position in the text of what follows it.
    at: u32,
    length: u16,
    kind: Kind,
}

/// What was taken out and not yet passed on.
#[derive(Default)]
pub struct Gaps {
    list: Vec<Gap>,
    bytes: Zeroizing<Vec<u8>>,
    /// How many gaps of the list, and bytes of them, were passed on.
    shown: (usize, usize),
    /// The last two bytes of the stream.
    last: [u8; 2],
    /// The start of what may be a sequence, at the end of the stream.
    begun: Zeroizing<Vec<u8>>,
}

enum Found {
    Gap(Kind, usize),
    /// The rest may belong to it.
    Begun,
    Text,
}

impl Gaps {
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether so much waits that it must be passed on, whatever follows.
    pub fn is_full(&self) -> bool {
        self.bytes.len() > FULL
    }

    /// Whether what was read last may be the start of a sequence.
    pub fn has_begun(&self) -> bool {
        !self.begun.is_empty()
    }

    /// These bytes follow, without a gap.
    pub fn follow(&mut self, bytes: &[u8]) {
        self.last = last_two(self.last, bytes);
    }

    /// Takes the gaps out of the `read` bytes from `start` on, before which `held` were not passed on. What holds a secret itself is no gap.
    /// Returns their new end, and how many bytes before `start` were taken out too.
    pub fn take(
        &mut self,
        buffer: &mut [u8],
        start: usize,
        mut read: usize,
        held: usize,
        is_last: bool,
        is_secret: impl Fn(&[u8]) -> bool,
    ) -> (usize, usize) {
        if !self.begun.is_empty() {
            buffer.copy_within(start..start + read, start + self.begun.len());
            buffer[start..start + self.begun.len()].copy_from_slice(&self.begun);
            read += self.begun.len();
            self.begun.clear();
        }
        let end = start + read;
        // What is taken out goes up to `rest`; what is left is moved to `to`.
        let (mut rest, mut to, mut taken_back) = (start, start, 0);
        // Whether what is hidden would be too short without its last character, while the text stays as it is.
        let mut needs_its_last = None;
        let is_secret_up_to = |buffer: &[u8], to: usize| is_secret(&buffer[to - PIECE..to]);
        for base in (start..end).step_by(block::LENGTH) {
            let mut special = buffer[base..].first_chunk().map_or(0, block::special);
            while special != 0 {
                let at = base + special.trailing_zeros() as usize;
                special &= special - 1;
                if at < rest {
                    continue;
                }
                if at >= end {
                    break;
                }
                let (kind, length) = match found(&buffer[at..end], is_last, || self.two_before(buffer, start, at)) {
                    Found::Gap(kind, length) => (kind, length),
                    Found::Text => continue,
                    Found::Begun => {
                        self.begun.extend(&buffer[at..end]);
                        self.last = self.two_before(buffer, start, at);
                        return (moved(buffer, rest..at, to), taken_back);
                    }
                };
                if length >= PIECE && is_secret(&buffer[at..at + length]) {
                    continue;
                }
                if rest < at {
                    needs_its_last = None;
                }
                to = moved(buffer, rest..at, to);
                rest = at + length;
                let last = &self.list[self.list.len().saturating_sub(MOST_BETWEEN)..];
                let between = last.len() - last.partition_point(|gap| (gap.at as usize) < to);
                if kind != Kind::Backspace
                    || between == MOST_BETWEEN
                    || matches!(buffer[to - 1], b'\n' | b'\r')
                    || (rest >= end || buffer[rest] != buffer[to - 1])
                        && *needs_its_last.get_or_insert_with(|| is_secret_up_to(buffer, to) && !is_secret_up_to(buffer, to - 1))
                {
                    self.add(to, kind, &buffer[at..rest]);
                    continue;
                }
                needs_its_last = None;
                if to > start {
                    to -= 1;
                    self.take_back(to, buffer[to], between);
                } else {
                    let last = buffer[start - 1];
                    // All that is known of the text before may be taken back already.
                    if taken_back < start {
                        buffer.copy_within(..start - 1, 1);
                    }
                    self.list.iter_mut().take_while(|gap| (gap.at as usize) < start).for_each(|gap| gap.at += 1);
                    if taken_back < held {
                        self.take_back(to, last, between);
                    } else {
                        self.add(to, kind, &[BACKSPACE]);
                    }
                    taken_back += 1;
                }
            }
        }
        self.last = self.two_before(buffer, start, end);
        (moved(buffer, rest..end, to), taken_back)
    }

    /// The two bytes of the stream before `at`.
    fn two_before(&self, buffer: &[u8], start: usize, at: usize) -> [u8; 2] {
        last_two(self.last, &buffer[start..at])
    }

    fn add(&mut self, at: usize, kind: Kind, bytes: &[u8]) {
        self.list.push(Gap { at: at as u32, length: bytes.len() as u16, kind });
        self.bytes.extend(bytes);
    }

    /// Takes back a character, behind which so many of the last gaps stand. Its place is now `at`.
    fn take_back(&mut self, at: usize, character: u8, between: usize) {
        if between == 0 {
            return self.add(at, Kind::Overprinted, &[character, BACKSPACE]);
        }
        let first = self.list.len() - between;
        let from = self.bytes.len() - self.list[first..].iter().map(|gap| usize::from(gap.length)).sum::<usize>();
        self.list[first..].iter_mut().for_each(|gap| gap.at = at as u32);
        self.list.insert(first, Gap { at: at as u32, length: 1, kind: Kind::Overprinted });
        self.bytes.insert(from, character);
        self.add(at, Kind::Backspace, &[BACKSPACE]);
    }

    /// Whether a NUL of UTF-16 is at this place.
    pub fn has_nul(&self, at: usize) -> bool {
        let first = self.list.partition_point(|gap| (gap.at as usize) < at);
        self.list[first..].iter().take_while(|gap| gap.at as usize == at).any(|gap| gap.kind == Kind::Nul)
    }

    /// The place of the next gap, if it is before `end`.
    pub fn next_before(&self, end: usize) -> Option<usize> {
        self.list.get(self.shown.0).map(|gap| gap.at as usize).filter(|at| *at < end)
    }

    /// Shows what is to be shown of the gaps up to `at`, by whether what is before and behind them is hidden.
    pub fn show(&mut self, at: usize, hidden: [bool; 2], out: &mut Vec<u8>) {
        while self.next_before(at + 1).is_some() {
            self.show_next(hidden, out);
        }
    }

    /// The same where it is not known what follows, if `is_told` for all but what was held back.
    pub fn show_open(&mut self, at: usize, is_told: bool, out: &mut Vec<u8>) {
        let is_full = self.is_full();
        while let Some(gap) = self.list.get(self.shown.0)
            && gap.at as usize <= at
            && (gap.kind == Kind::Sequence || is_told && gap.kind != Kind::Overprinted || is_full)
        {
            self.show_next([false; 2], out);
        }
    }

    fn show_next(&mut self, [before, behind]: [bool; 2], out: &mut Vec<u8>) {
        let (gap, from) = (&self.list[self.shown.0], self.shown.1);
        self.shown = (self.shown.0 + 1, from + usize::from(gap.length));
        if gap.kind.is_shown(before, behind) {
            out.extend(&self.bytes[from..self.shown.1]);
        }
    }

    /// Forgets those that were shown. The others move with the text, by so many bytes.
    pub fn forget_shown(&mut self, by: usize) {
        self.list.drain(..self.shown.0);
        self.bytes.drain(..self.shown.1);
        self.list.iter_mut().for_each(|gap| gap.at -= by as u32);
        self.shown = (0, 0);
    }
}

/// What begins with the first of these bytes. `before` tells the two before it.
fn found(bytes: &[u8], is_last: bool, before: impl Fn() -> [u8; 2]) -> Found {
    let begun = || if is_last || bytes.len() > LONGEST { Found::Text } else { Found::Begun };
    match bytes[0] {
        ESCAPE => match sequence(bytes) {
            Some(length) if length <= LONGEST => Found::Gap(Kind::Sequence, length),
            Some(_) => Found::Text,
            None => begun(),
        },
        BACKSPACE => Found::Gap(Kind::Backspace, 1),
        0 if belongs_to_the_character(before()) => Found::Gap(Kind::Nul, 1),
        0xc2.. => match SOFT.into_iter().find(|soft| bytes.starts_with(soft) || soft.starts_with(bytes)) {
            Some(soft) if soft.len() <= bytes.len() => Found::Gap(Kind::Soft, soft.len()),
            Some(_) => begun(),
            None => Found::Text,
        },
        _ => Found::Text,
    }
}

/// In UTF-16 a NUL is behind a visible character, or a line break, and that behind none: where a line or a word begins, or behind another NUL
/// or a byte order mark.
fn belongs_to_the_character([before, last]: [u8; 2]) -> bool {
    (last.is_ascii_graphic() || matches!(last, b'\n' | b'\r')) && !before.is_ascii_graphic()
}

/// The length of an escape sequence, 0 if it is none; `None` if it has no end yet.
fn sequence(bytes: &[u8]) -> Option<usize> {
    let is_none = Some(LONGEST + 1);
    let after =
        |from: usize, range: std::ops::RangeInclusive<u8>| bytes[from..].iter().take_while(|byte| range.contains(byte)).count() + from;
    let (end, least) = match bytes.get(1)? {
        b'[' => (after(after(2, 0x30..=0x3f), 0x20..=0x2f), 0x40),
        b']' | b'P' | b'X' | b'^' | b'_' => {
            let end = after(2, 0x20..=0xff);
            return match *bytes.get(end)? {
                BELL => Some(end + 1),
                ESCAPE => {
                    if *bytes.get(end + 1)? == b'\\' {
                        Some(end + 2)
                    } else {
                        is_none
                    }
                }
                _ => is_none,
            };
        }
        _ => (after(1, 0x20..=0x2f), 0x30),
    };
    let terminator = *bytes.get(end)?;
    if (least..0x7f).contains(&terminator) { Some(end + 1) } else { is_none }
}

/// The last two bytes of a stream that ends with `bytes`. `last` are the two before these.
fn last_two(last: [u8; 2], bytes: &[u8]) -> [u8; 2] {
    match *bytes {
        [.., before, byte] => [before, byte],
        [byte] => [last[1], byte],
        [] => last,
    }
}

fn moved(buffer: &mut [u8], from: Range<usize>, to: usize) -> usize {
    let length = from.len();
    if from.start != to {
        buffer.copy_within(from, to);
    }
    to + length
}
