use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::block::{self, Blocks};
use super::gaps::{self, Gaps};
use super::marks::Marks;
use super::numbers::Numbers;
use super::patterns::{BLOCK, Patterns, Place, SPACING, STEP, eight_at, window_before};
use super::{HIDDEN, PIECE};

/// How many bytes of earlier reads are kept: sixteen numbers of a list.
const HISTORY: usize = 256;
/// The most that is held back: the stretches that began before it are searched again.
const MOST_HELD: usize = HISTORY - PIECE;
const ROOM: usize = 64 * 1024;
/// Lets a whole block be loaded at the end.
const SPARE: usize = 2 * block::LENGTH;
const LENGTH: usize = HISTORY + gaps::LONGEST + ROOM + SPARE;

/// Replaces hidden bytes; padded to the 16 bytes that `copy` copies at once.
const STARS: &[u8; PIECE] = b"***-------------";
/// The same in UTF-16, but for the last NUL, which follows if one follows what is hidden.
const WIDE_STARS: &[u8] = b"*\0*\0*";

/// Passes a stream of bytes on, with `***` in place of every stretch of 16 bytes or more of any form of a secret.
///
/// It ignores line breaks (`\n`, `\r`) within a secret, and a `\` or `=` before them. It holds back nothing before a line break: if
/// a secret is folded at less than 16 characters, up to 15 bytes stay visible. Within a line it holds back at most 15 bytes, and only
/// if they may be the start of such a stretch; of a list at most 240 bytes, and of an escape sequence that has not ended 512.
///
/// What a terminal does not show is taken out before the search (`gaps`), so that every form is found with it in between, and put back behind it:
/// escape sequences wherever they stood, what else there was unless it stood within what is hidden. In UTF-16 these are the NULs that precede
/// or follow each ASCII character; `***` is in UTF-16 then.
///
/// A backspace takes out the character before it. If that came in an earlier read, and is not what stands there in a secret, then what precedes
/// it was passed on when it came: up to 15 bytes stay visible.
///
/// If more than 128 KiB of what a terminal does not show wait for what follows, all is passed on: up to 15 bytes before them stay visible, of
/// a list up to 240.
///
/// In lists of numbers and in dumps (`numbers`) a stretch is 16 characters of a form, whose numbers may be lines apart. Of the first of them
/// what was read in earlier reads may stay. A list whose numbers are so far apart that fewer than 26 of its digits stand in 256 bytes is
/// not seen in small reads.
pub struct Redactor {
    patterns: Arc<Patterns>,
    /// The history, the room for the next read, and some spare bytes.
    buffer: Zeroizing<Vec<u8>>,
    marks: Marks,
    blocks: Blocks,
    gaps: Gaps,
    numbers: Numbers,
    /// How many bytes at the end of the history are held back.
    held: usize,
    /// Whether the last byte passed on was hidden.
    hiding: bool,
    /// How many bytes of the history belong to the current line.
    line: usize,
    /// The last 16 bytes before the current line: without line breaks, and also without the `\` or `=` before each.
    joined: [u128; 2],
    /// For each of these, where in a form the last line ended, if all of it is part of a stretch: this one may continue there.
    followed: [Option<Place>; 2],
    composed: Vec<u8>,
}

impl Redactor {
    /// Starts a new stream.
    pub fn new(patterns: Arc<Patterns>) -> Self {
        Self {
            patterns,
            buffer: Zeroizing::new(vec![0; LENGTH]),
            marks: Marks::new(LENGTH),
            blocks: Blocks::default(),
            gaps: Gaps::default(),
            numbers: Numbers::new(HISTORY),
            held: 0,
            hiding: false,
            line: 0,
            joined: [0; 2],
            followed: [None; 2],
            composed: Vec::new(),
        }
    }

