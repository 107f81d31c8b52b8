//! What is remembered of a job's tokens, so that they can be used again, and revoked.

mod renewal;
mod revocation;
mod state;

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ci::Ci;
use crate::draft::Draft;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::inputs::options::{HOME, SESSION};
use crate::inputs::{Inputs, Source};
use crate::os;

pub use renewal::{Need, RenewBy, Trouble, due_at, need};
pub use revocation::end;
pub use state::{Content, Held, State, WrittenFile};

/// The session that is meant when none is named.
const DEFAULT: &str = "default";

/// How the names of `exec`'s own sessions begin.
pub const OF_EXEC: &str = "exec";

/// More than the next version of a state file adds to this one: a token in its three forms, with what was asked for.
const ROOM: u64 = 16 << 10;

/// The place where one session is remembered. Nothing is made until it is locked.
#[derive(Clone)]
pub struct Session {
    home: PathBuf,
    /// The folder above was perhaps made for this one.
    takes_folder_above: bool,
    name: String,
}

/// A session that this process alone may change, until dropped.
pub struct Locked {
    session: Session,
    _lock: File,
    /// What is remembered.
    pub state: State,
}

impl Session {
    /// The session that the inputs, an earlier step of the same use, or else the default names.
    ///
    /// # Errors
    /// When the name could not be a file's.
    pub fn find(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let name = match inputs.text(&SESSION)? {
            Some(given) if is_name(&given.text) => given.text,
            Some(given) => {
                return Err(given.wrong(
                    "that can't be the name of a session",
                    "Use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
                ));
            }
            None => ci.saved_session().filter(|name| is_name(name)).unwrap_or_else(|| DEFAULT.into()),
        };
        let (home, takes_folder_above) = home(&inputs.environment, ci)?;
        Ok(Self { home, takes_folder_above, name })
    }

    /// The session that a later command of the job means: where none is named and there is no default one, the only one.
    ///
    /// # Errors
    /// As `find`, and when it could be any of several.
    pub fn of_job(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let mut session = Self::find(inputs, ci)?;
        // Elsewhere any other may be another program's.
        if ci.is_ci() && session.name == DEFAULT && !session.file().exists() {
            let names = session.others();
            match &names[..] {
                [] => {}
                [only] => only.clone_into(&mut session.name),
                _ => {
                    let what = format!("this job has {} sessions: {}", names.len(), names.join(", "));
                    return Err(Error::input(what, "Say which by --session, or JF_TOKEN_SESSION; the action has an output session."));
                }
            }
        }
        Ok(session)
    }

    /// The names of all sessions that are remembered in the same place.
    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(&self.home).into_iter().flatten().flatten().map(|entry| entry.path());
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
        self.named(&format!("{kind}-{:08x}", crate::random::number() >> 32))
    }

    /// For a new token: each use of an action gets a session of its own, so that its end revokes its own tokens only.
    ///
    /// # Errors
    /// As `find`.
    pub fn for_mint(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let mut session = Self::find(inputs, ci)?;
        if Self::is_of_exec(inputs)? {
            DEFAULT.clone_into(&mut session.name);
        }
        Ok(if ci.is_action() && inputs.text(&SESSION)?.is_none() { session.of_its_own("use") } else { session })
    }

    /// Whether the session that is named is one of `exec`'s own, as its program hears of it: a new token has no place in there.
    ///
    /// # Errors
    /// When the name can't be read.
    pub fn is_of_exec(inputs: &Inputs) -> Result<bool> {
        let named = inputs.text(&SESSION)?;
        Ok(named.is_some_and(|given| matches!(given.source, Source::Variable(_)) && is_execs(&given.text)))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder that remembers it.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// What is remembered, without waiting for a lock: the file is only ever replaced whole.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn read(&self) -> Result<State> {
        State::read(&self.file())
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
    pub fn lock(&self, patience: Duration) -> Result<Locked> {
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
    pub fn try_lock(&self) -> Result<Option<Locked>> {
        self.lock_once(true)
    }

    /// None: another process has it, or takes the folder away at this very moment, as it `may_vanish`.
    fn lock_once(&self, may_vanish: bool) -> Result<Option<Locked>> {
        let path = self.path("lock");
        if make_home(&self.home, may_vanish)?
            && let Some(lock) = try_lock(&path)?
            && os::is_at(&lock, &path)
        {
            let state = self.read()?;
            return Ok(Some(Locked { session: self.clone(), _lock: lock, state }));
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
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(|error| Error::file("write", &path, &error))?;
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
        self.home.join(format!("{}.{extension}", self.name))
    }

    fn file(&self) -> PathBuf {
        self.path("json")
    }

    /// What is left of a process that was killed; under the lock nobody else has any.
    fn drafts(&self) -> impl Iterator<Item = PathBuf> {
        let prefix = self.draft_prefix();
        let entries = fs::read_dir(&self.home).into_iter().flatten().flatten();
        entries.filter(move |entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix))).map(|entry| entry.path())
    }

    fn draft_prefix(&self) -> String {
        // No name of a session holds a tilde, so that none takes another's drafts for its own.
        format!(".{}~", self.name)
    }
}

