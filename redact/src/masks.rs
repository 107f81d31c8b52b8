use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::Secret;

/// Encodes a piece of a secret.
type Encode = fn(&str) -> String;

/// The encodings to mask, and how: from every so many characters of the secret, so many in one mask.
///
/// A runner's masker replaces literal text within a line. So every line that a tool makes must hold a whole piece: what goes from the start of
/// one piece to the end of the next must fit into a line. Plain, that is 15 of the 16 characters of a line of `fold -w 16` or of the column
/// of a dump; in hex, 28 of the 30 bytes of a line of `xxd -p`; in base64, 43 of the 45 bytes of a line of 60.
/// GitHub's runner masks the base64 of each mask too, as far as it ends with a group of three.
/// Hex is cut at the same places in both cases: a piece without letters matches in the other case too, and must not cut into a piece there.
const FORMS: [(usize, usize, Encode); 6] = [
    (8, 8, str::to_owned),
    (34, 10, |piece| base64_of(piece, 0)),
    (34, 10, |piece| base64_of(piece, 1)),
    (34, 10, |piece| base64_of(piece, 2)),
    (20, 8, |piece| hex(piece)),
    (20, 8, |piece| hex(piece).to_uppercase()),
];

/// The length of an RS256 signature (256 bytes) in base64url. A longer signature gets no more masks: its pieces are spread out.
const USUAL_SIGNATURE: usize = 342;

/// A shorter mask would hide harmless text.
const SHORTEST: usize = 8;

/// The texts for a log masker to replace: the whole secret, each part of a JWT, and short pieces of its signature (of the whole secret if it is
/// not a JWT), plain, in hex and in the three alignments of base64. A token with gaps in its signature is useless. SECURITY.md has a table of
/// what that hides. At most 120 masks, the longest first.
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
    for (step, length, encode) in FORMS {
        let count = tail.len().min(USUAL_SIGNATURE).div_ceil(step);
        let last = tail.len().saturating_sub(length);
        let spread = tail.len().div_ceil(count * step);
        let starts = (0..count).map(|index| (index * step * spread).min(last));
        masks.extend(starts.filter_map(|start| tail.get(start..tail.len().min(start + length))).map(encode));
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
pub(super) fn base64_to_end(piece: &[u8], shift: usize) -> String {
    let data = Zeroizing::new([&[0; 2][..shift], piece].concat());
    let mut encoded = STANDARD.encode(&data);
    encoded.drain(..(shift * 8).div_ceil(6));
    encoded
}

pub(super) fn hex(piece: &str) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value & 15)]);
    let mut digits = String::with_capacity(piece.len() * 2);
    digits.extend(piece.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte)]));
    digits
}
