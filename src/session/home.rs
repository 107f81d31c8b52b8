//! Where a job's sessions are remembered.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::SessionPlace;
use crate::error::{Error, Result};
use crate::options::table::HOME;
use crate::os::{self, Folder};

/// The folder of a job's sessions, checked: nobody else can have put anything into it.
#[derive(Clone)]
pub(super) struct Home {
    pub folder: PathBuf,
    above: Above,
    /// No other job's sessions are in it.
    pub of_one_job: bool,
    /// Others could enter the folder; its mode was put back.
    pub was_exposed: bool,
}

/// What the folder above is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Above {
    /// Somebody else's.
    Foreign,
    /// Perhaps made for this one: it goes too when it is empty.
    Removable,
    /// This user's alone, for the sessions of all folders in which some were begun.
    Ours,
}

impl Home {
    /// `$JF_TOKEN_HOME`, else the job's own folder. Where the CI names no job it is one of this user's for the working directory: the
    /// nearest upwards from here in which the session `name` was begun, or any session.
    pub fn find(place: SessionPlace, name: &str) -> Result<Self> {
        Self::choose(place, |base| nearest(base, place.folder, name))
    }

    /// For a new token: where the CI names no job, the working directory's own.
    pub fn for_new_token(place: SessionPlace) -> Result<Self> {
        Self::choose(place, |base| of_folder(base, place.folder))
    }

    fn choose(place: SessionPlace, of_base: impl FnOnce(&Path) -> PathBuf) -> Result<Self> {
        if let Some(home) = place.environment.get(HOME)? {
            // A later command may run in another folder.
            let folder = place.folder.join(home);
            // A keeper is told the folder that its starter found.
            let is_below_a_base = folder.parent().and_then(Path::file_name).is_some_and(|name| *name == *base_name(&os::user(), ""));
            return Self::checked(folder, if is_below_a_base { Above::Removable } else { Above::Foreign });
        }
        let job = place.ci.job();
        if let Some(home) = job.folder {
            let above = if job.may_lack_folder_above { Above::Removable } else { Above::Foreign };
            return Ok(Self { of_one_job: true, ..Self::checked(home, above)? });
        }
        let runtime = place.environment.get(os::PRIVATE)?.map(PathBuf::from).filter(|folder| folder.is_dir());
        let temp = runtime.map_or_else(|| temporary(place), Ok)?;
        let base = |id: &str| temp.join(base_name(&os::user(), id));
        if let Some(id) = job.id {
            return Self::checked(base(&format!("-{id}")), Above::Foreign);
        }
        let base = base("");
        close_base(&base)?;
        Self::checked(of_base(&base), Above::Ours)
    }

    /// The folder of another user's sessions, if one of our streams is that user's and theirs are kept where ours would be.
    pub fn of_another(place: SessionPlace) -> Result<Option<PathBuf>> {
        if place.environment.get(HOME)?.is_some() || place.ci.job().folder.is_some() {
            return Ok(None);
        }
        let owners = os::other_owners_of_streams();
        if owners.is_empty() {
            return Ok(None);
        }
        let bases: Vec<_> = owners.iter().map(|owner| base_name(owner, "")).collect();
        let is_theirs =
            |name: &str| bases.iter().filter_map(|base| name.strip_prefix(&**base)).any(|id| id.is_empty() || id.starts_with('-'));
        let temp = temporary(place)?;
        let entries = fs::read_dir(&temp).map_err(|error| Error::file("list", &temp, &error))?.flatten();
        Ok(entries.filter(|entry| entry.file_name().to_str().is_some_and(is_theirs)).map(|entry| entry.path()).next())
    }

    fn checked(folder: PathBuf, above: Above) -> Result<Self> {
        let was_exposed = check(&folder)?;
        Ok(Self { folder, above, of_one_job: false, was_exposed })
    }

