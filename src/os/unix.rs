use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

/// Keeps this process's memory, which holds tokens, out of core files and from other processes of the same user.
pub fn harden() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    #[cfg(not(target_os = "linux"))]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) });
    }
}

/// A part of a folder's name that is this user's own.
#[must_use]
pub fn user() -> String {
    format!("-{}", rustix::process::geteuid().as_raw())
}

/// Makes the folder for this user only, or checks that it is.
///
/// # Errors
/// When it can't be made, or somebody else could look into it.
pub fn private_folder(path: &Path) -> io::Result<()> {
    if let Err(error) = DirBuilder::new().recursive(false).mode(0o700).create(path)
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(error);
    }
    // Not following a link: in a shared temporary folder anyone may have put one there.
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no folder"));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users may look into it (chmod 700 would mend that)"));
    }
    Ok(())
}

/// Whether the open file is still the one at that path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let key = |found: fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata().map(key), fs::metadata(path).map(key)), (Ok(open), Ok(there)) if open == there)
}

/// From now on a request to stop no longer ends the process: the future tells its number instead.
pub fn stop_request() -> impl Future<Output = u8> {
    let listen = |kind| signal(kind).ok();
    let (interrupt, terminate, hang_up) = (listen(SignalKind::interrupt()), listen(SignalKind::terminate()), listen(SignalKind::hangup()));
    async move {
        tokio::select! {
            () = next(interrupt) => 2,
            () = next(terminate) => 15,
            () = next(hang_up) => 1,
        }
    }
}

async fn next(listener: Option<tokio::signal::unix::Signal>) {
    match listener {
        Some(mut listener) => drop(listener.recv().await),
        None => std::future::pending().await,
    }
}
