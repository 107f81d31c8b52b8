use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use redact::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::schedule::{Backoff, RefusedCredential};
use super::version_1;
use crate::api::{IssuedToken, PlatformUrl};
use crate::credential::Issuing;
use crate::error::{Error, Kind, Result};
use crate::io::clock::{self, Timestamp};
use crate::io::read;
use crate::options::RenewBy;
use crate::os;

/// The longest state file that is read, in bytes: more than thousands of tokens take.
const LONGEST: u64 = 64 << 20;
/// How many replaced tokens that have expired are kept, for the redactor.
const MOST_ENDED: usize = 16;

/// The content of a session's file. It never includes the credential.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub(super) version: Version,
    /// The session's own name, so that no file can take another's place.
    pub(super) name: String,
    /// Who ends the session.
    #[serde(default, skip_serializing_if = "Owner::is_job")]
    pub owner: Owner,
    /// The token in use.
    #[serde(default)]
    pub current: Option<StoredToken>,
    /// Tokens that were issued earlier under the same name and handed over; not yet revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<StoredToken>,
    /// Tokens that a renewed one replaced; not yet revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<StoredToken>,
    /// Whether a file of the current token still holds the one before, because it could not be written.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub files_behind: bool,
    /// How often the token was renewed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub renewed: u32,
    /// The pause before the next renewal, if the last one failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// The credential that was refused last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<RefusedCredential>,
    /// Tokens that may be alive though no answer told of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
    /// Files of tokens that were ended, which could not be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_files: Vec<WrittenFile>,
    /// Why the keeper gave up, for the next command whose messages are in the job's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper_failure: Option<String>,
    /// With which process the keeper ended, though the session goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper_ended_with: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// The version of the file's format: always 2.
#[derive(Clone, Copy, Default)]
pub(super) struct Version;

impl Version {
    const NUMBER: u64 = 2;
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_u64(Self::NUMBER)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        if u64::deserialize(deserializer)? == Self::NUMBER { Ok(Self) } else { Err(serde::de::Error::custom("another version")) }
    }
}

/// What a token was asked for that may be alive, though its answer was lost or the process that waited for it was killed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// The platform.
    pub platform: Option<PlatformUrl>,
    /// When it was asked for.
    pub since: Option<Timestamp>,
    /// Whom it is for; none: the credential's own user.
    pub username: Option<String>,
    /// Its life; none: the platform's default. Zero: it has no end.
    #[serde(default, with = "clock::seconds", skip_serializing_if = "Option::is_none")]
    pub life: Option<Duration>,
    /// The OIDC provider whose identity mapping says what it is, if that alone does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// It was to be the current token, refreshed. If a later refresh of that one succeeds, there never was another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refreshed: bool,
}

/// Who ends a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The job, by `revoke`.
    #[default]
    Job,
    /// The post step of the action's use that began it.
    Action,
    /// The last `exec` whose program uses the session.
    Exec,
}

impl Owner {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_job(&self) -> bool {
        *self == Owner::Job
    }
}

/// A token, with what is needed to use it, renew it and revoke it.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredToken {
    /// The platform that it is for.
    pub platform: PlatformUrl,
    /// How it was issued, and can be issued again.
    pub issuing: Issuing,
    /// The platform's answer.
    pub token: IssuedToken,
    /// What happens to it when the session ends.
    #[serde(default, skip_serializing_if = "AtEnd::is_revoked")]
    pub at_end: AtEnd,
    /// Files that hold it: rewritten when it is renewed, removed when the session ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WrittenFile>,
    /// The variable that holds it for the job's later steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// How it is renewed.
    #[serde(default, skip_serializing_if = "RenewBy::is_auto")]
    pub renew_by: RenewBy,
    /// The longest life to accept, also of the tokens that replace it.
    #[serde(default, with = "clock::seconds", skip_serializing_if = "Option::is_none")]
    pub max_life: Option<Duration>,
    /// Whether its refresh token was sent and no answer is remembered, so that the token may be invalid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Whether every log of the job hides it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// No log was told to hide it yet. Whoever does so first waits a moment before printing it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unheard: bool,
}

/// What happens to a token when its session ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtEnd {
    /// It is revoked.
    #[default]
    Revoke,
    /// It stays valid, as its user asked.
    Keep,
}

impl AtEnd {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    fn is_revoked(&self) -> bool {
        *self == AtEnd::Revoke
    }
}

/// A file that holds a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// The absolute path. On disk, that of a file in the job's temporary folder is relative to it.
    pub path: PathBuf,
    /// What the file contains.
    pub content: Content,
    /// Whether that stands among the lines of others, which stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub merged: bool,
}

/// What a file that holds a token contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The bare access token.
    Token,
    /// `NAME=VALUE` lines.
    Env,
    /// `NAME=VALUE` lines, including the refresh token.
    EnvAndRefreshToken,
}

impl State {
    /// An absent file is an empty state. One of the version before is read too.
    pub(super) fn read(path: &Path, name: &str) -> Result<Self> {
        let empty = || Self { name: name.to_owned(), ..Self::default() };
        let text = match os::open_private(File::options().read(true), path).and_then(|mut file| read(&mut file, LONGEST)) {
            Ok(text) => text,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(empty()),
            Err(error) => return Err(Error::file("read", path, &error)),
        };
        match Self::parse(&text, name) {
            Some(state) if state.name == name => Ok(state),
            Some(other) if other.name.eq_ignore_ascii_case(name) => Err(is_taken(name, &other.name, path)),
            _ => {
                let what = format!("the session file {} was not written by this version of jf-token", path.display());
                Err(Error::new(Kind::Local, what, "Remove it, or give another --session. Tokens it held live until their end."))
            }
        }
    }

