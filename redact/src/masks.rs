use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Secret;

/// Encodes a piece of a secret.
type Encode = fn(&str) -> String;

/// The encodings to mask. For each, the longest piece that one mask hides, in characters of the secret, and how to encode it.
///
/// A runner's masker replaces literal text within a line, so a piece must fit twice into the shortest line that tools wrap at:
/// 20 for a terminal of 40 columns, 22 for base64 in lines of 60, 15 for the 60 hex digits of `xxd -p`.
/// Hex is cut at the same places in both cases: a piece without letters matches in the other case too, and must not cut into a piece there.
const FORMS: [(usize, Encode); 6] = [
    (20, str::to_owned),
    (22, |piece| base64_of(piece, 0)),
    (22, |piece| base64_of(piece, 1)),
    (22, |piece| base64_of(piece, 2)),
    (15, |piece| hex(piece)),
    (15, |piece| hex(piece).to_uppercase()),
];

/// The length of an RS256 signature (256 bytes) in base64url. A longer signature gets no more masks: its pieces are spread out.
const USUAL_SIGNATURE: usize = 342;

/// A shorter mask would hide harmless text.
const SHORTEST: usize = 8;

/// The texts for a log masker to replace, so that a secret can't be read however a tool wraps, cuts or encodes it:
/// the whole secret, each part of a JWT, and short pieces of its signature (of the whole secret if it is not a JWT), plain, in hex and in
/// the three alignments of base64. A token with a gap in its signature is useless. At most 120 masks, the longest first.
#[must_use]
pub fn masks(secret: &Secret) -> Vec<String> {
    let whole = secret.expose();
    if whole.len() < SHORTEST {
        return Vec::new();
    }
    let mut masks = vec![whole.to_owned()];
    let mut tail = whole;
    if let [header, payload, signature] = whole.split('.').collect::<Vec<_>>()[..] {
        masks.extend([payload, signature, header].map(str::to_owned));
        tail = signature;
    }
    for (longest, encode) in FORMS {
        let count = tail.len().min(USUAL_SIGNATURE).div_ceil(longest);
        for index in 0..count {
            let start = tail.len() * index / count;
            let end = (tail.len() * (index + 1) / count).min(start + longest);
            masks.extend(tail.get(start..end).map(encode));
        }
    }
    masks.retain(|mask| mask.len() >= SHORTEST);
    masks.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    masks.dedup();
    masks
}

/// The base64 characters that depend on `piece` alone, if `shift` bytes precede it in its group of three.
fn base64_of(piece: &str, shift: usize) -> String {
    let mut encoded = base64_to_end(piece.as_bytes(), shift);
    encoded.truncate((shift + piece.len()) * 8 / 6 - (shift * 8).div_ceil(6));
    encoded
}

/// The same if the data ends with `piece`.
fn base64_to_end(piece: &[u8], shift: usize) -> String {
    let data = Zeroizing::new([&[0; 2][..shift], piece].concat());
    let mut encoded = STANDARD.encode(&data);
    encoded.drain(..(shift * 8).div_ceil(6));
    encoded
}

fn hex(piece: &str) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    let mut digits = String::with_capacity(piece.len() * 2);
    digits.extend(piece.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte)]));
    digits
}
