//! The command line, built from the table of options. No value goes through a typed parser: its errors would show it.

use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches};

use super::options::{self, ALL, OUTPUT_FILE, Opt, USERNAME, Value};
use super::{Command, Flags, shown};
use crate::error::{Error, Result};

const AFTER_HELP: &str = "\
Every option is also an environment variable, named in the option's help. A flag beats the GitHub Action's input beats the
variable; an empty one counts as absent.

Exit codes: 0 done; 1 a file, a folder or a pipe on this machine; 2 wrong input (nothing was sent); 3 no credential (nothing was sent);
4 refused by the platform; 5 the platform can't be reached; 6 the platform gave no usable answer; 128+n ended by signal n.
exec: the program's own; 127 no such program; 126 it can't be run; 125 jf-token itself failed.";

impl Command {
    /// Every command.
    pub const ALL: [Command; 8] =
        [Command::Create, Command::Get, Command::Exec, Command::Keep, Command::Refresh, Command::Redact, Command::Revoke, Command::Inspect];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.words().0
    }

    /// Name, usage, and what it does.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Command::Create => {
                ("create", "jf-token create [OPTIONS] [USERNAME]", "Mint an access token, hide it from the log, hand it over, remember it")
            }
            Command::Get => ("get", "jf-token get [OPTIONS]", "Print the session's token, renewed first if it must be"),
            Command::Exec => (
                "exec",
                "jf-token exec [OPTIONS] -- PROGRAM [ARGUMENTS]",
                "Run a program with a fresh token in its environment, every secret hidden in what it prints, and revoke the token at its end",
            ),
            Command::Keep => (
                "keep",
                "jf-token keep [OPTIONS]",
                "Renew the session's token in the background until the process that started this ends, and rewrite its files",
            ),
            Command::Refresh => ("refresh", "jf-token refresh [OPTIONS]", "Renew the session's token now"),
            Command::Redact => (
                "redact",
                "PROGRAM 2>&1 | jf-token redact [OPTIONS]",
                "Pass standard input on with every secret of the job's sessions hidden",
            ),
            Command::Revoke => ("revoke", "jf-token revoke [OPTIONS]", "End every token of the session and remove what was written for it"),
            Command::Inspect => {
                ("inspect", "jf-token inspect [OPTIONS]", "Show what a token is: its claims and the platform's view, never the token")
            }
        }
    }
}

/// What the arguments ask for.
pub enum Asked {
    /// A command with its flags, and the program that it is to run. None: no command at all.
    Run(Option<Command>, Flags, Vec<OsString>),
    /// A text for standard output.
    Help(String),
}

/// The whole command tree.
#[must_use]
pub fn tree() -> clap::Command {
    let mut root = clap::Command::new("jf-token")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Gives a CI job a JFrog access token for exactly as long as the job needs it.\nWith no command: create, from the environment alone")
        .after_help(AFTER_HELP)
        .override_usage("jf-token [COMMAND]")
        .disable_help_subcommand(true);
    for command in Command::ALL {
        let (name, usage, about) = command.words();
        let sub = clap::Command::new(name).about(about).override_usage(usage).after_help(AFTER_HELP);
        // The options of the commands that are not given are never made.
        root = root.subcommand(match command {
            Command::Create => sub.visible_aliases(["atc", "access-token-create"]).defer(|sub| sub.args(args(Command::Create))),
            Command::Get => sub.defer(|sub| sub.args(args(Command::Get))),
            Command::Exec => sub.defer(|sub| sub.args(args(Command::Exec)).arg(program())),
            Command::Keep => sub.defer(|sub| sub.args(args(Command::Keep))),
            Command::Refresh => sub.defer(|sub| sub.args(args(Command::Refresh))),
            Command::Redact => sub.defer(|sub| sub.args(args(Command::Redact))),
            Command::Revoke => sub.defer(|sub| sub.args(args(Command::Revoke))),
            Command::Inspect => sub.defer(|sub| sub.args(args(Command::Inspect))),
        });
    }
    root
}

fn args(command: Command) -> impl Iterator<Item = Arg> {
    options::of(command).map(move |option| arg(option, command))
}

