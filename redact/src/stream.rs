use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use wide::u8x16;
use zeroize::Zeroizing;

use super::patterns::{BLOCK, Patterns, STEP, eight_at, high, last_6, low, window_before};
use super::{HIDDEN, PIECE};

/// How many bytes of earlier reads are kept: a piece, a `\r`, and enough to load 8 or 16 bytes from any position.
const HISTORY: usize = 32;
/// Lets a whole block be loaded at the end.
const SPARE: usize = 64;
/// Replaces hidden bytes; padded to the 16 bytes that `copy` copies at once.
const STARS: &[u8; PIECE] = b"***-------------";
/// The same in UTF-16, but for the last NUL, which follows if one follows what is hidden.
const WIDE_STARS: &[u8] = b"*\0*\0*";
const ROOM: usize = 64 * 1024;

/// Passes a stream of bytes on, with `***` in place of every stretch of 16 bytes or more of any form of a secret.
///
/// It ignores line breaks (`\n`, `\r\n`) within a secret, and a `\` or `=` before them. It holds back nothing before a line break: if
/// a secret is folded at less than 16 characters, up to 15 bytes stay visible. Within a line it holds back at most 15 bytes, and only
/// if they may be the start of such a stretch.
///
/// In UTF-16 a NUL precedes or follows each ASCII character. These NULs are taken out before the search, so that every form is found, and
/// put back behind it: `***` is in UTF-16 then. Other NULs are as any byte, such as one at the end of a text: nothing before it is held back.
pub struct Redactor {
    patterns: Arc<Patterns>,
    /// The history, the room for the next read, and some spare bytes.
    buffer: Zeroizing<Vec<u8>>,
    marks: Marks,
    /// The bytes of the buffer behind which a NUL was taken out that was not passed on yet.
    nuls: Marks,
    /// The last two bytes that were read.
    last: [u8; 2],
    /// How many bytes at the end of the history are held back.
    held: usize,
    /// Whether the last byte passed on was hidden.
    hiding: bool,
    /// How many bytes of the history belong to the current line.
    line: usize,
    /// The last 16 bytes before the current line: without line breaks, and also without the `\` or `=` before each.
    joined: [u128; 2],
    /// For each of these, where in the forms the last stretch across a break ended: the next one may continue there.
    followed: [usize; 2],
    composed: Vec<u8>,
}

