mod index;

use std::ops::Range;

use zeroize::Zeroizing;

use super::forms::{self, SPARE};
use super::{PIECE, Secret};

/// The length of a stretch in the filter.
const STRETCH: usize = 6;
/// Any 16 consecutive bytes contain a stretch that starts at a multiple of this.
pub(super) const STEP: usize = PIECE - STRETCH + 1;
/// How many bytes are examined without a branch.
pub(super) const BLOCK: usize = 8 * STEP;
/// Any 16 consecutive bytes contain four consecutive stretches from a multiple of this on.
const DENSE_STEP: usize = STEP - 3;

/// One key for so many bytes of a form. Any 16 consecutive bytes of a form contain a whole one.
pub(super) const SPACING: usize = 8;
pub(super) const KEY: usize = PIECE - SPACING + 1;

/// The most of a form that is computed at once for a comparison.
const CHUNK: usize = 64;

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

/// A form of a secret.
struct Form {
    layers: forms::Form,
    /// Where the secret stands in `Patterns::secrets`.
    secret: Range<usize>,
    length: usize,
    /// The number of its first key.
    first: usize,
}

/// A position in a form.
#[derive(Clone, Copy)]
pub(super) struct Place {
    form: u32,
    at: u32,
}

impl Place {
    pub(super) fn on(self, by: usize) -> Self {
        Self { at: self.at + by as u32, ..self }
    }

    pub(super) fn back(self, by: usize) -> Self {
        Self { at: self.at - by as u32, ..self }
    }
}

/// Every form of some secrets, indexed for the search. Wiped on drop.
///
/// A *window* is [`PIECE`] bytes as a big-endian number. A *stretch* is any part of a form. The forms are not kept: what the index suspects is
/// compared with the part of a form that is computed for it.
pub struct Patterns {
    /// The secrets, their spellings, and those that ended, one after the other.
    secrets: Zeroizing<Vec<u8>>,
    forms: Vec<Form>,
    /// A Bloom filter of stretches of 6 bytes; each sets three bits of one word. It has those at the multiples of `stride` in a form: with many
    /// secrets not each, or the filter would not fit into the cache.
    stretches: Zeroizing<Vec<u64>>,
    stride: usize,
    /// A hash table of keys. A slot is 0, or has the number of a key plus 1 in its low bits, and bits of its hash above.
    keys: Zeroizing<Vec<u32>>,
    /// How many low bits of a slot in `keys` are the number.
    number_bits: u32,
    /// Which hashes of 3 bytes occur; for each byte, which bytes can follow it; and which bytes occur.
    triples: Zeroizing<Vec<u64>>,
    pairs: Zeroizing<Vec<u128>>,
    bytes: Zeroizing<[bool; 256]>,
}

