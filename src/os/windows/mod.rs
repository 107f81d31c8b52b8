mod files;
mod names;
mod offer;
mod output;
mod processes;
mod signals;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::windows::io::AsHandle;
use std::os::windows::process::CommandExt;
use std::process::{Command, ExitStatus};

use winapi_util::HandleRef;
use winapi_util::console::{Console, screen_buffer_info};

use super::{OwnStream, Patient};

pub use files::{
    EXPOSED, close_file, close_folder, close_new_file, folder, is_at, mode_of, open_private, private_folder, remove_file, replace, set_mode,
};
pub(super) use names::places;
pub use names::{check_arguments, check_name, is_program, program, variable_key};
pub use offer::{Offer, accept};
pub(super) use output::keep_inherited;
pub use output::{Ending, Screens, Source};
pub use processes::{Group, Parent, Tree, Watched, ancestor_with, ask_to_end, is_alive, job_process, name_of};
pub use signals::{Signals, asked_to_stop, lead, pass_on, stop_request};

/// How many columns the terminal has that standard output goes to; `None` if it goes elsewhere. Some have 0.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let columns = screen_buffer_info(HandleRef::stdout()).map(|found| found.window_rect());
    Some(columns.map_or(0, |window| usize::try_from(window.right - window.left + 1).unwrap_or(0)))
}

/// Makes the terminal that standard output goes to understand control sequences. Git Bash's is none to the system, and does already.
pub fn allow_colours() {
    let _ = Console::stdout().and_then(|mut console| console.set_virtual_terminal_processing(true));
}

/// The variable that names the user's own folder.
pub const HOME: &str = "USERPROFILE";

/// The variable that names a folder into which only this user can write.
pub const PRIVATE: &str = "LOCALAPPDATA";

/// Does nothing: this system writes no core files.
pub fn harden() {}

/// Empty: the private folder is this user's already.
#[must_use]
pub fn user() -> String {
    String::new()
}

/// None: whose a pipe is can't be told here.
#[must_use]
pub fn other_owners_of_streams() -> Vec<String> {
    Vec::new()
}

/// Detaches a process that is about to start from this one's console and its Ctrl-C. It gets a console that nobody sees: without one, what
/// it starts would open a window.
pub fn detach(process: &mut Command) {
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    process.creation_flags(CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP);
}

/// A command of this system's shell.
#[must_use]
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    // With /S, cmd removes the outer quotes and leaves the line as it is.
    command.args(["/D", "/S", "/C"]).raw_arg(format!("\"{line}\""));
    command
}

/// The program's exit code, whose 32 bits are all in use here.
#[must_use]
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(1)
}

/// This process's standard input, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stdin() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// This process's standard output, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stdout() -> io::Result<File> {
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

/// This process's standard error, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stderr() -> io::Result<File> {
    io::stderr().as_handle().try_clone_to_owned().map(File::from)
}

/// Always true.
pub(super) fn has_null_device() -> bool {
    true
}

/// Always false: who reads a pipe can't be told here.
#[must_use]
pub fn is_read_by_starter(_stream: &File, _variable: &str, _value: &str, _has_handler: bool) -> bool {
    false
}

impl<T: Write> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Write> Write for OwnStream<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<T: Read> Read for Patient<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

/// Nothing to check: files are open without number here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn check_room() -> io::Result<()> {
    Ok(())
}

/// Does nothing: pipes keep their size here.
pub fn widen(_pipe: &File) {}
