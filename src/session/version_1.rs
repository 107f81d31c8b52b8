//! The format before the file had a version: a list of tokens, the current one last. Needed if jf-token is upgraded during a job.

use serde::Deserialize;

use super::schedule::Backoff;
use super::state::{AtEnd, Lost, Owner, State, StoredToken, WrittenFile};
use crate::api::{IssuedToken, PlatformUrl, TokenRequest};
use crate::credential::Issuing;
use crate::io::clock::Timestamp;
use crate::options::RenewBy;

// The newer format has no field `tokens`, and this one has only the fields named here, so neither is taken for the other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Old {
    tokens: Vec<OldToken>,
    trouble: Option<Backoff>,
    #[serde(default)]
    left_behind: bool,
    keeper_gave_up: Option<String>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as it was")]
struct OldToken {
    platform: PlatformUrl,
    order: TokenRequest,
    grant: IssuedToken,
    revoke: bool,
    files: Vec<WrittenFile>,
    variable: Option<String>,
    #[serde(default)]
    renew_by: RenewBy,
    #[serde(default)]
    in_doubt: bool,
    #[serde(default)]
    masked: bool,
    #[serde(default)]
    of_exec: bool,
    #[serde(default)]
    replaced: bool,
}

pub(super) fn read(text: &[u8], name: &str) -> serde_json::Result<State> {
    let old: Old = serde_json::from_slice(text)?;
    let mut state = State { name: name.to_owned(), ..State::default() };
    (state.backoff, state.keeper_failure) = (old.trouble, old.keeper_gave_up);
    state.lost.extend(old.left_behind.then(Lost::default));
    for token in old.tokens {
        if token.of_exec {
            state.owner = Owner::Exec;
        } else if token.masked {
            state.owner = Owner::Action;
        }
        let replaced = token.replaced;
        let stored = StoredToken::from(token);
        if replaced {
            state.replaced.push(stored);
        } else {
            state.others.extend(state.current.replace(stored));
        }
    }
    Ok(state)
}

impl From<OldToken> for StoredToken {
    fn from(old: OldToken) -> Self {
        let mut token = old.grant;
        // This was in seconds.
        token.issued_at = Timestamp::from_secs(token.issued_at.as_millis());
        Self {
            platform: old.platform,
            issuing: Issuing::Mint(old.order),
            token,
            at_end: if old.revoke { AtEnd::Revoke } else { AtEnd::Keep },
            files: old.files,
            variable: old.variable,
            renew_by: old.renew_by,
            max_life: None,
            in_doubt: old.in_doubt,
            masked: old.masked,
            unheard: false,
        }
    }
}