impl Locked {
    /// The session's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.session.name
    }

    /// Whether a process was killed while it changed this session.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        self.session.drafts().next().is_some()
    }

    /// Starts the next version of the state file, while there is nothing to lose yet.
    ///
    /// # Errors
    /// When the folder takes no file.
    pub fn draft(&self) -> Result<Draft> {
        let file = self.session.file();
        let room = file.metadata().map_or(0, |found| found.len()) + ROOM;
        Draft::new(&file, &self.session.draft_prefix())?.reserve(usize::try_from(room).unwrap_or_default())
    }

    /// Writes what is remembered.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, draft: Draft) -> Result<()> {
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
    pub fn settle(self) -> Result<()> {
        if !self.state.is_empty() {
            return self.save(self.draft()?);
        }
        let session = &self.session;
        remove(&session.file())?;
        for draft in session.drafts() {
            remove(&draft)?;
        }
        for extension in ["keeper", "log", "users", "lock"] {
            remove(&session.path(extension))?;
        }
        // The folders go with the last session in them; they stay when they hold anything else.
        if fs::remove_dir(&session.home).is_ok()
            && let Some(parent) = session.home.parent().filter(|_| session.takes_folder_above)
        {
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }
}

/// Removes a file; one that is gone already is as good.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
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

/// None: somebody else has it, or the folder went away.
fn try_lock(path: &Path) -> Result<Option<File>> {
    match File::options().create(true).truncate(false).write(true).open(path) {
        Ok(file) => match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::file("lock", path, &error).with_advice(&format!("{HOME} names another folder."))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::file("write", path, &error)),
    }
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

/// `$JF_TOKEN_HOME`, else the job's own folder, else one of this user's under the temporary folder.
fn home(environment: &Environment, ci: &dyn Ci) -> Result<(PathBuf, bool)> {
    if let Some(home) = environment.get(HOME)? {
        // A later command may run in another folder.
        let home = std::path::absolute(home).map_err(|error| Error::file("find", home.as_ref(), &error))?;
        return Ok((home, false));
    }
    if let Some(home) = ci.home() {
        return Ok((home, ci.may_lack_folder_above()));
    }
    let temp = environment.get("TMPDIR")?.map_or_else(std::env::temp_dir, PathBuf::from);
    let job = ci.job().map(|job| format!("-{job}")).unwrap_or_default();
    Ok((temp.join(format!("jf-token{}{job}", os::user())), false))
}

/// False: it was taken away while it was being made, if that can be.
fn make_home(home: &Path, may_vanish: bool) -> Result<bool> {
    let made = home.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| os::private_folder(home));
    match made {
        Err(error) if may_vanish && error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::file("keep tokens in", home, &error).with_advice(&format!("{HOME} names another folder."))),
        Ok(()) => Ok(true),
    }
}
