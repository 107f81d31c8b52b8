use super::choices::{Format, RenewBy, Revoke};
use super::inputs::OPERANDS;
use super::table::{FORMAT, Group, LOG_FORMAT, Opt, RENEW_BY, REVOKE, Value};
use crate::io::LogFormat;

/// How a command looks on the command line. Each command's file has its own as a constant.
#[derive(Debug)]
pub struct Syntax {
    /// The command's name.
    pub name: &'static str,
    /// jf's names for the command.
    pub aliases: &'static [&'static str],
    /// The line after `Usage:` in its help.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// How it is called: each for a shell, in a job that has what it needs.
    pub examples: &'static [&'static str],
    /// What it takes besides options.
    pub operands: Operands,
    /// The groups of which it knows every option.
    pub groups: &'static [Group],
    /// The other options that it knows.
    pub options: &'static [&'static Opt],
    /// Those values of `--format` that it can print.
    pub formats: &'static [Format],
}

/// What a command takes besides options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Nothing.
    None,
    /// A user name.
    Username,
    /// The name of an OIDC provider, and an identity token.
    Exchange,
    /// A program and its arguments, after `--`. The command ends with the program's exit code.
    Program,
    /// The output of a program, on standard input.
    Output,
}

impl Operands {
    /// The arguments without a flag, and the options that they are.
    #[must_use]
    pub fn named(self) -> &'static [(&'static str, &'static Opt)] {
        match self {
            Operands::Username => &OPERANDS[..1],
            Operands::Exchange => &OPERANDS[1..],
            _ => &[],
        }
    }
}

impl Syntax {
    /// Whether the command knows this option.
    #[must_use]
    pub fn knows(&self, option: &Opt) -> bool {
        option.group == Group::Messages || self.groups.contains(&option.group) || self.options.iter().any(|known| known.name == option.name)
    }

    /// The options that the command knows, in the order of the table.
    pub fn known(&self) -> impl Iterator<Item = &'static Opt> {
        super::table::ALL.iter().copied().filter(|option| self.knows(option))
    }

    /// The words that the command takes as a value of this option; none if it takes other text. For what completes a command line.
    #[must_use]
    pub fn words(&self, option: &Opt) -> Vec<&'static str> {
        fn names<T>(words: &[(&'static str, T)]) -> Vec<&'static str> {
            words.iter().map(|(word, _)| *word).collect()
        }
        match option.name {
            name if name == FORMAT.name => {
                Format::WORDS.iter().filter(|(_, format)| self.formats.contains(format)).map(|(word, _)| *word).collect()
            }
            name if name == RENEW_BY.name => names(&RenewBy::WORDS),
            name if name == REVOKE.name => names(&Revoke::WORDS),
            name if name == LOG_FORMAT.name => names(&LogFormat::WORDS),
            _ if option.value == Value::Switch => vec!["true", "false"],
            _ => Vec::new(),
        }
    }

    /// Whether this word is the command's name or another name for it.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}
