//! What was asked, and from where: a flag beats an action's input beats a variable; empty is unset.

pub mod cli;
pub mod options;
mod order;
mod scope;
mod span;
mod url;

use std::ffi::OsString;
use std::fmt;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::redact::{HIDDEN, one_line, without_tokens};
use options::{Opt, Value};

pub use order::Order;
pub use span::seconds;
pub use url::{PlatformUrl, is_loopback};

/// What jf-token can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Mint a token and hand it over.
    Create,
    /// Print the session's token, fresh.
    Get,
    /// Renew the session's token.
    Refresh,
    /// Keep the session's token fresh in the background.
    Keep,
    /// Run a program with a fresh token.
    Exec,
    /// Hide the session's secrets in what passes through.
    Redact,
    /// End the session's tokens.
    Revoke,
    /// Show what a token is.
    Inspect,
}

/// Where a value came from: the name under which the user knows it, and its rank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag or argument.
    Flag(String),
    /// An input of the GitHub Action.
    Input(String),
    /// An environment variable.
    Variable(String),
}

impl Source {
    /// The lower, the stronger.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Source::Flag(_) => 0,
            Source::Input(_) => 1,
            Source::Variable(_) => 2,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(name) | Source::Variable(name) => f.write_str(name),
            Source::Input(name) => write!(f, "the input '{name}'"),
        }
    }
}

/// A value and where it came from.
#[derive(Clone)]
pub struct Given {
    /// The text, never empty.
    pub text: String,
    /// Where it came from.
    pub source: Source,
}

impl Given {
    /// This value is wrong: why, and what would be right.
    #[must_use]
    pub fn wrong(&self, why: impl fmt::Display, right: impl Into<String>) -> Error {
        Error::input(format!("{}: {why}", self.source), right)
    }
}

/// The words of a switch.
const BOOLEANS: [(&str, bool); 6] = [("true", true), ("false", false), ("1", true), ("0", false), ("yes", true), ("no", false)];

fn boolean(text: &str) -> Option<bool> {
    BOOLEANS.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, meaning)| *meaning)
}

/// The flags that were given, by the names of their options.
pub type Flags = Vec<(&'static str, String)>;

/// The flags and the environment, asked for one option at a time.
pub struct Inputs {
    flags: Flags,
    /// The program that is to be run, and its arguments.
    pub program: Vec<OsString>,
    /// The environment that was handed in.
    pub environment: Environment,
    in_action: bool,
}

impl Inputs {
    /// Inputs from the flags that were parsed and the environment. `INPUT_…` counts in our own action only: another one
    /// that starts this program has inputs of the same names.
    #[must_use]
    pub fn new(flags: Flags, program: Vec<OsString>, environment: Environment, in_action: bool) -> Self {
        Self { flags, program, environment, in_action }
    }

    /// The option's value, if it was given.
    ///
    /// # Errors
    /// When the variable that decides is not UTF-8.
    pub fn text(&self, option: &Opt) -> Result<Option<Given>> {
        if let Some(text) = self.flag(option).filter(|text| !text.is_empty()) {
            let flag = if option.name == options::USERNAME.name { "USERNAME".into() } else { format!("--{}", option.name) };
            return Ok(Some(Given { text: text.clone(), source: Source::Flag(flag) }));
        }
        if self.in_action
            && option.in_action
            && let Some(text) = self.environment.get(&option.input_variable())?.map(str::trim).filter(|text| !text.is_empty())
        {
            return Ok(Some(Given { text: text.to_owned(), source: Source::Input(option.name.into()) }));
        }
        let text = self.environment.get(option.variable)?;
        Ok(text.map(|text| Given { text: text.to_owned(), source: Source::Variable(option.variable.into()) }))
    }

    fn flag(&self, option: &Opt) -> Option<&String> {
        self.flags.iter().find(|(name, _)| *name == option.name).map(|(_, text)| text)
    }

    /// The switch's value; absent is false.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn switch(&self, option: &Opt) -> Result<bool> {
        let Some(given) = self.text(option)? else { return Ok(false) };
        boolean(&given.text).ok_or_else(|| given.wrong("is neither true nor false", "Use one of true, false, 1, 0, yes, no."))
    }

    /// The option's value where only these words are right.
    ///
    /// # Errors
    /// When it is another word.
    pub fn word<T: Copy>(&self, option: &Opt, words: &[(&str, T)]) -> Result<Option<T>> {
        let Some(given) = self.text(option)? else { return Ok(None) };
        let known = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let meant = words.iter().find(|(word, _)| *word == given.text.to_ascii_lowercase());
        let (_, meaning) =
            meant.ok_or_else(|| given.wrong(format!("'{}' is not known", shown(&given.text)), format!("Use one of {}.", known())))?;
        Ok(Some(*meaning))
    }

    /// As `word`, but a variable that holds another word was set for another command, and says nothing of this.
    ///
    /// # Errors
    /// When a flag or input is another word.
    pub fn own_word<T: Copy>(&self, option: &Opt, words: &[(&str, T)]) -> Result<Option<T>> {
        match self.text(option)? {
            Some(Given { source: Source::Variable(_), text }) if !words.iter().any(|(word, _)| *word == text.to_ascii_lowercase()) => {
                Ok(None)
            }
            _ => self.word(option, words),
        }
    }

    /// The flags that were given, with their values.
    pub fn flags(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.flags.iter().map(|(name, text)| (*name, text.as_str()))
    }

    /// Variables that look like ours and are not, each with the nearest name that is.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<(String, &'static str)> {
        let known = || options::ALL.iter().map(|option| option.variable).chain([options::HOME]);
        let unknown = self.environment.names("JF_TOKEN_").filter(|name| !known().any(|other| other == *name));
        let nearest = |name: &str| known().min_by_key(|other| distance(name, other)).unwrap_or_default();
        unknown.map(|name| (shown(name), nearest(name))).collect()
    }

    /// Whether some flag holds a secret: other processes of the machine can read it.
    #[must_use]
    pub fn secret_on_argument_list(&self) -> Option<&'static str> {
        let secrets = options::ALL.iter().filter(|option| matches!(option.value, Value::Secret(_)));
        secrets.filter(|option| self.flag(option).is_some()).map(|option| option.name).next()
    }
}

/// A wrong value as a message may show it: one line, not long, and nothing that could be a token or a password in a URL.
#[must_use]
pub fn shown(text: &str) -> String {
    let clean = one_line(text);
    if clean.len() > 200 || clean.contains('@') && clean.contains("://") { HIDDEN.into() } else { without_tokens(&clean) }
}

/// Edits (insert, delete, replace) from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.bytes().enumerate() {
        let mut diagonal = i;
        row[0] = i + 1;
        for (j, b) in to.bytes().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
