//! What is remembered of a job's tokens, so that they can be used again, and revoked.

mod guard;
mod home;
mod salvage;
mod schedule;
mod state;
mod version_1;
mod watch;

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redact::Secret;
use zeroize::Zeroizing;

use crate::api::PlatformUrl;
use crate::ci::{Action, Ci};
use crate::error::{Error, Kind, Result};
use crate::io::{Environment, random};
use crate::options::table::HOME;
use crate::options::{InputValue, SessionOptions, Source};
use crate::os;
use home::Home;

pub use guard::SessionGuard;
pub use schedule::{Backoff, Freshness, due_at, freshness};
pub use state::{AtEnd, Content, Owner, State, StoredToken, WrittenFile};
pub use watch::Watch;

/// The session that is meant when none is named.
const DEFAULT: &str = "default";

/// How the names of `exec`'s own sessions begin.
pub const OF_EXEC: &str = "exec";

/// The place where one session is remembered. Nothing is made until it is locked.
#[derive(Clone)]
pub struct Session {
    home: Home,
    name: String,
}

/// What decides which session is meant.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The name that was given.
    pub options: &'a SessionOptions,
    /// Where the folders are.
    pub environment: &'a Environment,
    /// The working directory.
    pub folder: &'a Path,
    /// Whose job it is.
    pub ci: &'a dyn Ci,
    /// The use of our action, if it is one.
    pub action: Option<&'a Action>,
}

impl Session {
    /// The session that the options, an earlier step of the same use, or else the default names.
    ///
    /// # Errors
    /// When the name could not be a file's.
    pub fn find(place: Place) -> Result<Self> {
        let name = match &place.options.name {
            Some(given) if is_name(&given.text) => given.text.clone(),
            Some(given) => {
                return Err(given.wrong(
                    "not a valid session name",
                    "Use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
                ));
            }
            None => place.action.and_then(Action::saved_session).filter(|name| is_name(name)).unwrap_or(DEFAULT).to_owned(),
        };
        Ok(Self { home: Home::find(place, &name)?, name })
    }

    /// The session that a later command of the job means: where none is named and there is no default one, the only one.
    ///
    /// # Errors
    /// As `find`, and when it could be any of several.
    pub fn of_job(place: Place) -> Result<Self> {
        let mut session = Self::find(place)?;
        // Elsewhere any other may be another program's.
        if place.ci.is_ci() && session.name == DEFAULT && !session.file().exists() {
            let names = session.others();
            match &names[..] {
                [] => {}
                [only] => only.clone_into(&mut session.name),
                _ => {
                    let what = format!("this job has {} sessions: {}", names.len(), names.join(", "));
                    return Err(Error::input(what, "Name one by --session or JF_TOKEN_SESSION; the action has an output session."));
                }
            }
        }
        Ok(session)
    }

