//! Indexes every form of some secrets.

use std::hint::black_box;
use std::ops::Range;

use zeroize::Zeroizing;

use super::super::forms::{self, FORMS, SPARE};
use super::{CHUNK, Form, KEY, PIECE, Patterns, Place, SPACING, STRETCH, eight_at, hash_at, mixed_6, same, three_bits, triple};

/// How many insertions are made together.
const TOGETHER: usize = 512;
/// How much of a form is computed at once.
const PART: usize = 2048;

/// A secret or a spelling of one.
struct Text {
    /// Where it stands among all.
    range: Range<usize>,
    /// How many bytes it has in common with the one before.
    common: usize,
    /// Which of all forms it has.
    has: [bool; FORMS.len()],
}

/// Patterns for every form of these secrets, and for those that ended.
pub fn indexed(mut secrets: Vec<&str>, ended: &[&str]) -> Patterns {
    secrets.sort_unstable();
    secrets.dedup();
    let spellings: Vec<_> = secrets.iter().flat_map(|secret| forms::spellings(secret)).collect();
    let plain = |spelling| (spelling, std::array::from_fn(|form| FORMS[form].is_empty()));
    let all = secrets.into_iter().map(|secret| (secret, forms::of(secret)));
    let all: Vec<_> = all.chain(spellings.iter().map(|spelling| spelling.as_str()).chain(ended.iter().copied()).map(plain)).collect();
    let (mut texts, mut end, mut before) = (Vec::new(), 0, "");
    for (text, has) in &all {
        texts.push(Text { range: end..end + text.len(), common: same(before.as_bytes(), text.as_bytes()), has: *has });
        (end, before) = (end + text.len(), text);
    }
    let bytes = Zeroizing::new(all.iter().map(|(text, _)| text.as_bytes()).collect::<Vec<_>>().concat());
    let (forms, known): (Vec<_>, Vec<_>) = forms_of(&texts).unzip();
    let mut index = Index::new(bytes, forms, &known);
    known.into_iter().enumerate().for_each(|(form, known)| index.add(form, known));
    index.finish()
}

/// All forms of these texts, and how many bytes at the start of each are those of one before it.
fn forms_of(texts: &[Text]) -> impl Iterator<Item = (Form, usize)> {
    let mut first = 0;
    let of = move |(index, layers): (usize, forms::Form)| {
        let mut common = usize::MAX;
        texts.iter().filter_map(move |text| {
            let length = forms::length(layers, text.range.len());
            common = common.min(text.common);
            (text.has[index] && length >= PIECE).then(|| (layers, text.range.clone(), length, std::mem::replace(&mut common, usize::MAX)))
        })
    };
    FORMS.into_iter().enumerate().flat_map(of).map(move |(layers, secret, length, common)| {
        let form = Form { layers, secret, length, first };
        first += length.div_ceil(SPACING);
        (form, forms::prefix(layers, common))
    })
}

/// Of how many stretches the filter has one.
fn stride_for(size: usize) -> usize {
    match size {
        0..0x4_0000 => 1,
        0x4_0000..0x40_0000 => 2,
        _ => 4,
    }
}

/// Patterns that are being indexed.
struct Index {
    patterns: Patterns,
    /// A form; what follows it does not matter.
    text: Zeroizing<Vec<u8>>,
    /// The hashes of stretches, and those of keys with their numbers, that are not inserted yet.
    stretches: Zeroizing<Vec<u64>>,
    keys: Zeroizing<Vec<[u64; 2]>>,
}

impl Index {
    /// For these forms of secrets, with none indexed yet.
    fn new(secrets: Zeroizing<Vec<u8>>, forms: Vec<Form>, known: &[usize]) -> Self {
        // Of what two have in common a little is indexed twice.
        let size = forms.iter().zip(known).map(|(form, known)| form.length - known + 3 * SPACING).sum();
        let (stride, keys) = (stride_for(size), size / SPACING + 1);
        let last = forms.last().map_or(0, |form| form.first + form.length.div_ceil(SPACING));
        let longest = forms.iter().map(|form| form.length).max().unwrap_or(0);
        let patterns = Patterns {
            secrets,
            forms,
            stretches: Zeroizing::new(vec![0; (size / stride / stride.max(2)).next_power_of_two()]),
            stride,
            keys: Zeroizing::new(vec![0; keys * 3 / 2 + 1]),
            number_bits: (last + 2).next_power_of_two().ilog2(),
            // Of very many secrets nearly all occur.
            triples: Zeroizing::new(vec![if stride > 2 { u64::MAX } else { 0 }; 1 << 12]),
            pairs: Zeroizing::new(vec![if stride > 2 { u128::MAX } else { 0 }; 256]),
            bytes: Zeroizing::new([false; 256]),
        };
        Self {
            patterns,
            text: Zeroizing::new(vec![0; longest + SPARE]),
            stretches: Zeroizing::new(Vec::with_capacity(TOGETHER)),
            keys: Zeroizing::new(Vec::with_capacity(TOGETHER)),
        }
    }

