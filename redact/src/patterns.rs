mod computed;
mod filter;
mod keys;

use std::ops::Range;
use std::panic::resume_unwind;
use std::thread;

use computed::Computed;
use keys::Keys;

use super::{PIECE, Secret};

pub(super) use computed::Place;
pub(super) use filter::{BLOCK, Filter};

/// The length of a stretch in the filter.
const STRETCH: usize = 6;
/// Any 16 consecutive bytes contain a stretch that starts at a multiple of this.
pub(super) const STEP: usize = PIECE - STRETCH + 1;

/// One key for so many bytes of a form. Any 16 consecutive bytes of a form contain a whole one.
pub(super) const SPACING: usize = 8;
pub(super) const KEY: usize = PIECE - SPACING + 1;

/// How many insertions are made together: in a large table each of them would wait for memory, one after the other. To read all their places
/// first makes them wait together.
const TOGETHER: usize = 512;
/// To index so many bytes of forms a second thread is worth its start.
const MANY: usize = 0x20_0000;

/// Every form of some secrets, indexed for the search.
///
/// A *window* is [`PIECE`] bytes as a big-endian number. A *stretch* is any part of a form. What the index suspects is compared with the part of
/// a form that is computed for it.
pub struct Patterns {
    forms: Computed,
    pub(super) filter: Filter,
    keys: Keys,
}

impl Patterns {
    /// Indexes every form of these secrets.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        Self::with_ended(secrets, std::iter::empty())
    }

    /// The same, and those that are of no use to anybody any more as they are.
    pub fn with_ended<'a>(secrets: impl Iterator<Item = &'a Secret>, ended: impl Iterator<Item = &'a Secret>) -> Self {
        let forms = Computed::of(secrets.map(Secret::expose).collect(), &ended.map(Secret::expose).collect::<Vec<_>>());
        let (filter, keys) = thread::scope(|scope| {
            let other = (forms.size() >= MANY).then(|| thread::Builder::new().spawn_scoped(scope, || Filter::of(&forms)));
            let keys = Keys::of(&forms);
            let filter = match other {
                Some(Ok(other)) => other.join().unwrap_or_else(|panic| resume_unwind(panic)),
                _ => Filter::of(&forms),
            };
            (filter, keys)
        });
        Self { forms, filter, keys }
    }

    /// Tells of each stretch of 16 bytes or more of this text that contains the 9 bytes at `at` as a key, looking for its start from `least` on.
    pub(super) fn matches(&self, text: &[u8], at: usize, least: usize, mut found: impl FnMut(Range<usize>, Place)) {
        if text.len() < at + KEY || !self.filter.may_hold(eight_at(text, at)) {
            return;
        }
        for number in self.keys.at(text, at) {
            if let Some((range, end)) = self.forms.extended(self.forms.place_of(number), text, at, least)
                && range.len() >= PIECE
            {
                found(range, end);
            }
        }
    }

    /// How many of these bytes are what stands at this place.
    pub(super) fn matching(&self, place: Place, bytes: &[u8]) -> usize {
        self.forms.matching(place, bytes)
    }

    /// Where this window ends, if it is a stretch.
    pub(super) fn end_of(&self, window: u128) -> Option<Place> {
        if !self.filter.may_end(window) || !self.filter.may_be(window) {
            return None;
        }
        let bytes = window.to_be_bytes();
        (0..SPACING).find_map(|at| {
            let mut end = None;
            self.matches(&bytes, at, 0, |_, place| end = Some(place));
            end
        })
    }

    /// Whether there is a stretch of 16 bytes in this text.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        (PIECE..=text.len()).any(|end| self.end_of(window_before(text, end)).is_some())
    }
}

/// A hash whose lowest bits are the best.
#[inline(always)]
#[expect(clippy::inline_always, reason = "called in the inner loop")]
pub(super) fn mixed(value: u64) -> u64 {
    // The highest bits of a product depend on all bits of its factors.
    value.wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes()
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