impl Patterns {
    /// Indexes every form of these secrets.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        Self::with_ended(secrets, std::iter::empty())
    }

    /// The same, and those that are of no use to anybody any more as they are.
    pub fn with_ended<'a>(secrets: impl Iterator<Item = &'a Secret>, ended: impl Iterator<Item = &'a Secret>) -> Self {
        index::indexed(secrets.map(Secret::expose).collect(), &ended.map(Secret::expose).collect::<Vec<_>>())
    }

    /// The slot and the bits of the hash for a key.
    fn slot_of(&self, hash: u64) -> (usize, u32) {
        let slot = ((hash >> 32) * self.keys.len() as u64) >> 32;
        (slot as usize, low_half(hash) >> self.number_bits << self.number_bits)
    }

    fn slot_after(&self, slot: usize) -> usize {
        if slot + 1 == self.keys.len() { 0 } else { slot + 1 }
    }

    /// The place of the key in this slot, if it has these bits of the hash.
    fn place_at(&self, slot: usize, tag: u32) -> Option<Place> {
        let found = self.keys[slot];
        let number = (found & ((1 << self.number_bits) - 1)) as usize;
        (found - number as u32 == tag).then(|| self.place_of(number - 1))
    }

    /// The place of the key with this number.
    fn place_of(&self, number: usize) -> Place {
        let form = self.forms.partition_point(|form| form.first <= number) - 1;
        Place { form: form as u32, at: ((number - self.forms[form].first) * SPACING) as u32 }
    }

    /// The bytes of a form from `from` on.
    fn fill(&self, form: usize, from: usize, out: &mut [u8]) {
        let form = &self.forms[form];
        forms::fill::<{ CHUNK + SPARE }>(form.layers, &self.secrets[form.secret.clone()], from, out);
    }

    /// What of this text around the key at `at`, from `least` on, is what stands around this place; and the place behind it.
    fn extended(&self, place: Place, text: &[u8], at: usize, least: usize) -> Option<(Range<usize>, Place)> {
        let (form, from) = (place.form as usize, place.at as usize);
        let back = from.min(at - least).min(CHUNK / 4);
        let mut chunk = [0; CHUNK / 2];
        let chunk = &mut chunk[..(CHUNK / 2).min(self.forms[form].length + back - from)];
        self.fill(form, from - back, chunk);
        let behind = same(&chunk[back..], &text[at..]);
        if behind < KEY {
            return None;
        }
        let before = chunk[..back].iter().rev().zip(text[..at].iter().rev()).take_while(|(a, b)| a == b).count();
        let mut end = place.on(behind);
        if back + behind == chunk.len() {
            end = end.on(self.matching(end, &text[at + behind..]));
        }
        Some((at - before..at + (end.at - place.at) as usize, end))
    }

    /// How many of these bytes are what stands at this place.
    pub(super) fn matching(&self, place: Place, bytes: &[u8]) -> usize {
        let length = self.forms[place.form as usize].length;
        let mut count = 0;
        loop {
            let mut chunk = [0; CHUNK - 2 * SPACING];
            let from = place.at as usize + count;
            let chunk = &mut chunk[..(CHUNK - 2 * SPACING).min(length - from).min(bytes.len() - count)];
            self.fill(place.form as usize, from, chunk);
            let more = same(chunk, &bytes[count..]);
            count += more;
            if more < CHUNK - 2 * SPACING {
                return count;
            }
        }
    }

    /// Tells of each stretch of 16 bytes or more of this text that contains the 9 bytes at `at` as a key, looking for its start from `least` on.
    pub(super) fn matches(&self, text: &[u8], at: usize, least: usize, mut found: impl FnMut(Range<usize>, Place)) {
        if text.len() < at + KEY || !self.may_hold(eight_at(text, at)) {
            return;
        }
        let (mut slot, tag) = self.slot_of(hash_at(text, at));
        while self.keys[slot] != 0 {
            if let Some((range, end)) = self.place_at(slot, tag).and_then(|place| self.extended(place, text, at, least))
                && range.len() >= PIECE
            {
                found(range, end);
            }
            slot = self.slot_after(slot);
        }
    }

    /// Where this window ends, if it is a stretch.
    pub(super) fn end_of(&self, window: u128) -> Option<Place> {
        if !self.may_end(window) || !self.may_be(window) {
            return None;
        }
        let bytes = window.to_be_bytes();
        (0..SPACING).find_map(|at| {
            let mut end = None;
            self.matches(&bytes, at, 0, |_, place| end = Some(place));
            end
        })
    }

    /// Whether this window may be a stretch, by all that the filter knows.
    fn may_be(&self, window: u128) -> bool {
        let at = |start: usize| self.may_hold(high(window << (8 * start)).swap_bytes());
        (0..self.stride).any(|first| (first..STEP).step_by(self.stride).all(at))
    }

    /// Where keys may be of a longer stretch around the one at `at`, within a part of the text, by the filter. The text has two bytes more.
    pub(super) fn keys_around(&self, text: &[u8], at: usize, part: Range<usize>) -> Range<usize> {
        let may_hold = |at: &usize| self.may_hold(eight_at(text, *at));
        let last = part.end.saturating_sub(STRETCH).min(at + STEP - 1);
        let mut found = part.start..part.end.min(at + STRETCH + STEP - 1);
        if self.stride == 1 {
            found.start = at - (part.start..at).rev().take_while(may_hold).count();
            found.end = at + (at..=last).take_while(may_hold).count() + STRETCH - 1;
        }
        if found.len() < PIECE { at..at } else { found.start..(found.end - KEY + 1).min(at + SPACING) }
    }

    /// Whether there is a stretch of 16 bytes in this text.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        (PIECE..=text.len()).any(|end| self.end_of(window_before(text, end)).is_some())
    }

    /// Whether any form has this byte.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte)]
    }

    /// Whether a form may have the last byte of `window` followed by the first of `next`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_join(&self, window: u128, next: u128) -> bool {
        let ([.., last], [first, ..]) = (window.to_be_bytes(), next.to_be_bytes());
        self.bytes[usize::from(last)] & self.bytes[usize::from(first)]
    }

    /// Whether the end of this window may be a stretch, if it has 9 bytes or more.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_end(&self, window: u128) -> bool {
        (0..self.stride).any(|back| self.may_hold(last_6(low(window >> (8 * back)))))
    }

    /// The same of its start.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_start(&self, window: u128) -> bool {
        (0..self.stride).any(|on| self.may_hold(high(window << (8 * on)).swap_bytes()))
    }

    /// Whether the first 6 of these 8 bytes, a little-endian number, may be a stretch.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_hold(&self, stretch: u64) -> bool {
        let (word, bits) = self.filter_bits(stretch);
        self.stretches[word] & bits == bits
    }

    /// Whether not every stretch is in the filter, so that there are more places to look at.
    pub(super) fn is_dense(&self) -> bool {
        self.stride > 1
    }

    /// Where to look for stretches in a block: any 16 bytes contain one from the filter that starts there.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        let (step, width) = if self.stride == 1 { (STEP, 1) } else { (DENSE_STEP, self.stride) };
        (0..BLOCK).step_by(step).flat_map(move |at| at..at + width)
    }

    /// Whether there may be a stretch at any of these places.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub(super) fn may_hold_any(&self, block: &[u8; BLOCK]) -> bool {
        let look = |index: usize| self.may_hold(eight_at(block, index * STEP));
        // Unrolled by hand, so that the optimisation level does not matter.
        look(0) | look(1) | look(2) | look(3) | look(4) | look(5) | look(6) | look(7)
    }

    /// The same, if they are dense.
    pub(super) fn may_hold_any_dense(&self, block: &[u8; BLOCK]) -> bool {
        let two = |at| self.may_hold(eight_at(block, at)) | self.may_hold(eight_at(block, at + 1));
        (0..BLOCK).step_by(DENSE_STEP).any(|at| two(at) || self.stride == 4 && two(at + 2))
    }

    /// The word of `stretches` and the three bits in it for these 6 bytes.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    fn filter_bits(&self, stretch: u64) -> (usize, u64) {
        let hash = mixed_6(stretch);
        (self.word_of(hash), three_bits(hash))
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    fn word_of(&self, hash: u64) -> usize {
        low_half(hash) as usize & (self.stretches.len() - 1)
    }

    /// At most 15, and at least the length of the longest stretch at the end of this window.
    pub(super) fn longest_end(&self, window: u128) -> usize {
        let [.., first, second] = window.to_be_bytes();
        if !self.bytes[usize::from(second)] {
            return 0;
        }
        if self.pairs[usize::from(first)] >> (second & 127) & 1 == 0 {
            return 1;
        }
        let known = |&back: &usize| {
            let (word, bit) = triple(window >> (8 * back));
            self.triples[word] & bit != 0
        };
        let longest = 2 + (0..PIECE - 3).take_while(known).count();
        (STRETCH..=longest).rev().find(|&length| self.may_be_end(window, length)).unwrap_or(longest.min(STRETCH - 1))
    }

    /// Whether so many bytes at the end of a window may be a stretch, by the filter.
    fn may_be_end(&self, window: u128, length: usize) -> bool {
        let at = |start: usize| self.may_hold(last_6(low(window >> (8 * (length - STRETCH - start)))));
        (0..self.stride).any(|first| (first..=length - STRETCH).step_by(self.stride).all(at))
    }
}

/// How many bytes both begin with.
fn same(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// The bits for the hash of a stretch.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn three_bits(hash: u64) -> u64 {
    THREE_BITS[(hash >> 24) as usize % THREE_BITS.len()]
}

/// The hash of the key at `at`.
fn hash_at(text: &[u8], at: usize) -> u64 {
    mixed(eight_at(text, at) ^ mixed(u64::from(text[at + KEY - 1]) + 1)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

/// The bit for the last 3 bytes.
fn triple(window: u128) -> (usize, u64) {
    let hash = low_half(mixed(low(window & 0xff_ffff)));
    ((hash >> 6) as usize % (1 << 12), 1 << (hash % 64))
}

/// A hash whose lowest bits are the best.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
pub(super) fn mixed(value: u64) -> u64 {
    // The highest bits of a product depend on all bits of its factors.
    value.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes()
}

/// The same for the lowest 6 bytes alone.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn mixed_6(value: u64) -> u64 {
    mixed(value << 16)
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
