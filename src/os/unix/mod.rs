#[cfg(not(target_os = "linux"))]
mod kqueue;
mod offer;
mod patient;
#[cfg(target_os = "linux")]
mod pidfd;
mod process;
#[cfg(target_os = "linux")]
mod reader;
mod ready;
mod signals;
mod terminal;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use rustix::fs::OFlags;

pub use offer::{Offer, accept};
pub use process::{Group, Parent, Watched, ancestor_with, ask_to_end, detach, is_alive, job_process, name_of};
#[cfg(target_os = "linux")]
pub use reader::is_read_by_starter;
pub use signals::{Signals, asked_to_stop, lead, pass_on, stop_request};
pub use terminal::{Ending, Screens, Source};

use super::Folder;

/// How many columns the terminal has that standard output goes to; `None` if it goes elsewhere. Some have 0.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    let stdout = io::stdout();
    stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(stdout).map_or(0, |size| size.ws_col.into()))
}

/// Does nothing: terminals understand control sequences.
pub fn allow_colours() {}

/// The variable that names the user's own folder.
pub const HOME: &str = "HOME";

/// The variable that names a folder into which only this user can write.
pub const PRIVATE: &str = "XDG_RUNTIME_DIR";

/// Keeps this process's memory, which holds tokens, out of core dumps and, on Linux, away from other processes of the same user.
/// Elsewhere a program that we start inherits that it leaves no core file, and may change it.
pub fn harden() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) });
    }
}

/// The part of a folder's name that sets this user apart: a dash and the effective user id.
#[must_use]
pub fn user() -> String {
    format!("-{}", rustix::process::geteuid().as_raw())
}

/// The other users who made the pipes that are our streams, each as `user` tells this one.
#[must_use]
pub fn other_owners_of_streams() -> Vec<String> {
    let made = [stdin(), stdout(), stderr()].into_iter().filter_map(|stream| stream.ok()?.metadata().ok());
    let pipes = made.filter(|found| found.file_type().is_fifo() || found.file_type().is_socket());
    pipes.map(|found| format!("-{}", found.uid())).filter(|owner| *owner != user()).collect()
}

/// Why a folder that others can enter is refused.
pub const EXPOSED: &str = "other users can read it (chmod 700 would fix that)";

/// Looks at a folder without following a link: in a shared temporary folder anyone may have put one there.
///
/// # Errors
/// When it is not a folder, or another user's.
pub fn folder(path: &Path) -> io::Result<Folder> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Folder::Absent),
        found => found?,
    };
    if !found.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to another user ({})", found.uid())));
    }
    Ok(if found.mode().trailing_zeros() >= 6 { Folder::Private } else { Folder::Exposed })
}

/// Makes a folder for this user only, where there is none.
///
/// # Errors
/// When it can't be made, or what is there is not this user's folder.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Err(error) = DirBuilder::new().recursive(false).mode(0o700).create(path)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    match folder(path)? {
        Folder::Absent => Err(io::ErrorKind::NotFound.into()),
        Folder::Private => Ok(()),
        Folder::Exposed => Err(io::Error::other(EXPOSED)),
    }
}

/// Takes away what others may do with a folder.
///
/// # Errors
/// When the system refuses.
pub fn close_folder(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

/// Takes away what others may do with a file.
///
/// # Errors
/// When it is not this user's own, or the system refuses.
pub fn close_file(path: &Path) -> io::Result<()> {
    open_private(OpenOptions::new().read(true), path)?.set_permissions(fs::Permissions::from_mode(0o600))
}

/// Opens a regular file of this user's own, with one name and no link on the way; a new one for this user only. Waits for nothing.
///
/// # Errors
/// When it is something else, or can't be opened.
pub fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.mode(0o600).custom_flags(flags.bits().cast_signed()).open(path).map_err(|error| {
        if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) { io::Error::other("it is a link") } else { error }
    })?;
    let found = file.metadata()?;
    // A file that was just replaced has no name any more.
    if !found.is_file() || found.nlink() > 1 {
        return Err(io::Error::other("it is not a file with a single name"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("it belongs to another user ({})", found.uid())));
    }
    Ok(file)
}

/// What others may do with the file.
///
/// # Errors
/// When the system refuses.
pub fn mode_of(file: &File) -> io::Result<u32> {
    file.metadata().map(|found| found.mode() & 0o7777)
}

/// Sets what others may do with the file.
///
/// # Errors
/// When the system refuses.
pub fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Whether the open file is still the one at that path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let key = |found: fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(key), fs::metadata(path).map(key)), (Ok(open), Ok(there)) if open == there)
}

/// A command of this system's shell.
#[must_use]
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

/// A command that runs the program at `place`, and tells it that it was called by `name`.
#[must_use]
pub fn program(place: &Path, name: &OsStr) -> Command {
    let mut command = Command::new(place);
    command.arg0(name);
    command
}

/// Whether the path is a file that this user may execute.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

/// The program's exit code, or 128 plus the number of the signal that ended it.
#[must_use]
pub fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1)
}

/// This process's standard input, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stdin() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// This process's standard output, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stdout() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// This process's standard error, unbuffered.
///
/// # Errors
/// Fails if it is closed.
pub fn stderr() -> io::Result<File> {
    io::stderr().as_fd().try_clone_to_owned().map(File::from)
}

/// Always false: who reads a pipe can't be told here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn is_read_by_starter(_stream: &File, _variable: &str, _value: &str, _has_handler: bool) -> bool {
    false
}

/// Enlarges a pipe's buffer to 1 MiB (on Linux only), so that its two ends wait for each other less often. Has no effect on other files.
pub fn widen(pipe: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
}

/// Checks that this process can open as many more files as `exec` needs, which needs most: a token must not exist first. And tokio panics
/// where it can open none to listen for signals.
///
/// # Errors
/// When it can't.
pub fn check_room() -> io::Result<()> {
    let pipes: io::Result<Vec<_>> = (0..12).map(|_| io::pipe()).collect();
    pipes.map(drop)
}

/// Whether what is written can be discarded by a device: an empty root has none.
pub(super) fn has_null_device() -> bool {
    Path::new("/dev/null").exists()
}

/// From now on no program that is started inherits what this process has inherited, but for the streams that it is given.
pub(super) fn keep_inherited() {
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
}

/// Puts a file in the place of another.
///
/// # Errors
/// When the system refuses; then both stay as they are.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

/// Removes a file.
///
/// # Errors
/// When the system refuses.
pub fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Every name is one of an ordinary file here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn check_name(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// A variable's name as the system compares it: as it is.
#[must_use]
pub fn variable_key(name: &OsStr) -> Cow<'_, OsStr> {
    name.into()
}

/// The paths at which a program of this name may be: just this one.
pub(super) fn places(path: &Path, _extensions: Option<&OsStr>) -> Vec<PathBuf> {
    vec![path.to_owned()]
}

/// A program can be given any arguments here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn check_arguments(_place: &Path, _arguments: &[OsString]) -> io::Result<()> {
    Ok(())
}

/// This process and what it starts: here the others live on when it is killed.
pub struct Tree(());

impl Tree {
    /// Does nothing.
    #[must_use]
    pub fn new() -> Self {
        Self(())
    }
}

/// Takes away what others may do with a file that was just made: nothing is left to do here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn close_new_file(_path: &Path) -> io::Result<()> {
    Ok(())
}
