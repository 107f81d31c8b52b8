//! Files and folders for this user only. A folder's and a file's rights are an access control list, which
//! <https://learn.microsoft.com/windows/win32/secauthz/access-control-lists> describes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use winapi_util::file::information;
use windows_permissions::constants::{AceType, SeObjectType::SE_FILE_OBJECT, SecurityInformation};
use windows_permissions::utilities::current_process_sid;
use windows_permissions::wrappers::{GetNamedSecurityInfo, GetSecurityInfo, SetNamedSecurityInfo};
use windows_permissions::{Acl, LocalBox, SecurityDescriptor, Sid};

use super::super::Folder;

/// Why a folder that others can enter is refused.
pub const EXPOSED: &str =
    "other users can read it (icacls shows who; icacls FOLDER /inheritance:r /grant:r \"%USERNAME%:(OI)(CI)F\" would fix that)";

/// Who may read a private file besides this user: the owner, whoever that is, SYSTEM, and administrators, whom nothing keeps out.
const TRUSTED: [&str; 4] = ["S-1-3-0", "S-1-3-4", "S-1-5-18", ADMINISTRATORS];
const ADMINISTRATORS: &str = "S-1-5-32-544";

/// Looks at a folder without following a link: in a shared temporary folder anyone may have put one there.
///
/// # Errors
/// When it is not a folder, or another user's.
pub fn folder(path: &Path) -> io::Result<Folder> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Folder::Absent),
        found => found?,
    };
    if !found.is_dir() {
        return Err(io::Error::other("it is not a folder"));
    }
    let rights = match GetNamedSecurityInfo(path, SE_FILE_OBJECT, SecurityInformation::Owner | SecurityInformation::Dacl) {
        // Just removed.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Folder::Absent),
        found => found?,
    };
    check_owner(&rights)?;
    Ok(if rights.dacl().is_some_and(is_private) { Folder::Private } else { Folder::Exposed })
}

fn check_owner(rights: &SecurityDescriptor) -> io::Result<()> {
    let owner = rights.owner().map(Sid::to_string).unwrap_or_default();
    if owner == user()? || TRUSTED.contains(&owner.as_str()) {
        return Ok(());
    }
    Err(io::Error::other(format!("it belongs to another user ({owner})")))
}

fn user() -> io::Result<String> {
    Ok(current_process_sid()?.to_string())
}

/// Whether the list allows nothing to anybody else.
fn is_private(list: &Acl) -> bool {
    let user = user().unwrap_or_default();
    let entries = (0..list.len()).filter_map(|at| list.get_ace(at)).filter(|entry| entry.ace_type() != AceType::ACCESS_DENIED_ACE_TYPE);
    let mut allowed = entries.map(|entry| entry.sid().map(Sid::to_string).unwrap_or_default());
    allowed.all(|who| who == user || TRUSTED.contains(&who.as_str()))
}

/// Makes a folder for this user only, where there is none.
///
/// # Errors
/// When it can't be made, or what is there is not this user's folder.
pub fn private_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => close_folder(path)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    match folder(path)? {
        Folder::Absent => Err(ErrorKind::NotFound.into()),
        Folder::Private => Ok(()),
        Folder::Exposed => Err(io::Error::other(EXPOSED)),
    }
}

/// Takes away what others may do with a folder and what is made in it later.
///
/// # Errors
/// When the system refuses.
pub fn close_folder(path: &Path) -> io::Result<()> {
    close(path, "OICI")
}

/// Takes away what others may do with a file.
///
/// # Errors
/// When it is not this user's own, or the system refuses.
pub fn close_file(path: &Path) -> io::Result<()> {
    open_private(OpenOptions::new().read(true), path)?;
    close(path, "")
}

/// Takes away what others may do with a file that was just made, where the file system has rights.
///
/// # Errors
/// When the system refuses.
pub fn close_new_file(path: &Path) -> io::Result<()> {
    // Invalid function, not supported.
    const NO_RIGHTS: [i32; 2] = [1, 50];
    match close(path, "") {
        Err(error) if error.raw_os_error().is_some_and(|code| NO_RIGHTS.contains(&code)) => Ok(()),
        closed => closed,
    }
}

/// Sets a list that allows all to this user, inherits nothing, and is inherited as the flags say.
fn close(path: &Path, flags: &str) -> io::Result<()> {
    let rights: LocalBox<SecurityDescriptor> = format!("D:P(A;{flags};FA;;;{})", user()?).parse()?;
    let which = SecurityInformation::Dacl | SecurityInformation::ProtectedDacl;
    SetNamedSecurityInfo(path, SE_FILE_OBJECT, which, None, None, rights.dacl(), None)
}

/// Opens a regular file of this user's own, with one name and no link in its place.
///
/// # Errors
/// When it is something else, or can't be opened.
pub fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;
    let file = options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT).open(path)?;
    if file.metadata()?.is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    // A file that was just replaced has no name any more.
    if !file.metadata()?.is_file() || information(&file)?.number_of_links() > 1 {
        return Err(io::Error::other("it is not a file with a single name"));
    }
    let rights = GetSecurityInfo(&file, SE_FILE_OBJECT, SecurityInformation::Owner)?;
    check_owner(&rights)?;
    Ok(file)
}

/// There are no modes here.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn mode_of(_file: &File) -> io::Result<u32> {
    Ok(0)
}

/// The file stays this user's alone: what others might do with the one before is not known any more.
///
/// # Errors
/// None.
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Whether the open file is still the one at that path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let key = |file: &File| information(file).map(|found| (found.volume_serial_number(), found.file_index()));
    matches!((key(file), File::open(path).and_then(|there| key(&there))), (Ok(open), Ok(there)) if open == there)
}

/// Puts a file in the place of another, which somebody may be reading.
///
/// # Errors
/// When the system refuses; then both stay as they are.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| fs::rename(from, to))
}

/// Removes a file, which somebody may be reading.
///
/// # Errors
/// When the system refuses.
pub fn remove_file(path: &Path) -> io::Result<()> {
    patiently(|| fs::remove_file(path))
}

/// Tries again for a while what fails because another process has the file open.
fn patiently(mut what: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(2);
    // Access denied (also for a file that is being deleted), sharing violation, lock violation.
    const IN_USE: [i32; 3] = [5, 32, 33];
    let begun = Instant::now();
    loop {
        match what() {
            Err(error) if error.raw_os_error().is_some_and(|code| IN_USE.contains(&code)) && begun.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}
