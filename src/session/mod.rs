//! What is remembered of a job's tokens, so that they can be used again, and revoked.

mod revocation;
mod state;

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::ci::Ci;
use crate::draft::Draft;
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};
use crate::inputs::Inputs;
use crate::inputs::options::{HOME, SESSION};
use crate::os;

pub use revocation::end;
pub use state::{Held, State};

/// The session that is meant when none is named.
const DEFAULT: &str = "default";

/// The place where one session is remembered. Nothing is made until it is locked.
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

    /// For a new token: each use of an action gets a session of its own, so that its end revokes its own tokens only.
    ///
    /// # Errors
    /// As `find`.
    pub fn for_mint(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let mut session = Self::find(inputs, ci)?;
        if ci.is_action() && inputs.text(&SESSION)?.is_none() {
            session.name = format!("use-{:08x}", crate::random::number() >> 32);
        }
        Ok(session)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
    pub fn or_latest(mut self) -> Self {
        if self.name == DEFAULT && !self.file().exists() {
            let files = fs::read_dir(&self.home).into_iter().flatten().flatten().map(|entry| entry.path());
            let sessions = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
            let latest = sessions.max_by_key(|path| path.metadata().and_then(|found| found.modified()).ok());
            if let Some(name) = latest.as_deref().and_then(Path::file_stem).and_then(|name| name.to_str()) {
                name.clone_into(&mut self.name);
            }
        }
        self
    }

    /// Makes the folder, and waits for other processes that change this session.
    ///
    /// # Errors
    /// When the folder can't be made or is not this user's alone, or the lock is not free in time.
    pub fn lock(self, patience: Duration) -> Result<Locked> {
        let path = self.home.join(format!("{}.lock", self.name));
        let deadline = Instant::now() + patience;
        let mut round = 0_u32;
        loop {
            // Another process may take the folder away at any point in this: then round again.
            if make_home(&self.home, round < 100)?
                && let Some(lock) = try_lock(&path)?
                && os::is_at(&lock, &path)
            {
                let state = self.read()?;
                return Ok(Locked { session: self, _lock: lock, state });
            }
            if Instant::now() >= deadline {
                let what = format!("another jf-token holds the session '{}'", self.name);
                return Err(Error::new(Kind::Local, what, "Wait for it to end, or give this one its own --session."));
            }
            round += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn file(&self) -> PathBuf {
        self.home.join(format!("{}.json", self.name))
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
        Draft::new(&self.session.file(), &self.session.draft_prefix())
    }

    /// Writes what is remembered.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn save(&self, draft: Draft) -> Result<()> {
        draft.finish(&self.state.to_json()?).map(drop)
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
        remove(&session.home.join(format!("{}.lock", session.name)))?;
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
