//! Which stretches the forms of some secrets have, so that most of a text need not be compared with them.

use std::hint::black_box;
use std::ops::Range;

use zeroize::Zeroizing;

use super::computed::Computed;
use super::{KEY, PIECE, SPACING, STEP, STRETCH, TOGETHER, eight_at, high, last_6, low, low_half, mixed};

/// How many bytes are examined without a branch.
pub const BLOCK: usize = 8 * STEP;
/// Any 16 consecutive bytes contain four consecutive stretches from a multiple of this on.
const DENSE_STEP: usize = STEP - 3;

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

/// What stretches there are. Wiped on drop.
pub struct Filter {
    /// A Bloom filter of stretches of 6 bytes; each clears three bits of one word. It has those at the multiples of `stride` in a form: with many
    /// secrets not each, or the filter would not fit into the cache.
    stretches: Zeroizing<Vec<u64>>,
    stride: usize,
    /// Which hashes of 3 bytes occur; for each byte, which bytes can follow it; and which bytes occur.
    triples: Zeroizing<Vec<u64>>,
    pairs: Zeroizing<Vec<u128>>,
    bytes: Zeroizing<[bool; 256]>,
}

impl Filter {
    /// Of these forms.
    pub fn of(forms: &Computed) -> Self {
        let size = forms.size();
        let stride = stride_for(size);
        let mut filter = Self {
            stretches: Zeroizing::new(vec![u64::MAX; (size / stride / stride.max(2)).next_power_of_two()]),
            stride,
            // Of very many secrets nearly all occur.
            triples: Zeroizing::new(vec![if stride > 2 { u64::MAX } else { 0 }; 1 << 12]),
            pairs: Zeroizing::new(vec![if stride > 2 { u128::MAX } else { 0 }; 256]),
            bytes: Zeroizing::new([false; 256]),
        };
        let mut hashes = Zeroizing::new(Vec::with_capacity(TOGETHER));
        forms.each(|form, text| {
            filter.add_pieces(&text[..form.length], form.known);
            let start = form.known.saturating_sub(STRETCH - 1).next_multiple_of(stride);
            for at in (start..=form.length - STRETCH).step_by(stride) {
                hashes.push(mixed_6(eight_at(text, at)));
                if hashes.len() == TOGETHER {
                    filter.insert(&mut hashes);
                }
            }
        });
        filter.insert(&mut hashes);
        filter
    }

    /// Adds what is shorter than a stretch.
    fn add_pieces(&mut self, text: &[u8], known: usize) {
        for &byte in &text[known..] {
            self.bytes[usize::from(byte)] = true;
        }
        if self.stride <= 2 {
            for pair in text[known.saturating_sub(1)..].windows(2) {
                self.pairs[usize::from(pair[0])] |= 1 << (pair[1] & 127);
            }
            for three in text[known.saturating_sub(2)..].windows(3) {
                let (word, bit) = triple(three.iter().fold(0, |window, byte| window << 8 | u128::from(*byte)));
                self.triples[word] |= bit;
            }
        }
    }

    fn insert(&mut self, hashes: &mut Vec<u64>) {
        black_box(hashes.iter().fold(0, |all, hash| all | self.stretches[self.word_of(*hash)]));
        for hash in hashes.drain(..) {
            let word = self.word_of(hash);
            self.stretches[word] &= !three_bits(hash);
        }
    }

    /// Whether this window may be a stretch, by all that the filter knows.
    pub fn may_be(&self, window: u128) -> bool {
        let at = |start: usize| self.may_hold(high(window << (8 * start)).swap_bytes());
        (0..self.stride).any(|first| (first..STEP).step_by(self.stride).all(at))
    }