impl Redactor {
    /// Starts a new stream.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self {
            patterns,
            buffer: Zeroizing::new(vec![0; HISTORY + ROOM + SPARE]),
            marks: Marks::new(),
            nuls: Marks::new(),
            last: [0; 2],
            held: 0,
            hiding: false,
            line: 0,
            joined: [0; 2],
            followed: [0; 2],
            composed: Vec::new(),
        }
    }

    /// Hides these from now on, also in the bytes that are held back.
    pub fn learn(&mut self, patterns: Arc<Patterns>) {
        self.patterns = patterns;
    }

    /// The buffer for the next bytes.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[HISTORY..HISTORY + ROOM]
    }

    /// Passes on what it can of the `read` bytes that are now in the room.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn pass(&mut self, read: usize, out: &mut dyn Write) -> io::Result<()> {
        self.advance(read.min(ROOM), false, out)
    }

    /// Ends the stream: passes on what was held back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.advance(0, true, out)
    }

    fn advance(&mut self, read: usize, is_last: bool, out: &mut dyn Write) -> io::Result<()> {
        let from = HISTORY - self.held;
        let end = self.search(HISTORY + read);
        self.held = if is_last { 0 } else { self.open(end).min(end - from) };
        let to = end - self.held;
        let written = if self.nuls.any { self.write_wide(from, to, is_last, out) } else { self.write(from, to, out) };
        self.marks.clear(end);
        self.nuls.shift(to - usize::from(self.hiding), end);
        self.buffer.copy_within(end - HISTORY..end, 0);
        written
    }

    /// Marks what to hide of what was read, up to `end`, without the NULs of UTF-16. Returns the new end.
    fn search(&mut self, end: usize) -> usize {
        let last = self.last;
        self.last = last_two(last, &self.buffer[HISTORY..end]);
        let before = (self.line, self.joined, self.followed);
        self.search_lines(end);
        // Whether there is a NUL shows here, so that what has none is not looked at once more.
        if !self.search_breaks(end) {
            return end;
        }
        let narrow = self.narrow(end, last);
        if narrow < end {
            (self.line, self.joined, self.followed) = before;
            self.marks.clear(end);
            self.search_lines(narrow);
            self.search_breaks(narrow);
        }
        narrow
    }

    /// Takes the NULs of UTF-16 out. `last` are the two bytes before.
    fn narrow(&mut self, end: usize, mut last: [u8; 2]) -> usize {
        let Self { buffer, nuls, .. } = self;
        let mut to = HISTORY;
        for start in (HISTORY..end).step_by(64) {
            let stop = end.min(start + 64);
            let mut taken = buffer[start..].first_chunk().map_or(0, |block| nuls_of_utf16(block, last));
            taken &= u64::MAX >> (64 - (stop - start));
            last = last_two(last, &buffer[start..stop]);
            let mut rest = start;
            while taken != 0 {
                let nul = start + taken.trailing_zeros() as usize;
                taken &= taken - 1;
                buffer.copy_within(rest..nul, to);
                to += nul - rest;
                nuls.set(to - 1, to);
                rest = nul + 1;
            }
            buffer.copy_within(rest..stop, to);
            to += stop - rest;
        }
        to
    }

    /// Marks the stretches within a line.
    fn search_lines(&mut self, end: usize) {
        let Self { patterns, buffer, marks, .. } = self;
        let (bytes, mut unseen) = (&buffer[..end], 0);
        let mut look = |at: usize| {
            if at < unseen || !patterns.may_hold(eight_at(buffer, at)) {
                return;
            }
            let mut start = unseen.max(at - (STEP - 1));
            while start <= at.min(end - PIECE) {
                if let Some(form) = patterns.end_of(window_before(bytes, start + PIECE)) {
                    let more = patterns.matching(form, &bytes[start + PIECE..]);
                    marks.set(start, start + PIECE + more);
                    start += more;
                }
                start += 1;
            }
            unseen = start;
        };
        let (blocks, rest) = bytes[STEP..].as_chunks::<BLOCK>();
        for (at, block) in (STEP..).step_by(BLOCK).zip(blocks) {
            if patterns.may_hold_any(block) {
                (at..at + BLOCK).step_by(STEP).for_each(&mut look);
            }
        }
        (end - rest.len()..end).step_by(STEP).for_each(look);
    }

    /// Marks what follows the last line break of the stretches that contain one. Returns whether there was a NUL.
    fn search_breaks(&mut self, end: usize) -> bool {
        let Self { patterns, buffer, marks, joined, followed, line, .. } = self;
        // An earlier read may have left line breaks or NULs here.
        buffer[end..end + SPARE].fill(u8::MAX);
        let (patterns, buffer) = (&**patterns, &buffer[..]);
        let mut start = HISTORY - *line;
        // The start of a long line was searched after an earlier read.
        let mut seen = *line == HISTORY;
        let mut least = u8x16::MAX;
        for block in (HISTORY..end).step_by(64) {
            let Some(bytes) = buffer[block..].first_chunk() else { break };
            let mut breaks = newlines(bytes);
            least = least_of(bytes, least);
            while breaks != 0 {
                let newline = block + breaks.trailing_zeros() as usize;
                breaks &= breaks - 1;
                let stop = newline - usize::from(newline > start && buffer[newline - 1] == b'\r');
                if start < stop {
                    if !seen {
                        search_break(patterns, buffer, marks, joined, followed, start..stop);
                    }
                    *joined = joined_with(buffer, joined, start, stop);
                }
                start = newline + 1;
                seen = false;
            }
        }
        if start < end && !seen {
            search_break(patterns, buffer, marks, joined, followed, start..end);
        }
        *line = (end - start).min(HISTORY);
        least.simd_eq(u8x16::splat(0)).any()
    }

    /// How many bytes at the end may still become part of a hidden stretch. The first of a line is one that is hidden, too: whether a NUL
    /// follows it decides what replaces it.
    fn open(&self, end: usize) -> usize {
        if self.line == 0 {
            return 0;
        }
        if self.line == 1 && self.marks.has(end - 1) {
            return 1;
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
        // Enough for the worst case, where every other byte is hidden.
        self.composed.resize(2 * self.buffer.len(), 0);
        let mut length = 0;
        self.marks.runs(from, to, |start, end, hide| {
            let (bytes, new) = match (hide, self.hiding) {
                (false, _) => (&self.buffer[start..], end - start),
                (true, false) => (&STARS[..], HIDDEN.len()),
                (true, true) => (&STARS[..], 0),
            };
            copy(&mut self.composed[length..], bytes, new);
            length += new;
            self.hiding = hide;
        });
        if length == 0 { Ok(()) } else { out.write_all(&self.composed[..length]) }
    }

    /// The same for text from which NULs were taken out.
    fn write_wide(&mut self, from: usize, to: usize, is_last: bool, out: &mut dyn Write) -> io::Result<()> {
        let Self { buffer, marks, nuls, composed, hiding, .. } = self;
        composed.clear();
        let mut show = |start: usize, end: usize, hide: bool| {
            // Of what is hidden only the last NUL is shown, behind what replaces it.
            if nuls.has(start - 1) && !(*hiding && hide) {
                composed.push(0);
            }
            if !hide {
                let mut rest = start;
                while let Some(nul) = nuls.next(rest, end - 1) {
                    composed.extend(&buffer[rest..=nul]);
                    composed.push(0);
                    rest = nul + 1;
                }
                composed.extend(&buffer[rest..end]);
            } else if !*hiding {
                composed.extend(if nuls.has(start) { WIDE_STARS } else { HIDDEN.as_bytes() });
            }
            *hiding = hide;
        };
        if from < to {
            marks.runs(from, to, &mut show);
        }
        if nuls.has(to - 1) && (is_last || !*hiding) {
            composed.push(0);
        }
        if composed.is_empty() { Ok(()) } else { out.write_all(composed) }
    }
}