    /// Makes the folder. False: it was taken away while it was being made, if that can be.
    pub fn make(&self, may_vanish: bool) -> Result<bool> {
        let above = match (self.folder.parent(), self.above) {
            (Some(above), Above::Ours) => above.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| os::private_folder(above)),
            (Some(above), _) => fs::create_dir_all(above),
            (None, _) => Ok(()),
        };
        match above.and_then(|()| os::private_folder(&self.folder)) {
            Err(error) if may_vanish && error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(refused(&self.folder, &error)),
            Ok(()) => Ok(true),
        }
    }

    /// The job's temporary folder, if sessions are in it: a step in a container may know it by another path.
    pub fn of_job(&self) -> Option<PathBuf> {
        dunce::canonicalize(self.folder.parent().filter(|_| self.of_one_job)?).ok()
    }

    /// Checks that the folder is this user's, if it is there.
    pub fn check(&self) -> Result<()> {
        os::folder(&self.folder).map(drop).map_err(|error| refused(&self.folder, &error))
    }

    /// Puts the mode back if others can enter the folder by now. True: they could.
    pub fn close_again(&self) -> Result<bool> {
        if let Some(above) = self.folder.parent().filter(|_| self.above == Above::Ours) {
            close_base(above)?;
        }
        match os::folder(&self.folder) {
            Ok(Folder::Exposed) => close(&self.folder).map(|()| true),
            found => found.map(|_| false),
        }
        .map_err(|error| refused(&self.folder, &error))
    }

    /// The folders go with the last session in them; they stay when they hold anything else.
    pub fn remove_if_empty(&self) {
        if fs::remove_dir(&self.folder).is_ok()
            && let Some(above) = self.folder.parent().filter(|_| self.above != Above::Foreign)
        {
            let _ = fs::remove_dir(above);
        }
    }
}

/// The temporary folder is everybody's.
fn temporary(place: SessionPlace) -> Result<PathBuf> {
    Ok(place.environment.get("TMPDIR")?.map_or_else(std::env::temp_dir, PathBuf::from))
}

fn base_name(user: &str, id: &str) -> String {
    format!("jf-token{user}{id}")
}

/// Whether others could enter the folder until now. That is a reason to go on and end the tokens in it: its mode is put back, and each
/// file is checked. A folder without sessions is refused: it may be anything.
fn check(folder: &Path) -> Result<bool> {
    match os::folder(folder) {
        Ok(Folder::Exposed) if !holds_a_session(folder) => Err(refused(folder, &io::Error::other(os::EXPOSED))),
        Ok(Folder::Exposed) => close(folder).map(|()| true).map_err(|error| refused(folder, &error)),
        Ok(Folder::Absent | Folder::Private) => Ok(false),
        Err(error) => Err(refused(folder, &error)),
    }
}

/// Puts the mode of the folder above back. Only folders are in it, each of which is checked.
fn close_base(base: &Path) -> Result<()> {
    let closed = match os::folder(base) {
        Ok(Folder::Exposed) => os::close_folder(base),
        found => found.map(drop),
    };
    closed.map_err(|error| refused(base, &error))
}

fn holds_a_session(folder: &Path) -> bool {
    let mut files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.any(|file| file.path().extension().is_some_and(|extension| extension == "json"))
}

fn close(folder: &Path) -> io::Result<()> {
    let files: Vec<_> = fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    if !files.iter().all(|file| is_ours(file)) {
        return Err(io::Error::other(os::EXPOSED));
    }
    os::close_folder(folder)?;
    files.iter().try_for_each(|file| {
        let closed = os::close_file(file);
        closed.map_err(|error| io::Error::other(format!("{}: {error}", file.file_name().unwrap_or_default().display())))
    })
}

/// Whether a file has a name that sessions give.
fn is_ours(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["json", "lock", "keeper", "users", "log"].contains(&extension) || (name.starts_with('.') && name.contains('~'))
}

fn refused(folder: &Path, error: &io::Error) -> Error {
    let error = Error::file("keep sessions in", folder, error);
    error.with_advice(&format!("{HOME} names another folder; a session of another user's is that user's to end."))
}

fn of_folder(base: &Path, folder: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    folder.hash(&mut hasher);
    base.join(format!("{:016x}", hasher.finish()))
}

fn nearest(base: &Path, here: &Path, name: &str) -> PathBuf {
    // Last, where sessions were before each folder had its own.
    let homes: Vec<_> = here.ancestors().map(|folder| of_folder(base, folder)).chain([base.to_owned()]).collect();
    let begun = homes.iter().find(|home| home.join(format!("{name}.json")).exists());
    let any = || homes.iter().find(|home| home.as_path() != base && home.exists());
    begun.or_else(any).cloned().unwrap_or_else(|| of_folder(base, here))
}
