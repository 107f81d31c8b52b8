//! The documents for users, and the blocks in them.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block of a document.
#[derive(Clone, Debug)]
pub struct Block {
    /// The document's path in the repository.
    pub document: String,
    /// The heading that it stands under.
    pub heading: String,
    /// The number of its first line.
    pub line: usize,
    pub language: String,
    pub text: String,
}

impl Block {
    /// Where it is, for a failed check.
    pub fn place(&self) -> String {
        format!("{}:{}", self.document, self.line)
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file in the folder and those below it.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// The README and every page of `docs/`: their paths in the repository, and their text.
pub fn documents() -> Vec<(String, String)> {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().replace('\\', "/");
        (name, fs::read_to_string(&path).unwrap().replace("\r\n", "\n"))
    };
    std::iter::once(root().join("README.md")).chain(pages).map(read).collect()
}

/// Every fenced block of the documents.
pub fn blocks() -> Vec<Block> {
    documents().iter().flat_map(|(document, text)| blocks_of(document, text)).collect()
}

fn blocks_of(document: &str, text: &str) -> Vec<Block> {
    let (mut blocks, mut heading, mut open): (Vec<Block>, _, _) = (Vec::new(), String::new(), false);
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(_), true) => open = false,
            (Some(language), false) => {
                let block = Block {
                    document: document.into(),
                    heading: heading.clone(),
                    line: index + 2,
                    language: language.into(),
                    text: String::new(),
                };
                blocks.push(block);
                open = true;
            }
            (None, true) => blocks.last_mut().unwrap().text += &format!("{line}\n"),
            (None, false) => {
                if let Some(text) = line.strip_prefix('#') {
                    heading = text.trim_start_matches('#').trim().into();
                }
            }
        }
    }
    blocks
}

/// A document without its fenced blocks.
pub fn prose(text: &str) -> String {
    let mut open = false;
    let mut outside = |line: &&str| {
        let fence = line.starts_with("```");
        open ^= fence;
        !fence && !open
    };
    text.lines().filter(|line| outside(line)).map(|line| format!("{line}\n")).collect()
}

/// The blocks in this language under this heading.
pub fn blocks_under(document: &str, heading: &str, language: &str) -> Vec<String> {
    let found = blocks().into_iter().filter(|block| block.document == document && block.heading == heading && block.language == language);
    let found: Vec<_> = found.map(|block| block.text).collect();
    assert!(!found.is_empty(), "{document} has no {language} block under \"{heading}\"");
    found
}

/// The jobs under this heading.
pub fn recipes(document: &str, heading: &str) -> Vec<String> {
    blocks_under(document, heading, "yaml")
}

/// The first job under this heading.
pub fn recipe(document: &str, heading: &str) -> String {
    recipes(document, heading).swap_remove(0)
}
