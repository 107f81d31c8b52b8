//! Everything that depends on the operating system. `unix` has all of it; `other` stands in for it on other systems.

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub use unix::*;

#[cfg(not(unix))]
mod other;
#[cfg(not(unix))]
pub use other::*;

/// The folder that holds this program's executable; `None` if the system doesn't tell.
#[must_use]
pub fn own_folder() -> Option<std::path::PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.to_owned())
}
