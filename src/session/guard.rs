use std::fs::{self, File};
use std::path::PathBuf;

use super::Session;
use super::state::State;
use crate::error::Result;
use crate::io::{AtomicFile, remove};

/// More than the next version of a state file adds to this one: a token in its three forms, with what was asked for.
const ROOM: u64 = 16 << 10;

/// A session that this process alone may change, until dropped.
pub struct SessionGuard {
    session: Session,
    _lock: File,
    /// What is remembered.
    pub state: State,
}

impl SessionGuard {
    pub(super) fn new(session: Session, lock: File, state: State) -> Self {
        Self { session, _lock: lock, state }
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.session.name
    }

    /// Whether a process was killed while it changed this session.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        drafts(&self.session).next().is_some()
    }

    /// Starts the next version of the state file, while there is nothing to lose yet.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn draft(&self) -> Result<AtomicFile> {
        let file = self.session.file();
        let room = file.metadata().map_or(0, |found| found.len()) + ROOM;
        AtomicFile::new(&file, &draft_prefix(&self.session))?.reserve(usize::try_from(room).unwrap_or_default())
    }

    /// Writes what is remembered, where nothing was prepared for it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(&self) -> Result<()> {
        self.save(self.draft()?)
    }

    /// Writes what is remembered.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, draft: AtomicFile) -> Result<()> {
        draft.finish(&self.state.to_json()?).map(drop)
    }

    /// The session itself.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Writes what is left, or takes everything away when that is nothing.
    ///
    /// # Errors
    /// When a file that may hold a token can't be removed.
    pub fn settle(&mut self) -> Result<()> {
        if !self.state.is_empty() {
            return self.write();
        }
        let session = &self.session;
        remove(&session.file())?;
        for draft in drafts(session) {
            remove(&draft)?;
        }
        for extension in ["keeper", "log", "users", "lock"] {
            remove(&session.path(extension))?;
        }
        session.home.remove_if_empty();
        Ok(())
    }
}

/// What is left of a process that was killed; under the lock nobody else has any.
fn drafts(session: &Session) -> impl Iterator<Item = PathBuf> {
    let prefix = draft_prefix(session);
    let entries = fs::read_dir(session.home()).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix))).map(|entry| entry.path())
}

fn draft_prefix(session: &Session) -> String {
    // No name of a session holds a tilde, so that none takes another's drafts for its own.
    format!(".{}~", session.name())
}
