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
    /// Looks at a part of the buffer, and what is behind it up to a whole block. Returns whether there is any [`special`] byte.
    pub fn scan(&mut self, buffer: &[u8], part: Range<usize>) -> bool {
        self.breaks.clear();
        self.letters.clear();
        let (blocks, _) = buffer[part.start..part.end.next_multiple_of(LENGTH)].as_chunks::<LENGTH>();
        let mut special = u8x16::ZERO;
        for block in blocks {
            let (mut breaks, mut letters) = (0, 0);
            for (index, sixteen) in block.as_chunks().0.iter().enumerate() {
                let bytes = u8x16::new(*sixteen);
                let is_break = bytes.simd_eq(u8x16::splat(b'\n')) | bytes.simd_eq(u8x16::splat(b'\r'));
                special |= below_space(bytes) & !is_break;
                breaks |= u64::from(is_break.to_bitmask()) << (16 * index);
                letters |= u64::from(is_letter(bytes).to_bitmask()) << (16 * index);
            }
            self.breaks.push(breaks);
            self.letters.push(letters);
        }
        special.any()
    }
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
    ((bytes | u8x16::splat(0x20)) - u8x16::splat(b'g')).simd_lt(u8x16::splat(b'z' - b'g' + 1))
}
