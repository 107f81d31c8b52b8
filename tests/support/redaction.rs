//! A simple and slow model of the redactor, which shares no code with it.

use std::collections::HashSet;
use std::sync::LazyLock;

use regex::bytes::Regex;

const PIECE: usize = 16;

/// The secrets to hide.
pub struct Model {
    /// Every part of 16 bytes of every form.
    stretches: HashSet<Vec<u8>>,
}

impl Model {
    pub fn new(secrets: &[&str]) -> Self {
        let forms: HashSet<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        Self { stretches: forms.iter().flat_map(|form| form.as_bytes().windows(PIECE)).map(<[u8]>::to_vec).collect() }
    }

    /// Whether this may be shown of this text: all that is hidden is part of a form or in a list, and all parts of forms are hidden.
    pub fn explains(&self, text: &[u8], shown: &[u8]) -> bool {
        let seen = self.see(text);
        // How much of what is shown may be explained at this place, and whether the character before it is hidden.
        let mut states = HashSet::from([(0, false)]);
        for at in 0..=seen.bytes.len() {
            let byte = seen.bytes.get(at);
            let mut next = HashSet::new();
            for (explained, before) in states {
                for choice in 0..8 {
                    let [hide, overprints, without_nuls] = [1, 2, 4].map(|bit| choice & bit != 0);
                    if hide && (byte.is_none() || !seen.may_hide[at]) || !hide && byte.is_some() && seen.must_hide[at] {
                        continue;
                    }
                    let gaps = &seen.gaps[at];
                    // What stood before a backspace may have been passed on before the backspace came.
                    let was_passed_on = gaps.iter().any(|gap| gap.kind == Kind::Overprint);
                    if (overprints || without_nuls) && !was_passed_on {
                        continue;
                    }
                    let before_byte = before && !overprints;
                    let is_shown = |gap: &&Gap| match gap.kind {
                        Kind::Overprint if overprints => true,
                        Kind::Nul if without_nuls => false,
                        _ => gap.is_shown(before, hide),
                    };
                    let mut expected: Vec<u8> = gaps.iter().filter(is_shown).flat_map(|gap| gap.bytes.clone()).collect();
                    match byte {
                        Some(_) if hide && before_byte => {}
                        Some(_) if hide && seen.gaps[at + 1].iter().any(|gap| gap.kind == Kind::Nul) => expected.extend(b"*\0*\0*"),
                        Some(_) if hide => expected.extend(b"***"),
                        byte => expected.extend(byte),
                    }
                    if shown[explained..].starts_with(&expected) {
                        next.insert((explained + expected.len(), hide));
                    }
                }
            }
            states = next;
        }
        states.iter().any(|&(explained, _)| explained == shown.len())
    }

    /// At least so many bytes are shown of a text if more may follow. Of lists nothing is said.
    pub fn least_shown(&self, text: &[u8]) -> usize {
        let seen = self.see(text);
        let may_begin_a_gap = |at: usize| matches!(text[at], 0x1b | 0xc2 | 0xe2 | 0xef) && gap(text, at).is_none();
        if seen.has_list || (text.len().saturating_sub(512)..text.len()).any(may_begin_a_gap) {
            return 0;
        }
        let line = seen.bytes.iter().rev().take_while(|byte| !is_break(**byte)).count();
        let shown = seen.bytes.len() - line.min(PIECE - 1);
        let visible = (0..shown).filter(|&at| !seen.must_hide[at]).count();
        let runs = (0..shown).filter(|&at| seen.must_hide[at] && (at == 0 || !seen.must_hide[at - 1])).count();
        visible + 3 * runs
    }

