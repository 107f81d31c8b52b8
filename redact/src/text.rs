use std::collections::HashSet;

use super::{HIDDEN, PIECE, Secret};

/// The shortest run of characters that may be a token.
const RUN: usize = 24;

/// Hides all pieces of this secret in an external text, and everything else that looks like a token.
#[must_use]
pub fn without(text: &str, secret: &Secret) -> String {
    let secret = secret.expose().as_bytes();
    let size = secret.len().min(PIECE);
    hide(text, size, &secret.windows(size).collect())
}

/// Hides everything in an external text that looks like a token.
#[must_use]
pub fn without_tokens(text: &str) -> String {
    hide(text, PIECE, &HashSet::new())
}

/// Puts an external text on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn hide(text: &str, size: usize, pieces: &HashSet<&[u8]>) -> String {
    // UTF-16 that was read as another encoding has one behind each character.
    let text = text.replace('\0', "");
    let mut hidden = vec![false; text.len()];
    for (start, window) in text.as_bytes().windows(size).enumerate() {
        if pieces.contains(window) {
            hidden[start..start + size].fill(true);
        }
    }
    let mut start = 0;
    for run in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_') {
        if looks_like_a_token(run) {
            hidden[start..start + run.len()].fill(true);
        }
        start += run.len() + text[start + run.len()..].chars().next().map_or(0, char::len_utf8);
    }
    let mut shown = String::new();
    for (index, c) in text.char_indices() {
        match (hidden[index], index > 0 && hidden[index - 1]) {
            (false, _) => shown.push(c),
            (true, false) => shown.push_str(HIDDEN),
            (true, true) => {}
        }
    }
    shown
}

/// Long, with letters and digits, and not a UUID: token ids are not secret, and useful to see.
fn looks_like_a_token(run: &str) -> bool {
    let holds = |kind: fn(&u8) -> bool| run.as_bytes().iter().any(kind);
    let groups = run.split('-').map(str::len);
    run.len() >= RUN && holds(u8::is_ascii_digit) && holds(u8::is_ascii_alphabetic) && !groups.eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_every_piece_and_whatever_looks_like_a_token() {
        let secret = Secret::new("abcdefghijklmnopqrstuvwxyz.ABCDEF").unwrap();
        for (text, shown) in [
            ("é abcdefghijklmnopqrstuvwxyz.ABCDEF é", "é *** é"),
            ("a cdefghijklmnopqrstu b", "a *** b"),
            ("a cdefghijklmnopqr b", "a *** b"),
            ("a cdefghijklmnopq b", "a cdefghijklmnopq b"),
            ("got eyJ2ZXIiOiIyIiwidHlwIjoiSldU.x", "got ***.x"),
            (
                "token 2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b of applied-permissions/user",
                "token 2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b of applied-permissions/user",
            ),
            ("got a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0.\0", "got ***."),
            ("", ""),
        ] {
            assert_eq!(without(text, &secret), shown, "{text}");
        }
        assert_eq!(without("no hunter2, hunter", &Secret::new("hunter2").unwrap()), "no ***, hunter");
    }
}