fn arg(option: &Opt, command: Command) -> Arg {
    let arg = Arg::new(option.name).help(option.help_with_variable).value_parser(OsStringValueParser::new());
    // Not with exec: there it would be a program that somebody wrote without the dashes.
    if option.name == USERNAME.name && command != Command::Exec {
        return arg.value_name("USERNAME");
    }
    let arg = if option.name == OUTPUT_FILE.name { arg.alias("env-file") } else { arg };
    let arg = arg.long(option.name).action(ArgAction::Set).overrides_with(option.name);
    match option.value {
        Value::Text(name) | Value::Secret(name) => arg.value_name(name).allow_hyphen_values(true),
        Value::Switch => arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// What stands behind `--`.
fn program() -> Arg {
    let values = OsStringValueParser::new();
    Arg::new(PROGRAM)
        .value_name("PROGRAM")
        .help("The program and its arguments")
        .value_parser(values)
        .num_args(1..)
        .last(true)
        .required(true)
}

const PROGRAM: &str = "program";

/// Reads the arguments, jf-token's own name first.
///
/// # Errors
/// When they are wrong; the message shows no value that could be a token.
pub fn parse(mut args: Vec<OsString>) -> Result<Asked> {
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.push("--help".into());
    }
    let words: Vec<String> = args.iter().skip(1).take_while(|arg| *arg != "--").map(|arg| arg.to_string_lossy().into_owned()).collect();
    let names_program = args.iter().any(|arg| arg == "--");
    let matches = match tree().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Asked::Help(error.to_string()));
        }
        Err(error) => return Err(explain(&error, &words, names_program)),
    };
    let Some((name, found)) = matches.subcommand() else { return Ok(Asked::Run(None, Flags::new(), Vec::new())) };
    let command = Command::ALL.into_iter().find(|command| command.name() == name);
    let program =
        if command == Some(Command::Exec) { found.get_many(PROGRAM).into_iter().flatten().cloned().collect() } else { Vec::new() };
    Ok(Asked::Run(command, flags(command, found)?, program))
}

fn flags(command: Option<Command>, found: &ArgMatches) -> Result<Flags> {
    let mut flags = Flags::new();
    for option in command.into_iter().flat_map(options::of) {
        if let Some(value) = found.get_one::<OsString>(option.name) {
            let Some(text) = value.to_str() else {
                return Err(Error::input(format!("--{} is not UTF-8 text", option.name), "Give plain text."));
            };
            if ALL.iter().any(|option| text.strip_prefix("--") == Some(option.name)) {
                return Err(Error::input(
                    format!("--{} has no value: {text} stands behind it", option.name),
                    "Write --option VALUE or --option=VALUE.",
                ));
            }
            flags.push((option.name, text.to_owned()));
        }
    }
    Ok(flags)
}

/// clap's own text would show the values it met, and the code that writes it is 30 KiB.
fn explain(error: &clap::Error, args: &[String], names_program: bool) -> Error {
    let flag = |arg: &&String| arg.starts_with("--").then(|| arg.split('=').next().unwrap_or_default().trim_start_matches('-').to_owned());
    let command =
        Command::ALL.into_iter().find(|command| args.first().is_some_and(|word| word == command.name())).unwrap_or(Command::Create);
    let known = |name: &String| options::of(command).any(|option| option.name == name);
    if args.first().is_some_and(|arg| arg.starts_with('-')) {
        return Error::input("options stand behind a command", "Write jf-token create --option VALUE, or give all by variables.");
    }
    match error.kind() {
        ErrorKind::MissingRequiredArgument => no_program(),
        ErrorKind::InvalidSubcommand => {
            let word = args.first().map(|word| shown(word)).unwrap_or_default();
            Error::input(
                format!("'{word}' is no command"),
                "Use create, get, exec, keep, refresh, redact, revoke or inspect; jf-token --help shows more.",
            )
        }
        // A program without the dashes: what stands behind it is its own.
        ErrorKind::UnknownArgument if command == Command::Exec && args.get(1).is_some_and(|word| !word.starts_with('-')) => no_program(),
        ErrorKind::UnknownArgument => match args.iter().find_map(|arg| flag(&arg).filter(|name| !known(name))) {
            Some(name) => Error::input(format!("--{} is no option of {}", shown(&name), command.name()), nearest(&name, command)),
            None if command == Command::Exec && !names_program => no_program(),
            None if args.iter().any(|arg| arg.len() == 2 && arg.starts_with('-')) => {
                Error::input("options have no short forms", "jf-token COMMAND --help shows the options of a command.")
            }
            None if command == Command::Exec => no_program(),
            None if command == Command::Redact => {
                Error::input("redact starts no program", "Write PROGRAM 2>&1 | jf-token redact, or jf-token exec -- PROGRAM.")
            }
            None => Error::input(
                "there is an argument too many",
                "One user name at most stands without a flag, and only with create. Quote values that hold spaces.",
            ),
        },
        _ => {
            let last = args.iter().rev().find_map(|arg| flag(&arg).filter(known));
            let what = last.map_or_else(
                || "the arguments can't be read".into(),
                |name| format!("--{name} has no value, or one that is set off wrongly"),
            );
            Error::input(what, "Write --option VALUE or --option=VALUE; a switch takes --switch or --switch=false.")
        }
    }
}

fn no_program() -> Error {
    Error::input("there is no program to run", "Write it behind two dashes: jf-token exec [OPTIONS] -- PROGRAM ARGUMENTS.")
}

fn nearest(name: &str, command: Command) -> String {
    match options::of(command).map(|option| (super::distance(name, option.name), option.name)).min() {
        Some((1..=3, option)) => format!("Did you mean --{option}?"),
        _ => "jf-token COMMAND --help shows the options of a command.".into(),
    }
}
