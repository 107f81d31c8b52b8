//! Every form of some secrets. They are not kept: what is needed of one is computed.

use std::ops::Range;

use zeroize::Zeroizing;

use super::super::forms::{self, FORMS, SPARE};
use super::{KEY, PIECE, SPACING};

/// The most of a form that is computed at once for a comparison.
const CHUNK: usize = 64;
/// The most of one that is computed at once while it is indexed.
const PART: usize = 2048;

/// A form of a secret.
pub struct Form {
    layers: forms::Form,
    /// Where the secret stands among all.
    secret: Range<usize>,
    pub length: usize,
    /// The number of its first key.
    pub first: usize,
    /// How many bytes at its start are those of a form before it.
    pub known: usize,
}

/// A position in a form.
#[derive(Clone, Copy, PartialEq)]
pub struct Place {
    form: u32,
    at: u32,
}

impl Place {
    pub fn on(self, by: usize) -> Self {
        Self { at: self.at + by as u32, ..self }
    }

    pub fn back(self, by: usize) -> Self {
        Self { at: self.at - by as u32, ..self }
    }
}

/// A secret or a spelling of one.
struct Text {
    /// Where it stands among all.
    range: Range<usize>,
    /// How many bytes it has in common with the one before.
    common: usize,
    /// Which of all forms it has.
    has: [bool; FORMS.len()],
}

/// Every form of some secrets. Wiped on drop.
pub struct Computed {
    /// The secrets, their spellings, and those that ended, one after the other.
    secrets: Zeroizing<Vec<u8>>,
    forms: Vec<Form>,
}

impl Computed {
    /// Every form of these secrets, and those that ended as they are.
    pub fn of(mut secrets: Vec<&str>, ended: &[&str]) -> Self {
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
        let secrets = Zeroizing::new(all.iter().map(|(text, _)| text.as_bytes()).collect::<Vec<_>>().concat());
        Self { secrets, forms: forms_of(&texts).collect() }
    }

    /// How many bytes there are to be indexed. Of what two forms have in common a little is indexed twice.
    pub fn size(&self) -> usize {
        self.forms.iter().map(|form| form.length - form.known + 3 * SPACING).sum()
    }

    /// One more than the number of the last key.
    pub fn keys(&self) -> usize {
        self.forms.last().map_or(0, |form| form.first + form.length.div_ceil(SPACING))
    }

    /// Computes each form. At least [`SPARE`] bytes are behind it.
    pub fn each(&self, mut index: impl FnMut(&Form, &[u8])) {
        let longest = self.forms.iter().map(|form| form.length).max().unwrap_or(0);
        let mut text = Zeroizing::new(vec![0; longest + SPARE]);
        for form in &self.forms {
            for (index, part) in text[..form.length].chunks_mut(PART).enumerate() {
                forms::fill::<{ PART + SPARE }>(form.layers, &self.secrets[form.secret.clone()], index * PART, part);
            }
            index(form, &text);
        }
    }

    /// The place of the key with this number.
    pub fn place_of(&self, number: usize) -> Place {
        let form = self.forms.partition_point(|form| form.first <= number) - 1;
        Place { form: form as u32, at: ((number - self.forms[form].first) * SPACING) as u32 }
    }

    /// The bytes of a form from `from` on.
    fn fill(&self, form: usize, from: usize, out: &mut [u8]) {
        let form = &self.forms[form];
        forms::fill::<{ CHUNK + SPARE }>(form.layers, &self.secrets[form.secret.clone()], from, out);
    }

    /// What of this text around the key at `at`, from `least` on, is what stands around this place; and the place behind it.
    pub fn extended(&self, place: Place, text: &[u8], at: usize, least: usize) -> Option<(Range<usize>, Place)> {
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
    pub fn matching(&self, place: Place, bytes: &[u8]) -> usize {
        let Form { layers, ref secret, length, .. } = self.forms[place.form as usize];
        if layers.is_empty() {
            return same(&self.secrets[secret.clone()][place.at as usize..], bytes);
        }
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

    /// What stands around a key as far as a window with it reaches.
    pub fn around(&self, key: Place) -> Around {
        let (form, at) = (key.form as usize, key.at as usize);
        let start = at.saturating_sub(PIECE - KEY);
        let (length, mut bytes) = (self.forms[form].length.min(at + PIECE) - start, [0; CHUNK / 2]);
        self.fill(form, start, &mut bytes[..length]);
        Around { bytes, length, key: at - start }
    }

    /// Whether the same stands around a key at this place.
    pub fn is_around(&self, place: Place, around: &Around) -> bool {
        let Around { bytes, length, key } = around;
        self.extended(place, &bytes[..*length], *key, 0).is_some_and(|(found, _)| found == (0..*length))
    }
}

/// What stands around a key, and where in it the key begins.
pub struct Around {
    bytes: [u8; CHUNK / 2],
    length: usize,
    key: usize,
}

/// All forms of these texts.
fn forms_of(texts: &[Text]) -> impl Iterator<Item = Form> {
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
        let form = Form { layers, secret, length, first, known: forms::prefix(layers, common) };
        first += length.div_ceil(SPACING);
        form
    })
}

/// How many bytes both begin with.
fn same(one: &[u8], other: &[u8]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}
