use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// The variable that names the user's own folder.
pub const HOME: &str = "USERPROFILE";

/// Does nothing on this system.
pub fn harden() {}

/// Empty: the temporary folder belongs to the user alone already.
#[must_use]
pub fn user() -> String {
    String::new()
}

/// What stands where a private folder is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Nothing.
    Absent,
    /// A folder of this user's that nobody else can enter.
    Private,
    /// Not known here.
    Exposed,
}

/// Looks at a folder; its access rights are the parent's.
///
/// # Errors
/// When it is not a folder.
pub fn folder(path: &Path) -> io::Result<Folder> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Folder::Absent),
        Ok(found) if found.is_dir() => Ok(Folder::Private),
        Ok(_) => Err(io::Error::other("it is not a folder")),
        Err(error) => Err(error),
    }
}

/// Why a folder that others can enter is refused.
pub const EXPOSED: &str = "other users can read it";

/// Nothing to do here.
///
/// # Errors
/// None.
pub fn close_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Nothing to do here.
///
/// # Errors
/// None.
pub fn close_file(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Opens a regular file.
///
/// # Errors
/// When it is something else, or can't be opened.
pub fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
        return Err(io::Error::other("it is not a file"));
    }
    options.open(path)
}

/// Makes the folder; its access rights are the parent's.
///
/// # Errors
/// Fails if the folder can't be created.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether the open file is still the one at that path; here, whether anything is there. An open file can't be replaced by another under
/// its name unless it was deleted before. Then two processes may both believe that they hold the lock, but each still writes its file
/// whole.
#[must_use]
pub fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Waits for Ctrl-C and returns the number of SIGINT. Once the future is polled, Ctrl-C no longer ends the process.
pub async fn stop_request() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 2,
        Err(_) => std::future::pending().await,
    }
}

/// `None`: the system doesn't tell which process lives as long as the job. A keeper ends with its session.
#[must_use]
pub fn job_process(_action: bool) -> Option<u32> {
    None
}

/// Always true: there is no check on this system.
#[must_use]
pub fn is_alive(_number: u32) -> bool {
    true
}

/// Does nothing: a process can't be asked to end here. A keeper notices by itself that its session is over.
pub fn ask_to_end(_number: u32) {}

/// A process whose end is watched for; not supported on this system.
pub struct Watched;

impl Watched {
    /// Ignores the number.
    #[must_use]
    pub fn new(_number: Option<u32>) -> Self {
        Self
    }

    /// Always false: the end is never noticed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        false
    }
}

/// Detaches a process that is about to start from this one's console and its Ctrl-C, so that it outlives this process.
pub fn detach(process: &mut Command) {
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    process.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// Ctrl-C, which no longer ends this process once `next` is called.
pub struct Signals;

impl Signals {
    /// Listens from the first call of `next` on.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// Waits for the next Ctrl-C.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Does nothing: the console sends Ctrl-C to the program itself.
pub fn pass_on((): (), _program: Option<u32>, _screens: &Screens) {}

/// Has no effect here: the process itself is ended by whoever waits for it.
pub fn kill_group(_leader: u32) {}

/// A command of this system's shell.
#[must_use]
pub fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/C", line]);
    command
}

/// A command that runs the program of this name. The system looks for it, so the place is not used.
#[must_use]
pub fn program(_place: &Path, name: &OsStr) -> Command {
    Command::new(name)
}

/// Always true: the system looks for the program itself, and also tries extensions such as `.exe`.
#[must_use]
pub fn is_program(_path: &Path) -> bool {
    true
}

/// The program's exit code; 1 if it has none or one above 255.
#[must_use]
pub fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
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

/// Does nothing: pipes keep their size here.
pub fn widen(_pipe: &File) {}

/// The two output streams of a program that is about to start.
pub struct Outputs {
    /// The program's standard output and standard error.
    pub ends: [Stdio; 2],
    /// For each stream: where to read what the program prints, and which of our own streams to pass it on to.
    pub streams: Vec<(Arc<File>, File)>,
    /// The terminals made for the program; always none here.
    pub screens: Screens,
}

/// The terminals made for a program; always none here.
pub struct Screens;

impl Screens {
    /// Always true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Does nothing on this system.
    pub fn follow(&mut self) {}
}

impl Outputs {
    /// Creates pipes in place of our own streams.
    ///
    /// # Errors
    /// Fails if a pipe can't be created.
    pub fn new() -> io::Result<Self> {
        let mut streams = Vec::new();
        let mut end_for = |own: io::Result<File>| -> io::Result<Stdio> {
            // Our own stream is closed: what the program prints there is discarded, as it would be without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            let (from, end) = io::pipe()?;
            streams.push((Arc::new(File::from(OwnedHandle::from(from))), own));
            Ok(end.into())
        };
        let ends = [end_for(stdout())?, end_for(stderr())?];
        Ok(Self { ends, streams, screens: Screens })
    }
}

/// What `readable` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or possibly the end of the stream.
    pub data: bool,
    /// The stream has ended.
    pub over: bool,
    /// The other end of the pipe `ended` was closed.
    pub ended: bool,
}

/// Returns at once: reading waits by itself.
pub fn readable(_from: &File, _ended: Option<&PipeReader>, _at_most: Option<Duration>) -> Ready {
    Ready { data: true, ..Ready::default() }
}

/// The process that started this one: its end is not noticed here.
pub struct Parent;

impl Parent {
    /// None.
    #[must_use]
    pub fn to_watch() -> Option<Self> {
        None
    }

    /// Never noticed.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        false
    }
}

/// A secret for one other process; not supported on this system.
pub struct Offer(std::convert::Infallible);

impl Offer {
    /// Makes none.
    ///
    /// # Errors
    /// Always.
    pub fn new(_under: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// What `accept` takes.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        match self.0 {}
    }

    /// Gives the secret away.
    ///
    /// # Errors
    /// Always.
    #[expect(clippy::unused_async, reason = "as on other systems")]
    pub async fn give(self, _secret: &str) -> io::Result<()> {
        match self.0 {}
    }
}

/// Takes nothing.
///
/// # Errors
/// Always.
pub fn accept(_place: &Path) -> io::Result<zeroize::Zeroizing<String>> {
    Err(io::ErrorKind::Unsupported.into())
}