    fn see(&self, text: &[u8]) -> Seen {
        let mut seen = Seen { bytes: Vec::new(), gaps: vec![Vec::new()], must_hide: Vec::new(), may_hide: Vec::new(), has_list: false };
        let mut at = 0;
        while at < text.len() {
            let gap =
                gap(text, at).filter(|(_, length)| !text[at..at + length].windows(PIECE).any(|window| self.stretches.contains(window)));
            let Some((kind, length)) = gap else {
                seen.bytes.push(text[at]);
                seen.gaps.push(Vec::new());
                at += 1;
                continue;
            };
            let mut bytes = text[at..at + length].to_vec();
            let is_stretch = |end: usize| end >= PIECE && self.stretches.contains(&seen.bytes[end - PIECE..end]);
            let end = seen.bytes.len();
            // Without its last character a stretch would be too short to be hidden.
            let is_needed = is_stretch(end) && !is_stretch(end - 1) && text.get(at + 1) != seen.bytes.last();
            if kind == Kind::Overprint && end > 0 && !is_break(seen.bytes[end - 1]) && !is_needed {
                bytes.insert(0, seen.bytes.pop().unwrap());
                let behind = seen.gaps.pop().unwrap();
                seen.gaps.last_mut().unwrap().extend(behind);
            }
            seen.gaps.last_mut().unwrap().push(Gap { kind, bytes });
            at += length;
        }
        seen.must_hide = vec![false; seen.bytes.len()];
        for end in 1..=seen.bytes.len() {
            self.hide(&mut seen, end, false);
            self.hide(&mut seen, end, true);
        }
        seen.may_hide.clone_from(&seen.must_hide);
        seen.mark_lists();
        seen
    }

    /// Hides 16 bytes if they are part of a secret. What precedes the last line break was already shown.
    fn hide(&self, seen: &mut Seen, end: usize, continued: bool) {
        if is_break(seen.bytes[end - 1]) {
            return;
        }
        let window = joined(&seen.bytes[..end], continued);
        let bytes: Vec<u8> = window.iter().map(|&at| seen.bytes[at]).collect();
        if bytes.len() == PIECE && self.stretches.contains(&bytes) {
            let behind_the_break = (window[0]..end).rev().take_while(|&at| !is_break(seen.bytes[at]));
            behind_the_break.for_each(|at| seen.must_hide[at] = true);
        }
    }
}

/// What a terminal shows of a text, and what stands before each character, and behind the last, without being shown.
struct Seen {
    bytes: Vec<u8>,
    gaps: Vec<Vec<Gap>>,
    must_hide: Vec<bool>,
    may_hide: Vec<bool>,
    has_list: bool,
}

impl Seen {
    /// Where 47 characters and more without two letters beyond F in sequence may be a list, the whole of it may be hidden.
    fn mark_lists(&mut self) {
        let is_letter = |at: &usize| self.bytes[*at].is_ascii_alphabetic() && !self.bytes[*at].is_ascii_hexdigit();
        let mut start = 0;
        for at in 1..=self.bytes.len() {
            if at == self.bytes.len() || is_letter(&at) && is_letter(&(at - 1)) {
                if at - start >= 47 {
                    self.has_list = true;
                    (start..at).filter(|at| !is_break(self.bytes[*at])).for_each(|at| self.may_hide[at] = true);
                }
                start = at;
            }
        }
    }
}

struct Gap {
    kind: Kind,
    bytes: Vec<u8>,
}

