use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use zeroize::Zeroizing;

use super::block;
use super::masks::hex;
use super::patterns::mixed;
use super::{HIDDEN, Secret};

/// The shortest run of characters that may be a token.
const RUN: usize = 24;

/// The shortest piece of a secret that is hidden, in letters and digits of any of its forms. It is shorter than in a program's output, because
/// a message is short, and whoever wrote it may have cut a secret on purpose.
const PIECE: usize = 8;
const HALF: usize = PIECE / 2;

/// How many times as long as a secret its longest form is: `u0065` for each byte.
const LONGEST: usize = 5;

/// Stands between texts that are searched together. It is in none: `narrow` removes it.
const BORDER: char = '\0';

/// Hides all pieces of these secrets in texts from outside. Only letters and digits count, in either case: so whatever is between them hides
/// nothing, and a secret that is spread over several texts is found too.
pub fn hide(texts: &mut [String], secrets: &[&Secret]) {
    if texts.is_empty() {
        return;
    }
    texts.iter_mut().for_each(narrow);
    let mut all = texts.join(&BORDER.to_string());
    let mut hidden = vec![false; all.len()];
    for part in secrets.iter().flat_map(|secret| without_a_piece(secret.expose())) {
        all.match_indices(part).for_each(|(start, found)| hidden[start..start + found.len()].fill(true));
    }
    Letters::of(&all).search(secrets, &mut hidden);
    all.match_indices(BORDER).for_each(|(at, _)| hidden[at] = false);
    all = shown(&all, &hidden);
    texts.iter_mut().zip(all.split(BORDER)).for_each(|(text, shown)| shown.clone_into(text));
}

/// The same for one text.
#[must_use]
pub fn without(text: &str, secrets: &[&Secret]) -> String {
    let mut texts = [text.to_owned()];
    hide(&mut texts, secrets);
    let [text] = texts;
    text
}

/// Hides everything in an external text that looks like a token.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    let mut text = text.to_owned();
    narrow(&mut text);
    let mut hidden = vec![false; text.len()];
    let mut start = 0;
    for run in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_') {
        if looks_like_a_token(run) {
            hidden[start..start + run.len()].fill(true);
        }
        start += run.len() + text[start + run.len()..].chars().next().map_or(0, char::len_utf8);
    }
    shown(&text, &hidden)
}

/// Puts an external text on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether this is a UUID, as the ids of tokens are.
#[must_use]
pub fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// The parts of a secret, or all of it if it is short, with too few letters and digits for a piece: they are hidden as they are.
fn without_a_piece(secret: &str) -> impl Iterator<Item = &str> {
    let length = secret.len().min(super::PIECE);
    let letters_at = |at: usize| usize::from(secret.as_bytes()[at].is_ascii_alphanumeric());
    let mut letters = 0;
    (0..secret.len()).filter_map(move |last| {
        letters += letters_at(last);
        letters -= if last >= length { letters_at(last - length) } else { 0 };
        (last + 1 >= length && letters < PIECE).then(|| &secret[last + 1 - length..=last])
    })
}

/// UTF-16 that was read as another encoding has a NUL behind each character.
fn narrow(text: &mut String) {
    text.retain(|c| c != BORDER);
}

/// With `***` in place of what is hidden.
fn shown(text: &str, hidden: &[bool]) -> String {
    let mut shown = String::with_capacity(text.len());
    for (index, c) in text.char_indices() {
        match (hidden[index], index > 0 && hidden[index - 1]) {
            (false, _) => shown.push(c),
            (true, false) => shown.push_str(HIDDEN),
            (true, true) => {}
        }
    }
    shown
}

/// The letters and digits of a text, and where each is.
struct Letters {
    text: Vec<u8>,
    places: Vec<usize>,
    /// Each piece of `text`, in order, and whether it was found.
    pieces: Vec<(u64, bool)>,
    /// A set of 16 bits of the hashes of its halves of a piece: a form that has none of them need not be looked at.
    halves: Vec<u64>,
}

