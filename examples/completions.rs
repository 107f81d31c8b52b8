//! Writes what a package of jf-token installs beside the program: completions for bash, zsh, fish and PowerShell, and man pages.
//! `cargo run --example completions -- FOLDER`; the files are named as those shells and `man` look for them.
#![allow(clippy::print_stderr, reason = "a tool for who builds the program")]

use std::fs;
use std::io::{self, Error};
use std::path::Path;
use std::process::ExitCode;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::{Shell, generate_to};
use jf_token::commands::syntaxes;
use jf_token::options::command_line::tree;
use jf_token::options::help::{EXIT_CODES, WHERE_VALUES_COME_FROM};
use jf_token::options::table::{ALL, Value};

const NAME: &str = "jf-token";

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: cargo run --example completions -- FOLDER");
        return ExitCode::from(2);
    };
    match write(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("can't write to {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

/// Writes the files into two folders in this one, `completions` and `man1`.
///
/// # Errors
/// Fails if a file can't be written.
pub fn write(folder: &Path) -> io::Result<()> {
    let (completions, pages) = (folder.join("completions"), folder.join("man1"));
    for folder in [&completions, &pages] {
        fs::create_dir_all(folder)?;
    }
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
        let file = generate_to(shell, &mut with_words(), NAME, &completions)?;
        if shell == Shell::Bash {
            // clap_complete 4.6.11 has two names for one thing if the program's name has a dash: then no option is completed.
            let text = fs::read_to_string(&file)?;
            fs::write(&file, text.replace("jf__subcmd__token", "jf__token"))?;
        }
    }
    let mut root = with_words();
    root.build();
    page(&pages, NAME, root.clone(), &root_s_rest())?;
    for syntax in syntaxes() {
        let command = root.find_subcommand(syntax.name).ok_or_else(|| Error::other(syntax.name))?;
        let rest = section("EXAMPLES", syntax.examples.iter().map(|example| format!(".PP\n.nf\n{}\n.fi", escaped(example))));
        page(&pages, &format!("{NAME}-{}", syntax.name), command.clone(), &rest)?;
    }
    Ok(())
}

/// The tree of commands, with the words that an option takes.
fn with_words() -> Command {
    let commands = syntaxes();
    let mut tree = tree(&commands, |_| true);
    for syntax in commands {
        tree = tree.mut_subcommand(syntax.name, |command| {
            syntax.known().filter(|option| !syntax.words(option).is_empty()).fold(command, |command, option| {
                let words = PossibleValuesParser::new(syntax.words(option));
                command.mut_arg(option.name, |arg| arg.value_parser(words).hide_possible_values(option.value == Value::Switch))
            })
        });
    }
    tree
}

fn page(folder: &Path, name: &str, command: Command, rest: &str) -> io::Result<()> {
    let mut text = Vec::new();
    let command = command.display_name(name.to_owned());
    clap_mangen::Man::new(command).source(concat!("jf-token ", env!("CARGO_PKG_VERSION"))).render(&mut text)?;
    text.extend(rest.as_bytes());
    fs::write(folder.join(format!("{name}.1")), text)
}

fn root_s_rest() -> String {
    let codes = EXIT_CODES.iter().map(|(code, meaning)| format!(".TP\n{}\n{}", escaped(code), escaped(meaning)));
    let variables = ALL.iter().map(|option| format!(".TP\n{}\n\\-\\-{}", option.variable, escaped(option.name)));
    let environment = std::iter::once(format!(".PP\n{}", escaped(WHERE_VALUES_COME_FROM))).chain(variables);
    section("EXIT STATUS", codes) + &section("ENVIRONMENT", environment)
}

fn section(title: &str, parts: impl Iterator<Item = String>) -> String {
    format!(".SH {title}\n{}\n", parts.collect::<Vec<_>>().join("\n"))
}

/// Text as roff takes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq")
}
