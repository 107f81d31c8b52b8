//! The files that hold a token: which file may be replaced, how ours are written and rewritten, and how they go.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use memchr::memmem;
use redact::Secret;
use zeroize::Zeroizing;

use super::format;
use super::merged::Merged;
use crate::api::claims::claims;
use crate::error::{Error, Kind, Result};
use crate::io::{self, AtomicFile, remove_all};
use crate::options::{InputValue, Source};
use crate::os;
use crate::session::{Content, StoredToken, WrittenFile};

/// How many characters tempfile makes up for a name.
const RANDOM: usize = 6;
/// How many bytes to reserve: more than a file with all three tokens needs.
const ROOM: usize = 8 << 10;
/// The longest file with the lines of others that ours are added to, in bytes. No file of ours is as long.
const LONGEST: u64 = 1 << 20;

/// What is done with a file that is there and holds something else.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// It is left alone, and that is an error.
    Refuse,
    /// It is replaced, for good.
    Overwrite,
    /// Our lines are added to it, and go again.
    Merge,
}

/// A file that is to be written.
pub struct Planned {
    pub path: PathBuf,
    pub source: Source,
    occupied: Occupied,
    draft: Option<AtomicFile>,
}

impl Planned {
    /// Checks that the file could be written, but leaves nothing there yet: it may be a long time until it is.
    ///
    /// # Errors
    /// Fails if it can't be.
    pub fn new(given: &InputValue, occupied: Occupied) -> Result<Self> {
        let help = |error: &Error| match error.help() {
            "" => "Name a new file, or a regular one; --format prints the token to standard output.".to_owned(),
            help => help.to_owned(),
        };
        let wrong = |error: Error| given.wrong(&error, help(&error));
        let path = begin(Path::new(&given.text)).map_err(wrong)?.path().to_owned();
        Ok(Self { path, source: given.source.clone(), occupied, draft: None })
    }

    /// Checks that nothing is lost: not what others wrote, nor one of these secrets.
    ///
    /// # Errors
    /// Fails if something would be.
    pub fn check(&self, secrets: &[&Secret]) -> Result<()> {
        match self.occupied {
            Occupied::Overwrite => Ok(()),
            Occupied::Merge => read_merged(&self.path)
                .map(drop)
                .map_err(|error| self.source.wrong(error, "Name another file, or give --overwrite to lose what is there.")),
            Occupied::Refuse => self.check_free(secrets),
        }
    }

    fn check_free(&self, secrets: &[&Secret]) -> Result<()> {
        let holds_one = |text: &[u8]| secrets.iter().any(|secret| contains(text, secret.expose().as_bytes()));
        let why = match read_there(&self.path) {
            Ok(None) => return Ok(()),
            Ok(Some((text, _))) if holds_one(&text) => "holds the credential".to_owned(),
            Ok(Some((text, _))) if is_ours(&text) => return Ok(()),
            Ok(Some(_)) => "is there, and holds something else than a token of jf-token's".to_owned(),
            Err(error) => format!("is there, and can't be told to be jf-token's own: {error}"),
        };
        let help = "Name another file. --overwrite replaces this one: what it holds is gone for good, and the new one is removed at the end. \
                    --merge adds lines to it that go at the end, and is for --output-file only.";
        Err(self.source.wrong(format!("{} {why}", self.path.display()), help))
    }

    /// Begins the file: what could go wrong with it does so now.
    ///
    /// # Errors
    /// Fails if it can't be written.
    pub fn begin(&mut self) -> Result<()> {
        self.draft = Some(begin_with_room(&self.path)?);
        Ok(())
    }

    /// How it is remembered.
    pub fn file(&self, content: Content) -> WrittenFile {
        WrittenFile { path: self.path.clone(), content, merged: self.occupied == Occupied::Merge }
    }

    /// Writes the token.
    ///
    /// # Errors
    /// Fails if it can't be written, or others wrote to it meanwhile.
    pub fn finish(mut self, content: Content, stored: &StoredToken) -> Result<WrittenFile> {
        self.check(&[])?;
        let file = self.file(content);
        put(&file, self.draft.take(), &content_of(content, stored)?)?;
        Ok(file)
    }
}

fn content_of(content: Content, stored: &StoredToken) -> Result<Zeroizing<String>> {
    match content {
        Content::Token => Ok(Zeroizing::new(stored.token.access_token.expose().to_owned())),
        Content::Env => format::dotenv(&stored.token, &stored.platform, false),
        Content::EnvAndRefreshToken => format::dotenv(&stored.token, &stored.platform, true),
    }
}

