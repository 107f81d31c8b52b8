//! How tools print a token: models of them that know which characters of their output tell of which of the token.

use std::ops::Range;

/// Some output.
#[derive(Clone, Default)]
pub struct Text {
    pub bytes: Vec<u8>,
    /// For each byte, the part of the token that it tells of, and in which column: a dump tells the same twice.
    tells_of: Vec<(Range<usize>, usize)>,
}

const STANDARD: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &[u8] = b"0123456789abcdef";
const UPPER: &[u8] = b"0123456789ABCDEF";

impl Text {
    /// The token itself.
    pub fn of(token: &str) -> Self {
        Self { bytes: token.into(), tells_of: (0..token.len()).map(|index| (index..index + 1, 0)).collect() }
    }

    /// What tells nothing.
    fn mute(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), tells_of: vec![(0..0, 0); bytes.len()] }
    }

    fn push(&mut self, other: Self) {
        self.bytes.extend(other.bytes);
        self.tells_of.extend(other.tells_of);
    }

    fn then(mut self, other: Self) -> Self {
        self.push(other);
        self
    }

    pub fn part(&self, part: Range<usize>) -> Self {
        Self { bytes: self.bytes[part.clone()].to_vec(), tells_of: self.tells_of[part].to_vec() }
    }

    pub fn between(&self, before: &str, after: &str) -> Self {
        Self::mute(before.as_bytes()).then(self.clone()).then(Self::mute(after.as_bytes()))
    }

    fn chunks(&self, size: usize) -> impl Iterator<Item = Self> {
        (0..self.bytes.len()).step_by(size).map(move |start| self.part(start..self.bytes.len().min(start + size)))
    }

    /// These pieces with something between.
    fn join(pieces: impl Iterator<Item = Self>, between: &str) -> Self {
        pieces.enumerate().fold(Self::default(), |text, (index, piece)| {
            text.then(Self::mute(if index == 0 { b"" } else { between.as_bytes() })).then(piece)
        })
    }

    pub fn fold(&self, width: usize) -> Self {
        Self::join(self.chunks(width), "\n")
    }

    /// With this between all pieces of this size.
    pub fn parted(&self, size: usize, between: &str) -> Self {
        Self::join(self.chunks(size), between)
    }

    /// Each byte written by a function, as one piece that tells of it.
    pub fn spelled(&self, spell: impl Fn(u8) -> String) -> Self {
        let pieces = self.bytes.iter().zip(&self.tells_of).map(|(byte, tells_of)| {
            let bytes = spell(*byte).into_bytes();
            Self { tells_of: vec![tells_of.clone(); bytes.len()], bytes }
        });
        Self::join(pieces, "")
    }

    /// Each group of bits as one character, and a padding up to a multiple of `group` characters.
    fn in_bits(&self, bits: usize, alphabet: &[u8], group: usize) -> Self {
        let mut text = Self::default();
        for first in (0..self.bytes.len() * 8).step_by(bits) {
            let value = (first..first + bits).fold(0, |value, bit| {
                let byte = self.bytes.get(bit / 8).copied().unwrap_or_default();
                value << 1 | usize::from(byte >> (7 - bit % 8) & 1)
            });
            let last = ((first + bits - 1) / 8).min(self.bytes.len() - 1);
            let parts = &self.tells_of[first / 8..=last];
            let told: Vec<_> = parts.iter().filter(|(part, _)| !part.is_empty()).collect();
            let part = told.iter().map(|(part, _)| part.start).min().unwrap_or(0)..told.iter().map(|(part, _)| part.end).max().unwrap_or(0);
            text.bytes.push(alphabet[value]);
            text.tells_of.push((part, 0));
        }
        let padding = text.bytes.len().next_multiple_of(group) - text.bytes.len();
        text.then(Self::mute(&b"========"[..padding]))
    }

    pub fn base64(&self) -> Self {
        self.in_bits(6, STANDARD, 4)
    }

    pub fn base64url(&self) -> Self {
        self.in_bits(6, URL_SAFE, 1)
    }

    pub fn base32(&self) -> Self {
        self.in_bits(5, BASE32, 8)
    }

    pub fn hex(&self) -> Self {
        self.in_bits(4, LOWER, 1)
    }

    pub fn upper_hex(&self) -> Self {
        self.in_bits(4, UPPER, 1)
    }

    pub fn reversed(&self) -> Self {
        let (mut bytes, mut tells_of) = (self.bytes.clone(), self.tells_of.clone());
        bytes.reverse();
        tells_of.reverse();
        Self { bytes, tells_of }
    }

    pub fn utf16(&self) -> Self {
        self.parted(1, "\0").then(Self::mute(b"\0"))
    }

    /// A dump in lines of 16 bytes: an offset, the bytes in groups, and the characters.
    fn dump(&self, offset: impl Fn(usize) -> String, bytes: impl Fn(&Self) -> Self, characters: Option<(&str, &str)>) -> Self {
        let lines = self.chunks(16).enumerate().map(|(line, chunk)| {
            let mut text = Self::mute(offset(line * 16).as_bytes()).then(bytes(&chunk));
            if let Some((before, after)) = characters {
                let mut column = chunk;
                column.tells_of.iter_mut().for_each(|(_, column)| *column = 1);
                text.push(column.between(before, after));
            }
            text
        });
        Self::join(lines, "\n")
    }

    pub fn xxd(&self) -> Self {
        self.dump(|at| format!("{at:08x}: "), |bytes| bytes.hex().parted(4, " "), Some(("  ", "")))
    }

    pub fn hexdump_c(&self) -> Self {
        let bytes = |bytes: &Self| Self::join(bytes.chunks(8).map(|half| half.hex().parted(2, " ")), "  ");
        self.dump(|at| format!("{at:08x}  "), bytes, Some(("  |", "|")))
    }

    /// Words of two bytes, the low one first.
    pub fn od_x(&self) -> Self {
        let words = |bytes: &Self| Self::join(bytes.chunks(2).map(|word| word.reversed().hex()), " ");
        self.dump(|at| format!("{at:07o} "), words, None)
    }

    pub fn od_c(&self) -> Self {
        self.dump(|at| format!("{at:07o}   "), |bytes| bytes.parted(1, "   "), None)
    }

    pub fn curl_trace(&self) -> Self {
        self.between("Authorization: Bearer ", "\r\n").dump(|at| format!("{at:04x}: "), |bytes| bytes.hex().parted(2, " "), Some((" ", "")))
    }

    /// `xxd -i`: as an array of C.
    pub fn xxd_i(&self) -> Self {
        let lines = self.chunks(12).map(|line| Self::join(line.chunks(1).map(|byte| byte.hex().between("0x", "")), ", "));
        Self::join(lines.map(|line| line.between("  ", "")), ",\n")
    }

    /// Which characters of the token can be read where these bytes are hidden.
    pub fn readable(&self, hidden: &[bool], length: usize) -> Vec<bool> {
        let mut columns = [vec![None; length], vec![None; length]];
        for ((part, column), hidden) in self.tells_of.iter().zip(hidden) {
            for index in part.clone() {
                let shown: &mut Option<bool> = &mut columns[*column][index];
                *shown = Some(shown.unwrap_or(true) && !hidden);
            }
        }
        (0..length).map(|index| columns.iter().any(|column| column[index] == Some(true))).collect()
    }
}

/// What was hidden of some bytes, of which this was shown: what is left of them, and `***`.
pub fn hidden(bytes: &[u8], shown: &[u8]) -> Vec<bool> {
    // What replaces UTF-16 is in UTF-16.
    let narrow = |bytes: &[u8]| bytes.iter().copied().filter(|byte| *byte != 0).collect::<Vec<_>>();
    let (all, shown) = (narrow(bytes), String::from_utf8_lossy(&narrow(shown)).into_owned());
    let (mut flags, mut at) = (vec![true; all.len()], 0);
    for piece in shown.replace("[MASKED]", "***").replace("[REDACTED]", "***").split("***").map(str::as_bytes) {
        let Some(start) = (at..=all.len() - piece.len()).find(|start| all[*start..].starts_with(piece)) else { continue };
        flags[start..start + piece.len()].fill(false);
        at = start + piece.len();
    }
    let mut flags = flags.into_iter();
    bytes.iter().map(|byte| *byte == 0 || flags.next().unwrap_or(true)).collect()
}
