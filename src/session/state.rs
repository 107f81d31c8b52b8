use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::renewal::{RenewBy, Trouble};
use crate::access::Grant;
use crate::clock::Millis;
use crate::error::{Error, Kind, Result};
use crate::inputs::{Order, PlatformUrl};
use crate::redact::Secret;

/// Tokens that were replaced and have ended are kept for the redactor, up to so many.
const MOST_ENDED: usize = 16;

/// The content of a session's file. It never holds the credential that minted the tokens.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Every token minted and not yet revoked, the current one last.
    pub tokens: Vec<Held>,
    /// What stands in the way of the next renewal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// A token may be alive that nobody knows of.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left_behind: bool,
    /// Why the keeper gave up, for the next command that the job's log shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper_gave_up: Option<String>,
}

/// A token, and what is needed to use it, renew it and end it.
#[expect(clippy::struct_excessive_bools, reason = "facts that don't depend on each other")]
#[derive(Clone, Serialize, Deserialize)]
pub struct Held {
    /// Where it is good.
    pub platform: PlatformUrl,
    /// What was asked for.
    pub order: Order,
    /// What came back.
    pub grant: Grant,
    /// False: its user wants it to live on after the job.
    pub revoke: bool,
    /// Files that hold it, to be rewritten when it is renewed and removed with it.
    pub files: Vec<WrittenFile>,
    /// The variable that holds it for the job's later steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// How it is renewed.
    #[serde(default, skip_serializing_if = "RenewBy::is_auto")]
    pub renew_by: RenewBy,
    /// Its refresh token was sent and no answer is remembered: the token may be dead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_doubt: bool,
    /// Every log of the job hides it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// `exec` has minted it: the last that uses the session ends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_exec: bool,
    /// A newer one took its place.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaced: bool,
}

/// A file that holds a token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Where it is, absolute.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
}

/// What a file that holds a token has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The bare access token.
    Token,
    /// `NAME=VALUE` lines.
    Env,
    /// The same, with the refresh token.
    EnvAndRefreshToken,
}

impl State {
    /// An absent file is an empty state.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = match std::fs::read(path) {
            Ok(text) => zeroize::Zeroizing::new(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Error::file("read", path, &error)),
        };
        // serde's own words would show what it met.
        serde_json::from_slice(&text).map_err(|_| {
            let what = format!("the session file {} was not written by this version of jf-token", path.display());
            Error::new(Kind::Local, what, "Remove it, or give another --session. Tokens it held live until their end.")
        })
    }

    pub(super) fn to_json(&self) -> Result<zeroize::Zeroizing<String>> {
        let text = serde_json::to_string(self).map(zeroize::Zeroizing::new);
        text.map_err(|_| Error::new(Kind::Local, "the session can't be written as JSON", ""))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Every secret that is remembered.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.tokens.iter().flat_map(|held| held.grant.secrets())
    }

    /// Puts a token in the place of the current one, which lives on as long as the platform lets it.
    pub fn replace(&mut self, held: Held, now: Millis) {
        if let Some(last) = self.tokens.last_mut() {
            last.replaced = true;
            last.in_doubt = false;
            last.files.clear();
        }
        self.tokens.push(held);
        self.trouble = None;
        let ended = |held: &Held| held.replaced && held.grant.ends_at().is_some_and(|end| end < now);
        while self.tokens.iter().filter(|held| ended(held)).count() > MOST_ENDED
            && let Some(oldest) = self.tokens.iter().position(ended)
        {
            self.tokens.remove(oldest);
        }
    }
}