/// Marks the first bytes of the line if they continue a stretch from before the line break.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn search_break(patterns: &Patterns, buffer: &[u8], marks: &mut Marks, joined: &[u128; 2], followed: &mut [usize; 2], line: Range<usize>) {
    let next = window_before(buffer, line.start + PIECE);
    let [plain, uncontinued] = joined;
    if may_continue(patterns, *plain, next) {
        mark_continued(patterns, *plain, next, line.clone(), marks, &mut followed[0]);
    }
    if uncontinued != plain && may_continue(patterns, *uncontinued, next) {
        mark_continued(patterns, *uncontinued, next, line, marks, &mut followed[1]);
    }
}

/// A stretch of 16 bytes contains the 5 bytes before its last line break and the one after it, or the one before and the 5 after.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn may_continue(patterns: &Patterns, joined: u128, next: u128) -> bool {
    patterns.may_join(joined, next) && (may_hold_5_and_1(patterns, joined, next) | may_hold_1_and_5(patterns, joined, next))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn may_hold_5_and_1(patterns: &Patterns, joined: u128, next: u128) -> bool {
    patterns.may_hold(last_6(low(joined) << 8 | high(next) >> 56))
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn may_hold_1_and_5(patterns: &Patterns, joined: u128, next: u128) -> bool {
    patterns.may_hold((low(joined) << 56 | high(next) >> 8).swap_bytes())
}

/// Marks the longest stretch that continues in this line. `followed` is where in the forms the last one ended: this one may continue there.
#[cold]
fn mark_continued(patterns: &Patterns, joined: u128, next: u128, line: Range<usize>, marks: &mut Marks, followed: &mut usize) {
    let longest = line.len().min(PIECE - 1);
    // A stretch with at most 11 bytes after the break contains the 5 and 1; one with at least 5, the 1 and 5.
    let least = if may_hold_5_and_1(patterns, joined, next) { 1 } else { 12 };
    let most = if line.len() >= 5 && may_hold_1_and_5(patterns, joined, next) { longest } else { longest.min(4) };
    let before = std::mem::take(followed);
    for length in (least..=most).rev() {
        let window = joined << (8 * length) | next >> (8 * (PIECE - length));
        let expected = Some(before + length).filter(|&end| patterns.ends_at(window, end));
        if let Some(end) = expected.or_else(|| patterns.end_of(window)) {
            marks.set(line.start, line.start + length);
            *followed = end;
            break;
        }
    }
}

/// The new value of `joined` after the line from `start` to `stop`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn joined_with(buffer: &[u8], joined: &[u128; 2], start: usize, stop: usize) -> [u128; 2] {
    let last = window_before(buffer, stop);
    let length = stop - start;
    let [plain, uncontinued] = match joined {
        _ if length >= PIECE => [last; 2],
        joined => joined.map(|joined| joined << (8 * length) | last & ((1 << (8 * length)) - 1)),
    };
    let continued = matches!(buffer[stop - 1], b'\\' | b'=');
    [plain, if continued { uncontinued >> 8 } else { uncontinued }]
}

/// Which of these bytes are line feeds, one bit each, the first in the lowest bit.
#[inline]
fn newlines(block: &[u8; 64]) -> u64 {
    which(block, |bytes| bytes.simd_eq(u8x16::splat(b'\n')))
}

/// The least of these bytes and of `least`, in any place.
#[inline]
fn least_of(block: &[u8; 64], least: u8x16) -> u8x16 {
    let (sixteens, _) = block.as_chunks();
    sixteens.iter().fold(least, |least, bytes| least.min(u8x16::new(*bytes)))
}

