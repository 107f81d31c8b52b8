//! A file in which our lines stand among those of others, between two markers.

use zeroize::Zeroizing;

/// How the line before ours begins. What the file was like before is behind it.
const BEGIN: &str = "# >>> jf-token: these lines go at the end of the token's session";
/// The line after ours.
const END: &str = "# <<< jf-token";
/// Behind `BEGIN`: the line before had no line break.
const CUT: &str = ", no line break before";

/// Such a file, with or without our lines.
pub struct Merged {
    before: Zeroizing<Vec<u8>>,
    after: Zeroizing<Vec<u8>>,
    /// Whether our lines are in it.
    pub is_there: bool,
    /// The file's mode before; `None` if there was no file.
    pub mode: Option<u32>,
    /// Whether the line before ours had no line break.
    cut: bool,
}

impl Merged {
    /// Finds our lines. `mode` is the file's; `None` if there is none.
    ///
    /// # Errors
    /// Fails if it is no file to which a line of text can be added, or its markers are not a pair.
    pub fn read(text: &[u8], mode: Option<u32>) -> Result<Self, &'static str> {
        if text.contains(&0) || text.starts_with(&[0xff, 0xfe]) || text.starts_with(&[0xfe, 0xff]) {
            return Err("is not a file of lines in UTF-8 or ASCII");
        }
        let (mut at, mut begin, mut end) = (0, Vec::new(), Vec::new());
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(BEGIN.as_bytes()) {
                begin.push((at, line));
            }
            at += line.len();
            if line.trim_ascii_end() == END.as_bytes() {
                end.push(at);
            }
        }
        match (&begin[..], &end[..]) {
            ([], []) => {
                let cut = text.last().is_some_and(|last| *last != b'\n');
                Ok(Self { before: text.to_vec().into(), after: Vec::new().into(), is_there: false, mode, cut })
            }
            ([(begin, line)], [end]) if begin < end => {
                let line = String::from_utf8_lossy(line);
                let mode = line.split_once("[mode ").and_then(|(_, rest)| rest.split([',', ']']).next());
                let mode = mode.and_then(|mode| u32::from_str_radix(mode, 8).ok());
                let [before, after] = [&text[..*begin], &text[*end..]].map(|part| part.to_vec().into());
                Ok(Self { before, after, is_there: true, mode, cut: line.contains(CUT) })
            }
            _ => Err("has jf-token's markers, but not one pair of them"),
        }
    }

    /// The file with these lines.
    pub fn with(&self, lines: &str) -> Zeroizing<Vec<u8>> {
        let mut text = self.before.clone();
        if self.cut && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        let mode = self.mode.map_or_else(|| "new".into(), |mode| format!("mode {mode:o}"));
        let cut = if self.cut { CUT } else { "" };
        text.extend_from_slice(format!("{BEGIN} [{mode}{cut}]\n{lines}{END}\n").as_bytes());
        text.extend_from_slice(&self.after);
        text
    }

    /// What is in the file besides our lines: where nobody has added to it, the bytes that were there before.
    pub fn rest(&self) -> Zeroizing<Vec<u8>> {
        let mut text = self.before.clone();
        if self.is_there && self.cut && self.after.is_empty() && text.ends_with(b"\n") {
            text.pop();
        }
        text.extend_from_slice(&self.after);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Merged;

    #[test]
    fn what_others_wrote_comes_back_byte_for_byte_however_often_our_lines_change() {
        for before in ["", "A=1", "A=1\n", "\n", "A=1\r\n", "A=1\r", "\u{feff}A=1", "# <<<\nA='x\ny'\n\n", "# >>> jf-token\nA"] {
            let mut text = before.as_bytes().to_vec();
            for lines in ["JF_URL=a\n", "JF_URL=b\nJF_USER=c\n", ""] {
                let merged = Merged::read(&text, Some(0o644)).unwrap();
                assert_eq!(*merged.rest(), before.as_bytes());
                text = merged.with(lines).to_vec();
                assert!(text.starts_with(before.as_bytes()) && String::from_utf8_lossy(&text).contains(lines));
            }
            let merged = Merged::read(&text, None).unwrap();
            assert_eq!((&*merged.rest(), merged.mode), (&before.as_bytes().to_vec(), Some(0o644)));
            text.extend_from_slice(b"B=2");
            let (rest, line) =
                (Merged::read(&text, None).unwrap().rest(), if before.is_empty() || before.ends_with('\n') { "" } else { "\n" });
            assert_eq!(String::from_utf8_lossy(&rest), format!("{before}{line}B=2"));
        }
    }

    #[test]
    fn markers_that_are_not_one_pair_are_left_alone() {
        let ours = Merged::read(b"A=1\n", None).unwrap().with("JF_URL=a\n");
        let text = String::from_utf8(ours.to_vec()).unwrap();
        let (begin, end) = text.split_once("JF_URL=a\n").unwrap();
        for damaged in [format!("{text}{text}"), begin.into(), end.into(), format!("{end}{begin}"), "A=\0".into()] {
            assert!(Merged::read(damaged.as_bytes(), None).is_err(), "{damaged:?}");
        }
    }
}