    /// The names of all sessions that are remembered in the same place.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.home()).into_iter().flatten().flatten().map(|entry| entry.path());
        let sessions = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        sessions.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).filter(|name| is_name(name)).collect()
    }

    /// The names of the others that a command may mean.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        let mut names = self.names();
        // Those of exec are for its program, which is told the name.
        names.retain(|name| *name != self.name && !is_execs(name));
        names.sort_unstable();
        names
    }

    /// A session of this name in the same place.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// All sessions that are remembered in the same place.
    pub fn all(&self) -> impl Iterator<Item = Self> {
        self.names().into_iter().map(|name| self.named(&name))
    }

    /// A session of its own, named at random.
    #[must_use]
    pub fn of_its_own(&self, kind: &str) -> Self {
        self.named(&format!("{kind}-{:08x}", random::number() >> 32))
    }

    /// For a new token: each use of an action gets a session of its own, so that its end revokes its own tokens only.
    ///
    /// # Errors
    /// As `find`.
    pub fn for_new_token(place: Place) -> Result<Self> {
        let mut session = Self::find(place)?;
        if is_of_exec(place.options.name.as_ref()) {
            DEFAULT.clone_into(&mut session.name);
        }
        session.home = Home::for_new_token(place)?;
        Ok(if place.action.is_some() && place.options.name.is_none() { session.of_its_own("use") } else { session })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that remembers it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home.folder
    }

    /// Whether others could look into it until now.
    #[must_use]
    pub fn was_exposed(&self) -> bool {
        self.home.was_exposed
    }

    /// What is remembered, without waiting for a lock: the file is only ever replaced whole.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(&self) -> Result<State> {
        State::read(&self.file(), &self.name)
    }

    /// What can still be read of a file that `read` can't: its access tokens, and where they are good.
    #[must_use]
    pub fn salvage(&self) -> Vec<(PlatformUrl, Secret)> {
        let mut text = Zeroizing::new(Vec::new());
        let _ = os::open_private(File::options().read(true), &self.file()).and_then(|mut file| file.read_to_end(&mut text));
        salvage::tokens(&Zeroizing::new(String::from_utf8_lossy(&text).into_owned()))
    }

    /// When nothing is remembered under the default name: the session that was written last.
    #[must_use]
    pub fn or_latest(self) -> Self {
        if self.name != DEFAULT || self.file().exists() {
            return self;
        }
        let written = |session: &Self| session.file().metadata().and_then(|found| found.modified()).ok();
        self.all().max_by_key(written).unwrap_or(self)
    }

    /// Makes the folder, and waits for other processes that change this session.
    ///
    /// # Errors
    /// When the folder can't be made or is not this user's alone, or the lock is not free in time.
    pub fn lock(&self, patience: Duration) -> Result<SessionGuard> {
        let deadline = Instant::now() + patience;
        let mut round = 0_u32;
        loop {
            if let Some(locked) = self.lock_once(round < 100)? {
                return Ok(locked);
            }
            if Instant::now() >= deadline {
                return Err(self.is_held());
            }
            round += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The lock, if it is free now.
    ///
    /// # Errors
    /// As `lock`.
    pub fn try_lock(&self) -> Result<Option<SessionGuard>> {
        self.lock_once(true)
    }

    /// None: another process has it, or takes the folder away at this very moment, as it `may_vanish`.
    fn lock_once(&self, may_vanish: bool) -> Result<Option<SessionGuard>> {
        let path = self.path("lock");
        if self.home.make(may_vanish)?
            && let Some(lock) = try_lock(&path)?
            && os::is_at(&lock, &path)
        {
            let state = self.read()?;
            return Ok(Some(SessionGuard::new(self.clone(), lock, state)));
        }
        Ok(None)
    }

    /// Another process does not let go of the lock.
    #[must_use]
    pub fn is_held(&self) -> Error {
        let what = format!("another jf-token holds the session '{}'", self.name);
        Error::new(Kind::Local, what, "Wait for it to end, or give this one its own --session.")
    }

    /// Makes this process the session's keeper, as long as the file is open. None: it has one. `pid` is told to `stop_keeper`.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn become_keeper(&self, pid: Option<u32>) -> Result<Option<File>> {
        let path = self.path("keeper");
        for _ in 0..5 {
            if let Some(mut lock) = try_lock(&path)?
                && os::is_at(&lock, &path)
            {
                let text = pid.map(|pid| pid.to_string()).unwrap_or_default();
                let written = lock.set_len(0).and_then(|()| lock.write_all(text.as_bytes()));
                return written.map(|()| Some(lock)).map_err(|error| Error::file("write", &path, &error));
            }
            // Who only looks whether there is one holds it for a moment.
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// Counts this process among those whose programs use the session, until the file is closed. Waits for one that is ending it.
    ///
    /// # Errors
    /// When the file can't be written.
    pub fn enter(&self) -> Result<File> {
        let path = self.path("users");
        for round in 0.. {
            let file = os::open_private(File::options().create(true).truncate(false).write(true), &path);
            let file = file.map_err(|error| Error::file("write", &path, &error))?;
            if file.try_lock_shared().is_ok() && os::is_at(&file, &path) {
                return Ok(file);
            }
            if round > 1000 {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err(self.is_held())
    }

    /// No longer uses the session. Returns what keeps others from it, if no other process uses it.
    #[must_use]
    pub fn leave(&self, mine: File) -> Option<File> {
        drop(mine);
        File::open(self.path("users")).ok().filter(|file| file.try_lock().is_ok())
    }

    /// Whether some process keeps this session fresh.
    #[must_use]
    pub fn has_keeper(&self) -> bool {
        File::open(self.path("keeper")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// Asks the keeper to end, if there is one that may be asked.
    pub fn stop_keeper(&self) {
        let mut pid = String::new();
        if self.has_keeper()
            && File::open(self.path("keeper")).and_then(|file| file.take(20).read_to_string(&mut pid)).is_ok()
            && let Ok(pid) = pid.parse()
        {
            os::ask_to_end(pid);
        }
    }

    /// Where the keeper writes what happens.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.home().join(format!("{}.{extension}", self.name))
    }

    fn file(&self) -> PathBuf {
        self.path("json")
    }
}

/// None: somebody else has it, or the folder went away.
fn try_lock(path: &Path) -> Result<Option<File>> {
    match os::open_private(File::options().create(true).truncate(false).read(true).write(true), path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", path, &error).with_advice(&format!("{HOME} names another folder."))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("write", path, &error)),
    }
}

/// Whether the session that is named is one of `exec`'s own, as its program hears of it: a new token has no place in there.
#[must_use]
pub fn is_of_exec(name: Option<&InputValue>) -> bool {
    name.is_some_and(|given| matches!(given.source, Source::Variable(_)) && is_execs(&given.text))
}

/// Whether `exec` gave this name to a session of its own.
fn is_execs(name: &str) -> bool {
    name.strip_prefix(OF_EXEC).is_some_and(|rest| rest.starts_with('-'))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}
