//! The forms in which tools write a secret. Those of fixed width are computed where they are needed, and never stored.

use std::hint::black_box;

use zeroize::Zeroizing;

/// One step from a secret to what is printed.
#[derive(Clone, Copy)]
pub enum Layer {
    /// The last character first, as `rev` prints it.
    Reversed,
    /// UTF-16, low byte first, as `powershell -EncodedCommand` takes it. High byte first, nearly all of it is the same, one byte further on.
    Utf16,
    /// Two digits a byte.
    Hex(&'static [u8; 16]),
    /// Behind this many bytes of other data in the first group of three, up to the end of the data.
    Base64(usize, &'static [u8; 64]),
}

/// The layers of a form, the innermost first.
pub type Form = &'static [Layer];

use Layer::{Base64, Hex, Reversed, Utf16};

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Every form but the spellings.
pub const FORMS: [Form; 34] = [
    &[],
    &[Reversed],
    &[Hex(LOWER)],
    &[Hex(UPPER)],
    &[Base64(0, STANDARD)],
    &[Base64(1, STANDARD)],
    &[Base64(2, STANDARD)],
    &[Base64(0, SAFE)],
    &[Base64(1, SAFE)],
    &[Base64(2, SAFE)],
    &[Utf16, Base64(0, STANDARD)],
    &[Utf16, Base64(1, STANDARD)],
    &[Utf16, Base64(2, STANDARD)],
    &[Utf16, Base64(0, SAFE)],
    &[Utf16, Base64(1, SAFE)],
    &[Utf16, Base64(2, SAFE)],
    &[Base64(0, STANDARD), Base64(0, STANDARD)],
    &[Base64(0, STANDARD), Base64(1, STANDARD)],
    &[Base64(0, STANDARD), Base64(2, STANDARD)],
    &[Base64(1, STANDARD), Base64(0, STANDARD)],
    &[Base64(1, STANDARD), Base64(1, STANDARD)],
    &[Base64(1, STANDARD), Base64(2, STANDARD)],
    &[Base64(2, STANDARD), Base64(0, STANDARD)],
    &[Base64(2, STANDARD), Base64(1, STANDARD)],
    &[Base64(2, STANDARD), Base64(2, STANDARD)],
    &[Base64(0, SAFE), Base64(0, STANDARD)],
    &[Base64(0, SAFE), Base64(1, STANDARD)],
    &[Base64(0, SAFE), Base64(2, STANDARD)],
    &[Base64(1, SAFE), Base64(0, STANDARD)],
    &[Base64(1, SAFE), Base64(1, STANDARD)],
    &[Base64(1, SAFE), Base64(2, STANDARD)],
    &[Base64(2, SAFE), Base64(0, STANDARD)],
    &[Base64(2, SAFE), Base64(1, STANDARD)],
    &[Base64(2, SAFE), Base64(2, STANDARD)],
];

/// The forms of this secret, but for its spellings, each by its place in `FORMS`. In base64 only three of the characters that a secret can
/// have lead to a `+` or `/`, and none that base64 itself has: without them its two alphabets are one.
pub fn of(secret: &str) -> [bool; FORMS.len()] {
    let both = secret.contains(['>', '?', '~']);
    FORMS.map(|form| both || !form.iter().any(|layer| matches!(layer, Base64(_, SAFE))))
}

/// What [`fill`] computes at once needs so much more room.
pub const SPARE: usize = 8;
/// With more room a good part of a secret would be left behind.
const SMALL: usize = 100;

/// The length of a form of a secret of this length.
pub fn length(form: Form, secret: usize) -> usize {
    form.iter().fold(secret, |length, layer| match *layer {
        Reversed => length,
        Utf16 | Hex(_) => 2 * length,
        Base64(shift, _) => (shift + length).div_ceil(3) * 4 - skipped(shift),
    })
}

/// How much of a form depends on no more than so many bytes at the start of a secret.
pub fn prefix(form: Form, secret: usize) -> usize {
    form.iter().fold(secret, |length, layer| match *layer {
        Reversed => 0,
        Utf16 | Hex(_) => 2 * length,
        Base64(shift, _) => ((shift + length) / 3 * 4).saturating_sub(skipped(shift)),
    })
}

/// The first characters of base64 depend on the data before the secret.
fn skipped(shift: usize) -> usize {
    (shift * 8).div_ceil(6)
}

/// Computes the bytes of a form from `from` on, at most `ROOM` less [`SPARE`]. All of them must exist.
pub fn fill<const ROOM: usize>(form: Form, secret: &[u8], from: usize, out: &mut [u8]) {
    if out.is_empty() {
        return;
    }
    let Some((layer, inner)) = form.split_last() else {
        out.copy_from_slice(&secret[from..from + out.len()]);
        return;
    };
    let count = length(inner, secret.len());
    let mut bytes = [0; ROOM];
    // What the layer below has from `first` on: enough for what is asked for.
    let mut below = |first: usize, needed: usize| fill::<ROOM>(inner, secret, first, &mut bytes[..needed.min(count.saturating_sub(first))]);
    match *layer {
        Reversed => {
            below(count - from - out.len(), out.len());
            out.copy_from_slice(&bytes[..out.len()]);
            out.reverse();
        }
        Utf16 => {
            below(from / 2, out.len() / 2 + 1);
            write(bytes.iter().map(|byte| [*byte, 0]), from % 2, out);
        }
        Hex(digits) => {
            below(from / 2, out.len() / 2 + 1);
            write(bytes.iter().map(|byte| [byte >> 4, byte & 15].map(|digit| digits[usize::from(digit)])), from % 2, out);
        }
        Base64(shift, alphabet) => {
            let (group, within) = ((from + skipped(shift)) / 4, (from + skipped(shift)) % 4);
            // Where the group begins in the data, which has `shift` bytes before the secret.
            let start = 3 * group;
            below(start.saturating_sub(shift), (within + out.len()).div_ceil(4) * 3);
            bytes.rotate_right(shift.saturating_sub(start));
            let four = |three: &[u8; 3]| {
                let [one, two, three] = three.map(u32::from);
                let bits = one << 16 | two << 8 | three;
                [18, 12, 6, 0].map(|at| alphabet[(bits >> at & 63) as usize])
            };
            write(bytes.as_chunks().0.iter().map(four), within, out);
            let padding = ((shift + count) * 8).div_ceil(6) - skipped(shift);
            if from + out.len() > padding {
                out[padding.saturating_sub(from)..].fill(b'=');
            }
        }
    }
    if ROOM > SMALL {
        // As `zeroize`, which would go byte by byte.
        bytes.fill(0);
        black_box(&bytes);
    }
}

/// Writes groups of bytes, without the first `within` bytes, as many as there is room for.
fn write<const N: usize>(mut groups: impl Iterator<Item = [u8; N]>, within: usize, out: &mut [u8]) {
    let (first, rest) = out.split_at_mut(if within == 0 { 0 } else { (N - within).min(out.len()) });
    if let Some(group) = (within > 0).then(|| groups.next()).flatten() {
        first.copy_from_slice(&group[within..within + first.len()]);
    }
    let (whole, last) = rest.as_chunks_mut();
    whole.iter_mut().zip(&mut groups).for_each(|(to, group)| *to = group);
    if let Some(group) = groups.next() {
        last.copy_from_slice(&group[..last.len()]);
    }
}

/// Writes one character of a secret as some tool encodes it.
type Spelling = fn(char, &mut String);

/// The most bytes that a spelling writes for one character.
const LONGEST: usize = 8;

/// What percent-encoding keeps besides letters and digits: RFC 3986's unreserved characters, these and `/` in a path, and encodeURI's.
const UNRESERVED: &str = "-._~";
const IN_A_PATH: &str = "-._~/";
const IN_A_URI: &str = "-._~;/?:@&=+$,!*'()#";

const SPELLINGS: [Spelling; 24] = [
    // Percent-encoding, and that of it.
    |c, to| percent("%", c, UNRESERVED, UPPER, to),
    |c, to| percent("%", c, UNRESERVED, LOWER, to),
    |c, to| percent("%", c, IN_A_PATH, UPPER, to),
    |c, to| percent("%", c, IN_A_PATH, LOWER, to),
    |c, to| percent("%", c, IN_A_URI, UPPER, to),
    |c, to| percent("%", c, IN_A_URI, LOWER, to),
    |c, to| percent("%25", c, UNRESERVED, UPPER, to),
    |c, to| percent("%25", c, UNRESERVED, LOWER, to),
    |c, to| percent("%25", c, IN_A_PATH, UPPER, to),
    // JSON as the standard, PHP, Go, Gson and .NET escape it.
    |c, to| backslash(c, matches!(c, '"' | '\\'), to),
    |c, to| backslash(c, matches!(c, '"' | '\\' | '/'), to),
    |c, to| unicode(c, matches!(c, '<' | '>' | '&'), LOWER, to),
    |c, to| unicode(c, matches!(c, '<' | '>' | '&' | '=' | '\''), LOWER, to),
    |c, to| unicode(c, matches!(c, '"' | '&' | '\'' | '+' | '<' | '>' | '`'), UPPER, to),
    // XML, HTML as Python and PHP escape it, as Go does, and as Handlebars does.
    |c, to| entity(c, &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;")], to),
    |c, to| entity(c, &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;")], to),
    |c, to| entity(c, &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#39;")], to),
    |c, to| entity(c, &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;"), ('+', "&#43;")], to),
    |c, to| entity(c, &HANDLEBARS, to),
    // Quoted-printable.
    |c, to| to.push_str(if c == '=' { "=3D" } else { return to.push(c) }),
    // Shell quoting: single quotes in two ways, double quotes, and backslashes as in `printf %q`.
    |c, to| to.push_str(if c == '\'' { r"'\''" } else { return to.push(c) }),
    |c, to| to.push_str(if c == '\'' { r#"'"'"'"# } else { return to.push(c) }),
    |c, to| backslash(c, matches!(c, '$' | '`' | '"' | '\\'), to),
    |c, to| backslash(c, !c.is_ascii_alphanumeric() && !"_./:@%+,-=".contains(c), to),
];

const HANDLEBARS: [(char, &str); 7] =
    [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;"), ('`', "&#x60;"), ('=', "&#x3D;")];

/// The spellings of a secret, without those that change nothing.
pub fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let spelled = |text: &str, spell: Spelling| {
        let mut spelling = Zeroizing::new(String::with_capacity(text.len() * LONGEST));
        text.chars().for_each(|c| spell(c, &mut spelling));
        spelling
    };
    let characters = Zeroizing::new(('!'..='~').filter(|c| secret.contains(*c)).collect::<String>());
    let changes = |spell: &Spelling| *spelled(&characters, *spell) != *characters;
    let mut all: Vec<_> = SPELLINGS.into_iter().filter(changes).map(|spell| spelled(secret, spell)).collect();
    all.sort_unstable_by(|a, b| a.as_str().cmp(b));
    all.dedup();
    all
}

fn percent(sign: &str, c: char, kept: &str, digits: &[u8; 16], to: &mut String) {
    if c.is_ascii_alphanumeric() || kept.contains(c) {
        to.push(c);
    } else {
        to.push_str(sign);
        push_code(c, digits, to);
    }
}

fn entity(c: char, entities: &[(char, &str)], to: &mut String) {
    match entities.iter().find(|(escaped, _)| *escaped == c) {
        Some((_, entity)) => to.push_str(entity),
        None => to.push(c),
    }
}

fn backslash(c: char, escaped: bool, to: &mut String) {
    if escaped {
        to.push('\\');
    }
    to.push(c);
}

fn unicode(c: char, escaped: bool, digits: &[u8; 16], to: &mut String) {
    if escaped {
        to.push_str("\\u00");
        push_code(c, digits, to);
    } else {
        backslash(c, matches!(c, '"' | '\\'), to);
    }
}

fn push_code(c: char, digits: &[u8; 16], to: &mut String) {
    let code = c as usize;
    to.extend([code >> 4, code].map(|digit| char::from(digits[digit & 15])));
}
