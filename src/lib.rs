//! jf-token gives a CI job a JFrog access token for exactly as long as the job needs it: minted, hidden from the log,
//! handed over, revoked. `ARCHITECTURE.md` tells the way of a token through these modules.

pub mod access;
mod ci;
mod clock;
mod commands;
mod console;
mod credential;
mod deliver;
mod draft;
mod environment;
mod error;
pub mod inputs;
mod os;
mod random;
mod session;

use std::ffi::OsString;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use inputs::cli::{self, Asked};
use inputs::{Command, Inputs, options};

pub use environment::Environment;
pub use redact;

/// The outside, handed in, so that a test or the demo can set it.
pub struct World<'a> {
    /// The arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The environment variables.
    pub environment: Environment,
    /// Standard input.
    pub stdin: &'a mut dyn Read,
    /// Standard output: data.
    pub stdout: &'a mut dyn Write,
    /// Standard error: talk.
    pub stderr: &'a mut dyn Write,
    /// The clock.
    pub now: fn() -> SystemTime,
}

/// The whole program.
pub fn run(world: World) -> ExitCode {
    let ci = ci::detect(&world.environment);
    let console = console::Console::new(world.stdout, world.stderr, ci.as_ref());
    let runs_another = world.args.get(1).is_some_and(|word| word == Command::Exec.name());
    let done = cli::parse(world.args).map_err(anyhow::Error::new).and_then(|asked| {
        let (command, flags, program) = match asked {
            Asked::Help(text) => return Ok(console.data(&text).map(|()| 0)?),
            Asked::Run(command, flags, program) => (command, flags, program),
        };
        let inputs = Inputs::new(flags, program, world.environment, ci.is_action());
        if let Some(name) = inputs.secret_on_argument_list() {
            console.warn(&format!(
                "--{name} is on the argument list, where every process of this machine can read it: use its variable, a file or standard input"
            ));
        }
        for (name, nearest) in inputs.unknown_variables() {
            console.warn(&format!("the variable {name} is not known; did you mean {nearest}?"));
        }
        if command.is_none() && inputs.text(&options::URL)?.is_none() {
            return Err(error::Error::input(
                "there is nothing to do",
                "Set JF_URL and JF_ACCESS_TOKEN, or give a command: jf-token --help.",
            )
            .into());
        }
        commands::Job::new(&inputs, world.stdin, &console, ci.as_ref(), world.now).run(command.unwrap_or(Command::Create))
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(failure) if runs_another => {
            console.failure(&failure);
            ExitCode::from(commands::OWN_FAILURE)
        }
        Err(failure) => ExitCode::from(console.failure(&failure)),
    }
}

/// The program as it is started: with the process's own environment, streams and clock.
#[must_use]
pub fn main() -> ExitCode {
    os::harden();
    run(World {
        args: std::env::args_os().collect(),
        environment: std::env::vars_os().collect(),
        stdin: &mut std::io::stdin(),
        stdout: &mut std::io::stdout(),
        stderr: &mut std::io::stderr(),
        now: SystemTime::now,
    })
}
