use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::access::Grant;
use crate::error::{Error, Kind, Result};
use crate::inputs::{Order, PlatformUrl};

/// The content of a session's file. It never holds the credential that minted the tokens.
#[derive(Default, Serialize, Deserialize)]
pub struct State {
    /// Every token minted and not yet revoked, the current one last.
    pub tokens: Vec<Held>,
}

/// A token, and what is needed to use it, mint it again and end it.
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
    /// Files that hold it, to be removed with it.
    pub files: Vec<PathBuf>,
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
}
