use zeroize::Zeroizing;

use super::forms::forms;
use super::{PIECE, Secret};

/// Stands around each form in the text of all: a line break, which no text that is searched holds.
const BORDER: u8 = b'\n';

/// Any stretch of 16 bytes holds 6 that begin at a multiple of this.
pub(super) const STEP: usize = PIECE - 6 + 1;
/// So many bytes are looked at between two branches.
pub(super) const BLOCK: usize = 8 * STEP;

/// Two bits each, looked up: a shift by a varying number is several instructions.
const TWO_BITS: [u64; 1024] = {
    let mut all = [0; 1024];
    let (mut index, mut distance) = (0, 1);
    while index < all.len() {
        let mut bits = 1 | 1 << distance;
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

/// What is to be hidden: every form of some secrets, ready for search. Wiped on drop.
///
/// A *window* is [`PIECE`] bytes as a number, the first byte the highest. A *stretch* is any part of a form.
pub struct Patterns {
    /// All forms, with borders.
    text: Zeroizing<Vec<u8>>,
    /// A Bloom filter of all stretches of 6 bytes: two bits in one word for each.
    stretches: Zeroizing<Vec<u64>>,
    /// A hash table of all windows: 0, or where one ends in the text, with bits of its hash above.
    windows: Zeroizing<Vec<u32>>,
    /// How many bits of a slot in `windows` are the end.
    end_bits: u32,
    /// By a hash of 3 bytes, the last end of a stretch of these; and for each end, the one before. 0: none.
    last_ends: Zeroizing<Vec<u32>>,
    ends_before: Zeroizing<Vec<u32>>,
    /// By a byte, which ones can follow it; and whether it is in any form.
    pairs: Zeroizing<Vec<u128>>,
    bytes: Zeroizing<[bool; 256]>,
}

impl Patterns {
    /// Every form of these secrets.
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
        patterns.learn();
        patterns
    }

    fn learn(&mut self) {
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
                let (word, bits) = self.place(last_6(low(window)));
                self.stretches[word] |= bits;
            }
            let new = run < PIECE || self.insert(&text, window, end);
            if run >= 3 && new {
                let last = self.last_end_of(window);
                self.ends_before[end as usize] = std::mem::replace(&mut self.last_ends[last], end);
            }
        }
        *self.text = text;
    }

    /// Whether a form may go on from this window's last byte to that one's first.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as below")]
    pub(super) fn may_join(&self, window: u128, next: u128) -> bool {
        let ([.., last], [first, ..]) = (window.to_be_bytes(), next.to_be_bytes());
        self.bytes[usize::from(last)] & self.bytes[usize::from(first)]
    }

    /// Whether the lowest 6 of these 8 bytes (the first the lowest) may be a stretch.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "the loop that calls it is all the time there is")]
    pub(super) fn may_hold(&self, stretch: u64) -> bool {
        let (word, bits) = self.place(stretch);
        self.stretches[word] & bits == bits
    }

    /// Whether any of the 6 bytes at every [`STEP`]th may be.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    pub(super) fn may_hold_any(&self, block: &[u8; BLOCK]) -> bool {
        let look = |index: usize| self.may_hold(eight_at(block, index * STEP));
        // No loop, whatever the compiler is told to optimise for.
        look(0) | look(1) | look(2) | look(3) | look(4) | look(5) | look(6) | look(7)
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn place(&self, stretch: u64) -> (usize, u64) {
        let hash = mixed_6(stretch);
        (slot(hash, self.stretches.len()), TWO_BITS[(hash >> 20) as usize % TWO_BITS.len()])
    }

    /// Where in the forms this window ends, if it is a stretch.
    pub(super) fn end_of(&self, window: u128) -> Option<usize> {
        // Most that are none are told by their halves.
        let may_be = self.may_hold(last_6(low(window))) && self.may_hold(high(window).swap_bytes());
        may_be.then(|| self.find(&self.text, window).ok())?
    }

    /// Whether this window ends there in the forms.
    pub(super) fn ends_at(&self, window: u128, end: usize) -> bool {
        // Before the first form there is a border, and no window of zeros.
        end >= PIECE && window_before(&self.text, end) == window
    }

    /// How many of these bytes go on as the form does from here.
    pub(super) fn going_on(&self, end: usize, bytes: &[u8]) -> usize {
        self.text[end..].iter().zip(bytes).take_while(|&(&form, &byte)| form == byte && form != BORDER).count()
    }

    /// Puts in a window that ends here, unless it is there.
    fn insert(&mut self, text: &[u8], window: u128, end: u32) -> bool {
        let Err((slot, tag)) = self.find(text, window) else { return false };
        self.windows[slot] = tag | end;
        true
    }

    /// Where a window ends; or the slot and the upper bits for one that is not there.
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

    /// How many of this window's last bytes are a stretch, at most 15.
    pub(super) fn longest_end(&self, window: u128) -> usize {
        let [.., first, second] = window.to_be_bytes();
        if !self.bytes[usize::from(second)] {
            return 0;
        }
        let mut longest = 1 + (self.pairs[usize::from(first)] >> second & 1) as usize;
        let mut end = self.last_ends[self.last_end_of(window)] as usize;
        while end != 0 && longest < PIECE - 1 {
            let same = (window_before(&self.text, end) ^ window).trailing_zeros() / 8;
            longest = longest.max(same as usize);
            end = self.ends_before[end] as usize;
        }
        longest.min(PIECE - 1)
    }

    fn last_end_of(&self, window: u128) -> usize {
        slot(mixed(low(window & 0xff_ffff)), self.last_ends.len())
    }
}

/// A hash of which the lowest bits are the best.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn mixed(value: u64) -> u64 {
    // The highest bits of a product depend on all of its factors' bits.
    value.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes()
}

/// The same of the lowest 6 bytes alone.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn mixed_6(value: u64) -> u64 {
    mixed(value << 16)
}

#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
fn slot(hash: u64, slots: usize) -> usize {
    low_half(hash) as usize & (slots - 1)
}

fn low_half(hash: u64) -> u32 {
    (hash << 32 >> 32) as u32
}

/// The window that ends before this byte.
pub(super) fn window_before(text: &[u8], end: usize) -> u128 {
    text.get(..end).and_then(<[u8]>::last_chunk).map_or(0, |bytes| u128::from_be_bytes(*bytes))
}

/// The last 6 of 8 bytes as they are in a window, the first the lowest.
pub(super) fn last_6(bytes: u64) -> u64 {
    bytes.swap_bytes() >> 16
}

/// Eight bytes from here on, the first the lowest.
#[inline(always)]
#[expect(clippy::inline_always, reason = "as above")]
pub(super) fn eight_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A window's first 8 bytes, as they are in it.
pub(super) fn high(window: u128) -> u64 {
    (window >> 64) as u64
}

/// A window's last 8 bytes, as they are in it.
pub(super) fn low(window: u128) -> u64 {
    (window << 64 >> 64) as u64
}
