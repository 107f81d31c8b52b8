use zeroize::Zeroizing;

use super::masks::{base64_to_end, hex};
use super::patterns::mixed;
use super::{HIDDEN, Secret};

/// The shortest run of characters that may be a token.
const RUN: usize = 24;

/// The shortest piece of a secret that is hidden, in letters and digits of any of its forms. It is shorter than in a program's output, because
/// a message is short, and whoever wrote it may have cut a secret on purpose.
const PIECE: usize = 8;

/// Stands between texts that are searched together. It is in none: `narrow` removes it.
const BORDER: char = '\0';

/// Hides all pieces of these secrets in texts from outside. Only letters and digits count, in either case: so whatever is between them hides
/// nothing, and a secret that is spread over several texts is found too.
pub fn hide(texts: &mut [String], secrets: &[&Secret]) {
    texts.iter_mut().for_each(narrow);
    let mut all = texts.join(&BORDER.to_string());
    let mut hidden = vec![false; all.len()];
    // The whole of a secret may be too short to have a piece.
    for secret in secrets {
        all.match_indices(secret.expose()).for_each(|(start, found)| hidden[start..start + found.len()].fill(true));
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
    /// A set of 16 bits of the pieces' hashes: what is not among them need not be looked for.
    hashes: Vec<u64>,
}

impl Letters {
    fn of(text: &str) -> Self {
        let letters = text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric());
        let (places, text): (Vec<_>, Vec<_>) = letters.map(|(place, byte)| (place, byte.to_ascii_lowercase())).unzip();
        let mut pieces: Vec<_> = text.windows(PIECE).map(|piece| (number(piece), false)).collect();
        pieces.sort_unstable();
        pieces.dedup();
        let mut hashes = vec![0; 1 << 10];
        for (piece, _) in &pieces {
            let (word, bit) = hash(*piece);
            hashes[word] |= bit;
        }
        Self { text, places, pieces, hashes }
    }

    /// Marks the pieces of these secrets, and what is between their letters.
    fn search(mut self, secrets: &[&Secret], hidden: &mut [bool]) {
        if self.pieces.is_empty() {
            return;
        }
        for form in secrets.iter().flat_map(|secret| forms(secret.expose())) {
            self.look_for(&form);
        }
        for (index, piece) in self.text.windows(PIECE).enumerate() {
            if self.find(number(piece)).is_some_and(|at| self.pieces[at].1) {
                hidden[self.places[index]..=self.places[index + PIECE - 1]].fill(true);
            }
        }
    }

    /// Looks for the pieces of a form, and for the same backwards.
    fn look_for(&mut self, form: &str) {
        let (mut piece, mut length) = (0_u64, 0);
        for letter in form.bytes().map(|byte| LETTERS[usize::from(byte)]).filter(|letter| *letter != 0) {
            (piece, length) = (piece << 8 | u64::from(letter), length + 1);
            let number = either_way(piece);
            let (word, bit) = hash(number);
            if self.hashes[word] & bit != 0
                && length >= PIECE
                && let Some(at) = self.find(number)
            {
                self.pieces[at].1 = true;
            }
        }
    }

    fn find(&self, piece: u64) -> Option<usize> {
        self.pieces.binary_search_by_key(&piece, |(piece, _)| *piece).ok()
    }
}

/// The forms of a secret whose letters and digits differ: as it is, each byte as a number, in base64, and that in base64 again.
fn forms(secret: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let digits = Zeroizing::new(hex(secret));
    let numbers = ["", "x", "0x", "u00"].map(|before| {
        let pairs = digits.as_bytes().chunks(2).flat_map(|pair| before.bytes().chain(pair.iter().copied()));
        Zeroizing::new(pairs.map(char::from).collect())
    });
    let places =
        |byte: u8| [100, 10, 1].into_iter().filter(move |place| byte >= *place).map(move |place| char::from(b'0' + byte / place % 10));
    let decimal = Zeroizing::new(secret.bytes().flat_map(places).collect::<String>());
    let wide = Zeroizing::new(secret.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<_>>());
    let in_base64 = |bytes: &[u8]| [0, 1, 2].map(|shift| Zeroizing::new(base64_to_end(bytes, shift)));
    let once = in_base64(secret.as_bytes());
    let twice: Vec<_> = once.iter().flat_map(|form| in_base64(form.as_bytes())).collect();
    let plain = Zeroizing::new(secret.to_owned());
    numbers.into_iter().chain([plain, decimal]).chain(in_base64(&wide)).chain(once).chain(twice)
}

/// A piece as a number, the same one backwards.
fn number(piece: &[u8]) -> u64 {
    either_way(piece.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn either_way(piece: u64) -> u64 {
    piece.min(piece.swap_bytes())
}

/// The word and the bit for a piece.
fn hash(piece: u64) -> (usize, u64) {
    let hash = mixed(piece);
    ((hash >> 6 & 0x3ff) as usize, 1 << (hash & 63))
}

/// Each letter in lower case and each digit; 0 for other bytes.
const LETTERS: [u8; 256] = {
    let (mut letters, mut byte) = ([0; 256], 0);
    while byte < 128 {
        if (byte as u8).is_ascii_alphanumeric() {
            letters[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    letters
};

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
