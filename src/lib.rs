//! jf-token gives a CI job a JFrog access token for exactly as long as the job needs it: it mints the token, hides it from the log, hands
//! it over and revokes it. `ARCHITECTURE.md` describes a token's way through these modules.

mod api;
mod ci;
pub mod commands;
mod credential;
mod deliver;
mod error;
mod io;
mod lifecycle;
pub mod options;
mod os;
mod session;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use ci::{Action, Ci};
use error::{Error, Kind};
use io::{Console, FirstLine};
use lifecycle::{Context, Outside};
use options::command_line::{self, Parsed};
use options::help::{self, Layout};
use options::{Format, Inputs, Names, Operands, Options, Syntax};

pub use io::Environment;

/// The outside world, passed in so that a test or the demo can replace it.
pub struct World {
    /// The arguments, starting with the program's name.
    pub args: Vec<OsString>,
    /// The environment variables.
    pub environment: Environment,
    /// The working directory.
    pub folder: PathBuf,
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// Standard output, for data.
    pub stdout: Box<dyn Write + Send>,
    /// Standard error, for messages.
    pub stderr: Box<dyn Write + Send>,
    /// How many columns the terminal has that standard output goes to, if it does; 0 if it does not say.
    pub terminal: Option<usize>,
    /// The clock.
    pub now: fn() -> SystemTime,
}

/// Runs the program. Returns its exit code.
pub fn run(world: World) -> i32 {
    let World { mut args, environment, folder, stdin, stdout, stderr, terminal, now } = world;
    let ci: Arc<dyn Ci> = Arc::from(ci::detect(&environment));
    let console = Console::new(stdout, stderr, ci.clone(), command_line::log_format_of(&args, &environment));
    if args.len() < 2 && terminal.is_some() && !ci.is_ci() {
        // Someone who types just the name wants to know what it is. A token would be shown on the screen.
        args.push("--help".into());
    }
    let action = args.get(1).is_some_and(|word| word == command_line::ACTION).then(|| {
        args.remove(1);
        Action::new(&environment)
    });
    let commands = commands::syntaxes();
    let command = command_line::command_of(&args, &commands);
    let format = command_line::format_of(&args, command, &environment);
    let runs_program = command.is_some_and(|syntax| syntax.operands == Operands::Program);
    let fail = |failure: &anyhow::Error, console: &Console| fail(failure, runs_program, ci.as_ref(), console, format);
    let parsed = parse(args, &commands, &environment, action.is_some(), &console, terminal);
    let (syntax, options) = match parsed {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return 0,
        Err(error) => return fail(&error.into(), &console),
    };
    // A program that is started must find its input unread, except for the line that may hold the credential.
    let stdin = if runs_program { Box::new(FirstLine::new(os::stdin().ok().map(os::Patient))) } else { stdin };
    if options.diagnostics.quiet {
        console.be_quiet();
    }
    let cx = Context::new(options, Outside { environment, folder, now, stdin }, console, ci.clone(), action);
    let command = commands::ALL.into_iter().find(|command| command.syntax.name == syntax.name).unwrap_or(commands::ALL[0]);
    (command.run)(&cx).unwrap_or_else(|failure| fail(&failure, &cx.console))
}

/// Prints a failure, also for a shell that runs the output. Returns the exit code.
fn fail(failure: &anyhow::Error, runs_program: bool, ci: &dyn Ci, console: &Console, format: Option<Format>) -> i32 {
    if let Some(script) = format.and_then(deliver::script_of_a_failure) {
        // The failure itself is the one to report.
        let _ = console.data(script);
    }
    let code = failure.downcast_ref::<Error>().map_or(Kind::Local, Error::kind).exit_code(runs_program);
    ci::report(failure, Some(code), ci, console);
    code
}

