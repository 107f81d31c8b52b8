//! What proves who the job is. One file a kind, one line in `KINDS`.

mod access_token;

use std::io::Read;
use std::pin::Pin;

use redact::Secret;
use serde::{Deserialize, Serialize};

use crate::api::{Client, IssuedToken, TokenRequest};
use crate::error::{Error, Kind, Result};
use crate::options::{CredentialOptions, Source};

/// The credential, if the options give one of this kind. What was given and is wrong is an error, and no reason to try the next.
type Find = fn(&CredentialOptions, &mut dyn Read) -> Result<Option<Credential>>;

/// Every kind of credential; the first that is given is it.
const KINDS: [Find; 1] = [access_token::find];

/// A credential, and where it came from. A process finds it once: a pipe can't be read again.
pub struct Credential {
    from: Box<dyn CredentialSource>,
    /// The input it came from.
    pub source: Source,
}

/// One kind of credential.
trait CredentialSource: Send + Sync {
    /// What nothing may print, and no program that is started may have.
    fn secret(&self) -> &Secret;

    /// What requests bear. It may have to be asked for.
    fn authenticate(&self) -> Pin<Box<dyn Future<Output = Result<Secret>> + '_>>;

    /// How a token is issued for it; and how it is issued again.
    fn issuing(&self, wanted: TokenRequest) -> Issuing;
}

impl Credential {
    /// What nothing may print, and no program that is started may have.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        self.from.secret()
    }

    /// What requests bear.
    ///
    /// # Errors
    /// When it had to be asked for and was not given.
    pub async fn authenticate(&self) -> Result<Secret> {
        self.from.authenticate().await
    }

    /// How a token is issued for it; and how it is issued again.
    #[must_use]
    pub fn issuing(&self, wanted: TokenRequest) -> Issuing {
        self.from.issuing(wanted)
    }
}

/// How a token is issued. A session remembers it.
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
    /// When none came back.
    pub async fn issue(&self, client: &Client<'_>, bearer: &Secret) -> Result<IssuedToken> {
        match self {
            Issuing::Mint(wanted) => client.mint(wanted, bearer).await,
        }
    }

    /// What was asked for.
    #[must_use]
    pub fn request(&self) -> &TokenRequest {
        match self {
            Issuing::Mint(wanted) => wanted,
        }
    }
}

/// The credential that the options give, if they give one.
///
/// # Errors
/// When it is wrong, or two are given.
pub fn find(options: &CredentialOptions, stdin: &mut dyn Read) -> Result<Option<Credential>> {
    for kind in KINDS {
        if let Some(credential) = kind(options, stdin)? {
            return Ok(Some(credential));
        }
    }
    Ok(None)
}

/// There is none: what to do. A user and password are refused with jf's own reason.
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
