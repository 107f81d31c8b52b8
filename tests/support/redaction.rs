//! A simple and slow model of the redactor, which shares no code with it.

use std::collections::HashSet;

const PIECE: usize = 16;

/// The secrets to hide.
pub struct Model {
    /// Every part of up to 16 bytes of every form.
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

    /// Starts a new text.
    pub fn text(&self) -> Text<'_> {
        Text { model: self, last: [0; 2], bytes: Vec::new(), nul_behind: Vec::new(), hidden: Vec::new() }
    }
}

/// The text so far. A NUL that belongs to the character before it, as in UTF-16, is no byte of its own.
pub struct Text<'a> {
    model: &'a Model,
    last: [u8; 2],
    bytes: Vec<u8>,
    nul_behind: Vec<bool>,
    hidden: Vec<bool>,
}

impl Text<'_> {
    /// Appends these bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let [before, last] = self.last;
            self.last = [last, byte];
            let is_visible = |byte: u8| byte > 32 && byte < 127;
            if byte == 0 && (is_visible(last) || last == b'\n' || last == b'\r') && !is_visible(before) {
                *self.nul_behind.last_mut().unwrap() = true;
                continue;
            }
            self.bytes.push(byte);
            self.nul_behind.push(false);
            self.hidden.push(false);
            if byte != b'\n' {
                self.hide(false);
                self.hide(true);
            }
        }
    }

    /// What to show if the text ends here.
    pub fn shown(&self) -> Vec<u8> {
        self.show(self.bytes.len(), true)
    }

    /// What to show if more may follow.
    pub fn shown_so_far(&self) -> Vec<u8> {
        let end = self.bytes.len();
        let line = end - self.bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let open = self.open(false).max(self.open(true)).min(line);
        let visible = self.hidden[end - open..].iter().filter(|&&hidden| !hidden).count();
        let kind_is_unknown = line == 1 && self.hidden[end - 1];
        self.show(end - visible - usize::from(kind_is_unknown), false)
    }

    /// Hides the last 16 bytes if they are part of a secret. What precedes the last line break was already shown.
    fn hide(&mut self, continued: bool) {
        let window = joined(&self.bytes, continued);
        let bytes: Vec<u8> = window.iter().map(|&at| self.bytes[at]).collect();
        if bytes.len() == PIECE && self.model.stretches.contains(&bytes) {
            let behind_the_break = (window[0]..self.bytes.len()).rev().take_while(|&at| self.bytes[at] != b'\n');
            behind_the_break.for_each(|at| self.hidden[at] = true);
        }
    }

    /// How many bytes at the end, at most 15, may be the start of a hidden stretch.
    fn open(&self, continued: bool) -> usize {
        let bytes: Vec<u8> = joined(&self.bytes, continued).into_iter().map(|at| self.bytes[at]).collect();
        (0..PIECE.min(bytes.len() + 1)).rev().find(|&length| self.model.stretches.contains(&bytes[bytes.len() - length..])).unwrap_or(0)
    }

    fn show(&self, end: usize, is_over: bool) -> Vec<u8> {
        let mut shown = Vec::new();
        for at in 0..end {
            if !self.hidden[at] {
                shown.push(self.bytes[at]);
            } else if at == 0 || !self.hidden[at - 1] {
                shown.extend(if self.nul_behind[at] { &b"*\0*\0*"[..] } else { b"***" });
            }
            let goes_on = self.hidden[at] && if at + 1 < end { self.hidden[at + 1] } else { !is_over };
            if self.nul_behind[at] && !goes_on {
                shown.push(0);
            }
        }
        shown
    }
}

/// The positions of the last 16 bytes of a text without its line breaks and, if `continued`, without the `\` or `=` before each.
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

/// The forms in which tools write a secret.
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
    for bytes in [secret.into(), utf16(secret, u16::to_le_bytes)] {
        for shift in 0..3 {
            let form = base64([&b"???"[..shift], &bytes].concat());
            // Without the first characters, which depend on the bytes before.
            let form = &form[[0, 2, 3][shift]..];
            forms.insert(form.to_owned());
            forms.insert(form.replace('+', "-").replace('/', "_"));
        }
    }
    forms
}

/// A text in UTF-16.
pub fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

fn rewritten(text: &str, other: impl Fn(char) -> Option<String>) -> String {
    text.chars().map(|c| other(c).unwrap_or(c.to_string())).collect()
}

pub fn base64(data: impl AsRef<[u8]>) -> String {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits: String = data.as_ref().iter().map(|byte| format!("{byte:08b}")).collect();
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

/// Generates a text from a script: noise, and pieces of these forms, cut and folded, all of it in UTF-16 too. Any bytes are a valid script.
pub fn text_of(script: &[u8], forms: &[String]) -> Vec<u8> {
    const NOISE: [&[u8]; 16] = [
        b"Password: ",
        b"\x1b[31m",
        b"\r 50%",
        b"\0",
        b"\xff\xfe",
        b"\n",
        b"\r\n",
        b"\\\n",
        b"=\n",
        b"\r",
        b"=",
        b"\\",
        b"***",
        b"a",
        b" ",
        b"\r\r\n",
    ];
    const BREAKS: [&[u8]; 8] = [b"\n", b"\r\n", b"\\\n", b"=\n", b"=\r\n", b"\n\n", b"\\\r\n=\n", b" "];
    let mut text = Vec::new();
    // Widens what stands behind this place.
    let widen = |text: &mut Vec<u8>, from: usize, how: usize| {
        let narrow = text.split_off(from);
        text.extend(narrow.into_iter().flat_map(|byte| match how % 4 {
            2 => vec![byte, 0],
            3 => vec![0, byte],
            _ => vec![byte],
        }));
    };
    let mut script = script.iter().map(|&byte| usize::from(byte));
    while let Some(what) = script.next() {
        let mut next = || script.next().unwrap_or(0);
        let begin = text.len();
        if what < 128 {
            text.extend(NOISE[what % NOISE.len()]);
            widen(&mut text, begin, what / 32);
            continue;
        }
        let form = forms[(next() * 256 + next()) % forms.len()].as_bytes();
        let start = (next() * 256 + next()) % form.len();
        let length = next().min(form.len() - start);
        let (mut left, width, fold) = (next() % 80, next() % 80 + 1, BREAKS[what % BREAKS.len()]);
        for &byte in &form[start..start + length] {
            if what >= 160 && left == 0 {
                text.extend(fold);
                left = width;
            }
            text.push(byte);
            left = left.saturating_sub(1);
        }
        widen(&mut text, begin, next());
    }
    text
}