/// Begins a file; `remove_drafts` knows its name until it is complete.
fn begin(path: &Path) -> Result<AtomicFile> {
    AtomicFile::new(path, &prefix_of(path))
}

/// Begins a file with room for what is there too: that may stay.
fn begin_with_room(path: &Path) -> Result<AtomicFile> {
    let there = path.metadata().map_or(0, |found| found.len()).min(LONGEST);
    begin(path)?.reserve(ROOM + usize::try_from(there).unwrap_or_default())
}

fn prefix_of(path: &Path) -> String {
    format!(".jf-token-{}~", path.file_name().unwrap_or_default().display())
}

/// Whether two paths are one file to this system, which may ignore case: then a draft of the one is there under the name of the other's too.
///
/// # Errors
/// Fails if a draft can't be made.
pub fn are_one(one: &Path, other: &Path) -> Result<bool> {
    let draft = begin(one)?;
    let random = draft.draft_name().and_then(|name| name.strip_prefix(&prefix_of(one)));
    Ok(random.is_some_and(|random| other.with_file_name(prefix_of(other) + random).exists()))
}

/// Removes what processes left of this file that were killed while they wrote it.
fn remove_drafts(path: &Path) {
    let prefix = prefix_of(path);
    let is_draft =
        |name: &str| name.strip_prefix(&prefix).is_some_and(|rest| rest.len() == RANDOM && rest.bytes().all(|b| b.is_ascii_alphanumeric()));
    let entries = path.parent().and_then(|folder| std::fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let drafts: Vec<_> = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_draft)).map(|entry| entry.path()).collect();
    remove_all(&drafts);
}

/// What is at a path, with its mode; `None`: nothing is.
///
/// # Errors
/// Fails if it is not a regular file of this user's with a single name, can't be read, or is too long.
fn read_there(path: &Path) -> std::io::Result<Option<(Zeroizing<Vec<u8>>, u32)>> {
    let mut file = match os::open_private(File::options().read(true), path) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        opened => opened?,
    };
    let mode = os::mode_of(&file)?;
    Ok(Some((io::read(&mut file, LONGEST)?, mode)))
}

fn read_merged(path: &Path) -> Result<Merged> {
    let there = read_there(path).map_err(|error| Error::file("add lines to", path, &error))?;
    let (text, mode) = there.map_or_else(Default::default, |(text, mode)| (text, Some(mode)));
    Merged::read(&text, mode).map_err(|why| Error::new(Kind::Local, format!("{} {why}", path.display()), ""))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    place_of(text, part).is_some()
}

fn place_of(text: &[u8], part: &[u8]) -> Option<usize> {
    memmem::find(text, part)
}

/// Whether a file holds nothing but what jf-token writes: nothing yet, an access token, or a platform's lines with one.
fn is_ours(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    text.is_empty() || is_access_token(text.strip_suffix('\n').unwrap_or(text)) || are_our_lines(text)
}

fn are_our_lines(text: &str) -> bool {
    let mut names = Vec::new();
    let are_ours = text.lines().all(|line| {
        let Some((name, value)) = line.split_once('=') else { return false };
        let is_new = !names.contains(&name);
        names.push(name);
        is_new && format::NAMES.contains(&name) && (name != format::TOKEN || is_access_token(value))
    });
    are_ours && names.contains(&format::TOKEN)
}

/// Whether it is a JFrog platform's access token (a JWT whose issuer is `jfac@…`, or `jfrt@…` of old), not somebody else's secret.
fn is_access_token(text: &str) -> bool {
    let claims = Secret::new(text).ok().filter(|secret| secret.expose() == text).and_then(|secret| claims(&secret));
    claims.is_some_and(|claims| claims.get("iss").and_then(serde_json::Value::as_str).is_some_and(|issuer| issuer.starts_with("jf")))
}

/// Puts `content` into a file, in the place of all that is there or, if it is merged, of our lines.
fn put(file: &WrittenFile, draft: Option<AtomicFile>, content: &str) -> Result<()> {
    let merged = if file.merged { Some(read_merged(&file.path)?) } else { None };
    let draft = draft.map_or_else(|| begin(&file.path), Ok)?;
    match merged {
        Some(merged) => draft.finish(&merged.with(content)),
        None => draft.finish(content.as_bytes()),
    }
    .map(drop)
}

/// Writes the token, in the place of all that is there or, if it is merged, of our lines.
///
/// # Errors
/// Fails if it can't be written.
pub fn write(file: &WrittenFile, stored: &StoredToken) -> Result<()> {
    put(file, None, &content_of(file.content, stored)?)
}

