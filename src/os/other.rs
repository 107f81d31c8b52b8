use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader};
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::os::windows::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Nothing to do here.
pub fn harden() {}

/// The temporary folder is the user's own already.
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
/// When it can't be made.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A file that is open can't be replaced by another under its name, unless it was deleted in between: then two
/// processes may hold what each takes for the lock, and each still writes its file whole.
#[must_use]
pub fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Once this is awaited Ctrl-C no longer ends the process: the future tells the number of its signal instead.
pub async fn stop_request() -> u8 {
    match tokio::signal::ctrl_c().await {
        Ok(()) => 2,
        Err(_) => std::future::pending().await,
    }
}

/// Nothing tells which process lives as long as the job: a keeper ends with its session.
#[must_use]
pub fn job_process(_action: bool) -> Option<u32> {
    None
}

/// Not known here, so believed.
#[must_use]
pub fn is_alive(_number: u32) -> bool {
    true
}

/// No process can be asked here: a keeper sees by itself that its session is over.
pub fn ask_to_end(_number: u32) {}

/// A process whose end is waited for; here none is.
pub struct Watched;

impl Watched {
    /// Of no use here.
    #[must_use]
    pub fn new(_number: Option<u32>) -> Self {
        Self
    }

    /// Never known.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        false
    }
}

/// Has a process that is about to start outlive this one: without its console and its Ctrl-C.
pub fn detach(process: &mut Command) {
    const DETACHED_PROCESS: u32 = 0x8;
    const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
    process.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
}

/// Ctrl-C, which no longer ends this process.
pub struct Signals;

impl Signals {
    /// Listens from the first `next` on.
    #[must_use]
    pub fn new() -> Self {
        Self
    }

    /// The next one.
    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The console sends it to the program itself.
pub fn pass_on((): (), _program: Option<u32>, _screens: &Screens) {}

/// Where it is the system knows best.
#[must_use]
pub fn program(_place: &Path, name: &OsStr) -> Command {
    Command::new(name)
}

/// The system looks at the name's ending too: what is there is believed.
#[must_use]
pub fn is_program(_path: &Path) -> bool {
    true
}

/// A program's exit code.
#[must_use]
pub fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// This process's own streams, without a buffer.
///
/// # Errors
/// When it is closed.
pub fn stdin() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// As `stdin`.
///
/// # Errors
/// When it is closed.
pub fn stdout() -> io::Result<File> {
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

/// As `stdin`.
///
/// # Errors
/// When it is closed.
pub fn stderr() -> io::Result<File> {
    io::stderr().as_handle().try_clone_to_owned().map(File::from)
}

/// Its pipes are as they are.
pub fn widen(_pipe: &File) {}

/// The two output streams of a program that is about to start.
pub struct Outputs {
    /// Its standard output and its standard error.
    pub ends: [Stdio; 2],
    /// Where what it prints can be read, and the stream of ours that it is for.
    pub streams: Vec<(Arc<File>, File)>,
    /// Its terminals: here it has none.
    pub screens: Screens,
}

/// Terminals of a program's own.
pub struct Screens;

impl Screens {
    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Nothing to do here.
    pub fn follow(&mut self) {}
}

impl Outputs {
    /// Pipes, in the place of our own streams.
    ///
    /// # Errors
    /// When there is no pipe to be had.
    pub fn new() -> io::Result<Self> {
        let mut streams = Vec::new();
        let mut end_for = |own: io::Result<File>| -> io::Result<Stdio> {
            // Closed: what is printed there goes nowhere, as it would without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            let (from, end) = io::pipe()?;
            streams.push((Arc::new(File::from(OwnedHandle::from(from))), own));
            Ok(end.into())
        };
        let ends = [end_for(stdout())?, end_for(stderr())?];
        Ok(Self { ends, streams, screens: Screens })
    }
}

/// What there is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or perhaps the end of it.
    pub data: bool,
    /// It has ended.
    pub over: bool,
    /// The other pipe was closed.
    pub ended: bool,
}

/// Reading waits by itself.
pub fn readable(_from: &File, _ended: Option<&PipeReader>, _at_most: Option<Duration>) -> Ready {
    Ready { data: true, ..Ready::default() }
}
