//! Finds the lines by which a program tells the log of a job to hide a value: where they reach whoever writes that log, they must arrive
//! whole.

use memchr::{memchr, memmem, memrchr2};
use std::mem::take;

/// How a line that is printed makes the log of a job hide a value.
#[derive(Debug)]
pub struct MaskCommand {
    /// How such a line begins. What follows is the value.
    pub begins: &'static str,
    /// A value with this in it is no value to some of the runners that know this command: they would print the line.
    pub never_holds: Option<&'static str>,
    /// The word of GitHub's protocol that suspends the commands: `::WORD::TOKEN`, until `::TOKEN::`.
    pub suspended_by: Option<&'static str>,
    /// A variable with another value in each step of a job. By that it is told which processes are of the step, and which one started it.
    pub step: &'static str,
    /// Whether the step's first process is the CI's own, which passes on what it reads.
    pub has_handler: bool,
}

/// The longest line that is taken for a mask's, in bytes.
const LONGEST: usize = 16 << 10;

/// What a part of the output is.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// To be redacted.
    Text(Vec<u8>),
    /// Whole lines that mask a value, or the rest of one whose beginning was text.
    Masks(Vec<u8>),
}

/// Whether the job's log obeys commands, for all streams of a program.
#[derive(Debug, Default)]
pub enum Obeyed {
    /// It does.
    #[default]
    Yes,
    /// Not before a line with this token.
    After(Vec<u8>),
    /// Not as far as can be told here.
    No,
}

/// Follows the lines of one stream. A line begins behind a line feed; what only some runners take for a line counts where it suspends
/// commands, and not where it is one.
pub struct MaskLines {
    command: &'static MaskCommand,
    /// The current line behind its blanks, as long as it may be a command.
    line: Option<Vec<u8>>,
    /// How much of it was given back as text.
    given: usize,
    /// Whether it begins as every runner wants it: behind a line feed, without a blank.
    is_strict: bool,
    /// A carriage return ended it. If a line feed follows, that is part of its end.
    returned: bool,
    /// The last bytes of the text.
    last: Vec<u8>,
}

impl MaskLines {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(command: &'static MaskCommand) -> Self {
        Self { command, line: Some(Vec::new()), given: 0, is_strict: true, returned: false, last: Vec::new() }
    }

