use zeroize::Zeroizing;

use super::masks::{base64_to_end, hex};

/// Writes one character of a secret as some tool encodes it.
type Spelling = fn(char, &mut String);

/// The most bytes that a spelling writes for one character.
const LONGEST: usize = 6;

const UPPER: &[u8; 16] = b"0123456789ABCDEF";
const LOWER: &[u8; 16] = b"0123456789abcdef";

/// What percent-encoding keeps besides letters and digits: RFC 3986's unreserved characters, these and `/` in a path, and encodeURI's.
const UNRESERVED: &str = "-._~";
const IN_A_PATH: &str = "-._~/";
const IN_A_URI: &str = "-._~;/?:@&=+$,!*'()#";

const SPELLINGS: [Spelling; 19] = [
    |c, to| to.push(c),
    // Percent-encoding.
    |c, to| percent(c, c.is_ascii_alphanumeric() || UNRESERVED.contains(c), UPPER, to),
    |c, to| percent(c, c.is_ascii_alphanumeric() || UNRESERVED.contains(c), LOWER, to),
    |c, to| percent(c, c.is_ascii_alphanumeric() || IN_A_PATH.contains(c), UPPER, to),
    |c, to| percent(c, c.is_ascii_alphanumeric() || IN_A_PATH.contains(c), LOWER, to),
    |c, to| percent(c, c.is_ascii_alphanumeric() || IN_A_URI.contains(c), UPPER, to),
    |c, to| percent(c, c.is_ascii_alphanumeric() || IN_A_URI.contains(c), LOWER, to),
    |c, to| percent(c, false, UPPER, to),
    |c, to| percent(c, false, LOWER, to),
    // JSON as the standard, PHP, Go, Gson and .NET escape it.
    |c, to| backslash(c, matches!(c, '"' | '\\'), to),
    |c, to| backslash(c, matches!(c, '"' | '\\' | '/'), to),
    |c, to| unicode(c, matches!(c, '<' | '>' | '&'), LOWER, to),
    |c, to| unicode(c, matches!(c, '<' | '>' | '&' | '=' | '\''), LOWER, to),
    |c, to| unicode(c, matches!(c, '"' | '&' | '\'' | '+' | '<' | '>' | '`'), UPPER, to),
    // Quoted-printable.
    |c, to| to.push_str(if c == '=' { "=3D" } else { return to.push(c) }),
    // Shell quoting: single quotes in two ways, double quotes, and backslashes as in `printf %q`.
    |c, to| to.push_str(if c == '\'' { r"'\''" } else { return to.push(c) }),
    |c, to| to.push_str(if c == '\'' { r#"'"'"'"# } else { return to.push(c) }),
    |c, to| backslash(c, matches!(c, '$' | '`' | '"' | '\\'), to),
    |c, to| backslash(c, !c.is_ascii_alphanumeric() && !"_./:@%+,-=".contains(c), to),
];

/// Every form in which this secret may appear in a log.
pub fn forms(secret: &str) -> impl Iterator<Item = Zeroizing<String>> {
    let spelled = SPELLINGS.into_iter().map(move |spell| {
        let mut form = Zeroizing::new(String::with_capacity(secret.len() * LONGEST));
        secret.chars().for_each(|c| spell(c, &mut form));
        form
    });
    let base64 = [Zeroizing::new(secret.as_bytes().to_vec()), utf16(secret)].into_iter().flat_map(|bytes| {
        (0..3).flat_map(move |shift| {
            let standard = Zeroizing::new(base64_to_end(&bytes, shift));
            let mut safe = standard.clone();
            replace(&mut safe, '+', "-");
            replace(&mut safe, '/', "_");
            [standard, safe]
        })
    });
    let hex = [false, true].into_iter().map(move |upper| {
        let mut form = Zeroizing::new(hex(secret));
        if upper {
            form.make_ascii_uppercase();
        }
        form
    });
    spelled.chain(base64).chain(hex)
}

fn percent(c: char, kept: bool, digits: &[u8; 16], to: &mut String) {
    if kept {
        to.push(c);
    } else {
        to.push('%');
        push_code(c, digits, to);
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

/// In UTF-16, low byte first, as in `powershell -EncodedCommand`. High byte first, nearly all of it is the same, one byte further on.
fn utf16(secret: &str) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * secret.len()));
    bytes.extend(secret.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// In place, so that no copy is left in memory.
fn replace(text: &mut String, from: char, with: &str) {
    while let Some(at) = text.find(from) {
        text.replace_range(at..=at, with);
    }
}