impl Letters {
    fn of(text: &str) -> Self {
        let letters = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric());
        let (places, text): (Vec<_>, Vec<_>) = letters.unzip();
        let mut pieces: Vec<_> = text.windows(PIECE).map(|piece| (number(piece), false)).collect();
        pieces.sort_unstable();
        pieces.dedup();
        let mut halves = vec![0; 1 << 10];
        for (word, bit) in text.windows(HALF).map(hash) {
            halves[word] |= bit;
        }
        Self { text, places, pieces, halves }
    }

    /// Marks the pieces of these secrets, and what is between their letters.
    fn search(mut self, secrets: &[&Secret], hidden: &mut [bool]) {
        if self.pieces.is_empty() {
            return;
        }
        for secret in secrets {
            each_form(secret.expose(), |form| self.look_for(form));
        }
        for (index, piece) in self.text.windows(PIECE).enumerate() {
            if self.find(number(piece)).is_some_and(|at| self.pieces[at].1) {
                hidden[self.places[index]..=self.places[index + PIECE - 1]].fill(true);
            }
        }
    }

    /// Looks for the pieces of a form, in either direction. Every piece has one of its halves at a multiple of their length.
    fn look_for(&mut self, form: &[u8]) {
        for (at, half) in (0_usize..).step_by(HALF).zip(form.chunks_exact(HALF)) {
            let (word, bit) = hash(half);
            if self.halves[word] & bit != 0 {
                for piece in form[at.saturating_sub(HALF)..form.len().min(at + PIECE)].windows(PIECE) {
                    if let Some(at) = self.find(number(piece)) {
                        self.pieces[at].1 = true;
                    }
                }
            }
        }
    }

    fn find(&self, piece: u64) -> Option<usize> {
        self.pieces.binary_search_by_key(&piece, |(piece, _)| *piece).ok()
    }
}

/// Calls `look` with the letters and digits of each form of a secret in which these differ: as it is, each byte as a number, in base64, and
/// that in base64 again.
fn each_form(secret: &str, mut look: impl FnMut(&[u8])) {
    // With room for the longest: a Vec that grows leaves copies behind.
    let [mut form, mut start, mut once] = [(); 3].map(|()| Zeroizing::new(Vec::with_capacity(LONGEST * (secret.len() + START))));
    let mut look_at = |form: &mut Vec<u8>| {
        if !block::is_alphanumeric(form) {
            form.retain(u8::is_ascii_alphanumeric);
        }
        look(form);
        form.clear();
    };
    form.extend(secret.bytes());
    look_at(&mut form);
    let digits = Zeroizing::new(hex(secret));
    for before in ["", "x", "0x", "u00"] {
        digits.as_bytes().chunks(2).for_each(|pair| form.extend(before.as_bytes().iter().chain(pair)));
        look_at(&mut form);
    }
    for byte in secret.bytes() {
        form.extend([100, 10, 1].into_iter().filter(|place| byte >= *place).map(|place| b'0' + byte / place % 10));
    }
    look_at(&mut form);
    for is_wide in [true, false] {
        start.clear();
        start.resize(START, 0);
        start.extend(secret.bytes().flat_map(|byte| [byte, 0]).step_by(if is_wide { 1 } else { 2 }));
        for shift in 0..=START {
            once.resize(START, 0);
            push_base64(&start, shift, &mut once);
            for again in (0..=START).filter(|_| !is_wide) {
                push_base64(&once, again, &mut form);
                look_at(&mut form);
            }
            form.extend(&once[START..]);
            look_at(&mut form);
            once.clear();
        }
    }
}

/// How many bytes may precede a secret in a group of three.
const START: usize = 2;

/// The base64 of what follows the first `START` bytes, if `shift` of these precede it in its group.
fn push_base64(bytes: &[u8], shift: usize, to: &mut Vec<u8>) {
    let (bytes, end) = (&bytes[START - shift..], to.len());
    to.resize(end + bytes.len().div_ceil(3) * 4, 0);
    let length = STANDARD_NO_PAD.encode_slice(bytes, &mut to[end..]).unwrap_or(0);
    to.truncate(end + length);
    to.drain(end..end + (shift * 8).div_ceil(6));
}