    /// Splits what was read. `None`: all of it is text.
    pub fn split(&mut self, bytes: &[u8], obeyed: &mut Obeyed) -> Option<Vec<Piece>> {
        self.look_for_old_form(bytes, obeyed);
        if self.is_quiet(bytes) {
            return None;
        }
        let mut pieces = Vec::new();
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            self.take(part, obeyed, &mut pieces);
        }
        Some(pieces)
    }

    /// Ends the current line. Returns what was kept of it.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let line = self.line.take().unwrap_or_default();
        self.returned = false;
        line[take(&mut self.given).min(line.len())..].to_vec()
    }

    /// Whether no line in these bytes begins as a command does, if the one before them was none. Then the last of them decide how it goes on.
    fn is_quiet(&mut self, bytes: &[u8]) -> bool {
        let head = &self.command.begins.as_bytes()[..2];
        let is_blank = self.line.as_ref().is_some_and(Vec::is_empty);
        let begins = |at: usize| match bytes[..at].iter().rposition(|byte| byte.is_ascii_graphic() || is_break(*byte)) {
            Some(before) => is_break(bytes[before]),
            None => is_blank,
        };
        let Some(last) = memrchr2(b'\n', b'\r', bytes) else {
            return self.line.is_none() && !self.returned;
        };
        let tail = &bytes[last + 1..];
        let first = tail.iter().find(|byte| byte.is_ascii_graphic());
        if self.returned || !(is_blank || self.line.is_none()) || first == head.first() {
            return false;
        }
        if memmem::find_iter(bytes, head).any(begins) {
            return false;
        }
        self.begin(bytes[last] == b'\n' && tail.is_empty());
        if first.is_some() {
            self.line = None;
        }
        true
    }

    fn begin(&mut self, is_strict: bool) {
        (self.line, self.given, self.is_strict) = (Some(Vec::new()), 0, is_strict);
    }

    /// Takes what follows, up to the end of the line at most.
    fn take(&mut self, part: &[u8], obeyed: &mut Obeyed, pieces: &mut Vec<Piece>) {
        if take(&mut self.returned) {
            if part == b"\n" {
                self.end(b"\r\n", obeyed, pieces);
                return self.begin(true);
            }
            add(pieces, Piece::Text(self.finish()));
            self.begin(false);
        }
        let (text, end) = match part.split_last() {
            Some((end, text)) if is_break(*end) => (text, Some(*end)),
            _ => (part, None),
        };
        self.go_on(text, obeyed, pieces);
        match end {
            None => {}
            Some(b'\n') => {
                self.end(b"\n", obeyed, pieces);
                self.begin(true);
            }
            Some(_) => {
                // A runner may take this for the end of a line.
                self.suspend(obeyed);
                if let Some(line) = &mut self.line {
                    line.push(b'\r');
                    self.returned = true;
                    if !self.keeps() {
                        self.give(pieces);
                    }
                } else {
                    add(pieces, Piece::Text(b"\r".to_vec()));
                    self.begin(false);
                }
            }
        }
    }

    fn go_on(&mut self, text: &[u8], obeyed: &mut Obeyed, pieces: &mut Vec<Piece>) {
        let head = &self.command.begins.as_bytes()[..2];
        let Some(line) = &mut self.line else { return add(pieces, Piece::Text(text.to_vec())) };
        let mut rest = text;
        if line.is_empty() {
            let blanks = rest.iter().take_while(|byte| !byte.is_ascii_graphic()).count();
            self.is_strict &= blanks == 0;
            add(pieces, Piece::Text(rest[..blanks].to_vec()));
            rest = &rest[blanks..];
        }
        line.extend_from_slice(rest);
        if line.len() > LONGEST {
            self.suspend(obeyed);
            add(pieces, Piece::Text(self.finish()));
        } else if !line.iter().zip(head).all(|(ours, theirs)| ours == theirs) {
            add(pieces, Piece::Text(self.finish()));
        } else if !self.keeps() {
            self.give(pieces);
        }
    }

    /// Whether the line masks a value, if its end fits.
    fn keeps(&self) -> bool {
        self.is_strict && self.line.as_ref().is_some_and(|line| line.starts_with(self.command.begins.as_bytes()))
    }

    fn give(&mut self, pieces: &mut Vec<Piece>) {
        if let Some(line) = &self.line {
            add(pieces, Piece::Text(line[self.given..].to_vec()));
            self.given = line.len();
        }
    }

    /// The line is whole.
    fn end(&mut self, end: &[u8], obeyed: &mut Obeyed, pieces: &mut Vec<Piece>) {
        if end == b"\n" {
            self.suspend(obeyed);
        }
        let is_mask = matches!(obeyed, Obeyed::Yes) && self.is_mask();
        if let (Obeyed::After(token), Some(line), true) = (&*obeyed, &self.line, self.is_strict)
            && *line.trim_ascii_end() == [b"::", &token[..], b"::"].concat()
        {
            *obeyed = Obeyed::Yes;
        }
        // Of `\r\n` the first is part of the line by now.
        let line = [self.finish(), b"\n".to_vec()].concat();
        add(pieces, if is_mask { Piece::Masks(line) } else { Piece::Text(line) });
    }

    fn is_mask(&self) -> bool {
        let Some(line) = self.line.as_ref().filter(|_| self.keeps()) else { return false };
        let value = &line[self.command.begins.len()..];
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        let is_split = self.command.never_holds.is_some_and(|text| memmem::find(value, text.as_bytes()).is_some());
        !is_split && memchr(b'\r', value).is_none() && value.iter().any(u8::is_ascii_graphic)
    }

    /// Takes note if the line suspends commands.
    fn suspend(&mut self, obeyed: &mut Obeyed) {
        let (Some(word), Some(line), Obeyed::Yes) = (self.command.suspended_by, &self.line, &*obeyed) else { return };
        let Some(rest) = line.strip_prefix(b"::").filter(|rest| begins_with(rest, word)) else { return };
        let token = rest[word.len()..].strip_prefix(b"::").filter(|_| self.is_strict && rest.starts_with(word.as_bytes()));
        let is_plain = |token: &&[u8]| !token.is_empty() && token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte));
        *obeyed = token.filter(is_plain).map_or(Obeyed::No, |token| Obeyed::After(token.to_vec()));
    }

    /// The older form of a command, `##[WORD]`, counts anywhere in a line. No token ends that here.
    fn look_for_old_form(&mut self, bytes: &[u8], obeyed: &mut Obeyed) {
        let Some(word) = self.command.suspended_by else { return };
        let is_one = |text: &[u8], at: usize| begins_with(&text[at + 3..], word);
        let has_one = |text: &[u8]| memmem::find_iter(text, "##[").any(|at| is_one(text, at));
        let length = word.len() + 2;
        if has_one(bytes) || memchr(b'#', &self.last).is_some() && has_one(&[&self.last, &bytes[..bytes.len().min(length)]].concat()) {
            *obeyed = Obeyed::No;
        }
        self.last.extend_from_slice(&bytes[bytes.len().saturating_sub(length)..]);
        self.last.drain(..self.last.len().saturating_sub(length));
    }
}

