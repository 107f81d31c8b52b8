mod background;
mod offer;
mod terminal;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::task::Poll;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};

pub use background::{Background, detached};
pub use offer::{Offer, accept};
pub use terminal::{Outputs, Screens, Source};

use super::Folder;

/// The variable that names the user's own folder.
pub const HOME: &str = "HOME";

/// The variable that names a folder into which only this user can write.
pub const PRIVATE: &str = "XDG_RUNTIME_DIR";

/// Keeps this process's memory, which holds tokens, out of core dumps and, on Linux, away from other processes of the same user.
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

/// Whether the open file is still the one at that path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let key = |found: fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(key), fs::metadata(path).map(key)), (Ok(open), Ok(there)) if open == there)
}

/// Waits for SIGINT, SIGTERM, SIGHUP or SIGQUIT and returns its number. From this call on, they no longer end the process. Must be called
/// within a runtime.
pub fn stop_request() -> impl Future<Output = u8> {
    let mut signals = Signals::of(&[Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT]);
    async move { signals.next().await.as_raw().try_into().unwrap_or_default() }
}

/// The process that lives as long as the job: the parent of this process or, in the action, its grandparent, because the parent is the
/// action's script.
#[must_use]
pub fn job_process(action: bool) -> Option<u32> {
    let parent = rustix::process::getppid()?.as_raw_nonzero().get().cast_unsigned();
    if !action {
        return Some(parent);
    }
    field_of(&parent.to_string(), 1).filter(|pid| *pid > 0)
}

/// A number after the name in a process's line. The line is `pid (name) state ppid group session …`, and the name may contain
/// anything, even parentheses. Only where there is a `/proc`.
fn field_of(process: &str, at: usize) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    status.rsplit_once(')')?.1.split_whitespace().nth(at)?.parse().ok()
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(number.try_into().ok()?)
}

/// Whether there is a process with this number that has not ended.
#[must_use]
pub fn is_alive(number: u32) -> bool {
    pid(number).is_some() && !Watched::new(Some(number)).has_ended()
}

/// Asks a process to end, by SIGTERM.
pub fn ask_to_end(number: u32) {
    if let Some(pid) = pid(number) {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
}

/// A process whose end is watched for.
pub struct Watched {
    pid: Option<Pid>,
    /// A pidfd, where the kernel has them: the number alone may come to mean another process.
    #[cfg(target_os = "linux")]
    descriptor: Option<std::os::fd::OwnedFd>,
}

impl Watched {
    /// Watches the process with this number. `None` never ends.
    #[must_use]
    pub fn new(number: Option<u32>) -> Self {
        let pid = number.and_then(pid);
        #[cfg(target_os = "linux")]
        let descriptor = pid.and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok());
        Self {
            pid,
            #[cfg(target_os = "linux")]
            descriptor,
        }
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(descriptor) = &self.descriptor {
            return poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&Timespec::default())).is_ok_and(|ready| ready > 0);
        }
        self.pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH) || is_zombie(pid))
    }
}

/// Whether a process has ended but its parent has not waited for it yet. Only where there is a `/proc`.
fn is_zombie(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// Puts a process that is about to start into a process group of its own, so that it outlives this one: signals from the terminal don't
/// reach it.
pub fn detach(process: &mut Command) {
    process.process_group(0);
}

/// A detached process and what it starts: all are ended at once when this is dropped.
pub struct Group(Option<Pid>);

impl Group {
    /// The group of this process.
    #[must_use]
    pub fn of(leader: &tokio::process::Child) -> Self {
        Self(leader.id().and_then(pid))
    }

    /// Lets them live.
    pub fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

/// A command of this system's shell.
#[must_use]
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

/// The signals that are passed on to a program.
pub struct Signals(Vec<(Signal, tokio::signal::unix::Signal)>);

impl Signals {
    /// Listens from now on. Must be called within a runtime.
    #[must_use]
    pub fn new() -> Self {
        // If our parent made us ignore SIGCHLD, the kernel would discard the exit status of our children. Listening to it prevents that.
        let _ = signal(SignalKind::child());
        Self::of(&[Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::WINCH])
    }

    fn of(signals: &[Signal]) -> Self {
        let ignored = ignored().unwrap_or_default();
        let heard = signals.iter().filter(|signal| ignored >> (signal.as_raw() - 1) & 1 == 0);
        Self(heard.filter_map(|number| Some((*number, signal(SignalKind::from_raw(number.as_raw())).ok()?))).collect())
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let came = self.0.iter_mut().find_map(|(number, listener)| listener.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// The signals that this process ignores, as a bit mask: signal 1 is the lowest bit. `nohup` sets that for SIGHUP, and a shell for SIGINT
/// and SIGQUIT of what it runs in the background. As long as we don't listen to them they stay ignored, also by the program that we start.
/// Zero where there is no `/proc`.
fn ignored() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// The process that started this one.
pub struct Parent {
    pid: Pid,
    process: Watched,
}

impl Parent {
    /// None if its end says nothing: this process was started to outlive it (in the background, by nohup, as the leader of a session of its
    /// own), it is the system's first process, or all this can't be told.
    #[must_use]
    pub fn to_watch() -> Option<Self> {
        let bit = |signal: Signal| 1 << (signal.as_raw() - 1);
        let outlives = ignored()? & (bit(Signal::INT) | bit(Signal::HUP)) != 0;
        // Not getsid: a session of another PID namespace has number 0 here, and rustix asserts that none has.
        let leads = field_of("self", 3)? == std::process::id();
        let pid = rustix::process::getppid().filter(|pid| !pid.is_init() && !outlives && !leads)?;
        Some(Self { pid, process: Watched::new(u32::try_from(pid.as_raw_nonzero().get()).ok()) })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.process.has_ended() || rustix::process::getppid() != Some(self.pid)
    }
}

/// Passes a signal on to the program, unless the terminal has sent it to both: many programs take a second ^C as an order to quit at once.
/// If the program has terminals of its own, a change of the window's size is passed on by resizing them.
pub fn pass_on(signal: Signal, program: Option<u32>, screens: &Screens) {
    if signal == Signal::WINCH && !screens.is_empty() {
        return screens.fit();
    }
    let from_the_terminal = matches!(signal, Signal::INT | Signal::QUIT) && is_in_the_foreground();
    if let Some(pid) = program.and_then(pid).filter(|_| !from_the_terminal) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn is_in_the_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp()))
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

/// Enlarges a pipe's buffer to 1 MiB (on Linux only), so that its two ends wait for each other less often. Has no effect on other files.
pub fn widen(pipe: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, 1 << 20);
    #[cfg(not(target_os = "linux"))]
    let _ = pipe;
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
pub fn places(path: &Path, _extensions: Option<&OsStr>) -> Vec<PathBuf> {
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