impl Gap {
    fn is_shown(&self, before: bool, behind: bool) -> bool {
        match self.kind {
            Kind::Sequence => true,
            Kind::Overprint => !before && !behind,
            Kind::Nul | Kind::Soft => !before || !behind,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A NUL of UTF-16.
    Nul,
    /// An escape sequence.
    Sequence,
    /// A backspace, and the character before.
    Overprint,
    /// A soft hyphen or the like.
    Soft,
}

fn is_break(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// The kind and length of what no terminal shows at this place.
fn gap(text: &[u8], at: usize) -> Option<(Kind, usize)> {
    let rest = &text[at..];
    if rest[0] == 8 {
        return Some((Kind::Overprint, 1));
    }
    if rest[0] == 0 {
        let byte = |back: usize| at.checked_sub(back).map_or(0, |at| text[at]);
        let is_nul = (byte(1).is_ascii_graphic() || is_break(byte(1))) && !byte(2).is_ascii_graphic();
        return is_nul.then_some((Kind::Nul, 1));
    }
    if rest[0].is_ascii() {
        return sequence(rest).map(|length| (Kind::Sequence, length));
    }
    let soft = ['\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}'];
    let soft = soft.iter().map(char::to_string).find(|soft| rest.starts_with(soft.as_bytes()));
    soft.map(|soft| (Kind::Soft, soft.len()))
}

/// The length of the escape sequence that a text begins with.
fn sequence(text: &[u8]) -> Option<usize> {
    static SEQUENCE: LazyLock<Regex> = LazyLock::new(|| {
        let control = r"\x1b\[[0-?]*[ -/]*[@-~]";
        let string = r"\x1b[\]PX^_][^\x00-\x1f]*(?:\x07|\x1b\\)";
        let others = r"\x1b[ -/]+[0-~]|\x1b[0-OQ-WYZ\\`-~]";
        Regex::new(&format!(r"\A(?s-u:{control}|{string}|{others})")).unwrap()
    });
    if text[0] != 0x1b {
        return None;
    }
    SEQUENCE.find(text).map(|found| found.len()).filter(|length| *length <= 512)
}

/// The positions of the last 16 bytes of a text without its line breaks and, if `continued`, without the `\` or `=` before each.
fn joined(text: &[u8], continued: bool) -> Vec<usize> {
    let mut found = Vec::new();
    let mut end = text.len();
    while end > 0 && found.len() < PIECE {
        end -= 1;
        if !is_break(text[end]) {
            found.insert(0, end);
        } else if continued && (text[..end].ends_with(b"\\") || text[..end].ends_with(b"=")) {
            end -= 1;
        }
    }
    found
}

/// The forms in which tools write a secret, but for lists of numbers.
pub fn forms(secret: &str) -> HashSet<String> {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut forms = HashSet::from([
        secret.to_owned(),
        secret.chars().rev().collect(),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        secret.bytes().map(|byte| format!("{byte:02X}")).collect(),
        secret.replace('=', "=3D"),
        secret.replace('\'', r"'\''"),
        secret.replace('\'', r#"'"'"'"#),
        rewritten(secret, |c| "$`\"\\".contains(c).then(|| format!("\\{c}"))),
        rewritten(secret, |c| (!format!("{letters}_./:@%+,-=").contains(c)).then(|| format!("\\{c}"))),
    ]);
    for kept in ["-._~", "-._~/", ";,/?:@&=+$-_.!~*'()#"].map(|kept| format!("{letters}{kept}")) {
        forms.insert(rewritten(secret, |c| (!kept.contains(c)).then(|| format!("%{:02X}", u32::from(c)))));
        forms.insert(rewritten(secret, |c| (!kept.contains(c)).then(|| format!("%{:02x}", u32::from(c)))));
    }
    let unreserved = |c: char| letters.contains(c) || "-._~".contains(c);
    for kept in ["", "/"] {
        forms.insert(rewritten(secret, |c| (!unreserved(c) && !kept.contains(c)).then(|| format!("%25{:02X}", u32::from(c)))));
    }
    forms.insert(rewritten(secret, |c| (!unreserved(c)).then(|| format!("%25{:02x}", u32::from(c)))));
    let json = secret.replace('\\', r"\\");
    forms.insert(json.replace('"', r#"\""#));
    forms.insert(json.replace('"', r#"\""#).replace('/', r"\/"));
    let go = json.replace('"', r#"\""#).replace('<', r"\u003c").replace('>', r"\u003e").replace('&', r"\u0026");
    forms.insert(go.replace('=', r"\u003d").replace('\'', r"\u0027"));
    forms.insert(go);
    forms.insert(rewritten(&json, |c| "\"&'+<>`".contains(c).then(|| format!("\\u{:04X}", u32::from(c)))));
    let xml = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let html = xml.replace('"', "&quot;");
    forms.insert(xml.clone());
    forms.insert(html.replace('\'', "&#39;"));
    forms.insert(xml.replace('"', "&#34;").replace('\'', "&#39;").replace('+', "&#43;"));
    forms.insert(rewritten(&html, |c| "'`=".contains(c).then(|| format!("&#x{:X};", u32::from(c)))));
    forms.insert(html);
    for bytes in [secret.into(), utf16(secret, u16::to_le_bytes)] {
        forms.extend(base64_anywhere(bytes).into_iter().flat_map(|form| [form.replace('+', "-").replace('/', "_"), form]));
    }
    for form in base64_anywhere(secret) {
        for form in [form.replace('+', "-").replace('/', "_"), form] {
            forms.extend(base64_anywhere(form));
        }
    }
    forms
}

/// What is in the base64 of any text that ends with this one, without the first characters, which depend on the bytes before.
fn base64_anywhere(bytes: impl AsRef<[u8]>) -> [String; 3] {
    [0, 1, 2].map(|shift| base64([&b"???"[..shift], bytes.as_ref()].concat())[[0, 2, 3][shift]..].to_owned())
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
    const NOISE: [&[u8]; 24] = [
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
        b"b",
        b"\x1b",
        b"\x1b]8;;https://example.org/\x1b\\",
        b"\x1b]0;",
        b"\x07",
        b"\xe2\x80",
        b"\xc2\xad",
        b"65 79 4a ",
    ];
    const BREAKS: [&[u8]; 16] = [
        b"\n",
        b"\r\n",
        b"\\\n",
        b"=\n",
        b"=\r\n",
        b"\n\n",
        b"\\\r\n=\n",
        b" zz ",
        b"\r",
        b"\x1b[31m",
        b"\x1b[0m\n",
        b"\x1b]0;title\x07",
        b"\x1b(B",
        b"\xc2\xad",
        b"\xe2\x80\x8b",
        b"\xef\xbb\xbf",
    ];
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

/// A tool, and how it lists bytes as numbers.
type Listing = (&'static str, fn(&[u8]) -> String);

#[allow(dead_code, reason = "the fuzz target has no use for it")]
pub fn listings() -> Vec<Listing> {
    vec![
        ("xxd", |bytes| dump(bytes, 16, "08x", ":", |line| format!(" {:39}  {}", words(line, 2, false), visible(line)))),
        ("xxd -e", |bytes| dump(bytes, 16, "08x", ":", |line| format!(" {:35}  {}", words(line, 4, true), visible(line)))),
        ("xxd -b", |bytes| {
            dump(bytes, 6, "08x", ":", |line| format!(" {}  {}", numbers(line, |byte| format!("{byte:08b}"), " "), visible(line)))
        }),
        ("xxd -i", |bytes| numbers(bytes, |byte| format!("0x{byte:02x}"), ", ")),
        ("hexdump", |bytes| dump(bytes, 16, "07x", "", |line| format!(" {}", words(line, 2, true)))),
        ("hexdump -C", |bytes| dump(bytes, 16, "08x", "", |line| format!("  {:48}  |{}|", numbers(line, hex, " "), visible(line)))),
        ("hexdump -b", |bytes| dump(bytes, 16, "07x", "", |line| format!(" {}", numbers(line, |byte| format!("{byte:03o}"), " ")))),
        ("od", |bytes| dump(bytes, 16, "07o", "", |line| format!(" {}", numbers16(line, |word| format!("{word:06o}"))))),
        ("od -c", |bytes| dump(bytes, 16, "07o", "", |line| line.iter().map(|byte| format!("   {}", char::from(*byte))).collect())),
        ("od -x", |bytes| dump(bytes, 16, "07o", "", |line| format!(" {}", words(line, 2, true)))),
        ("od -tx8", |bytes| dump(bytes, 16, "07o", "", |line| format!(" {}", words(line, 8, true)))),
        ("od -tu1", |bytes| dump(bytes, 16, "07o", "", |line| numbers(line, |byte| format!(" {byte:3}"), ""))),
        ("od -d", |bytes| dump(bytes, 16, "07o", "", |line| numbers16(line, |word| format!(" {word:5}")))),
        ("od -An -tx1", |bytes| dump(bytes, 16, "", "", |line| numbers(line, |byte| format!(" {byte:02x}"), ""))),
        ("curl --trace", |bytes| dump(bytes, 16, "04x", ":", |line| format!(" {:47} {}", numbers(line, hex, " "), visible(line)))),
        ("Format-Hex", |bytes| {
            dump(bytes, 16, "08X", "", |line| format!("   {:48} {}", numbers(line, hex, " ").to_uppercase(), visible(line)))
        }),
        ("jq explode", |bytes| format!("[\n  {}\n]\n", numbers(bytes, |byte| byte.to_string(), ",\n  "))),
        ("JSON", |bytes| format!("[{}]", numbers(bytes, |byte| byte.to_string(), ","))),
        ("Rust", |bytes| format!("[{}]", numbers(bytes, |byte| byte.to_string(), ", "))),
        ("Go", |bytes| format!("[]byte{{{}}}", numbers(bytes, |byte| format!("0x{byte:x}"), ", "))),
        ("C", |bytes| numbers(bytes, |byte| format!("\\x{byte:02x}"), "")),
        ("octal", |bytes| numbers(bytes, |byte| format!("\\{byte:03o}"), "")),
        ("JavaScript", |bytes| numbers(bytes, |byte| format!("\\u{byte:04X}"), "")),
        ("XML", |bytes| numbers(bytes, |byte| format!("&#x{byte:x};"), "")),
        ("HTML", |bytes| numbers(bytes, |byte| format!("&#{byte};"), "")),
        ("percent", |bytes| numbers(bytes, |byte| format!("%{byte:02X}"), "")),
        ("percent twice", |bytes| numbers(bytes, |byte| format!("%25{byte:02X}"), "")),
        ("quoted-printable", |bytes| numbers(bytes, |byte| format!("={byte:02X}"), "")),
        ("BitConverter", |bytes| numbers(bytes, |byte| format!("{byte:02X}"), "-")),
        ("openssl", |bytes| numbers(bytes, hex, ":")),
        ("Buffer", |bytes| format!("<Buffer {}>", numbers(bytes, hex, " "))),
        ("any blanks", |bytes| numbers(bytes, hex, " \t  ")),
        ("digits", |bytes| numbers(bytes, |byte| format!("{:x} {:x}", byte >> 4, byte & 15), " ")),
    ]
}

fn dump(bytes: &[u8], width: usize, offset: &str, behind: &str, line: fn(&[u8]) -> String) -> String {
    let lines = bytes.chunks(width).enumerate().map(|(index, bytes)| {
        let at = index * width;
        let offset = match offset {
            "08x" => format!("{at:08x}"),
            "07x" => format!("{at:07x}"),
            "04x" => format!("{at:04x}"),
            "08X" => format!("{at:08X}"),
            "07o" => format!("{at:07o}"),
            _ => String::new(),
        };
        format!("{offset}{behind}{}\n", line(bytes))
    });
    lines.collect()
}

fn numbers(bytes: &[u8], number: fn(u8) -> String, between: &str) -> String {
    bytes.iter().map(|byte| number(*byte)).collect::<Vec<_>>().join(between)
}

fn numbers16(bytes: &[u8], number: fn(u16) -> String) -> String {
    bytes.chunks(2).map(|two| number(u16::from(two[0]) | u16::from(*two.get(1).unwrap_or(&0)) << 8)).collect::<Vec<_>>().join(" ")
}

fn hex(byte: u8) -> String {
    format!("{byte:02x}")
}

fn words(bytes: &[u8], size: usize, low_first: bool) -> String {
    let word = |word: &[u8]| {
        let mut word = word.to_vec();
        if low_first {
            word.resize(size, 0);
            word.reverse();
        }
        numbers(&word, hex, "")
    };
    bytes.chunks(size).map(word).collect::<Vec<_>>().join(" ")
}

fn visible(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' }).collect()
}
