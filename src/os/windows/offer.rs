use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// A secret for one other process; not supported on this system.
pub struct Offer(std::convert::Infallible);

impl Offer {
    /// Makes none.
    ///
    /// # Errors
    /// Always.
    pub fn new(_under: &Path) -> io::Result<Self> {
        Err(ErrorKind::Unsupported.into())
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
    Err(ErrorKind::Unsupported.into())
}
