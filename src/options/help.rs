//! The text of `--help`, from the same tables as everything else.

use std::fmt::Write;

use super::table::{Group, Opt, Value};
use super::{Operands, Syntax};
use crate::io::Environment;

pub(super) const ABOUT: &str = "Gives a CI job a JFrog access token for exactly as long as the job needs it.";
const WITHOUT_A_COMMAND: &str = "With no command: create, from the environment alone.";
const OPTIONS: [(&str, &str); 2] =
    [("COMMAND --help", "The options of a command, and an example (also: help COMMAND, -h)"), ("--version", "The version (also: -V, -v)")];
/// Which of several values of an option counts.
pub const WHERE_VALUES_COME_FROM: &str = "\
Every option is also an environment variable, named in the option's help. A flag overrides the GitHub Action's input, which overrides \
the variable. An empty variable or input counts as absent; an empty flag that would limit the token or name the credential is an error.";
const SEE_ALSO: &str = "jf-token --help shows the exit codes, and how flags, inputs and variables go together.";

/// The exit codes, in short; docs/options.md has them in full.
pub const EXIT_CODES: [(&str, &str); 10] = [
    ("0", "done"),
    ("1", "a file, a folder or a pipe on this machine"),
    ("2", "wrong input (nothing was sent)"),
    ("3", "no credential (nothing was sent)"),
    ("4", "refused by the platform"),
    ("5", "the platform can't be reached"),
    ("6", "the platform gave no usable answer"),
    ("128+n", "ended by signal n"),
    ("125", "exec: jf-token itself failed; else exec ends with its program's own code"),
    ("126, 127", "exec: the program can't be run; there is no such program"),
];

/// The columns of a page that goes to no terminal.
const COLUMNS: usize = 100;
/// A longer name has its text on the next line.
const LONGEST_NAME: usize = 28;
/// A page with fewer columns has all texts on lines of their own.
const NARROW: usize = 64;
/// No page is narrower.
const NARROWEST: usize = 20;

/// How help is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// How many characters a line may have, unless a word has more.
    pub columns: usize,
    /// Whether names stand out by control sequences of a terminal.
    pub colour: bool,
}

impl Layout {
    /// As wide as `COLUMNS` says, else as the terminal is; in colour on a terminal, unless `NO_COLOR`, `CLICOLOR=0` or `TERM=dumb` says
    /// otherwise, and elsewhere where `CLICOLOR_FORCE` says so (no-color.org, bixense.com/clicolors).
    #[must_use]
    pub fn new(environment: &Environment, terminal: Option<usize>) -> Self {
        let named = |name| environment.get(name).ok().flatten();
        let columns = named("COLUMNS").and_then(|text| text.parse().ok()).or(terminal).filter(|columns| *columns > 0);
        let is_forced = environment.says("CLICOLOR_FORCE", |value| value != "0");
        let is_off = environment.says("CLICOLOR", |value| value == "0") || environment.says("TERM", |value| value == "dumb");
        Self {
            columns: columns.unwrap_or(COLUMNS).max(NARROWEST),
            colour: named("NO_COLOR").is_none() && (is_forced || terminal.is_some() && !is_off),
        }
    }
}

/// The help of the program as a whole.
#[must_use]
pub fn of_all(commands: &[&Syntax], layout: Layout) -> String {
    let mut page = Page { layout, text: String::new() };
    page.paragraph(ABOUT);
    page.paragraph(WITHOUT_A_COMMAND);
    page.usage("jf-token COMMAND [OPTIONS]");
    let texts = |texts: &[(&str, &str)]| texts.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let names = commands.iter().map(|syntax| (syntax.name.to_owned(), with_aliases(syntax)));
    page.entries(&[("Commands", names.collect()), ("Options", texts(&OPTIONS))]);
    page.text.push('\n');
    page.paragraph(WHERE_VALUES_COME_FROM);
    page.entries(&[("Exit codes", texts(&EXIT_CODES))]);
    page.text
}

/// The help of one command.
#[must_use]
pub fn of_command(syntax: &Syntax, layout: Layout) -> String {
    let mut page = Page { layout, text: String::new() };
    page.paragraph(&with_aliases(syntax));
    page.usage(syntax.usage);
    page.heading(if syntax.examples.len() > 1 { "Examples" } else { "Example" });
    page.text.push('\n');
    for example in syntax.examples {
        let _ = writeln!(page.text, "  {example}");
    }
    let of_group = |group: Group| (group.title(), syntax.known().filter(|option| option.group == group).map(entry).collect());
    let groups: Vec<_> = std::iter::once(("Arguments", operands(syntax.operands))).chain(Group::ALL.map(of_group)).collect();
    page.entries(&groups);
    page.text.push('\n');
    page.paragraph(SEE_ALSO);
    page.text
}

