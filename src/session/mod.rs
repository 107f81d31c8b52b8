//! What is remembered of a job's tokens, so that later commands can use and revoke them.

pub mod fuzzing;
mod guard;
mod home;
mod salvage;
mod schedule;
mod state;
mod version_1;
mod watch;

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use redact::Secret;
use zeroize::Zeroizing;

use crate::api::PlatformUrl;
use crate::ci::{Action, Ci};
use crate::error::{Error, Kind, Outcome, Result};
use crate::io::{Environment, random, remove, sorted};
use crate::options::table::HOME;
use crate::options::{InputValue, SessionOptions, Source};
use crate::os;
use home::Home;

pub use guard::SessionGuard;
pub use schedule::{Backoff, Freshness, Refusals, RefusedCredential, due_at, freshness};
pub use state::{AtEnd, Content, Lost, Owner, State, StoredToken, WrittenFile};
pub use watch::Watch;

/// When the files beside a session were written last, if it was ended: a time before there was this program. What a locked file holds can't
/// be written on Windows.
const ENDED: Duration = Duration::from_secs(1_000_000_000);

/// The name of the session if none is given.
const DEFAULT: &str = "default";

/// How the names of the sessions that `exec` makes for itself begin.
pub const OF_EXEC: &str = "exec";

/// Where one session is remembered. Nothing is created until it is locked.
#[derive(Clone)]
pub struct Session {
    home: Home,
    name: String,
}

/// What decides which session is meant.
#[derive(Clone, Copy)]
pub struct SessionPlace<'a> {
    /// The options, which may name it.
    pub options: &'a SessionOptions,
    /// The environment, which may say where the folder is.
    pub environment: &'a Environment,
    /// The working directory.
    pub folder: &'a Path,
    /// Whose job it is.
    pub ci: &'a dyn Ci,
    /// The use of our action, if this is one.
    pub action: Option<&'a Action>,
}

