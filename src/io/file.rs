//! Files for this user only, that are there whole or not at all.

use std::io::{ErrorKind, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// A file that is about to be written: a temporary one beside it, `0600`, so that a full disk or a missing folder
/// shows before a token exists. Dropped unfinished, it leaves nothing.
pub struct AtomicFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file. What is at `path` stays until this one is finished.
    ///
    /// # Errors
    /// When the folder takes no file, or something other than a file is there already.
    pub fn new(path: &Path, prefix: &str) -> Result<Self> {
        let fail = |error: &std::io::Error| Error::file("write", path, error);
        // A link is not followed, for others may have put it there, nor replaced, for it may be /dev/stdout.
        if path.symlink_metadata().is_ok_and(|found| !found.is_file()) {
            return Err(fail(&std::io::Error::other("it is a folder, a link or a device")));
        }
        // The path stays right if the working directory changes, and the state file remembers it.
        let path = std::path::absolute(path).map_err(|error| fail(&error))?;
        // Two ways to write a path are one file.
        let real = path.parent().and_then(|folder| folder.canonicalize().ok());
        let path = real.zip(path.file_name()).map_or(path.clone(), |(folder, name)| folder.join(name));
        // The state file, which is text, remembers it.
        if path.to_str().is_none() {
            return Err(fail(&std::io::Error::other("its name is not UTF-8")));
        }
        let folder = path.parent().unwrap_or(Path::new("/"));
        let file = tempfile::Builder::new().prefix(prefix).tempfile_in(folder).map_err(|error| {
            // tempfile adds the name that it made up.
            fail(&std::io::Error::new(error.kind(), error.to_string().split(" at path ").next().unwrap_or_default()))
        })?;
        Ok(Self { file, path })
    }

    /// Takes so many bytes of the disk now, so that a full one shows while nothing can be lost.
    ///
    /// # Errors
    /// When they can't be had.
    pub fn reserve(mut self, bytes: usize) -> Result<Self> {
        match self.file.write_all(&vec![b' '; bytes]).and_then(|()| self.file.rewind()) {
            Ok(()) => Ok(self),
            Err(error) => Err(Error::file("write", &self.path, &error)),
        }
    }

    /// Where the file will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the content and puts the file in its place, in one step for whoever reads it.
    ///
    /// # Errors
    /// When it can't be written; then nothing is left of it, and what was there before stays.
    pub fn finish(mut self, content: &str) -> Result<PathBuf> {
        let path = self.path;
        let file = self.file.as_file_mut();
        let cut = |file: &mut std::fs::File| file.set_len(content.len() as u64).and_then(|()| file.sync_all());
        let write = file.write_all(content.as_bytes()).and_then(|()| cut(file));
        write.map_err(|error| Error::file("write", &path, &error))?;
        self.file.persist(&path).map_err(|error| Error::file("write", &path, &error.error))?;
        Ok(path)
    }
}

/// Removes a file; one that is gone already is as good.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(Error::file("remove", path, &error)),
        _ => Ok(()),
    }
}

/// Removes what can be removed of these files, where another failure is being told already.
pub fn remove_all(paths: &[PathBuf]) {
    for path in paths {
        let _ = remove(path);
    }
}