/// Writes a token to a file that holds the one `before`, unless it is up to date. Of a file to which others have written since, only what
/// we wrote is replaced. Returns false if that is not there any more.
fn renew(file: &WrittenFile, draft: Option<AtomicFile>, before: Option<&StoredToken>, stored: &StoredToken) -> Result<bool> {
    let content = content_of(file.content, stored)?;
    let there = if file.merged { None } else { read_there(&file.path).ok().flatten() };
    // What can't be read is for `AtomicFile` to refuse, or is replaced.
    let Some((text, _)) = there else { return put(file, draft, &content).map(|()| true) };
    if contains(&text, content.as_bytes()) {
        return Ok(true);
    }
    if is_ours(&text) {
        return put(file, draft, &content).map(|()| true);
    }
    let Some(before) = before else { return Ok(false) };
    let before = content_of(file.content, before)?;
    let Some(at) = place_of(&text, before.as_bytes()) else { return Ok(false) };
    let whole = Zeroizing::new([&text[..at], content.as_bytes(), &text[at + before.len()..]].concat());
    draft.map_or_else(|| begin(&file.path), Ok)?.finish(&whole).map(|_| true)
}

/// A session's files, begun before the token that they will hold is requested.
pub struct Rewrites(Vec<(WrittenFile, Option<AtomicFile>)>);

impl Rewrites {
    /// Reserves room for the files that exist. A missing one gives nobody an old token, so it does not stop a renewal.
    ///
    /// # Errors
    /// When one can't be written.
    pub fn begin(files: &[WrittenFile]) -> Result<Self> {
        let begin = |file: &WrittenFile| {
            let is_there = file.path.symlink_metadata().is_ok();
            let draft = is_there.then(|| begin_with_room(&file.path)).transpose()?;
            Ok((file.clone(), draft))
        };
        files.iter().map(begin).collect::<Result<_>>().map(Self)
    }

    /// Without reserved room, for when there is nothing to lose: writes what can be written.
    #[must_use]
    pub fn without_room(files: &[WrittenFile]) -> Self {
        Self(files.iter().map(|file| (file.clone(), None)).collect())
    }

    /// Writes the token in the place of the one `before`, where it is known.
    #[must_use]
    pub fn finish(self, before: Option<&StoredToken>, stored: &StoredToken) -> Rewritten {
        let mut rewritten = Rewritten::default();
        for (file, draft) in self.0 {
            match renew(&file, draft, before, stored) {
                Ok(true) => {}
                Ok(false) => rewritten.foreign.push(file.path),
                Err(error) => rewritten.failures.push(error),
            }
        }
        rewritten
    }
}

/// What became of files that were rewritten.
#[derive(Default)]
pub struct Rewritten {
    /// Those that could not be written.
    pub failures: Vec<Error>,
    /// Those that others have replaced: what they hold is not ours.
    pub foreign: Vec<PathBuf>,
}

/// Takes the token out of a file. One that then holds nothing goes, unless it was there before. Returns false if the token is not there to be
/// taken: others have replaced the file, which stays.
///
/// # Errors
/// Fails if it can't be done.
pub fn take_away(file: &WrittenFile, stored: Option<&StoredToken>) -> Result<bool> {
    remove_drafts(&file.path);
    if file.merged {
        return take_lines_away(&file.path);
    }
    let Ok(Some((text, _))) = read_there(&file.path) else { return io::remove(&file.path).map(|()| true) };
    let content = stored.map(|stored| content_of(file.content, stored)).transpose()?;
    match content.and_then(|content| Some((place_of(&text, content.as_bytes())?, content.len()))) {
        _ if is_ours(&text) => {}
        None => return Ok(false),
        Some((at, length)) => {
            let rest = Zeroizing::new([&text[..at], &text[at + length..]].concat());
            if !rest.trim_ascii().is_empty() {
                return begin(&file.path)?.finish(&rest).map(|_| true);
            }
        }
    }
    io::remove(&file.path).map(|()| true)
}

fn take_lines_away(path: &Path) -> Result<bool> {
    let merged = read_merged(path)?;
    let rest = merged.rest();
    match merged.mode {
        // They are gone already, or so is the file.
        _ if !merged.is_there => Ok(true),
        None if rest.is_empty() => io::remove(path).map(|()| true),
        mode => begin(path)?.with_mode(mode).and_then(|draft| draft.finish(&rest)).map(|_| true),
    }
}