impl Session {
    /// The session that the options name; else the one of an earlier step of this use of the action; else the default.
    ///
    /// # Errors
    /// Fails if the name can't be that of a file.
    pub fn find(place: SessionPlace) -> Result<Self> {
        let name = match &place.options.name {
            Some(given) if is_name(&given.text) => {
                os::check_name(Path::new(&given.text)).map_err(|error| given.wrong(error, "Give it another name."))?;
                given.text.clone()
            }
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

    /// The session that a later command of the job means. If none is named and the default one does not exist, it is the job's only
    /// session.
    ///
    /// # Errors
    /// As `find`. Also fails if there are several.
    pub fn of_job(place: SessionPlace) -> Result<Self> {
        let mut session = Self::find(place)?;
        // Without a CI, another session may belong to another program.
        if place.ci.is_ci() && session.name == DEFAULT && !session.file().exists() {
            let names = session.others()?;
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

    /// The names of all sessions in the same folder.
    fn names(&self) -> Result<Vec<String>> {
        self.names_with(&["json"])
    }

    /// A folder that is not there holds none; one that can't be listed may hold any.
    fn names_with(&self, extensions: &[&str]) -> Result<Vec<String>> {
        let files = match fs::read_dir(self.home()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            listed => listed.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()),
        };
        let files = files.map_err(|error| Error::file("list", self.home(), &error))?.into_iter();
        let files = files.filter(|path| path.extension().is_some_and(|found| extensions.iter().any(|extension| found == *extension)));
        Ok(sorted(files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).filter(|name| is_name(name))))
    }

    /// When the folder changed last; `None` if it is not there.
    fn changed(&self) -> Result<Option<SystemTime>> {
        match self.home().metadata().and_then(|found| found.modified()) {
            Ok(changed) => Ok(Some(changed)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::file("read", self.home(), &error)),
        }
    }

    /// Checks that every session of the place can be read: what can't be read can't be hidden.
    ///
    /// # Errors
    /// Fails on the first that can't be.
    pub fn check_all(&self) -> Result<()> {
        self.all()?.try_for_each(|session| session.read().map(drop))
    }

    /// Checks that the folder is this user's, if it is there.
    fn check_home(&self) -> Result<()> {
        self.home.check()
    }

    /// Checks that none of our streams is of another user, whose sessions are kept beside ours: those can't be read.
    ///
    /// # Errors
    /// Fails if one is.
    pub fn check_owner(place: SessionPlace) -> Result<()> {
        let Some(folder) = Home::of_another(place)? else { return Ok(()) };
        let what = format!("can't read {}: it is of another user, whose output this is", folder.display());
        Err(Error::new(Kind::Local, what, "Run jf-token as that user."))
    }

    /// The other sessions of the place, those too whose first token is being issued right now, or was when the process was killed.
    ///
    /// # Errors
    /// Fails if the folder can't be listed.
    pub fn others_and_coming(&self) -> Result<impl Iterator<Item = Self>> {
        let mut names = self.names_with(&["json", "lock"])?;
        names.retain(|name| *name != self.name);
        Ok(names.into_iter().map(|name| self.named(&name)))
    }

    /// The names of the other sessions that a command may mean.
    ///
    /// # Errors
    /// Fails if the folder can't be listed.
    pub fn others(&self) -> Result<Vec<String>> {
        let mut names = self.names()?;
        // A session of `exec` is for its program, which is told the name.
        names.retain(|name| *name != self.name && !is_execs(name));
        Ok(names)
    }

    /// The session of this name in the same folder.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }

    /// All sessions in the same folder.
    ///
    /// # Errors
    /// Fails if it can't be listed.
    pub fn all(&self) -> Result<impl Iterator<Item = Self>> {
        Ok(self.names()?.into_iter().map(|name| self.named(&name)))
    }

    /// A new session in the same folder, with a random name that begins with `kind`.
    #[must_use]
    pub fn of_its_own(&self, kind: &str) -> Self {
        self.named(&format!("{kind}-{:08x}", random::number() >> 32))
    }

    /// The session for a new token. Each use of the action has one of its own, so that its post step revokes its own tokens only.
    ///
    /// # Errors
    /// As `find`.
    pub fn for_new_token(place: SessionPlace) -> Result<Self> {
        let mut session = Self::find(place)?;
        if is_of_exec(place.options.name.as_ref()) {
            DEFAULT.clone_into(&mut session.name);
        }
        session.home = Home::for_new_token(place)?;
        Ok(if place.action.is_some() && place.options.name.is_none() { session.of_its_own("use") } else { session })
    }

    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that the session is in.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home.folder
    }

    /// Whether no other job's sessions are remembered in the same place.
    #[must_use]
    pub fn is_of_one_job(&self) -> bool {
        self.home.of_one_job
    }

    /// Whether others could look into it until now.
    #[must_use]
    pub fn was_exposed(&self) -> bool {
        self.home.was_exposed
    }

    /// Reads the state. That needs no lock, because the file is only ever replaced as a whole.
    ///
    /// # Errors
    /// Fails if the file can't be read, or is in a format that this version doesn't know.
    pub fn read(&self) -> Result<State> {
        let mut state = State::read(&self.file(), &self.name)?;
        self.find_files(&mut state);
        Ok(state)
    }

    /// Checks that the name is no other session's to this system.
    ///
    /// # Errors
    /// Fails if it is.
    pub fn check_name(&self) -> Result<()> {
        // What else is wrong with the file is for those to tell who need it.
        match self.read() {
            Err(error) if error.kind() == Kind::Input => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes the paths of files in the job's temporary folder those that this step knows.
    fn find_files(&self, state: &mut State) {
        if let Some(above) = self.home.of_job() {
            state.paths_mut().for_each(|path| *path = above.join(&*path));
        }
    }

    /// The access tokens that can be found in a file that `read` can't read, and where each is valid.
    #[must_use]
    pub fn salvage(&self) -> Vec<(PlatformUrl, Secret)> {
        let mut text = Zeroizing::new(Vec::new());
        let _ = os::open_private(File::options().read(true), &self.file()).and_then(|mut file| file.read_to_end(&mut text));
        salvage::tokens(&Zeroizing::new(String::from_utf8_lossy(&text).into_owned()))
    }

    /// This session; but if it is the default one and does not exist, the one that was written last.
    ///
    /// # Errors
    /// Fails if the folder can't be listed.
    pub fn or_latest(self) -> Result<Self> {
        if self.name != DEFAULT || self.file().exists() {
            return Ok(self);
        }
        let written = |session: &Self| session.file().metadata().and_then(|found| found.modified()).ok();
        let latest = self.all()?.max_by_key(written);
        Ok(latest.unwrap_or(self))
    }

    /// Creates the folder and locks the session. While other processes change it, waits up to `patience`.
    ///
    /// # Errors
    /// Fails if the folder can't be created or is not private, if the lock is not free in time, or if the state can't be read.
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

    /// Locks the session if the lock is free now.
    ///
    /// # Errors
    /// As `lock`.
    pub fn try_lock(&self) -> Result<Option<SessionGuard>> {
        self.lock_once(true)
    }

    /// `None` if another process holds the lock, or is just removing the folder. The latter counts as an error unless the folder
    /// `may_vanish`.
    fn lock_once(&self, may_vanish: bool) -> Result<Option<SessionGuard>> {
        let path = self.path("lock");
        if self.home.make(may_vanish)?
            && let Some(lock) = try_lock(&path)?
            && os::is_at(&lock, &path)
        {
            let state = self.read().inspect_err(|_| self.remove_vain_lock())?;
            return Ok(Some(SessionGuard::new(self.clone(), lock, state)));
        }
        Ok(None)
    }

    /// Removes the lock, which this process has, of a session that never came about.
    fn remove_vain_lock(&self) {
        if !self.was_begun() {
            for extension in ["users", "lock"] {
                let _ = remove(&self.path(extension));
            }
            self.tidy();
        }
    }

    /// The error for a lock that another process does not release.
    #[must_use]
    pub fn is_held(&self) -> Error {
        let what = format!("another jf-token holds the session '{}'", self.name);
        Error::new(Kind::Local, what, "Wait for it to end, or give this one its own --session.").with_outcome(Outcome::NotSent)
    }

    /// Makes this process the session's keeper, as long as the returned file is open. `None` if there is one already. `stop_keeper` will
    /// signal `pid`, if there is one.
    ///
    /// # Errors
    /// Fails if the file can't be written.
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
            // A process that only checks for a keeper holds the lock for a moment, so try again.
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(None)
    }

    /// Counts this process as a user of the session, as long as the returned file is open. Waits while another process ends the session;
    /// `None`: it has, and its folder is gone.
    ///
    /// # Errors
    /// Fails if the file can't be written, or if the session is not released within about ten seconds.
    pub fn enter(&self) -> Result<Option<File>> {
        let path = self.path("users");
        for _ in 0..1000 {
            match os::open_private(File::options().create(true).truncate(false).read(true).write(true), &path) {
                Ok(file) if file.try_lock_shared().is_ok() && os::is_at(&file, &path) => return Ok(Some(file)),
                Ok(_) => std::thread::sleep(Duration::from_millis(10)),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::file("write", &path, &error)),
            }
        }
        Err(self.is_held())
    }

    /// Stops counting this process as a user of the session. If it was the last, returns a file that keeps others out as long as it is
    /// open.
    #[must_use]
    pub fn leave(&self, mine: File) -> Option<File> {
        drop(mine);
        File::open(self.path("users")).ok().filter(|file| file.try_lock().is_ok())
    }

    /// Whether a process keeps this session fresh.
    #[must_use]
    pub fn has_keeper(&self) -> bool {
        File::open(self.path("keeper")).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }

    /// The number of the process that keeps this session fresh, if it left it: `exec` does not.
    #[must_use]
    pub fn keeper_process(&self) -> Option<u32> {
        let mut pid = String::new();
        File::open(self.path("keeper")).ok().filter(|_| self.has_keeper())?.take(20).read_to_string(&mut pid).ok()?;
        pid.parse().ok()
    }

    /// Asks the keeper to end, if there is one that has left its process number.
    pub fn stop_keeper(&self) {
        self.keeper_process().into_iter().for_each(os::ask_to_end);
    }

    /// Whether the program of some process uses this session.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        File::open(self.path("users")).is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Puts the folder's mode back if others can look into it by now. True: they could.
    ///
    /// # Errors
    /// Fails if something in it is not ours.
    pub fn close_again(&self) -> Result<bool> {
        self.home.close_again()
    }

    /// Whether a file that `become_keeper` or `enter` returned is still one of the session's.
    #[must_use]
    pub fn has(&self, mark: &File) -> bool {
        ["keeper", "users"].iter().any(|extension| os::is_at(mark, &self.path(extension)))
    }

    /// Tells the processes that live beside the session that it was ended, and did not just vanish.
    fn mark_as_ended(&self) {
        for extension in ["keeper", "users"] {
            if let Ok(file) = os::open_private(File::options().write(true), &self.path(extension)) {
                let _ = file.set_modified(SystemTime::UNIX_EPOCH + ENDED);
            }
        }
    }

    /// Whether a file that `become_keeper` or `enter` returned says that the session was ended.
    pub fn is_marked_as_ended(mark: &File) -> bool {
        mark.metadata().and_then(|found| found.modified()).is_ok_and(|written| written == SystemTime::UNIX_EPOCH + ENDED)
    }

    /// Removes the folder if nothing is in it. A process that lived beside a session does so when its file there is closed.
    pub fn tidy(&self) {
        self.home.remove_if_empty();
    }

    /// The file that the keeper writes its messages to.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// Whether it is remembered.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file().exists()
    }

    /// Whether it is remembered, or a process was killed that was about to.
    #[must_use]
    pub fn was_begun(&self) -> bool {
        self.exists() || guard::drafts(self).next().is_some()
    }

    fn path(&self, extension: &str) -> PathBuf {
        self.home().join(format!("{}.{extension}", self.name))
    }

    fn file(&self) -> PathBuf {
        self.path("json")
    }
}

/// `None` if another process has the lock, or the folder is gone.
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

/// Whether the name is that of a session of `exec`, given by the variable that `exec` sets for its program. A new token does not belong
/// there.
#[must_use]
pub fn is_of_exec(name: Option<&InputValue>) -> bool {
    name.is_some_and(|given| matches!(given.source, Source::Variable(_)) && is_execs(&given.text))
}

/// Whether the name is one that `exec` gives to a session of its own.
fn is_execs(name: &str) -> bool {
    name.strip_prefix(OF_EXEC).is_some_and(|rest| rest.starts_with('-'))
}

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}