    /// Indexes a form, of which the first `known` bytes are those of another.
    fn add(&mut self, form: usize, known: usize) {
        let Self { patterns, text, stretches, keys } = self;
        let Form { layers, ref secret, length, first } = patterns.forms[form];
        for (index, part) in text[..length].chunks_mut(PART).enumerate() {
            forms::fill::<{ PART + SPARE }>(layers, &patterns.secrets[secret.clone()], index * PART, part);
        }
        let new = &text[..length];
        for &byte in &new[known..] {
            patterns.bytes[usize::from(byte)] = true;
        }
        if patterns.stride <= 2 {
            for pair in new[known.saturating_sub(1)..].windows(2) {
                patterns.pairs[usize::from(pair[0])] |= 1 << (pair[1] & 127);
            }
            for three in new[known.saturating_sub(2)..].windows(3) {
                let (word, bit) = triple(three.iter().fold(0, |window, byte| window << 8 | u128::from(*byte)));
                patterns.triples[word] |= bit;
            }
        }
        let start = known.saturating_sub(STRETCH - 1).next_multiple_of(patterns.stride);
        for at in (start..=length - STRETCH).step_by(patterns.stride) {
            stretches.push(mixed_6(eight_at(text, at)));
            if stretches.len() == TOGETHER {
                patterns.insert_stretches(stretches);
            }
        }
        // All that a window with a key before may contain is known.
        let start = known.checked_sub(PIECE).map_or(0, |last| last + 1).next_multiple_of(SPACING);
        for at in (start..=length - KEY).step_by(SPACING) {
            keys.push([hash_at(text, at), (first + at / SPACING) as u64]);
            if keys.len() == TOGETHER {
                patterns.insert_keys(keys);
            }
        }
    }

    /// All that was added.
    fn finish(mut self) -> Patterns {
        self.patterns.insert_stretches(&mut self.stretches);
        self.patterns.insert_keys(&mut self.keys);
        self.patterns
    }
}

impl Patterns {
    fn insert_stretches(&mut self, hashes: &mut Vec<u64>) {
        // In a large table each of them would wait for memory, one after the other. To read them first makes them wait together.
        black_box(hashes.iter().fold(0, |all, hash| all | self.stretches[self.word_of(*hash)]));
        for hash in hashes.drain(..) {
            let word = self.word_of(hash);
            self.stretches[word] |= three_bits(hash);
        }
    }

    fn insert_keys(&mut self, keys: &mut Vec<[u64; 2]>) {
        black_box(keys.iter().fold(0, |all, [hash, _]| all | self.keys[self.slot_of(*hash).0]));
        keys.drain(..).for_each(|key| self.insert_key(key));
    }

    /// Inserts a key, by its hash and number, unless everything around it that a window with it may contain is indexed elsewhere.
    fn insert_key(&mut self, [hash, number]: [u64; 2]) {
        let (mut slot, tag) = self.slot_of(hash);
        let (mut bytes, mut own) = ([0; CHUNK], None);
        while self.keys[slot] != 0 {
            if let Some(place) = self.place_at(slot, tag) {
                let (length, at) = *own.get_or_insert_with(|| self.fill_around(self.place_of(number as usize), &mut bytes));
                if self.extended(place, &bytes[..length], at, 0).is_some_and(|(found, _)| found == (0..length)) {
                    return;
                }
            }
            slot = self.slot_after(slot);
        }
        self.keys[slot] = tag | (number + 1) as u32;
    }

    /// What stands around a key as far as a window with it reaches. Returns how much that is, and where in it the key begins.
    fn fill_around(&self, key: Place, bytes: &mut [u8; CHUNK]) -> (usize, usize) {
        let (form, at) = (key.form as usize, key.at as usize);
        let start = at.saturating_sub(PIECE - KEY);
        let length = self.forms[form].length.min(at + PIECE) - start;
        self.fill(form, start, &mut bytes[..length]);
        (length, at - start)
    }
}
