use super::Held;
use crate::access::{Access, Revoked};
use crate::error::{Kind, Result};
use crate::redact::Secret;

/// Ends one token: by the credential that minted it where it is at hand, else by the token itself, which may always end itself.
///
/// # Errors
/// When the token may still be alive.
pub async fn end(access: &Access<'_>, held: &Held, credential: Option<&Secret>) -> Result<Revoked> {
    let id = &held.grant.token_id;
    if let Some(credential) = credential.filter(|_| !id.is_empty()) {
        match access.revoke(id, credential).await {
            // The credential of the minting step may be another one, or be gone: the token can still speak for itself.
            Err(error) if error.kind() == Kind::Refused && error.said().is_some() => {}
            settled => return settled,
        }
    }
    match access.revoke("me", &held.grant.access_token).await {
        // Dead for the platform already. Refused for another reason (its audience is not this service), it may well live.
        Err(error)
            if error.status() == Some(401) && error.said().is_some_and(|said| said.contains("expired") || said.contains("revoked")) =>
        {
            Ok(Revoked::Done)
        }
        settled => settled,
    }
}