    /// Where keys may be of a longer stretch around the one at `at`, within a part of the text, by the filter. The text has two bytes more.
    pub fn keys_around(&self, text: &[u8], at: usize, part: Range<usize>) -> Range<usize> {
        let may_hold = |at: &usize| self.may_hold(eight_at(text, *at));
        let last = part.end.saturating_sub(STRETCH).min(at + STEP - 1);
        let mut found = part.start..part.end.min(at + STRETCH + STEP - 1);
        if self.stride == 1 {
            found.start = at - (part.start..at).rev().take_while(may_hold).count();
            found.end = at + (at..=last).take_while(may_hold).count() + STRETCH - 1;
        }
        if found.len() < PIECE { at..at } else { found.start..(found.end - KEY + 1).min(at + SPACING) }
    }

    /// Whether any form has this byte.
    pub fn has(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte)]
    }

    /// Whether a form may have the last byte of `window` followed by the first of `next`.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub fn may_join(&self, window: u128, next: u128) -> bool {
        let ([.., last], [first, ..]) = (window.to_be_bytes(), next.to_be_bytes());
        self.bytes[usize::from(last)] & self.bytes[usize::from(first)]
    }

    /// Whether the end of this window may be a stretch, if it has 9 bytes or more.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub fn may_end(&self, window: u128) -> bool {
        (0..self.stride).any(|back| self.may_hold(last_6(low(window >> (8 * back)))))
    }

    /// The same of its start.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub fn may_start(&self, window: u128) -> bool {
        (0..self.stride).any(|on| self.may_hold(high(window << (8 * on)).swap_bytes()))
    }

    /// Whether the first 6 of these 8 bytes, a little-endian number, may be a stretch.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    pub fn may_hold(&self, stretch: u64) -> bool {
        let (word, bits) = self.filter_bits(stretch);
        self.stretches[word] & bits == 0
    }

    /// Whether not every stretch is in the filter, so that there are more places to look at.
    pub fn is_dense(&self) -> bool {
        self.stride > 1
    }

    /// Where to look for stretches in a block: any 16 bytes contain one from the filter that starts there.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let (step, width) = if self.stride == 1 { (STEP, 1) } else { (DENSE_STEP, self.stride) };
        (0..BLOCK).step_by(step).flat_map(move |at| at..at + width)
    }

    /// How many of the blocks at the start of this text precede the first that may have a stretch at one of these places. Behind them the text
    /// goes on for eight bytes or more. A function of its own keeps in registers what the inner loop needs.
    #[inline(never)]
    pub fn blocks_before_a_stretch(&self, text: &[u8], blocks: usize) -> Option<usize> {
        if self.is_dense() {
            return (0..blocks).find(|block| self.may_hold_any_dense(text, block * BLOCK));
        }
        text[..blocks * BLOCK].as_chunks().0.iter().position(|block| self.may_hold_any(block))
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "called in the inner loop")]
    fn may_hold_any(&self, block: &[u8; BLOCK]) -> bool {
        let look = |index: usize| self.may_hold(eight_at(block, index * STEP));
        // Unrolled by hand, so that the optimisation level does not matter.
        look(0) | look(1) | look(2) | look(3) | look(4) | look(5) | look(6) | look(7)
    }

    fn may_hold_any_dense(&self, text: &[u8], block: usize) -> bool {
        let two = |at| self.may_hold(eight_at(text, at)) | self.may_hold(eight_at(text, at + 1));
        (block..block + BLOCK).step_by(DENSE_STEP).any(|at| two(at) || self.stride == 4 && two(at + 2))
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
    pub fn longest_end(&self, window: u128) -> usize {
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

/// The bits for the hash of a stretch.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn three_bits(hash: u64) -> u64 {
    THREE_BITS[(hash >> 24) as usize % THREE_BITS.len()]
}

/// The bit for the last 3 bytes.
fn triple(window: u128) -> (usize, u64) {
    let hash = low_half(mixed(low(window & 0xff_ffff)));
    ((hash >> 6) as usize % (1 << 12), 1 << (hash % 64))
}

/// The same for the lowest 6 bytes alone.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
fn mixed_6(value: u64) -> u64 {
    mixed(value << 16)
}

/// Of how many stretches the filter has one.
fn stride_for(size: usize) -> usize {
    match size {
        0..0x4_0000 => 1,
        0x4_0000..0x40_0000 => 2,
        _ => 4,
    }
}