/// A piece as a number, the same one in the other case and backwards.
fn number(piece: &[u8]) -> u64 {
    // Digits have this bit already.
    let piece = piece.first_chunk().map_or(0, |piece| u64::from_le_bytes(*piece) | 0x2020_2020_2020_2020);
    piece.min(piece.swap_bytes())
}

/// The word and the bit for half a piece.
fn hash(half: &[u8]) -> (usize, u64) {
    let half = half.first_chunk().map_or(0, |half| u32::from_le_bytes(*half) | 0x2020_2020);
    let hash = mixed(half.min(half.swap_bytes()).into());
    ((hash >> 6 & 0x3ff) as usize, 1 << (hash & 63))
}

/// Long, with letters and digits, and not a UUID: token ids are not secret, and useful to see.
fn looks_like_a_token(run: &str) -> bool {
    let holds = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    let groups = run.split('-').map(str::len);
    run.len() >= RUN && holds(u8::is_ascii_digit) && holds(u8::is_ascii_alphabetic) && !groups.eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::super::masks::{base64_to_end, hex};
    use super::*;

    const SECRET: &str = "abcdefghijklmnopqrstuvwxyz.ABCDEF";

    fn hidden(text: &str) -> String {
        without(text, &[&Secret::new(SECRET).unwrap()])
    }

    #[test]
    fn hides_every_piece_of_a_secret_whatever_is_between() {
        for (text, shown) in [
            ("é abcdefghijklmnopqrstuvwxyz.ABCDEF é", "é *** é"),
            ("a cdefghij b", "a *** b"),
            ("a cdefghi b", "a cdefghi b"),
            ("a cde fgh|ij b", "a *** b"),
            ("ABCDEFGHIJKL, klmnopqrstuv.", "***, ***."),
            ("fedcba.zyxw", "***"),
            ("got a\0b\0c\0d\0e\0f\0g\0h\0", "got ***"),
            ("", ""),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
        assert_eq!(without("no hunter2, hunter", &[&Secret::new("hunter2").unwrap()]), "no ***, hunter");
        let signs = [&Secret::new("!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~").unwrap()];
        assert_eq!(without("got 09:;<=>?@AZ[]^_`. or 09:;<=>?@AZ[]^_", &signs), "got ***. or 09:;<=>?@AZ[]^_");
    }

    #[test]
    fn hides_what_is_encoded_too() {
        let digits = hex(SECRET).to_uppercase();
        let pairs =
            |between: &str| digits.as_bytes().chunks(2).fold(String::new(), |text, pair| text + between + &String::from_utf8_lossy(pair));
        let base64 = base64_to_end(SECRET.as_bytes(), 1);
        let twice = base64_to_end(base64.as_bytes(), 2);
        let decimal = SECRET.bytes().fold(String::new(), |text, byte| text + &byte.to_string() + ", ");
        for text in [base64, twice, decimal, digits.clone(), pairs(" "), pairs("%"), pairs("\\x"), pairs(", 0x"), pairs("\\u00")] {
            let shown = hidden(&format!("<{text}>"));
            assert!(shown.contains("***") && shown.len() < 12, "{text}: {shown}");
        }
    }

    #[test]
    fn hides_a_secret_that_is_spread_over_several_texts() {
        let mut texts = ["abc", "defgh!", "", "harmless"].map(str::to_owned);
        hide(&mut texts, &[&Secret::new(SECRET).unwrap()]);
        assert_eq!(texts, ["***", "***!", "", "harmless"]);
    }

    #[test]
    fn hides_whatever_looks_like_a_token_but_no_id() {
        for (text, shown) in [
            ("got eyJ2ZXIiOiIyIiwidHlwIjoiSldU.x", "got ***.x"),
            (
                "token 2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b of applied-permissions/user",
                "token 2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b of applied-permissions/user",
            ),
        ] {
            assert_eq!(without_tokens(text), shown);
        }
    }
}
