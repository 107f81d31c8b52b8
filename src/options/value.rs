use std::fmt;

use redact::{HIDDEN, one_line, without_tokens};

use super::inputs::is_operand;
use super::table::{ALL, Opt, SYNONYMS};
use crate::error::Error;

/// Where a value came from, with the name that the user knows it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag or argument.
    Flag(String),
    /// An input of the GitHub Action.
    Input(String),
    /// An environment variable.
    Variable(String),
    /// A variable that holds an exported server of jf's, which no option names.
    Export(String),
    /// jf's own configuration, which nobody named.
    Configuration,
    /// What no option gives, by what to call it in a message.
    Named(String),
}

impl Source {
    /// The name of the option, if this is a source of one.
    #[must_use]
    pub fn option(&self) -> Option<&'static str> {
        let is = |option: &Opt| match self {
            Source::Flag(name) => name.strip_prefix("--") == Some(option.name) || is_operand(name, option),
            Source::Input(name) => name == option.name,
            Source::Variable(name) => name == option.variable,
            Source::Export(_) | Source::Configuration | Source::Named(_) => false,
        };
        ALL.iter().find(|option| is(option)).map(|option| option.name)
    }

    /// The error for a value from here being wrong, with the reason and what would be right.
    #[must_use]
    pub fn wrong(&self, why: impl fmt::Display, right: impl Into<String>) -> Error {
        Error::input(format!("{self}: {why}"), right).of_option(self.option())
    }

    /// The precedence of this source: the lowest number wins.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Source::Flag(_) => 0,
            Source::Input(_) => 1,
            Source::Variable(_) => 2,
            Source::Export(_) => 3,
            Source::Configuration => 4,
            Source::Named(_) => 5,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) | Source::Variable(name) | Source::Export(name) | Source::Named(name) => f.write_str(name),
            Source::Input(name) => write!(f, "the input '{name}'"),
            Source::Configuration => f.write_str("jf's configuration"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone)]
pub struct InputValue {
    /// The text; never empty.
    pub text: String,
    /// Where it came from.
    pub source: Source,
}

impl InputValue {
    /// What follows `ssh://`, if this is such a URL.
    #[must_use]
    pub fn after_ssh(&self) -> Option<&str> {
        let (scheme, rest) = self.text.trim().split_once("://")?;
        scheme.eq_ignore_ascii_case("ssh").then_some(rest)
    }

    /// The error for this value being wrong, with the reason and what would be right.
    #[must_use]
    pub fn wrong(&self, why: impl fmt::Display, right: impl Into<String>) -> Error {
        self.source.wrong(why, right)
    }
}

/// The words that a switch takes: on, off.
const SWITCH: [(&str, &str); 6] = [("true", "false"), ("t", "f"), ("1", "0"), ("yes", "no"), ("y", "n"), ("on", "off")];

/// The meaning of a switch's word; `None` if it is not one.
#[must_use]
pub fn switch(text: &str) -> Option<bool> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    SWITCH.iter().find(|(on, off)| is(on) || is(off)).map(|(on, _)| is(on))
}

/// A wrong value as a message may show it: on one line, and without what could be a token. A value of more than 200 bytes, or one that may
/// be a URL with a password, is hidden as a whole.
#[must_use]
pub fn shown(text: &str) -> String {
    let clean = one_line(text);
    if clean.len() > 200 || clean.contains('@') && clean.contains("://") { HIDDEN.into() } else { without_tokens(&clean) }
}

/// The known option that was probably meant.
#[must_use]
pub fn meant<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.replace('_', "-");
    near(SYNONYMS.iter().find(|(synonym, _)| *synonym == word).map_or(&word, |(_, name)| name), known)
}

/// The known word that was probably meant: one edit away, of longer words two, at most three.
#[must_use]
pub fn near<'w>(word: &str, known: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let (edits, nearest) = known.map(|other| (distance(word, other), other)).min()?;
    (edits <= (word.len() / 3).clamp(1, 3)).then_some(nearest)
}

/// The number of edits that turn one word into the other: insert, delete or replace a byte, or swap two neighbours.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=to.len()).collect()];
    for i in 1..=from.len() {
        rows.rotate_left(1);
        let [before_last, last, row] = &mut rows;
        row.clear();
        row.push(i);
        for j in 1..=to.len() {
            let (a, b) = (from[i - 1], to[j - 1]);
            let mut edits = (last[j - 1] + usize::from(a != b)).min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a == to[j - 2] && b == from[i - 2] {
                edits = edits.min(before_last[j - 2] + 1);
            }
            row.push(edits);
        }
    }
    rows[2][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_near_or_absent() {
        let known = || ["access-token", "expiry", "url"].into_iter();
        assert_eq!(near("acess-token", known()), Some("access-token"));
        assert_eq!(near("acces-tokens-file", known()), None);
        assert_eq!(near("ulr", known()), Some("url"));
        assert_eq!(near("lifetime", known()), None);
        let commands = || ["create", "atc", "eot", "get", "keep", "revoke"].into_iter();
        for (word, meant) in [("creat", "create"), ("craete", "create"), ("geet", "get"), ("revok", "revoke"), ("kep", "keep")] {
            assert_eq!(near(word, commands()), Some(meant));
        }
        for word in ["foo", "ls", "rm", "set-x", "login", "", "mint"] {
            assert_eq!(near(word, commands()), None, "{word}");
        }
    }
}