    /// Hides these from now on, also in the bytes that are held back.
    pub fn learn(&mut self, patterns: Arc<Patterns>) {
        self.patterns = patterns;
        self.followed = [None; 2];
        self.numbers.forget_places();
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
        let end = self.take_gaps(HISTORY + read, is_last);
        let from = HISTORY - self.held;
        self.search_lines(end);
        self.search_breaks(end);
        let open = self.numbers.search(&self.patterns, &self.buffer, &self.blocks.letters, HISTORY..end, is_last, &mut self.marks);
        self.held = if is_last || self.gaps.is_full() { 0 } else { self.open(end).max(open.min(self.line).min(MOST_HELD)).min(end - from) };
        let written = self.write(from, end - self.held, end, is_last, out);
        self.marks.clear(end);
        self.buffer.copy_within(end - HISTORY..end, 0);
        written
    }

    /// Takes out of what was read what a terminal does not show. Returns the new end.
    fn take_gaps(&mut self, mut end: usize, is_last: bool) -> usize {
        let Self { patterns, buffer, blocks, gaps, .. } = self;
        // An earlier read may have left anything here.
        buffer[end..end + SPARE].fill(b' ');
        if !blocks.scan(buffer, HISTORY..end) && !gaps.has_begun() {
            gaps.follow(&buffer[HISTORY..end]);
            return end;
        }
        let taken_back;
        (end, taken_back) = gaps.take(buffer, HISTORY, end - HISTORY, self.held, is_last, |text| patterns.is_in(text));
        buffer[end..end + SPARE].fill(b' ');
        blocks.scan(buffer, HISTORY..end);
        if taken_back > 0 {
            self.take_back(taken_back);
        }
        end
    }

    /// The last characters of the history were taken back.
    fn take_back(&mut self, count: usize) {
        self.held = self.held.saturating_sub(count);
        self.line = self.line.saturating_sub(count);
        self.numbers.take_back(count);
    }

    /// Marks the stretches within a line.
    fn search_lines(&mut self, end: usize) {
        let Self { patterns, buffer, marks, .. } = self;
        let from = HISTORY - self.held;
        let (bytes, mut unseen) = (&buffer[..end], from.saturating_sub(PIECE - 1));
        let mut look = |at: usize| {
            if at < unseen || !patterns.filter.may_hold(eight_at(buffer, at)) {
                return;
            }
            let least = unseen.max(at.saturating_sub(STEP - 1));
            // What is marked around here, in one piece.
            let mut marked = at..at;
            for key in patterns.filter.keys_around(buffer, at, least..end) {
                // Every stretch with this key lies in what is marked.
                if marked.start + SPACING <= key + 1 && key + PIECE <= marked.end {
                    continue;
                }
                patterns.matches(bytes, key, least, |found, _| {
                    marks.set(found.start, found.end);
                    let is_apart = found.start > marked.end || found.end < marked.start;
                    marked = if is_apart { found } else { marked.start.min(found.start)..marked.end.max(found.end) };
                });
            }
            unseen = if marked.start <= at + 1 { marked.end.saturating_sub(PIECE - 1).max(at + 1) } else { at + 1 };
        };
        let filter = &patterns.filter;
        let mut at = from.saturating_sub(BLOCK);
        while let Some(before) = filter.blocks_before_a_stretch(&buffer[at..], (end - at) / BLOCK) {
            at += before * BLOCK;
            filter.places().for_each(|place| look(at + place));
            at += BLOCK;
        }
        let rest = (end - at) % BLOCK;
        filter.places().filter(|place| *place < rest).for_each(|place| look(end - rest + place));
    }

