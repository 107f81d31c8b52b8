use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use zeroize::Zeroizing;

/// A secret for one other process of this user's, by a named pipe. Everybody may open one to read, but only this user to write: so whoever
/// takes the secret must write the key first.
/// <https://learn.microsoft.com/windows/win32/ipc/named-pipe-security-and-access-rights>
pub struct Offer {
    pipe: NamedPipeServer,
    name: String,
    key: String,
}

const FOLDER: &str = r"\\.\pipe\";

impl Offer {
    /// Makes the pipe. Must be called within a runtime.
    ///
    /// # Errors
    /// Fails if the system refuses.
    pub fn new(_under: &Path) -> io::Result<Self> {
        let name = format!("{FOLDER}jf-token-{}", random()?);
        let pipe = ServerOptions::new().first_pipe_instance(true).max_instances(1).create(&name)?;
        Ok(Self { pipe, name, key: random()? })
    }

    /// What `accept` takes.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        format!("{}-{}", self.name, self.key).into()
    }

    /// Gives the secret to the first who asks, and to nobody else.
    ///
    /// # Errors
    /// Fails if the system does, or the first who asks doesn't know the key.
    pub async fn give(self, secret: &str) -> io::Result<()> {
        self.pipe.connect().await?;
        let mut key = vec![0; self.key.len()];
        self.read(&mut key).await?;
        if key != self.key.as_bytes() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        let length = u32::try_from(secret.len()).map_err(io::Error::other)?;
        self.write(&length.to_le_bytes()).await?;
        self.write(secret.as_bytes()).await?;
        // What was not read yet would be lost with this end of the pipe.
        match self.read(&mut [0]).await {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => Ok(()),
            done => done,
        }
    }

    async fn read(&self, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            self.pipe.readable().await?;
            match self.pipe.try_read(into) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => into = &mut into[read..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn write(&self, mut left: &[u8]) -> io::Result<()> {
        while !left.is_empty() {
            self.pipe.writable().await?;
            match self.pipe.try_write(left) {
                Ok(written) => left = &left[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn random() -> io::Result<String> {
    let number = || getrandom::u64().map_err(io::Error::other);
    Ok(format!("{:016x}{:016x}", number()?, number()?))
}

/// Takes the secret that another process offers.
///
/// # Errors
/// Fails if it is gone.
pub fn accept(place: &Path) -> io::Result<Zeroizing<String>> {
    let place = place.to_str().ok_or(ErrorKind::InvalidInput)?;
    let (name, key) = place.rsplit_once('-').ok_or(ErrorKind::InvalidInput)?;
    if !name.starts_with(FOLDER) {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut pipe = File::options().read(true).write(true).open(name)?;
    pipe.write_all(key.as_bytes())?;
    let mut length = [0; 4];
    pipe.read_exact(&mut length)?;
    let mut secret = Zeroizing::new(vec![0; u32::from_le_bytes(length) as usize]);
    pipe.read_exact(&mut secret)?;
    std::str::from_utf8(&secret).map(|text| Zeroizing::new(text.to_owned())).map_err(io::Error::other)
}
