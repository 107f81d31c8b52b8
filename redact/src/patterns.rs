use zeroize::Zeroizing;

use super::forms::forms;
use super::{PIECE, Secret};

/// Separates the forms in `Patterns::text`. A line break, because the searched text has none.
const BORDER: u8 = b'\n';

/// Any 16 consecutive bytes contain 6 that start at a multiple of this.
pub(super) const STEP: usize = PIECE - 6 + 1;
/// How many bytes are examined without a branch.
pub(super) const BLOCK: usize = 8 * STEP;

/// Words with three bits set, in a table because a shift by a variable amount takes several instructions.
const THREE_BITS: [u64; 1024] = {
    let mut all = [0; 1024];
    let (mut index, mut distance) = (0, 1);
    while index < all.len() {
        let mut bits = 1 | 1 << distance | 1 << ((distance + 22) % 64);
        let next = index + 64;
        while index < next {
            all[index] = bits;
            bits = u64::rotate_left(bits, 1);
            index += 1;
        }
        distance += 4;
    }
    all
};

/// Every form of some secrets, indexed for the search. Wiped on drop.
///
/// A *window* is [`PIECE`] bytes as a big-endian number. A *stretch* is any part of a form.
pub struct Patterns {
    /// All forms, each between borders.
    text: Zeroizing<Vec<u8>>,
    /// A Bloom filter of all stretches of 6 bytes; each sets three bits of one word.
    stretches: Zeroizing<Vec<u64>>,
    /// A hash table of all windows. A slot is 0, or has where a window ends in `text` in its low bits, and bits of its hash above.
    windows: Zeroizing<Vec<u32>>,
    /// How many low bits of a slot in `windows` are the end.
    end_bits: u32,
    /// For each hash of 3 bytes, where such a stretch last ends in `text`; and for each end, the previous one. 0 means none.
    last_ends: Zeroizing<Vec<u32>>,
    ends_before: Zeroizing<Vec<u32>>,
    /// For each byte, which bytes can follow it, and whether any form contains it.
    pairs: Zeroizing<Vec<u128>>,
    bytes: Zeroizing<[bool; 256]>,
}