    /// Marks what follows the last line break of the stretches that contain one.
    fn search_breaks(&mut self, end: usize) {
        let Self { patterns, buffer, blocks, marks, joined, followed, line, .. } = self;
        let (patterns, buffer) = (&**patterns, &buffer[..]);
        let mut start = HISTORY - *line;
        // The start of a long line was searched after an earlier read.
        let mut seen = *line >= PIECE + self.held;
        // Where the last line ended, if it has all that may precede this one: `joined` is as it was before it then.
        let (mut last, mut is_followed) = (None, *followed != [None; 2]);
        let mut stops = [0; GROUP * block::LENGTH + 1];
        for (first, group) in (HISTORY..).step_by(GROUP * block::LENGTH).zip(blocks.breaks.chunks(GROUP)) {
            for &stop in positions(first, group, &mut stops) {
                if start < stop && last.is_none_or(|last| may_continue_behind(patterns, buffer, last, start)) {
                    catch_up(buffer, joined, last.take());
                    if seen {
                        *followed = [None; 2];
                    } else {
                        search_break(patterns, buffer, marks, joined, followed, start..stop);
                    }
                    is_followed = *followed != [None; 2];
                }
                if stop >= start + PIECE && !is_followed {
                    last = Some(stop);
                } else if start < stop {
                    catch_up(buffer, joined, last.take());
                    *joined = joined_with(buffer, joined, start, stop);
                }
                start = stop + 1;
                seen = false;
            }
        }
        catch_up(buffer, joined, last);
        if start < end && !seen {
            search_break(patterns, buffer, marks, joined, &mut followed.clone(), start..end);
        }
        *line = (end - start).min(HISTORY);
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
            self.patterns.filter.longest_end(window)
        });
        let open = ends[0].max(ends[1]).min(length);
        (end - open..end).rev().take_while(|&at| !self.marks.has(at)).count()
    }

    /// Writes the text from `from` to `to` and the gaps in it.
    fn write(&mut self, from: usize, to: usize, end: usize, is_last: bool, out: &mut dyn Write) -> io::Result<()> {
        if !self.gaps.is_empty() {
            self.compose(from, to, is_last);
            self.gaps.forget_shown(end - HISTORY);
        } else if from == to {
            return Ok(());
        } else if self.marks.any {
            self.compose_plain(from, to);
        } else {
            self.hiding = false;
            return out.write_all(&self.buffer[from..to]);
        }
        if self.composed.is_empty() { Ok(()) } else { out.write_all(&self.composed) }
    }

    fn compose_plain(&mut self, from: usize, to: usize) {
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
        self.composed.truncate(length);
    }

    fn compose(&mut self, from: usize, to: usize, is_last: bool) {
        let Self { buffer, marks, gaps, composed, hiding, .. } = self;
        composed.clear();
        let show = |start: usize, end: usize, hide: bool| {
            let is_wide = hide && gaps.has_nul(start + 1);
            gaps.show(start, [*hiding, hide], composed);
            if hide {
                if !*hiding {
                    composed.extend(if is_wide { WIDE_STARS } else { HIDDEN.as_bytes() });
                }
                gaps.show(end - 1, [true; 2], composed);
            } else {
                let mut rest = start;
                while let Some(at) = gaps.next_before(end) {
                    composed.extend(&buffer[rest..at]);
                    gaps.show(at, [false; 2], composed);
                    rest = at;
                }
                composed.extend(&buffer[rest..end]);
            }
            *hiding = hide;
        };
        if from < to {
            marks.runs(from, to, show);
        }
        if is_last {
            gaps.show(to, [*hiding, false], composed);
        } else {
            gaps.show_open(to, self.held == 0 && !*hiding, composed);
        }
    }
}

/// How many blocks are looked at together for line breaks.
const GROUP: usize = 8;

/// Where the bits of some blocks are, of which the first begins at `first`.
fn positions<'p>(first: usize, group: &[u64], all: &'p mut [usize; GROUP * block::LENGTH + 1]) -> &'p [usize] {
    let mut count = 0;
    for (at, &bits) in (first..).step_by(block::LENGTH).zip(group) {
        let mut bits = bits;
        // Mostly there is one or none, which can't be foreseen: without a branch.
        all[count] = at + bits.trailing_zeros() as usize;
        count += usize::from(bits != 0);
        bits &= bits.wrapping_sub(1);
        while bits != 0 {
            all[count] = at + bits.trailing_zeros() as usize;
            count += 1;
            bits &= bits - 1;
        }
    }
    &all[..count]
}

