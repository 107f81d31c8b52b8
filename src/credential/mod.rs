//! The credential: what proves who the job is. One file per kind, one line in `KINDS`.

mod access_token;

use std::io::Read;
use std::pin::Pin;

use redact::Secret;
use serde::{Deserialize, Serialize};

use crate::api::{Client, IssuedToken, TokenRequest};
use crate::error::{Error, Kind, Result};
use crate::options::{CredentialOptions, Source};

/// Finds a credential of one kind, if the options give one. An invalid one is an error; the next kind is not tried.
type Find = fn(&CredentialOptions, &mut dyn Read) -> Result<Option<Credential>>;

/// Every kind of credential. The first that is given is used.
const KINDS: [Find; 1] = [access_token::find];

/// A credential and its source. A process looks for it only once, because a pipe can't be read twice.
pub struct Credential {
    from: Box<dyn CredentialSource>,
    /// The option that gave it.
    pub source: Source,
}

/// One kind of credential.
trait CredentialSource: Send + Sync {
    /// What nothing may print, and no started program may get.
    fn secret(&self) -> &Secret;

    /// The bearer token of requests. Some kinds have to ask for it first.
    fn authenticate(&self) -> Pin<Box<dyn Future<Output = Result<Secret>> + '_>>;

    /// How a token is issued by this credential, and issued again.
    fn issuing(&self, wanted: TokenRequest) -> Issuing;
}

impl Credential {
    /// What nothing may print, and no started program may get.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        self.from.secret()
    }

    /// The bearer token of requests.
    ///
    /// # Errors
    /// Fails if it had to be asked for and was not given.
    pub async fn authenticate(&self) -> Result<Secret> {
        self.from.authenticate().await
    }

    /// How a token is issued by this credential, and issued again.
    #[must_use]
    pub fn issuing(&self, wanted: TokenRequest) -> Issuing {
        self.from.issuing(wanted)
    }
}

/// How a token is issued. The session remembers it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Issuing {
    /// By `POST /access/api/v1/tokens`.
    Mint(TokenRequest),
}

impl Issuing {
    /// Asks for the token.
    ///
    /// # Errors
    /// Fails if none came back.
    pub async fn issue(&self, client: &Client<'_>, bearer: &Secret) -> Result<IssuedToken> {
        match self {
            Issuing::Mint(wanted) => client.mint(wanted, bearer).await,
        }
    }

    /// The same without `force_revocable`, for a platform that refuses it.
    #[must_use]
    pub fn without_force_revocable(&self) -> Self {
        match self {
            Issuing::Mint(wanted) => Issuing::Mint(TokenRequest { force_revocable: false, ..wanted.clone() }),
        }
    }

    /// The request for the token.
    #[must_use]
    pub fn request(&self) -> &TokenRequest {
        match self {
            Issuing::Mint(wanted) => wanted,
        }
    }
}

/// The credential that the options give, if any.
///
/// # Errors
/// Fails if it is invalid, or if two are given.
pub fn find(options: &CredentialOptions, stdin: &mut dyn Read) -> Result<Option<Credential>> {
    for kind in KINDS {
        if let Some(credential) = kind(options, stdin)? {
            return Ok(Some(credential));
        }
    }
    Ok(None)
}

/// The error for a missing credential, and what to do. A user and a password are refused with jf's own reason.
#[must_use]
pub fn missing(options: &CredentialOptions) -> Error {
    let instead = "Give an access token of the platform by JF_ACCESS_TOKEN, the action's input access-token, --access-token-file or --access-token-stdin.";
    match options.password.as_ref().or(options.user.as_ref()) {
        Some(given) => {
            let what = format!("{}: authenticating with access token is currently mandatory for creating access tokens", given.source);
            Error::new(Kind::NoCredential, what, instead)
        }
        None => Error::new(Kind::NoCredential, "there is no credential", instead),
    }
}
