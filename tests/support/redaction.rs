//! What the redactor has to do, said as plainly as it can be and as slowly: it shares no code with it.

use std::collections::HashSet;

const PIECE: usize = 16;

/// What there is to hide.
pub struct Model {
    /// Every part of every form that has at most 16 bytes.
    stretches: HashSet<Vec<u8>>,
}

impl Model {
    pub fn new(secrets: &[&str]) -> Self {
        let mut stretches = HashSet::new();
        for form in secrets.iter().flat_map(|secret| forms(secret)).filter(|form| form.len() >= PIECE) {
            for length in 1..=PIECE {
                stretches.extend(form.as_bytes().windows(length).map(<[u8]>::to_vec));
            }
        }
        Self { stretches }
    }

    /// What may be shown of a text once it ends.
    pub fn shown(&self, text: &[u8]) -> Vec<u8> {
        show(text, &self.hidden(text))
    }

    /// What may be shown of a text that may go on.
    pub fn shown_so_far(&self, text: &[u8]) -> Vec<u8> {
        let hidden = self.hidden(text);
        let line = text.len() - text.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let open = [false, true].map(|continued| {
            let joined: Vec<u8> = joined(text, continued).into_iter().map(|at| text[at]).collect();
            (1..PIECE).filter(|&length| length <= joined.len() && self.stretches.contains(&joined[joined.len() - length..])).max()
        });
        let open = open.into_iter().flatten().max().unwrap_or(0).min(line);
        let held = hidden[text.len() - open..].iter().filter(|&&hidden| !hidden).count();
        show(&text[..text.len() - held], &hidden)
    }

    fn hidden(&self, text: &[u8]) -> Vec<bool> {
        let mut hidden = vec![false; text.len()];
        for end in 1..=text.len() {
            for continued in [false, true] {
                let window = joined(&text[..end], continued);
                let bytes: Vec<u8> = window.iter().map(|&at| text[at]).collect();
                if text[end - 1] != b'\n' && bytes.len() == PIECE && self.stretches.contains(&bytes) {
                    // Where there is no break between them, neighbours in the window are neighbours in the text.
                    (window[0]..end).rev().take_while(|&at| text[at] != b'\n').for_each(|at| hidden[at] = true);
                }
            }
        }
        hidden
    }
}

/// Where the last 16 bytes stand that are left of a text without its line breaks, and, if so asked, without the `\` or `=` before each.
fn joined(text: &[u8], continued: bool) -> Vec<usize> {
    let mut found = Vec::new();
    let mut end = text.len();
    while end > 0 && found.len() < PIECE {
        if text[end - 1] == b'\n' {
            end -= 1;
            end -= usize::from(text[..end].ends_with(b"\r"));
            end -= usize::from(continued && (text[..end].ends_with(b"\\") || text[..end].ends_with(b"=")));
        } else {
            end -= 1;
            found.insert(0, end);
        }
    }
    found
}

fn show(text: &[u8], hidden: &[bool]) -> Vec<u8> {
    let mut shown = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        if !hidden[at] {
            shown.push(byte);
        } else if at == 0 || !hidden[at - 1] {
            shown.extend(b"***");
        }
    }
    shown
}

/// A secret as tools write it.
pub fn forms(secret: &str) -> HashSet<String> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut forms = HashSet::from([
        secret.to_owned(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        secret.replace('=', "=3D"),
        secret.replace('\'', r"'\''"),
        secret.replace('\'', r#"'"'"'"#),
        rewritten(secret, |c| "$`\"\\".contains(c).then(|| format!("\\{c}"))),
        rewritten(secret, |c| (!format!("{letters}_./:@%+,-=").contains(c)).then(|| format!("\\{c}"))),
    ]);
    for kept in ["-._~", "-._~/", ";,/?:@&=+$-_.!~*'()#"].map(|kept| format!("{letters}{kept}")).iter().chain([&String::new()]) {
        forms.insert(rewritten(secret, |c| (!kept.contains(c)).then(|| format!("%{:02X}", u32::from(c)))));
        forms.insert(rewritten(secret, |c| (!kept.contains(c)).then(|| format!("%{:02x}", u32::from(c)))));
    }
    let json = secret.replace('\\', r"\\");
    forms.insert(json.replace('"', r#"\""#));
    forms.insert(json.replace('"', r#"\""#).replace('/', r"\/"));
    let go = json.replace('"', r#"\""#).replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026");
    forms.insert(go.replace('=', r"\u003d").replace('\'', r"\u0027"));
    forms.insert(go);
    forms.insert(rewritten(&json, |c| "\"&'+<>`".contains(c).then(|| format!("\\u{:04X}", u32::from(c)))));
    for shift in 0..3 {
        let form = base64(&format!("{}{secret}", &"???"[..shift]));
        // Of the first characters, each holds bits of what stands before.
        let form = &form[[0, 2, 3][shift]..];
        forms.insert(form.to_owned());
        forms.insert(form.replace('+', "-").replace('/', "_"));
    }
    forms
}

fn rewritten(text: &str, other: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|c| other(c).unwrap_or(c.to_string())).collect()
}

pub fn base64(text: &str) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits: String = text.bytes().map(|byte| format!("{byte:08b}")).collect();
    while !bits.len().is_multiple_of(6) {
        bits.push('0');
    }
    let sextets = bits.as_bytes().chunks(6).map(|bits| bits.iter().fold(0, |value, bit| value * 2 + usize::from(bit - b'0')));
    let mut encoded: String = sextets.map(|value| char::from(alphabet[value])).collect();
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    encoded
}
