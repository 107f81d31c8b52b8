//! What stands where in the buffer, 64 bytes at once: one bit for each byte, the first in the lowest.

use std::ops::Range;

use wide::u8x16;

/// The length of a block.
pub const LENGTH: usize = 64;

/// The line breaks in a part of the buffer, and the letters from G to Z, in both cases: none is a hex digit.
#[derive(Default)]
pub struct Blocks {
    pub breaks: Vec<u64>,
    pub letters: Vec<u64>,
}

impl Blocks {
    /// Looks at a part of the buffer, and what is behind it up to a whole block. Returns whether there is any [`special`] byte or a tab.
    pub fn scan(&mut self, buffer: &[u8], part: Range<usize>) -> bool {
        let (blocks, _) = buffer[part.start..part.end.next_multiple_of(LENGTH)].as_chunks::<LENGTH>();
        self.breaks.resize(blocks.len(), 0);
        self.letters.resize(blocks.len(), 0);
        let mut special = u8x16::ZERO;
        for (block, (all_breaks, all_letters)) in blocks.iter().zip(self.breaks.iter_mut().zip(&mut self.letters)) {
            let (mut breaks, mut letters) = (0, 0);
            for (index, sixteen) in block.as_chunks().0.iter().enumerate() {
                let bytes = u8x16::new(*sixteen);
                let is_break = bytes.simd_eq(u8x16::splat(b'\n')) | bytes.simd_eq(u8x16::splat(b'\r'));
                special |= below_space(bytes) & !is_break;
                breaks |= u64::from(is_break.to_bitmask()) << (16 * index);
                letters |= u64::from(is_letter(bytes).to_bitmask()) << (16 * index);
            }
            (*all_breaks, *all_letters) = (breaks, letters);
        }
        special.any()
    }
}

/// Whether this part of the buffer may be a list: 26 bytes of it in sequence are no letters but those of hex numbers, or 12 are blanks.
pub fn may_be_list(buffer: &[u8], part: Range<usize>) -> bool {
    let (mut before, mut blanks) = (u64::MAX, 0);
    for (at, block) in part.clone().step_by(LENGTH).filter_map(|at| Some((at, buffer[at..].first_chunk()?))) {
        let inside = u64::MAX >> LENGTH.saturating_sub(part.end - at);
        let letters = which(block, is_in_no_number) | !inside;
        blanks += (which(block, |bytes| bytes.simd_lt(u8x16::splat(b' ' + 1))) & inside).count_ones();
        let free = !(u128::from(letters) << LENGTH | u128::from(before));
        if blanks > 11 || [1, 2, 4, 8, 10].into_iter().fold(free, |free, by| free & free >> by) != 0 {
            return true;
        }
        before = letters;
    }
    false
}

/// Letters from G to Z, but for X and U.
fn is_in_no_number(bytes: u8x16) -> u8x16 {
    let lower = bytes | u8x16::splat(0x20);
    is_letter(bytes) & !(lower.simd_eq(u8x16::splat(b'x')) | lower.simd_eq(u8x16::splat(b'u')))
}

/// Controls and what is not ASCII, but for tabs and line breaks.
pub fn special(block: &[u8; LENGTH]) -> u64 {
    which(block, |bytes| {
        below_space(bytes) & !(bytes.simd_eq(u8x16::splat(b'\n')) | bytes.simd_eq(u8x16::splat(b'\r')) | bytes.simd_eq(u8x16::splat(b'\t')))
    })
}

fn which(block: &[u8; LENGTH], test: impl Fn(u8x16) -> u8x16) -> u64 {
    let (sixteens, _) = block.as_chunks();
    sixteens.iter().enumerate().fold(0, |all, (index, bytes)| all | u64::from(test(u8x16::new(*bytes)).to_bitmask()) << (16 * index))
}

/// As signed numbers, which what is not ASCII is too.
#[inline]
fn below_space(bytes: u8x16) -> u8x16 {
    (bytes ^ u8x16::splat(0x80)).simd_lt(u8x16::splat(b' ' ^ 0x80))
}

#[inline]
fn is_letter(bytes: u8x16) -> u8x16 {
    is_from_to(bytes | u8x16::splat(0x20), b'g', b'z')
}

#[inline]
fn is_from_to(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    (bytes - u8x16::splat(first)).simd_lt(u8x16::splat(last - first + 1))
}

/// Whether all of this is ASCII letters and digits.
pub fn is_alphanumeric(text: &[u8]) -> bool {
    let (sixteens, rest) = text.as_chunks();
    let mut last = [b'0'; 16];
    last[..rest.len()].copy_from_slice(rest);
    sixteens.iter().chain([&last]).all(|sixteen| {
        let bytes = u8x16::new(*sixteen);
        (is_from_to(bytes | u8x16::splat(0x20), b'a', b'z') | is_from_to(bytes, b'0', b'9')).all()
    })
}