/// Whether what follows at `start` may continue a stretch from before the line break at `last`, where a line of 16 bytes or more ended.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn may_continue_behind(patterns: &Patterns, buffer: &[u8], last: usize, start: usize) -> bool {
    let (filter, before, next) = (&patterns.filter, eight_at(buffer, last - 8), eight_at(buffer, start));
    filter.is_dense() || filter.may_hold(before >> 24 | next << 40) | filter.may_hold(before >> 56 | next << 8) | is_continued(buffer, last)
}

/// Makes `joined` what precedes the line behind `last`, if a line of 16 bytes or more ended there.
fn catch_up(buffer: &[u8], joined: &mut [u128; 2], last: Option<usize>) {
    if let Some(last) = last {
        *joined = joined_with(buffer, joined, last - PIECE, last);
    }
}

/// Marks the first bytes of the line if they continue a stretch from before the line break.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn search_break(
    patterns: &Patterns,
    buffer: &[u8],
    marks: &mut Marks,
    joined: &[u128; 2],
    followed: &mut [Option<Place>; 2],
    line: Range<usize>,
) {
    let next = window_before(buffer, line.start + PIECE);
    for (index, followed) in followed.iter_mut().enumerate() {
        let before = std::mem::take(followed);
        if (index == 0 || joined[1] != joined[0]) && may_continue(patterns, joined[index], next) {
            // Which of its bytes precede the next line.
            let kept = line.len() - usize::from(index == 1 && is_continued(buffer, line.end));
            *followed = mark_continued(patterns, joined[index], &buffer[line.clone()], line.start, marks, before, kept);
        }
    }
}

/// A stretch of 16 bytes has at least 8 of them either before its last line break or behind it.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called for each line")]
fn may_continue(patterns: &Patterns, joined: u128, next: u128) -> bool {
    patterns.filter.may_join(joined, next)
        && (patterns.filter.may_end(joined << 8 | next >> 120) | patterns.filter.may_start(joined << 120 | next >> 8))
}

/// Marks the longest stretch that continues in this line, which begins at `start`. Returns where its first `kept` bytes end, if they are part of it.
#[cold]
fn mark_continued(
    patterns: &Patterns,
    joined: u128,
    line: &[u8],
    start: usize,
    marks: &mut Marks,
    followed: Option<Place>,
    kept: usize,
) -> Option<Place> {
    let next = &line[..line.len().min(PIECE - 1)];
    let (mut length, mut end) = (0, None);
    if let Some(place) = followed {
        length = patterns.matching(place, next);
        end = Some(place.on(length));
    }
    if next.get(length).is_some_and(|byte| length < kept || patterns.filter.has(*byte)) {
        let mut both = [0; 2 * PIECE + SPACING];
        both[..PIECE].copy_from_slice(&joined.to_be_bytes());
        both[PIECE..PIECE + next.len()].copy_from_slice(next);
        let both_end = PIECE + next.len();
        // The stretches of the filter that every stretch across the break has one of.
        for at in [PIECE - 5, PIECE - 1] {
            for key in patterns.filter.keys_around(&both, at, 0..both_end) {
                patterns.matches(&both[..both_end], key, 0, |found, place| {
                    if found.end > PIECE + length && found.start < PIECE {
                        (length, end) = (found.end - PIECE, Some(place));
                    }
                });
            }
        }
    }
    if length > 0 {
        marks.set(start, start + length);
    }
    end.filter(|_| length >= kept).map(|end| end.back(length - kept))
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
    [plain, if is_continued(buffer, stop) { uncontinued >> 8 } else { uncontinued }]
}

/// Whether the line that ends there does so with a sign that it is continued.
fn is_continued(buffer: &[u8], stop: usize) -> bool {
    matches!(buffer[stop - 1], b'\\' | b'=')
}

/// Copies the first `length` bytes. A fixed copy of 16 is faster than one of a few.
fn copy(to: &mut [u8], from: &[u8], length: usize) {
    match (to.first_chunk_mut::<PIECE>(), from.first_chunk::<PIECE>()) {
        (Some(to), Some(from)) if length <= PIECE => *to = *from,
        _ => to[..length].copy_from_slice(&from[..length]),
    }
}