/// Which of these bytes are NULs that belong to the character before, in the same way. `last` are the two bytes before. Such a NUL is behind
/// a visible character, or a line break, and that behind none: where a line or a word begins, or behind another NUL or a byte order mark.
fn nuls_of_utf16(block: &[u8; 64], last: [u8; 2]) -> u64 {
    let is = |byte: u8| which(block, |bytes| bytes.simd_eq(u8x16::splat(byte)));
    let visible = which(block, |bytes| bytes.simd_gt(u8x16::splat(b' ')) & bytes.simd_lt(u8x16::splat(0x7f)));
    let breaks = is(b'\n') | is(b'\r');
    let [first, second] = last.map(|byte| u64::from(byte.is_ascii_graphic()));
    let is_break = u64::from(matches!(last[1], b'\n' | b'\r'));
    is(0) & ((visible | breaks) << 1 | second | is_break) & !(visible << 2 | second << 1 | first)
}

#[inline]
fn which(block: &[u8; 64], test: impl Fn(u8x16) -> u8x16) -> u64 {
    let (sixteens, _) = block.as_chunks();
    let bits = |index: usize| u64::from(test(u8x16::new(sixteens[index])).to_bitmask()) << (16 * index);
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// The last two bytes of a text that ends with `bytes`. `last` are the two before these.
fn last_two(last: [u8; 2], bytes: &[u8]) -> [u8; 2] {
    match *bytes {
        [.., before, byte] => [before, byte],
        [byte] => [last[1], byte],
        [] => last,
    }
}

/// Copies the first `length` bytes. A fixed copy of 16 is faster than one of a few.
fn copy(to: &mut [u8], from: &[u8], length: usize) {
    match (to.first_chunk_mut::<PIECE>(), from.first_chunk::<PIECE>()) {
        (Some(to), Some(from)) if length <= PIECE => *to = *from,
        _ => to[..length].copy_from_slice(&from[..length]),
    }
}

/// Which bytes of the buffer are hidden, one bit each.
struct Marks {
    bits: Vec<u64>,
    any: bool,
}

impl Marks {
    fn new() -> Self {
        Self { bits: vec![0; (HISTORY + ROOM).div_ceil(64)], any: false }
    }

    fn set(&mut self, start: usize, end: usize) {
        self.any = true;
        let (first, last) = (start / 64, (end - 1) / 64);
        let from = u64::MAX << (start % 64);
        let to = u64::MAX >> (63 - (end - 1) % 64);
        if first == last {
            self.bits[first] |= from & to;
        } else {
            self.bits[first] |= from;
            self.bits[first + 1..last].fill(u64::MAX);
            self.bits[last] |= to;
        }
    }

    fn has(&self, at: usize) -> bool {
        self.bits[at / 64] >> (at % 64) & 1 == 1
    }

    /// Calls `run` for each run of bytes that are all hidden or all visible.
    fn runs(&self, from: usize, to: usize, mut run: impl FnMut(usize, usize, bool)) {
        let (mut start, mut hide) = (from, self.has(from));
        let mut carry = 0;
        // An edge is a bit that differs from the previous one. None can be at `from` or before.
        let mut ignored = u64::MAX >> (63 - from % 64);
        for word in from / 64..=(to - 1) / 64 {
            let bits = self.bits[word];
            let mut edges = (bits ^ (bits << 1 | carry)) & !ignored;
            (carry, ignored) = (bits >> 63, 0);
            while edges != 0 {
                let end = word * 64 + edges.trailing_zeros() as usize;
                if end >= to {
                    break;
                }
                run(start, end, hide);
                (start, hide) = (end, !hide);
                edges &= edges - 1;
            }
        }
        run(start, to, hide);
    }

    /// The first of those from `from` to `to`.
    fn next(&self, from: usize, to: usize) -> Option<usize> {
        let mut at = from;
        while at < to {
            let bits = self.bits[at / 64] >> (at % 64);
            if bits != 0 {
                return Some(at + bits.trailing_zeros() as usize).filter(|found| *found < to);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }

    /// Keeps those from `from` to `end`, for when the last `HISTORY` bytes before `end` become the first of the buffer.
    fn shift(&mut self, from: usize, end: usize) {
        if self.any {
            let kept = (from..end).fold(0, |kept, at| kept | u64::from(self.has(at)) << (at + HISTORY - end));
            self.clear(end);
            self.bits[0] = kept;
            self.any = kept != 0;
        }
    }

    fn clear(&mut self, end: usize) {
        if self.any {
            self.bits[..end.div_ceil(64)].fill(0);
            self.any = false;
        }
    }
}