    /// Not a `Result`: serde's own words would show what it met. `name` is for a version that did not write its own.
    pub(super) fn parse(text: &[u8], name: &str) -> Option<Self> {
        serde_json::from_slice(text).or_else(|_| version_1::read(text, name)).ok()
    }

    pub(super) fn to_json(&self) -> Result<Zeroizing<String>> {
        let text = serde_json::to_string(self).map(Zeroizing::new);
        text.map_err(|_| Error::new(Kind::Local, "the session can't be written as JSON", ""))
    }

    /// Adds what the draft of a process that was killed tells: the next version of this state, or what the process was waiting for.
    pub(super) fn adopt(&mut self, draft: &[u8]) {
        let Some(next) = Self::parse(draft, &self.name).filter(|next| next.name == self.name) else {
            let notes = serde_json::Deserializer::from_slice(draft).into_iter();
            let lost: Vec<Lost> = notes.map_while(std::result::Result::ok).collect();
            return self.lost.extend(if lost.is_empty() { vec![Lost::default()] } else { lost });
        };
        self.take_back(&next);
    }

    /// Adds what another version of this state remembers and this one does not. Returns whether there was a token.
    pub fn take_back(&mut self, other: &Self) -> bool {
        let lost: Vec<_> = other.lost.iter().filter(|lost| !self.lost.contains(lost)).cloned().collect();
        self.lost.extend(lost);
        if self.is_empty() {
            let lost = std::mem::take(&mut self.lost);
            *self = Self { lost, ..other.clone() };
            return !self.is_empty();
        }
        let before = self.tokens().count();
        self.renewed = self.renewed.max(other.renewed);
        for stored in other.others.iter().chain(&other.current) {
            let is_newer = self.current.as_ref().is_none_or(|current| current.token.issued_at < stored.token.issued_at);
            match stored.clone() {
                _ if self.holds(stored) => {}
                stored if is_newer => self.add(stored),
                stored => self.others.push(stored),
            }
        }
        let replaced: Vec<_> = other.replaced.iter().filter(|stored| !self.holds(stored)).cloned().collect();
        self.replaced.extend(replaced);
        self.tokens().count() > before
    }

    fn holds(&self, stored: &StoredToken) -> bool {
        self.tokens().any(|ours| ours.token.access_token == stored.token.access_token)
    }

    /// Why the token is kept fresh no longer, if a keeper has said so.
    #[must_use]
    pub fn why_not_kept(&self) -> Option<String> {
        let ended = |process: &String| {
            format!(
                "the token is no longer kept fresh: {process}, with which its keeper was to end, has ended. Give --until-pid the number of a process that ends with the job, or start the keeper in the job's own shell."
            )
        };
        self.keeper_failure.clone().or_else(|| self.keeper_ended_with.as_ref().map(ended))
    }

    /// Whether no token is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tokens().next().is_none()
    }

    /// Every token that is remembered, the current one last.
    pub fn tokens(&self) -> impl Iterator<Item = &StoredToken> {
        self.replaced.iter().chain(&self.others).chain(&self.current)
    }

    /// The paths of all files that hold a token.
    pub(super) fn paths_mut(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let tokens = self.replaced.iter_mut().chain(&mut self.others).chain(&mut self.current);
        tokens.flat_map(|stored| &mut stored.files).map(|file| &mut file.path)
    }

    /// All files that hold a token, or could not be removed.
    pub fn files(&self) -> impl Iterator<Item = &WrittenFile> {
        self.tokens().flat_map(|stored| &stored.files).chain(&self.left_files)
    }

    /// Whether this secret is remembered.
    #[must_use]
    pub fn knows(&self, secret: &Secret) -> bool {
        self.secrets().any(|ours| ours == secret)
    }

    /// Every secret that is remembered.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.tokens().flat_map(|stored| stored.token.secrets())
    }

    /// Takes every token out: first those that were replaced, then the others, the current one last.
    pub fn take_tokens(&mut self) -> (Vec<StoredToken>, Vec<StoredToken>) {
        let mut named = std::mem::take(&mut self.others);
        named.extend(self.current.take());
        (std::mem::take(&mut self.replaced), named)
    }

    /// Makes a new token the current one, and keeps the previous one among the others.
    pub fn add(&mut self, stored: StoredToken) {
        self.others.extend(self.current.replace(stored));
        (self.backoff, self.refused, self.files_behind) = (None, None, false);
    }

    /// Puts a renewed token in the place of the current one, which is remembered as replaced. Of those that have expired, the oldest are
    /// dropped.
    pub fn replace(&mut self, stored: StoredToken, now: Timestamp) {
        if let Some(mut old) = self.current.replace(stored) {
            old.in_doubt = false;
            old.files.clear();
            self.replaced.push(old);
            self.renewed += 1;
        }
        (self.backoff, self.refused, self.files_behind) = (None, None, false);
        let ended = |stored: &StoredToken| stored.token.expires_at().is_some_and(|end| end < now);
        while self.replaced.iter().filter(|stored| ended(stored)).count() > MOST_ENDED
            && let Some(oldest) = self.replaced.iter().position(ended)
        {
            self.replaced.remove(oldest);
        }
    }
}

/// The error for a name whose file is that of another session.
fn is_taken(name: &str, by: &str, path: &Path) -> Error {
    let folder = path.parent().unwrap_or(path).display();
    let what = format!("the session '{name}' can't be told apart from '{by}' in {folder}: this system ignores case");
    Error::input(what, format!("Name that one '{by}', or give this one another --session."))
}
