//! Files that only this user can read, and that exist either complete or not at all; and files that hold a secret to be read.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::os;

/// A file that is about to be written. It starts as a temporary file beside its destination (mode `0600`), so that a full disk or a missing
/// folder shows before a token exists. Dropped unfinished, it leaves nothing behind.
pub struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file. The temporary file's name begins with `prefix`. Whatever is at `path` stays until this file is finished.
    ///
    /// # Errors
    /// Fails if the folder takes no file, or if something other than a regular file is at `path`.
    pub fn new(path: &Path, prefix: &str) -> Result<Self> {
        let fail = |error: &io::Error| Error::file("write", path, error);
        os::check_name(path).map_err(|error| fail(&error))?;
        // Don't follow a link, because others may have put it there. Don't replace one either: it may be /dev/stdout.
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(fail(&io::Error::other("it is a folder, a link or a device")));
        }
        // The state file remembers the path, which must stay right if the working directory changes.
        let path = std::path::absolute(path).map_err(|error| fail(&error))?;
        // Resolve the folder, so that two ways to write a path count as the same file.
        let real = path.parent().and_then(|folder| dunce::canonicalize(folder).ok());
        let path = real.zip(path.file_name()).map_or(path.clone(), |(folder, name)| folder.join(name));
        // The state file, which is text, must be able to hold the path.
        if path.to_str().is_none() {
            return Err(fail(&io::Error::other("its name is not UTF-8")));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let file = tempfile::Builder::new().prefix(prefix).tempfile_in(folder).map_err(|error| {
            // Cut off the temporary file's name, which tempfile adds to its message.
            fail(&io::Error::new(error.kind(), error.to_string().split(" at path ").next().unwrap_or_default()))
        })?;
        os::close_new_file(file.path()).map_err(|error| fail(&error))?;
        Ok(Self { file, path })
    }

    /// Writes to the start of the temporary file. Its own name, which tempfile adds to an error, says nothing to anybody.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file.as_file_mut();
        file.write_all(bytes).and_then(|()| file.rewind())
    }

    /// Takes up this many bytes of the disk now, so that a full disk shows while nothing can be lost.
    ///
    /// # Errors
    /// Fails if there is no room for them.
    pub fn reserve(mut self, bytes: usize) -> Result<Self> {
        match self.write(&vec![b' '; bytes]) {
            Ok(()) => Ok(self),
            Err(error) => Err(Error::file("write", &self.path, &error)),
        }
    }

    /// Writes a note to the start of the unfinished file, for whoever finds it: from now on it stays if this is dropped.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn note(&mut self, text: &str) -> Result<()> {
        let written = self.write(text.as_bytes());
        self.file.disable_cleanup(true);
        written.map_err(|error| Error::file("write", &self.path, &error))
    }

    /// The note is no longer needed.
    pub fn forget_note(&mut self) {
        self.file.disable_cleanup(false);
    }

    /// The temporary file's name.
    pub fn draft_name(&self) -> Option<&str> {
        self.file.path().file_name()?.to_str()
    }

    /// Where the file will be, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file this mode once more, as it had before it held a secret; `None`: it stays this user's alone.
    ///
    /// # Errors
    /// Fails if the system refuses.
    pub fn with_mode(self, mode: Option<u32>) -> Result<Self> {
        let set = mode.map_or(Ok(()), |mode| os::set_mode(self.file.as_file(), mode));
        set.map_err(|error| Error::file("write", &self.path, &error)).map(|()| self)
    }

    /// Writes the content and puts the file in its place. Readers see the old content or the new, never a part of it.
    ///
    /// # Errors
    /// Fails if it can't be written. Then nothing of it is left, and what was there before stays.
    pub fn finish(mut self, content: &[u8]) -> Result<PathBuf> {
        let path = self.path;
        let file = self.file.as_file_mut();
        let cut = |file: &mut File| file.set_len(content.len() as u64).and_then(|()| file.sync_all());
        let write = file.write_all(content).and_then(|()| cut(file));
        write.map_err(|error| Error::file("write", &path, &error))?;
        let (file, draft) = self.file.keep().map_err(|error| Error::file("write", &path, &error.error))?;
        drop(file);
        match os::replace(&draft, &path) {
            Ok(()) => Ok(path),
            Err(error) => {
                let _ = os::remove_file(&draft);
                Err(Error::file("write", &path, &error))
            }
        }
    }
}

/// Reads all of a stream that may hold a secret.
///
/// # Errors
/// Fails if it can't be read, or has more than `most` bytes.
pub fn read(from: &mut dyn Read, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it holds more than {} KiB", most >> 10)));
    }
    Ok(bytes)
}

/// Reads all of a file that may hold a secret.
///
/// # Errors
/// As `read`.
pub fn read_file(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read(&mut File::open(path)?, most)
}

/// Reads all of a file that nobody named as an option: a variable or a folder leads to it. A pipe or a device there would never end.
///
/// # Errors
/// As `read`. Also fails if it is not a regular file.
pub fn read_regular_file(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    read_file(path, most)
}

/// The text in these bytes, without its byte order mark: UTF-8, or UTF-16 if it begins with a mark, as the `>` of Windows PowerShell writes
/// it. `None` if it is neither, or holds a NUL.
#[must_use]
pub fn text_of(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = match bytes {
        [0xff, 0xfe, units @ ..] => utf16(units, u16::from_le_bytes)?,
        [0xfe, 0xff, units @ ..] => utf16(units, u16::from_be_bytes)?,
        _ => {
            let text = std::str::from_utf8(bytes).ok()?;
            Zeroizing::new(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned())
        }
    };
    (!text.contains('\0')).then_some(text)
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<Zeroizing<String>> {
    let (units, []) = bytes.as_chunks() else { return None };
    // A unit takes three bytes at most. If the text had to grow, a copy of its beginning would stay in memory.
    let mut text = Zeroizing::new(String::with_capacity(3 * units.len()));
    for c in char::decode_utf16(units.iter().copied().map(unit)) {
        text.push(c.ok()?);
    }
    Some(text)
}

/// Removes a file. It is no error if the file is gone already.
///
/// # Errors
/// Fails if the file exists and can't be removed.
pub fn remove(path: &Path) -> Result<()> {
    match os::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(Error::file("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Removes as many of these files as possible. For use where another failure is reported already.
pub fn remove_all(paths: &[PathBuf]) {
    for path in paths {
        let _ = remove(path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::{scope, sleep};
    use std::time::Duration;

    use super::AtomicFile;

    #[test]
    fn a_thousand_versions_come_whole_to_four_readers() {
        const VERSIONS: usize = 1000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content = |version: usize| version.to_string().repeat(1000);
        AtomicFile::new(&path, ".draft~").unwrap().finish(content(0).as_bytes()).unwrap();
        let written = AtomicUsize::new(0);
        scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    while written.load(Ordering::Relaxed) < VERSIONS {
                        let text = std::fs::read_to_string(&path).unwrap();
                        let version = &text[..text.len() / 1000];
                        assert_eq!(version.repeat(1000), text);
                        sleep(Duration::from_millis(3));
                    }
                });
            }
            for version in 1..=VERSIONS {
                let done = AtomicFile::new(&path, ".draft~").and_then(|file| file.finish(content(version).as_bytes()));
                written.store(if done.is_ok() { version } else { VERSIONS }, Ordering::Relaxed);
                done.unwrap();
            }
        });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content(VERSIONS));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a draft is left");
    }
}
