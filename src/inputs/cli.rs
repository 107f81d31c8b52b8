//! The command line, built from the table of options. No value goes through a typed parser: its errors would show it.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use super::options::{ALL, Opt, USERNAME, Value};
use super::{Command, shown};
use crate::error::{Error, Result};

const AFTER_HELP: &str = "\
Every option is also an environment variable, named in the option's help. A flag beats the GitHub Action's input beats the
variable; an empty one counts as absent.

Exit codes: 0 done; 1 a file or folder on this machine; 2 wrong input (nothing was sent); 3 no credential (nothing was sent);
4 refused by the platform; 5 the platform can't be reached; 6 the platform gave no usable answer; 128+n ended by signal n.";

impl Command {
    /// Every command.
    pub const ALL: [Command; 3] = [Command::Create, Command::Revoke, Command::Inspect];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Command::Create => "create",
            Command::Revoke => "revoke",
            Command::Inspect => "inspect",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Command::Create => "Mint an access token, hide it from the log, hand it over, remember it",
            Command::Revoke => "End every token of the session and remove what was written for it",
            Command::Inspect => "Show what a token is: its claims and the platform's view, never the token",
        }
    }
}

/// What the arguments ask for.
pub enum Asked {
    /// A command with its flags. None: no command at all.
    Run(Option<Command>, BTreeMap<&'static str, String>),
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
        .disable_help_subcommand(true);
    for command in Command::ALL {
        let mut sub = clap::Command::new(command.name()).about(command.about()).after_help(AFTER_HELP);
        // The options of the commands that are not given are never made.
        sub = match command {
            Command::Create => sub.visible_aliases(["atc", "access-token-create"]).defer(|sub| sub.args(args(Command::Create))),
            Command::Revoke => sub.defer(|sub| sub.args(args(Command::Revoke))),
            Command::Inspect => sub.defer(|sub| sub.args(args(Command::Inspect))),
        };
        root = root.subcommand(sub);
    }
    root
}

fn args(command: Command) -> impl Iterator<Item = Arg> {
    ALL.iter().filter(move |option| option.commands.contains(&command)).map(|option| arg(option))
}

fn arg(option: &Opt) -> Arg {
    let arg = Arg::new(option.name).help(format!("{} [{}]", option.help, option.variable)).value_parser(OsStringValueParser::new());
    if option.name == USERNAME.name {
        return arg.value_name("USERNAME");
    }
    let arg = arg.long(option.name).action(ArgAction::Set).overrides_with(option.name);
    match option.value {
        Value::Text(name) | Value::Secret(name) => arg.value_name(name).allow_hyphen_values(true),
        Value::Switch => arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// Reads the arguments, the program's name first.
///
/// # Errors
/// When they are wrong; the message shows no value that could be a token.
pub fn parse(args: Vec<OsString>) -> Result<Asked> {
    let matches = match tree().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            return Ok(Asked::Help(error.to_string()));
        }
        Err(error) => return Err(explain(&error)),
    };
    let Some((name, found)) = matches.subcommand() else { return Ok(Asked::Run(None, BTreeMap::new())) };
    let command = Command::ALL.into_iter().find(|command| command.name() == name);
    Ok(Asked::Run(command, flags(command, found)?))
}

fn flags(command: Option<Command>, found: &ArgMatches) -> Result<BTreeMap<&'static str, String>> {
    let mut flags = BTreeMap::new();
    for option in ALL.iter().filter(|option| command.is_some_and(|command| option.commands.contains(&command))) {
        if let Some(value) = found.get_one::<OsString>(option.name) {
            let Some(text) = value.to_str() else {
                return Err(Error::input(format!("--{} is not UTF-8 text", option.name), "Give plain text."));
            };
            flags.insert(option.name, text.to_owned());
        }
    }
    Ok(flags)
}

/// clap's own text would show the values it met.
fn explain(error: &clap::Error) -> Error {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let named = context(ContextKind::InvalidArg).map(|text| text.split(['=', ' ']).next().unwrap_or_default().to_owned());
    let named = named.filter(|text| text.starts_with('-')).map(|text| shown(&text));
    let suggestion = nearest(named.as_deref());
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = context(ContextKind::InvalidSubcommand).map(|word| shown(&word)).unwrap_or_default();
            Error::input(format!("'{word}' is no command"), "Use create, revoke or inspect; jf-token --help shows more.")
        }
        ErrorKind::UnknownArgument => match named {
            Some(name) => Error::input(format!("{name} is no option of this command"), suggestion),
            None => {
                Error::input("there is an argument too many", "One user name at most stands without a flag. Quote values that hold spaces.")
            }
        },
        ErrorKind::InvalidValue
        | ErrorKind::NoEquals
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::TooFewValues
        | ErrorKind::TooManyValues => {
            Error::input(format!("{} has no value, or one too many", named.unwrap_or_default()), "Write --option VALUE, or --option=VALUE.")
        }
        _ => Error::input(format!("the arguments can't be read ({})", error.kind()), "See jf-token --help."),
    }
}

fn nearest(name: Option<&str>) -> String {
    let name = name.unwrap_or_default().trim_start_matches('-');
    let closest = ALL.iter().map(|option| (super::distance(name, option.name), option.name)).min();
    match closest {
        Some((distance, option)) if distance <= 3 => format!("Did you mean --{option}?"),
        _ => "See jf-token COMMAND --help for those it knows.".into(),
    }
}