impl Patterns {
    /// Indexes every form of these secrets.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut all: Vec<_> = secrets.flat_map(|secret| forms(secret.expose())).collect();
        all.retain(|form| form.len() >= PIECE);
        all.sort_unstable_by(|a, b| a.as_str().cmp(b));
        all.dedup();
        Self::of(&all)
    }

    fn of(forms: &[Zeroizing<String>]) -> Self {
        let length = PIECE + forms.iter().map(|form| form.len() + 1).sum::<usize>();
        let mut text = Zeroizing::new(Vec::with_capacity(length));
        text.resize(PIECE, BORDER);
        for form in forms {
            text.extend(form.as_bytes());
            text.push(BORDER);
        }
        let mut patterns = Self {
            stretches: Zeroizing::new(vec![0; (length / 2).next_power_of_two()]),
            windows: Zeroizing::new(vec![0; (length * 2).next_power_of_two()]),
            end_bits: length.next_power_of_two().ilog2(),
            last_ends: Zeroizing::new(vec![0; (length / 4).next_power_of_two()]),
            ends_before: Zeroizing::new(vec![0; length + 1]),
            pairs: Zeroizing::new(vec![0; 256]),
            bytes: Zeroizing::new([false; 256]),
            text,
        };
        patterns.index();
        patterns
    }

    fn index(&mut self) {
        let text = std::mem::take(&mut *self.text);
        let (mut window, mut run) = (0, 0);
        for (end, &byte) in (1..).zip(&text) {
            if byte == BORDER {
                run = 0;
                continue;
            }
            run += 1;
            window = window << 8 | u128::from(byte);
            let [.., before, _] = window.to_be_bytes();
            self.bytes[usize::from(byte)] = true;
            if run >= 2 {
                self.pairs[usize::from(before)] |= 1 << (byte & 127);
            }
            if run >= 6 {
                let (word, bits) = self.filter_bits(last_6(low(window)));
                self.stretches[word] |= bits;
            }
            let new = run < PIECE || self.insert(&text, window, end);
            if run >= 3 && new {
                let last = self.last_end_slot(window);
                self.ends_before[end as usize] = std::mem::replace(&mut self.last_ends[last], end);
            }
        }
        *self.text = text;
    }

    /// Whether a form may have the last byte of `window` followed by the first of `next`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_join(&self, window: u128, next: u128) -> bool {
        let ([.., last], [first, ..]) = (window.to_be_bytes(), next.to_be_bytes());
        self.bytes[usize::from(last)] & self.bytes[usize::from(first)]
    }

    /// Whether the first 6 of these 8 bytes, a little-endian number, may be a stretch.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_hold(&self, stretch: u64) -> bool {
        let (word, bits) = self.filter_bits(stretch);
        self.stretches[word] & bits == bits
    }

    /// Whether the 6 bytes at any multiple of [`STEP`] may be a stretch.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_hold_any(&self, block: &[u8; BLOCK]) -> bool {
        let look = |index: usize| self.may_hold(eight_at(block, index * STEP));
        // Unrolled by hand, so that the optimisation level does not matter.
        look(0) | look(1) | look(2) | look(3) | look(4) | look(5) | look(6) | look(7)
    }

    /// The word of `stretches` and the three bits in it for these 6 bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    fn filter_bits(&self, stretch: u64) -> (usize, u64) {
        let hash = mixed_6(stretch);
        (slot(hash, self.stretches.len()), THREE_BITS[(hash >> 20) as usize % THREE_BITS.len()])
    }

    /// Where this window ends in `text`, if it is a stretch.
    pub(super) fn end_of(&self, window: u128) -> Option<usize> {
        // Its last and first 6 bytes rule out most windows that are not.
        let may_be = self.may_hold(last_6(low(window))) && self.may_hold(high(window).swap_bytes());
        may_be.then(|| self.find(&self.text, window).ok())?
    }

    /// Whether this window ends at `end` in `text`.
    pub(super) fn ends_at(&self, window: u128, end: usize) -> bool {
        // No window ends earlier: there `window_before` returns 0.
        end >= PIECE && window_before(&self.text, end) == window
    }

    /// How many of these bytes match the form from `end` on.
    pub(super) fn matching(&self, end: usize, bytes: &[u8]) -> usize {
        self.text[end..].iter().zip(bytes).take_while(|&(&form, &byte)| form == byte && form != BORDER).count()
    }

    /// Inserts a window that ends at `end`. Returns whether it is new.
    fn insert(&mut self, text: &[u8], window: u128, end: u32) -> bool {
        let Err((slot, tag)) = self.find(text, window) else { return false };
        self.windows[slot] = tag | end;
        true
    }

    /// Where a window ends; if it is missing, its slot and the hash bits to put there.
    fn find(&self, text: &[u8], window: u128) -> Result<usize, (usize, u32)> {
        let hash = mixed(high(window).wrapping_add(mixed(low(window))));
        let end_mask = (1 << self.end_bits) - 1;
        let tag = low_half(hash) & !end_mask;
        let last = self.windows.len() - 1;
        let mut slot = slot(hash, self.windows.len());
        loop {
            let found = self.windows[slot];
            if found == 0 {
                return Err((slot, tag));
            }
            let end = (found & end_mask) as usize;
            if found & !end_mask == tag && window_before(text, end) == window {
                return Ok(end);
            }
            slot = (slot + 1) & last;
        }
    }

    /// The length of the longest stretch at the end of this window, at most 15.
    pub(super) fn longest_end(&self, window: u128) -> usize {
        let [.., first, second] = window.to_be_bytes();
        if !self.bytes[usize::from(second)] {
            return 0;
        }
        let mut longest = 1 + (self.pairs[usize::from(first)] >> second & 1) as usize;
        let mut end = self.last_ends[self.last_end_slot(window)] as usize;
        while end != 0 && longest < PIECE - 1 {
            let same = (window_before(&self.text, end) ^ window).trailing_zeros() / 8;
            longest = longest.max(same as usize);
            end = self.ends_before[end] as usize;
        }
        longest.min(PIECE - 1)
    }

    fn last_end_slot(&self, window: u128) -> usize {
        slot(mixed(low(window & 0xff_ffff)), self.last_ends.len())
    }
}

/// A hash whose lowest bits are the best.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn mixed(value: u64) -> u64 {
    // The highest bits of a product depend on all bits of its factors.
    value.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes()
}

/// The same for the lowest 6 bytes alone.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn mixed_6(value: u64) -> u64 {
    mixed(value << 16)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn slot(hash: u64, slots: usize) -> usize {
    low_half(hash) as usize & (slots - 1)
}

fn low_half(hash: u64) -> u32 {
    (hash << 32 >> 32) as u32
}

/// The window of the 16 bytes before `end`, or 0 if there are fewer.
pub(super) fn window_before(text: &[u8], end: usize) -> u128 {
    text.get(..end).and_then(<[u8]>::last_chunk).map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// The last 6 bytes of a half window, as a little-endian number.
pub(super) fn last_6(bytes: u64) -> u64 {
    bytes.swap_bytes() >> 16
}

/// The 8 bytes from `at`, as a little-endian number, or 0 if there are fewer.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
pub(super) fn eight_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// The first 8 bytes of a window.
pub(super) fn high(window: u128) -> u64 {
    (window >> 64) as u64
}

/// The last 8 bytes of a window.
pub(super) fn low(window: u128) -> u64 {
    (window << 64 >> 64) as u64
}
