//! Everything that depends on the operating system: `unix` and `windows` have the same items.

mod background;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub use windows::*;

pub use background::start_in_background;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// This program's own file. Without a `/proc` Linux doesn't tell it: then it is the one that the first argument leads to.
///
/// # Errors
/// Fails if that leads to no program.
pub fn own_program() -> io::Result<PathBuf> {
    let unknown = || io::Error::other("there is no /proc to tell where this program is: start it by its path");
    std::env::current_exe().ok().or_else(named_by_first_argument).ok_or_else(unknown)
}

/// As a shell finds a program: a name without a slash is looked for in `PATH`. This process never changes its working directory.
fn named_by_first_argument() -> Option<PathBuf> {
    let name = PathBuf::from(std::env::args_os().next()?);
    let folders = if name.components().count() > 1 { OsString::new() } else { std::env::var_os("PATH")? };
    let places = places_in(&folders, &name, None);
    places.filter_map(|place| std::path::absolute(place).ok()).find(|place| is_program(place))
}

/// The paths at which a program of this name may be, if it is looked for in these folders, as `PATH` has them. `extensions` is the value of
/// `PATHEXT`.
pub fn places_in(folders: &OsStr, name: &Path, extensions: Option<&OsStr>) -> impl Iterator<Item = PathBuf> {
    std::env::split_paths(folders).flat_map(move |folder| places(&folder.join(name), extensions))
}

/// The folder that holds this program's file; `None` if that is not known.
#[must_use]
pub fn own_folder() -> Option<PathBuf> {
    Some(own_program().ok()?.parent()?.to_owned())
}

/// A stream that waits for room, or for something to read, even where another process made it non-blocking.
pub struct Patient<T>(pub T);

/// One of this process's own output streams, unbuffered. It waits for room, but no longer once a signal has asked this process to stop.
pub struct OwnStream<T>(pub T);

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

/// The two output streams of a program that is about to start.
pub struct Outputs {
    /// The program's standard output and standard error.
    pub ends: [Stdio; 2],
    /// For each stream: where to read what the program prints, and which of our own streams to pass it on to.
    pub streams: Vec<(Source, Patient<File>)>,
    /// Tells them, by being dropped, that it has ended.
    pub ending: Ending,
    /// The terminals made for the program.
    pub screens: Screens,
}