fn with_aliases(syntax: &Syntax) -> String {
    if syntax.aliases.is_empty() { syntax.about.to_owned() } else { format!("{} (also: {})", syntax.about, syntax.aliases.join(", ")) }
}

fn operands(kind: Operands) -> Vec<(String, String)> {
    if kind == Operands::Program {
        return vec![("PROGRAM".into(), "The program, with its arguments behind it".into())];
    }
    kind.named().iter().map(|(name, option)| ((*name).to_owned(), format!("The same as --{}", option.name))).collect()
}

fn entry(option: &Opt) -> (String, String) {
    let name = match option.value {
        Value::Text(value) | Value::Secret(value) => format!("--{} {value}", option.name),
        Value::Switch => format!("--{}", option.name),
    };
    (name, option.help_with_variable.to_owned())
}

struct Page {
    layout: Layout,
    text: String,
}

impl Page {
    fn paragraph(&mut self, text: &str) {
        self.wrapped(text, 0, 0);
    }

    fn usage(&mut self, usage: &str) {
        self.heading("Usage");
        let _ = writeln!(self.text, " {usage}");
    }

    fn heading(&mut self, title: &str) {
        let title = self.painted("\x1b[1;4m", &format!("{title}:"));
        let _ = write!(self.text, "\n{title}");
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        if self.layout.colour { format!("{colour}{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Groups of names with a text each, all texts in one column; a group without any is left out.
    fn entries(&mut self, groups: &[(&str, Vec<(String, String)>)]) {
        let lengths = groups.iter().flat_map(|(_, entries)| entries).map(|(name, _)| name.len());
        let widest = lengths.filter(|length| *length <= LONGEST_NAME).max().unwrap_or_default();
        for (title, entries) in groups.iter().filter(|(_, entries)| !entries.is_empty()) {
            self.heading(title);
            self.text.push('\n');
            for (name, text) in entries {
                self.entry(name, text, widest);
            }
        }
    }

    fn entry(&mut self, name: &str, text: &str, widest: usize) {
        let is_narrow = self.layout.columns < NARROW;
        let indent = if is_narrow { 6 } else { widest + 4 };
        let painted = self.painted("\x1b[1m", name);
        let _ = write!(self.text, "  {painted}");
        let rest = if is_narrow || name.len() > widest {
            self.text.push('\n');
            indent
        } else {
            indent - name.len() - 2
        };
        let _ = write!(self.text, "{:rest$}", "");
        self.wrapped(text, indent, indent);
    }

    /// A text from this column on, its further lines with this indent.
    fn wrapped(&mut self, text: &str, mut column: usize, indent: usize) {
        let mut gap = "";
        for word in text.split(' ') {
            let length = word.chars().count();
            if !gap.is_empty() && column + gap.len() + length > self.layout.columns {
                let _ = write!(self.text, "\n{:indent$}", "");
                (column, gap) = (indent, "");
            }
            let _ = write!(self.text, "{gap}{word}");
            (column, gap) = (column + gap.len() + length, " ");
        }
        self.text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(variables: &[(&str, &str)], terminal: Option<usize>) -> (usize, bool) {
        let layout = Layout::new(&variables.iter().copied().collect(), terminal);
        (layout.columns, layout.colour)
    }

    #[test]
    fn colour_and_width_follow_the_conventions() {
        assert_eq!(layout(&[], None), (100, false));
        assert_eq!(layout(&[], Some(80)), (80, true));
        assert_eq!(layout(&[("COLUMNS", "132")], Some(80)), (132, true));
        assert_eq!(layout(&[("COLUMNS", "x")], Some(80)), (80, true));
        assert_eq!(layout(&[("COLUMNS", "0")], Some(0)), (100, true));
        for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
            assert_eq!(layout(&[off], Some(3)), (20, false), "{off:?}");
        }
        assert_eq!(layout(&[("NO_COLOR", "")], Some(80)), (80, true));
        assert_eq!(layout(&[("CLICOLOR_FORCE", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")], None), (100, true));
        assert_eq!(layout(&[("CLICOLOR_FORCE", "0")], None), (100, false));
        assert_eq!(layout(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], Some(80)), (80, false));
    }
}
