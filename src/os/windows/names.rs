//! What names mean here: of files, of variables, of programs.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names that mean a device in every folder, with any extension.
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// Devices of which there are several.
const NUMBERED: [&str; 2] = ["com", "lpt"];

/// Checks that the last part of a path names an ordinary file.
///
/// # Errors
/// Says what is wrong with the name.
pub fn check_name(path: &Path) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_number = |rest: &str| rest.chars().count() == 1 && rest.chars().all(|c| c.is_ascii_digit() || "¹²³".contains(c));
    if DEVICES.contains(&stem) || NUMBERED.iter().any(|device| stem.strip_prefix(device).is_some_and(is_number)) {
        return Err(io::Error::other(format!("'{stem}' is the name of a device on Windows")));
    }
    if let Some(wrong) = name.chars().find(|c| c.is_control() || "<>:\"|?*".contains(*c)) {
        return Err(io::Error::other(format!("a file's name can't hold {wrong:?} on Windows")));
    }
    if name.ends_with(['.', ' ']) {
        return Err(io::Error::other("Windows takes a dot or a blank at the end of a name away"));
    }
    Ok(())
}

/// A variable's name as the system compares it: in upper case.
#[must_use]
pub fn variable_key(name: &OsStr) -> Cow<'_, OsStr> {
    name.to_ascii_uppercase().into()
}

/// The paths at which a program of this name may be: a name without one of the extensions in PATHEXT gets each of them in turn.
pub fn places(path: &Path, extensions: Option<&OsStr>) -> Vec<PathBuf> {
    let extensions = extensions.and_then(OsStr::to_str).filter(|text| !text.is_empty()).unwrap_or(".COM;.EXE;.BAT;.CMD");
    let extensions: Vec<_> = extensions.split(';').filter(|extension| !extension.is_empty()).collect();
    let own = path.extension().map(|own| format!(".{}", own.display())).unwrap_or_default();
    let complete = extensions.iter().any(|extension| own.eq_ignore_ascii_case(extension));
    let with = |extension: &&str| PathBuf::from([path.as_os_str(), OsStr::new(extension)].into_iter().collect::<OsString>());
    if complete { vec![path.to_owned()] } else { extensions.iter().map(with).chain([path.to_owned()]).collect() }
}

fn is_batch(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("bat") || extension.eq_ignore_ascii_case("cmd"))
}

/// Whether the system can start this file: a program or a batch file, and no script of another kind, whatever PATHEXT says.
#[must_use]
pub fn is_program(path: &Path) -> bool {
    // An alias of an app in the store can't be read, but started.
    let is_exe = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("exe"));
    let is_file = path.symlink_metadata().is_ok_and(|found| !found.is_dir());
    let mut begin = [0; 2];
    is_file
        && (is_exe || is_batch(path) || File::open(path).and_then(|mut file| file.read_exact(&mut begin)).is_ok_and(|()| begin == *b"MZ"))
}

/// Checks that a program can be given these arguments: of a batch file, the shell reads them line by line.
///
/// # Errors
/// Says what can't be passed on.
pub fn check_arguments(place: &Path, arguments: &[OsString]) -> io::Result<()> {
    let breaks = |argument: &OsString| argument.as_encoded_bytes().iter().any(|byte| b"\r\n".contains(byte));
    if is_batch(place) && arguments.iter().any(breaks) {
        return Err(io::Error::other("an argument holds a line break, which a batch file can't be given"));
    }
    Ok(())
}

/// A command that runs the program at this place.
#[must_use]
pub fn program(place: &Path, _name: &OsStr) -> Command {
    Command::new(std::path::absolute(place).unwrap_or_else(|_| place.to_owned()))
}
