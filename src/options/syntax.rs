use super::choices::Format;
use super::table::{Group, Opt};

/// What a command is on the command line: a constant of the command's own file.
#[derive(Debug)]
pub struct Syntax {
    /// The word that names it.
    pub name: &'static str,
    /// Other words for it.
    pub aliases: &'static [&'static str],
    /// The line behind `Usage:`.
    pub usage: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What it takes that is no option.
    pub operands: Operands,
    /// The groups of which it knows every option.
    pub groups: &'static [Group],
    /// Other options that it knows.
    pub options: &'static [&'static Opt],
    /// What it can print, of what `--format` names.
    pub formats: &'static [Format],
}

/// What a command takes that is no option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operands {
    /// Nothing.
    None,
    /// A user name.
    Username,
    /// A program and its arguments, behind `--`: what it ends with is the exit code.
    Program,
    /// What a program prints, on standard input.
    Output,
}

impl Syntax {
    /// Whether the command knows this option.
    #[must_use]
    pub fn knows(&self, option: &Opt) -> bool {
        self.groups.contains(&option.group) || self.options.iter().any(|known| known.name == option.name)
    }

    /// The options that the command knows, in the order of the table.
    pub fn known(&self) -> impl Iterator<Item = &'static Opt> {
        super::table::ALL.iter().copied().filter(|option| self.knows(option))
    }

    /// Whether this word names the command.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.name == word || self.aliases.contains(&word)
    }
}