fn show_help(command: Option<&Syntax>, commands: &[&'static Syntax], layout: Layout, console: &Console) -> error::Result<()> {
    if layout.colour {
        os::allow_colours();
    }
    console.data(&command.map_or_else(|| help::of_all(commands, layout), |command| help::of_command(command, layout)))
}

/// What to do. `None` if a text was asked for, which is then printed.
fn parse(
    args: Vec<OsString>,
    commands: &[&'static Syntax],
    environment: &Environment,
    in_action: bool,
    console: &Console,
    terminal: Option<usize>,
) -> error::Result<Option<(&'static Syntax, Options)>> {
    let says_env_file = command_line::says_env_file(&args);
    let asked = match command_line::parse(args, commands)? {
        Parsed::Help(command) => return show_help(command, commands, Layout::new(environment, terminal), console).map(|()| None),
        Parsed::Version => return console.data(concat!("jf-token ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| None),
        Parsed::Run(asked) => asked,
    };
    let syntax = asked.command.unwrap_or(commands[0]);
    let inputs = Inputs { syntax, flags: &asked.flags, environment, in_action };
    let names = Names::new(&inputs, says_env_file);
    console.word(move |text| names.put_into(text));
    for option in inputs.secrets_on_argument_list() {
        let (name, instead) = (option.name, option.instead_of_the_flag());
        console.warn(&format!("--{name} is on the argument list, where every process of this machine can read it: use {instead}"));
    }
    for (name, meant) in inputs.unknown_variables() {
        let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        console.warn(&format!("unknown variable {name}{hint}"));
    }
    let says_where = inputs.text(&options::table::URL)?.or(inputs.text(&options::table::SERVER_ID)?).is_some();
    if asked.command.is_none() && !says_where && environment.names(options::table::EXPORTED).all(|name| environment.is_blank(name)) {
        let instead = [&options::table::URL, &options::table::ACCESS_TOKEN].map(|option| options::set_instead(environment, option));
        let help = instead.concat() + "Set JF_URL and JF_ACCESS_TOKEN, or give a command: jf-token --help.";
        return Err(Error::input("there is nothing to do", help));
    }
    Ok(Some((syntax, Options::parse(&inputs, asked.program, asked.as_jf)?)))
}

/// Each kind of credential, and the options that name it, for the test that compares `docs/credentials.md`. Not a part of the crate's interface.
#[doc(hidden)]
#[must_use]
pub fn credentials() -> Vec<(&'static str, Vec<&'static options::table::Opt>)> {
    credential::kinds()
}

/// What the fuzz targets call. Not a part of the crate's interface.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::api::fuzzing::{Answer, messages, mint_url, unknown_entries};
    use crate::api::{IssuedToken, PlatformUrl};
    use crate::options::Format;
    pub use crate::session::fuzzing::rewritten;

    /// The output of `--format` for a token in the form of a session's file, and the platform's address as it was read; `None` if it is not a
    /// token.
    #[must_use]
    pub fn printed(format: Format, token: &str, platform: &str) -> Option<(String, String)> {
        let token: IssuedToken = serde_json::from_str(token).ok()?;
        let platform = PlatformUrl::try_from(platform.to_owned()).ok()?;
        let script = crate::deliver::print(format, &token, &platform, true).ok()?.to_string();
        Some((script, platform.as_str().to_owned()))
    }

    /// What is appended to one of GitHub's files; `None` if a value contains its delimiter.
    #[must_use]
    pub fn printed_for_github(pairs: &[(&str, String)], number: u64) -> Option<String> {
        crate::ci::blocks(pairs, || number).ok()
    }
}

/// Runs the program with the process's own arguments, environment, streams and clock. Returns its exit code.
#[must_use]
pub fn main() -> i32 {
    os::harden();
    let (args, environment) = (std::env::args_os().collect::<Vec<_>>(), std::env::vars_os().collect());
    let environment = lifecycle::with_piped(environment, &args);
    if let Some(answered) = credential::answer_ssh(&args, &environment, &mut os::Patient(std::io::stdout())) {
        return i32::from(!answered);
    }
    let command = command_line::command_of(&args, &commands::syntaxes());
    if let Some(code) = command.filter(|syntax| syntax.operands == Operands::Program).and_then(|_| os::lead(&args)) {
        return code;
    }
    run(World {
        args,
        environment,
        folder: std::env::current_dir().unwrap_or_default(),
        stdin: Box::new(os::Patient(std::io::stdin())),
        stdout: Box::new(os::OwnStream(std::io::stdout())),
        stderr: Box::new(os::OwnStream(std::io::stderr())),
        terminal: os::terminal_columns(),
        now: SystemTime::now,
    })
}
