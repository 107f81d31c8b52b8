//! Where in which form some bytes stand.

use std::hint::black_box;

use zeroize::Zeroizing;

use super::computed::Computed;
use super::{KEY, PIECE, SPACING, TOGETHER, eight_at, low_half, mixed};

/// With how many alike a key is compared. Where the tokens of a user part, each of them has a key like those of all the others.
const COMPARED: usize = 8;

/// A hash table of keys. Wiped on drop.
pub struct Keys {
    /// A slot is 0, or has the number of a key plus 1 in its low bits, and bits of its hash above.
    slots: Zeroizing<Vec<u32>>,
    /// How many low bits of a slot are the number.
    number_bits: u32,
}

impl Keys {
    /// Of these forms.
    pub fn of(forms: &Computed) -> Self {
        let mut keys = Self {
            slots: Zeroizing::new(vec![0; (forms.size() / SPACING + 1) * 3 / 2 + 1]),
            number_bits: (forms.keys() + 2).next_power_of_two().ilog2(),
        };
        let mut found = Zeroizing::new(Vec::with_capacity(TOGETHER));
        forms.each(|form, text| {
            // All that a window with a key before may contain is known.
            let start = form.known.checked_sub(PIECE).map_or(0, |last| last + 1).next_multiple_of(SPACING);
            for at in (start..=form.length - KEY).step_by(SPACING) {
                found.push([hash_at(text, at), (form.first + at / SPACING) as u64]);
                if found.len() == TOGETHER {
                    keys.insert(forms, &mut found);
                }
            }
        });
        keys.insert(forms, &mut found);
        keys
    }

    /// Inserts keys, by their hashes and numbers.
    fn insert(&mut self, forms: &Computed, keys: &mut Vec<[u64; 2]>) {
        black_box(keys.iter().fold(0, |all, [hash, _]| all | self.slots[self.slot_of(*hash).0]));
        keys.drain(..).for_each(|key| self.insert_key(forms, key));
    }

    /// Inserts a key, unless everything around it that a window with it may contain is indexed elsewhere.
    fn insert_key(&mut self, forms: &Computed, [hash, number]: [u64; 2]) {
        let (mut slot, tag) = self.slot_of(hash);
        let (mut own, mut alike) = (None, 0);
        while self.slots[slot] != 0 {
            if alike < COMPARED
                && let Some(number_there) = self.number_at(slot, tag)
            {
                alike += 1;
                let own = own.get_or_insert_with(|| forms.around(forms.place_of(number as usize)));
                if forms.is_around(forms.place_of(number_there), own) {
                    return;
                }
            }
            slot = self.slot_after(slot);
        }
        self.slots[slot] = tag | (number + 1) as u32;
    }

    /// The numbers of the keys that may be the one at `at`.
    pub fn at(&self, text: &[u8], at: usize) -> impl Iterator<Item = usize> {
        let (first, tag) = self.slot_of(hash_at(text, at));
        let slots = std::iter::successors(Some(first), |slot| Some(self.slot_after(*slot)));
        slots.take_while(|slot| self.slots[*slot] != 0).filter_map(move |slot| self.number_at(slot, tag))
    }

    /// The slot and the bits of the hash for a key.
    fn slot_of(&self, hash: u64) -> (usize, u32) {
        let slot = ((hash >> 32) * self.slots.len() as u64) >> 32;
        (slot as usize, low_half(hash) >> self.number_bits << self.number_bits)
    }

    fn slot_after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The number of the key in this slot, if it has these bits of the hash.
    fn number_at(&self, slot: usize, tag: u32) -> Option<usize> {
        let found = self.slots[slot];
        let number = found & ((1 << self.number_bits) - 1);
        (found - number == tag).then(|| number as usize - 1)
    }
}

/// The hash of the key at `at`.
fn hash_at(text: &[u8], at: usize) -> u64 {
    mixed(eight_at(text, at) ^ mixed(u64::from(text[at + KEY - 1]) + 1)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
