//! Everything that depends on the operating system: `unix` and `windows` have the same items.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

/// The folder that holds this program's executable; `None` if the system doesn't tell.
#[must_use]
pub fn own_folder() -> Option<std::path::PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}

/// What stands where a private folder is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// Nothing.
    Absent,
    /// A folder of this user's that nobody else can enter.
    Private,
    /// A folder of this user's that others can enter.
    Exposed,
}

/// What `Source::wait` found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or possibly the end of the stream.
    pub data: bool,
    /// The stream has ended.
    pub over: bool,
    /// The program that writes it has ended. Reported once.
    pub ended: bool,
}
