use std::fs::File;
use std::io;
use std::path::Path;

/// Nothing to do here.
pub fn harden() {}

/// The temporary folder is the user's own already.
#[must_use]
pub fn user() -> String {
    String::new()
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
