use std::fs::{self, File};
use std::path::PathBuf;

use super::Session;
use super::state::{Lost, State};
use crate::error;
use crate::io::{AtomicFile, remove};

/// The most bytes that the next version of a state file has more than this one: those of a token in its three forms and its request.
const ROOM: u64 = 16 << 10;

/// A session that only this process may change, until this is dropped.
pub struct SessionGuard {
    session: Session,
    _lock: File,
    /// What the session remembers.
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

    /// What processes were waiting for that were killed while they changed this session.
    #[must_use]
    pub fn cut_off(&self) -> Vec<Lost> {
        let texts = drafts(&self.session).map(|draft| fs::read(draft).unwrap_or_default());
        texts.map(|text| serde_json::Deserializer::from_slice(&text).into_iter().next().and_then(Result::ok).unwrap_or_default()).collect()
    }

    /// Begins the next version of the state file, while nothing can be lost yet.
    ///
    /// # Errors
    /// Fails if the file can't be created, or there is no room for it.
    pub fn draft(&self) -> error::Result<AtomicFile> {
        let file = self.session.file();
        let room = file.metadata().map_or(0, |found| found.len()) + ROOM;
        AtomicFile::new(&file, &draft_prefix(&self.session))?.reserve(usize::try_from(room).unwrap_or_default())
    }

    /// Writes the state, if no draft was begun for it.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn write(&self) -> error::Result<()> {
        self.save(self.draft()?)
    }

    /// Writes the state to a draft that was begun, and puts that in place.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn save(&self, draft: AtomicFile) -> error::Result<()> {
        draft.finish(&self.state.to_json()?).map(drop)
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Writes the state if it holds a token; else removes all files of the session.
    ///
    /// # Errors
    /// Fails if the state can't be written, or a file can't be removed.
    pub fn settle(&mut self) -> error::Result<()> {
        if !self.state.is_empty() {
            return self.write();
        }
        let session = &self.session;
        session.mark_as_ended();
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

/// Drafts left by processes that were killed. While we have the lock, nobody else has any.
fn drafts(session: &Session) -> impl Iterator<Item = PathBuf> {
    let prefix = draft_prefix(session);
    let entries = fs::read_dir(session.home()).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix))).map(|entry| entry.path())
}

fn draft_prefix(session: &Session) -> String {
    // The name of a session contains no tilde, so no session takes another's drafts for its own.
    format!(".{}~", session.name())
}
