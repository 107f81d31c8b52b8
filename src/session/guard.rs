use std::fs::{self, File};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Session;
use super::state::State;
use crate::error;
use crate::io::{AtomicFile, remove, remove_all};
use crate::os;

/// The most bytes that the next version of a state file has more than this one: those of a token in its three forms and its request.
const ROOM: u64 = 16 << 10;

/// A session that only this process may change, until this is dropped.
pub struct SessionGuard {
    session: Session,
    /// Closed once it is removed: Windows keeps a folder in which a file is open.
    lock: Option<File>,
    /// What the session remembers.
    pub state: State,
    /// Drafts of processes that were killed while they changed this session. The state has what they tell.
    adopted: Vec<PathBuf>,
}

impl SessionGuard {
    pub(super) fn new(session: Session, lock: File, state: State) -> Self {
        let mut guard = Self { session, lock: Some(lock), state, adopted: Vec::new() };
        guard.adopted.extend(drafts(&guard.session));
        for draft in &guard.adopted {
            guard.state.adopt(&Zeroizing::new(fs::read(draft).unwrap_or_default()));
        }
        guard.session.find_files(&mut guard.state);
        guard
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.session.name
    }

    /// Begins the next version of the state file, while nothing can be lost yet.
    ///
    /// # Errors
    /// Fails if the file can't be created, or there is no room for it.
    pub fn draft(&self) -> error::Result<AtomicFile> {
        // Our lock is in the folder: it can only have been taken away by somebody else.
        self.session.home.make(false)?;
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
        let text = self.text()?;
        let finished = draft.finish(text.as_bytes());
        finished.or_else(|error| self.draft().and_then(|again| again.finish(text.as_bytes())).map_err(|_| error))?;
        remove_all(&self.adopted);
        Ok(())
    }

    /// With what others wrote since, if the lock keeps nobody out any more.
    fn text(&self) -> error::Result<Zeroizing<String>> {
        let mut state = self.state.clone();
        if !self.holds_the_lock() {
            state.take_back(&self.session.read()?);
        }
        if let Some(above) = self.session.home.of_job() {
            for path in state.paths_mut() {
                *path = path.strip_prefix(&above).unwrap_or(path).to_owned();
            }
        }
        state.to_json()
    }

    /// False: the folder was emptied meanwhile.
    fn holds_the_lock(&self) -> bool {
        self.lock.as_ref().is_some_and(|lock| os::is_at(lock, &self.session.path("lock")))
    }

    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Writes the state if it holds a token, word of one, or a file that is left; else removes all files of the session.
    ///
    /// # Errors
    /// Fails if the state can't be written, or a file can't be removed.
    pub fn settle(&mut self) -> error::Result<()> {
        if !self.state.is_empty() {
            return self.write();
        }
        let stays = !self.state.lost.is_empty() || !self.state.left_files.is_empty();
        if !self.holds_the_lock() {
            // What is there by now is another process's.
            return if stays { self.write() } else { Ok(()) };
        }
        self.session.mark_as_ended();
        if stays {
            self.write()?;
        }
        let session = &self.session;
        for extension in ["keeper", "log", "users"] {
            remove(&session.path(extension))?;
        }
        if stays {
            return Ok(());
        }
        remove(&session.file())?;
        for draft in drafts(session) {
            remove(&draft)?;
        }
        remove(&session.path("lock"))?;
        self.lock = None;
        session.tidy();
        Ok(())
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        if self.holds_the_lock() {
            self.session.remove_vain_lock();
        }
    }
}

/// Drafts left by processes that were killed. While we have the lock, nobody else has any.
pub(super) fn drafts(session: &Session) -> impl Iterator<Item = PathBuf> {
    let prefix = draft_prefix(session);
    let entries = fs::read_dir(session.home()).into_iter().flatten().flatten();
    entries.filter(move |entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix))).map(|entry| entry.path())
}

fn draft_prefix(session: &Session) -> String {
    // The name of a session contains no tilde, so no session takes another's drafts for its own.
    format!(".{}~", session.name())
}