fn is_break(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn begins_with(text: &[u8], word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
}

/// Adds a piece, to the last one if that is of the same kind.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Text(before)), Piece::Text(bytes)) | (Some(Piece::Masks(before)), Piece::Masks(bytes)) => before.extend(bytes),
        (_, piece) => pieces.push(piece),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COMMAND: MaskCommand =
        MaskCommand { begins: "::add-mask::", never_holds: Some("::"), suspended_by: Some("stop-commands"), step: "", has_handler: false };

    /// What is passed on whole, and all that is passed on.
    fn split(chunks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let (mut lines, mut obeyed) = (MaskLines::new(&COMMAND), Obeyed::Yes);
        let (mut masks, mut all) = (Vec::new(), Vec::new());
        for chunk in chunks {
            for piece in lines.split(chunk, &mut obeyed).unwrap_or_else(|| vec![Piece::Text(chunk.to_vec())]) {
                if let Piece::Masks(bytes) = &piece {
                    masks.extend(bytes);
                }
                let (Piece::Text(bytes) | Piece::Masks(bytes)) = piece;
                all.extend(bytes);
            }
        }
        all.extend(lines.finish());
        (masks, all)
    }

    #[test]
    fn however_it_is_cut_nothing_is_lost_and_the_same_values_are_masks() {
        const WORDS: [&str; 15] = [
            "::add-mask::",
            "::",
            ":",
            "v",
            "\n",
            "\n",
            "\r\n",
            "\r",
            " ",
            "::stop-commands::t",
            "::t::",
            "\u{a0}",
            "x",
            "\n::add-mask::v\n",
            "\n::t::\n",
        ];
        let mut random = 1_u64;
        let mut next = |most: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(random >> 33).unwrap() % most
        };
        let mut found = 0;
        for _ in 0..20_000 {
            let text: String = (0..next(24)).map(|_| WORDS[next(WORDS.len())]).collect();
            let bytes = text.as_bytes();
            let one_by_one: Vec<_> = bytes.chunks(1).collect();
            let (_, expected) = split(&one_by_one);
            assert_eq!(expected, bytes, "{text:?}");
            // The beginning of a line may be text already.
            let value = |line: &str| line.rsplit(':').next().unwrap().to_owned();
            let values = |masks: &[u8]| String::from_utf8_lossy(masks).lines().map(value).collect::<String>();
            let whole = values(&split(&one_by_one).0);
            found += usize::from(!whole.is_empty());
            let cut: Vec<_> = bytes.chunks(next(40) + 1).collect();
            for chunks in [vec![bytes], cut] {
                let (masks, all) = split(&chunks);
                assert_eq!((values(&masks), &*all), (whole.clone(), bytes), "{text:?} in {}", chunks.len());
            }
        }
        assert!(found > 1000, "{found}");
    }
}
