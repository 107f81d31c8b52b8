use std::fs::Permissions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::net::UnixListener;
use zeroize::Zeroizing;

/// A secret for one other process of this user's, by a socket. A program that closes what it inherits gets it too.
pub struct Offer {
    listener: UnixListener,
    folder: TempDir,
}

/// The folder if the path of a socket in `under` would be too long: the system allows about 100 bytes.
const SHORT: &str = "/tmp";

impl Offer {
    /// Makes the socket, in a folder that only this user can enter. Must be called within a runtime.
    ///
    /// # Errors
    /// Fails if the system refuses.
    pub fn new(under: &Path) -> io::Result<Self> {
        Self::within(under).or_else(|_| Self::within(Path::new(SHORT)))
    }

    fn within(under: &Path) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("jf-token-").permissions(Permissions::from_mode(0o700)).tempdir_in(under)?;
        Ok(Self { listener: UnixListener::bind(socket(&folder))?, folder })
    }

    /// What `accept` takes.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// Gives the secret to the first who asks, and to nobody else.
    ///
    /// # Errors
    /// Fails if the system does.
    pub async fn give(self, secret: &str) -> io::Result<()> {
        let (stream, _) = self.listener.accept().await?;
        let mut left = secret.as_bytes();
        while !left.is_empty() {
            stream.writable().await?;
            match stream.try_write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn socket(folder: &TempDir) -> PathBuf {
    folder.path().join("socket")
}

/// Takes the secret that another process offers.
///
/// # Errors
/// Fails if it is gone.
pub fn accept(place: &Path) -> io::Result<Zeroizing<String>> {
    // Room enough, so that no copy is left behind by growing.
    let mut secret = Zeroizing::new(String::with_capacity(1 << 16));
    UnixStream::connect(place)?.read_to_string(&mut secret)?;
    Ok(secret)
}
