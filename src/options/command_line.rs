//! The command line, built from the table of options. clap must not parse values into types: its errors would show them.

use std::ffi::{OsStr, OsString};

use clap::builder::OsStringValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

use super::help;
use super::inputs::Flags;
use super::table::{ALL, ENV_FILE, FORMAT, LOG_FORMAT, OUTPUT_FILE, Opt, Value};
use super::value::{meant, near};
use super::{Format, OPERAND, Operands, Source, Syntax, shown};
use crate::error::{Error, Result};
use crate::io::{Environment, LogFormat};

/// The word before the command when the GitHub Action's own scripts call jf-token.
pub const ACTION: &str = "action";

/// What the arguments ask for.
pub struct Asked {
    /// The command; `None` if there are no arguments.
    pub command: Option<&'static Syntax>,
    /// Its flags.
    pub flags: Flags,
    /// The program to run, and its arguments.
    pub program: Vec<OsString>,
    /// Whether it was called by jf's name for it.
    pub as_jf: bool,
}

/// The result of reading the arguments.
pub enum Parsed {
    /// A command is to run.
    Run(Asked),
    /// The help of this command, or of the program as a whole, is to be printed to standard output.
    Help(Option<&'static Syntax>),
    /// The version is to be printed to standard output.
    Version,
}

/// The whole tree of commands. Options are added to the `wanted` commands only, because that takes time.
#[must_use]
pub fn tree(commands: &[&'static Syntax], wanted: impl Fn(&Syntax) -> bool) -> Command {
    let mut root = Command::new("jf-token")
        .version(env!("CARGO_PKG_VERSION"))
        .about(help::ABOUT)
        .arg(help_flag())
        .disable_help_flag(true)
        .disable_help_subcommand(true);
    for syntax in commands {
        let sub = Command::new(syntax.name).about(syntax.about).override_usage(syntax.usage).disable_help_flag(true);
        let sub = sub.visible_aliases(syntax.aliases.iter().copied());
        root = root.subcommand(if wanted(syntax) { with_options(sub, syntax) } else { sub });
    }
    root
}

fn with_options(sub: Command, syntax: &Syntax) -> Command {
    let sub = sub.args(syntax.known().map(arg)).arg(help_flag());
    match syntax.operands {
        Operands::Program => sub.arg(program()),
        Operands::Username => {
            sub.arg(Arg::new(OPERAND).help("The same as --username").value_hint(ValueHint::Other).value_parser(OsStringValueParser::new()))
        }
        Operands::Exchange => {
            let operand = |name: &'static str| Arg::new(name).value_hint(ValueHint::Other).value_parser(OsStringValueParser::new());
            sub.arg(operand("PROVIDER").help("The same as --oidc-provider"))
                .arg(operand("TOKEN").help("The identity token; without it the CI's own"))
        }
        Operands::None | Operands::Output => sub,
    }
}

/// clap has one only with the code that writes help.
fn help_flag() -> Arg {
    Arg::new("help").short('h').long("help").action(ArgAction::Help).help("Show help")
}

fn arg(option: &'static Opt) -> Arg {
    let arg =
        Arg::new(option.name).help(option.help_with_variable).help_heading(option.group.title()).value_parser(OsStringValueParser::new());
    let arg = if option.name == OUTPUT_FILE.name { arg.alias(ENV_FILE) } else { arg };
    let arg = arg.long(option.name).action(ArgAction::Set).overrides_with(option.name).value_hint(hint(option.value));
    match option.value {
        Value::Text(name) | Value::Secret(name) => arg.value_name(name).allow_hyphen_values(true),
        Value::Switch => arg.value_name("BOOL").num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

/// What a shell completes a value to.
fn hint(value: Value) -> ValueHint {
    match value {
        Value::Text("FILE") => ValueHint::FilePath,
        Value::Text("COMMAND") => ValueHint::CommandString,
        _ => ValueHint::Other,
    }
}

/// The arguments after `--`.
fn program() -> Arg {
    let values = OsStringValueParser::new();
    Arg::new(PROGRAM)
        .value_name("PROGRAM")
        .help("The program and its arguments")
        .value_parser(values)
        .value_hint(ValueHint::CommandWithArguments)
        .num_args(1..)
        .last(true)
        .required(true)
}

const PROGRAM: &str = "program";
const HELP: &str = "jf-token COMMAND --help shows the options of a command.";

/// The command that the arguments name. The first of them is jf-token's own name.
#[must_use]
pub fn command_of(args: &[OsString], commands: &[&'static Syntax]) -> Option<&'static Syntax> {
    let word = args.get(1)?.to_str()?;
    commands.iter().copied().find(|syntax| syntax.is_called(word))
}

/// Reads the arguments. The first of them is jf-token's own name.
///
/// # Errors
/// Fails if they are wrong. The message shows no value that could be a token.
pub fn parse(mut args: Vec<OsString>, commands: &[&'static Syntax]) -> Result<Parsed> {
    if args.get(1).is_some_and(|word| word == "help") {
        args.remove(1);
        args.push("--help".into());
    }
    // As jf has it; clap's own is -V.
    if let Some(word) = args.get_mut(1).filter(|word| *word == "-v") {
        *word = "--version".into();
    }
    let command = command_of(&args, commands);
    let as_jf = args.get(1).zip(command).is_some_and(|(word, syntax)| word != syntax.name);
    let args = joined(args, command)?;
    let starts_with_an_option = args.get(1).is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let words = if starts_with_an_option { args.clone() } else { Vec::new() };
    let matches = match tree(commands, |syntax| command.is_some_and(|command| command.name == syntax.name)).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) if error.kind() == ErrorKind::DisplayHelp => return Ok(Parsed::Help(command)),
        Err(error) if error.kind() == ErrorKind::DisplayVersion => return Ok(Parsed::Version),
        Err(_) if starts_with_an_option => {
            let name = |word: &OsString| commands.iter().find(|syntax| *word == syntax.name).map(|syntax| syntax.name);
            let command = words.iter().take_while(|word| *word != "--").find_map(name).unwrap_or("create");
            return Err(Error::input(
                "options come after a command",
                format!("Write jf-token {command} --option VALUE, or give all by variables."),
            ));
        }
        Err(error) => return Err(explain(&error, command, commands)),
    };
    let (Some(syntax), Some((_, found))) = (command, matches.subcommand()) else {
        return Ok(Parsed::Run(Asked { command: None, flags: Flags::new(), program: Vec::new(), as_jf }));
    };
    let runs_program = syntax.operands == Operands::Program;
    let program = if runs_program { found.get_many(PROGRAM).into_iter().flatten().cloned().collect() } else { Vec::new() };
    Ok(Parsed::Run(Asked { command, flags: flags(syntax, found)?, program, as_jf }))
}

/// Whether the output file was given by its other name.
#[must_use]
pub fn says_env_file(args: &[OsString]) -> bool {
    let ours = args.iter().take_while(|arg| *arg != "--");
    ours.filter_map(|arg| long(arg)).any(|option| name_of(&option)[2..] == *ENV_FILE)
}

/// The format that is meant, if the command has it. The arguments may be invalid otherwise.
#[must_use]
pub fn format_of(args: &[OsString], command: Option<&Syntax>, environment: &Environment) -> Option<Format> {
    let format = word_of(&FORMAT, &Format::WORDS, args, environment)?;
    command.is_none_or(|syntax| syntax.formats.contains(&format)).then_some(format)
}

/// How messages are written, those too that say what is wrong with the arguments.
#[must_use]
pub fn log_format_of(args: &[OsString], environment: &Environment) -> LogFormat {
    word_of(&LOG_FORMAT, &LogFormat::WORDS, args, environment).unwrap_or_default()
}

/// What is meant by an option that takes one of a few words, found before the arguments are read.
fn word_of<T: Copy>(option: &Opt, words: &[(&str, T)], args: &[OsString], environment: &Environment) -> Option<T> {
    let mut rest = args.iter().map(|argument| argument.to_str().unwrap_or_default()).take_while(|argument| *argument != "--");
    let mut word = "";
    while let Some(argument) = rest.next() {
        let (name, value) = argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        if name.strip_prefix('-').is_some_and(|name| name.strip_prefix('-').unwrap_or(name) == option.name) {
            word = value.or_else(|| rest.next()).unwrap_or_default();
        }
    }
    if word.is_empty() {
        word = environment.get(option.variable).ok().flatten().unwrap_or_default();
    }
    words.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)).map(|(_, meaning)| *meaning)
}

/// The arguments with each value joined to its option by `=`, and with two dashes before each long option: jf takes one dash too.
///
/// # Errors
/// Fails if an option has no value, or is followed by another option.
fn joined(args: Vec<OsString>, command: Option<&Syntax>) -> Result<Vec<OsString>> {
    let mut joined = Vec::new();
    let mut args = args.into_iter();
    joined.extend(args.next());
    while let Some(arg) = args.next() {
        let Some(mut option) = long(&arg) else {
            let is_the_end = arg == "--";
            joined.push(arg);
            if is_the_end {
                break;
            }
            continue;
        };
        if command.is_some_and(|command| lacks_a_value(&option, command)) {
            let value = args.next().ok_or_else(|| no_value(&option))?;
            if let Some(follower) = value.to_str().and_then(known_option) {
                let help = format!("Write {option} VALUE, or {option}={follower} where that is the value.");
                let error = Error::input(format!("{option} needs a value, but {follower} follows it"), help);
                return Err(error.of_option(Source::Flag(option).option()));
            }
            option.push('=');
            let mut option = OsString::from(option);
            option.push(value);
            joined.push(option);
        } else {
            joined.push(option.into());
        }
    }
    joined.extend(args);
    Ok(joined)
}

/// The argument with two dashes in front, if it is a long option.
fn long(arg: &OsStr) -> Option<String> {
    let arg = arg.to_str()?;
    let name = arg.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let is_long = name.starts_with(|c: char| c.is_ascii_alphabetic()) && (arg.starts_with("--") || name_of(name).len() > 1);
    is_long.then(|| format!("--{name}"))
}

/// The part before the equals sign.
fn name_of(option: &str) -> &str {
    option.split_once('=').map_or(option, |(name, _)| name)
}

/// Whether the next argument is this option's value.
fn lacks_a_value(option: &str, command: &Syntax) -> bool {
    let is = |known: &Opt| option[2..] == *known.name || (known.name == OUTPUT_FILE.name && option[2..] == *ENV_FILE);
    command.known().any(|known| known.value != Value::Switch && is(known))
}

/// The option that a value begins with, if any. The command need not know it.
fn known_option(value: &str) -> Option<&str> {
    let option = name_of(value);
    let name = option.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let others = ["", ENV_FILE, "help", "version", "h", "v", "V"];
    let names = ALL.iter().map(|option| option.name).chain(others);
    (option.len() > 1 && names.into_iter().any(|known| known == name)).then_some(option)
}

fn flags(syntax: &Syntax, found: &ArgMatches) -> Result<Flags> {
    let mut flags = Flags::new();
    let operands = syntax.operands.named();
    let is_operand = |name: &str| operands.iter().any(|(operand, _)| *operand == name);
    for name in syntax.known().map(|option| option.name).chain(operands.iter().map(|(name, _)| *name)) {
        if let Some(value) = found.get_one::<OsString>(name) {
            let Some(text) = value.to_str() else {
                let name = if is_operand(name) { name.to_owned() } else { format!("--{name}") };
                let error = Error::input(format!("{name} is not UTF-8 text"), "Give plain text.");
                return Err(error.of_option(Source::Flag(name).option()));
            };
            flags.push((name, text.to_owned()));
        }
    }
    let is_given = |name: &str| flags.iter().any(|(given, _)| *given == name);
    if let Some((operand, option)) = operands.iter().find(|(operand, option)| is_given(operand) && is_given(option.name)) {
        let what = format!("{operand}: --{} gives it too", option.name);
        return Err(Error::input(what, "Give one of them.").of_option(Some(option.name)));
    }
    Ok(flags)
}

fn no_value(option: &str) -> Error {
    let error = Error::input(
        format!("{} needs a value", shown(option)),
        "Write --option VALUE or --option=VALUE; a switch takes --switch or --switch=false.",
    );
    error.of_option(Source::Flag(option.to_owned()).option())
}

/// Explains an error in our own words. clap's would show the values, and the code that writes them takes 30 KiB.
fn explain(error: &clap::Error, command: Option<&Syntax>, commands: &[&'static Syntax]) -> Error {
    let culprit = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.as_str(),
        _ => "",
    };
    let argument = culprit(ContextKind::InvalidArg);
    let option = argument.strip_prefix("--").map(|rest| rest.split(['=', ' ', '[']).next().unwrap_or_default());
    match (error.kind(), command) {
        (ErrorKind::MissingRequiredArgument, _) => no_program(),
        (ErrorKind::UnknownArgument, Some(command)) => match option {
            Some(name) => Error::input(format!("unknown option --{} for {}", shown(name), command.name), option_hint(name, command)),
            None => not_an_option(argument, command),
        },
        (_, Some(_)) => option.map_or_else(|| Error::input("the arguments can't be read", HELP), |name| no_value(&format!("--{name}"))),
        (_, None) => {
            let word = culprit(ContextKind::InvalidSubcommand);
            Error::input(format!("unknown command '{}'", shown(word)), command_hint(word, commands))
        }
    }
}

fn not_an_option(argument: &str, command: &Syntax) -> Error {
    match command.operands {
        _ if argument.starts_with('-') => Error::input("options have no short forms", HELP),
        Operands::Program => Error::input(
            format!("'{}' belongs to no option", shown(argument)),
            "A program and its arguments stand behind two dashes: jf-token exec [OPTIONS] -- PROGRAM ARGUMENTS. Quote values that hold spaces.",
        ),
        Operands::Output => Error::input(
            format!("{} does not start a program", command.name),
            format!("Write PROGRAM 2>&1 | jf-token {}, or jf-token exec -- PROGRAM.", command.name),
        ),
        Operands::None | Operands::Username | Operands::Exchange => Error::input(
            "too many arguments",
            "Every value needs its flag, except the user name of create, and the provider and identity token of exchange-oidc-token. Quote values that hold spaces.",
        ),
    }
}

fn no_program() -> Error {
    Error::input("there is no program to run", "Put it after two dashes: jf-token exec [OPTIONS] -- PROGRAM ARGUMENTS.")
}

fn option_hint(name: &str, command: &Syntax) -> String {
    match meant(name, command.known().map(|option| option.name)) {
        Some(option) => format!("Did you mean --{option}?"),
        None => format!("jf-token {} --help shows its options.", command.name),
    }
}

fn command_hint(word: &str, commands: &[&Syntax]) -> String {
    let words = || commands.iter().flat_map(|syntax| [syntax.name].into_iter().chain(syntax.aliases.iter().copied()));
    if let Some(command) = near(word, words()) {
        return format!("Did you mean {command}?");
    }
    let names: Vec<_> = commands.iter().map(|syntax| syntax.name).collect();
    let (last, others) = names.split_last().unwrap_or((&"", &[]));
    format!("Use {} or {last}; jf-token --help shows more.", others.join(", "))
}
