//! Why the platform refused, read in one place, and what to do about it.

use redact::{one_line, without_tokens};
use serde_json::Value;

use super::request::{ApiResponse, Operation};
use crate::error::Refusal;

/// What the platform calls the fields of a request, except for `force_revocable`, which platforms before 7.50.3 don't know. How they refuse it
/// is a guess.
const FIELDS: [&str; 9] = ["audience", "description", "expir", "group", "name", "project", "reference", "refreshable", "scope"];

/// The reason for a refusal, from its status and the platform's words.
pub(super) fn classify(status: u16, words: &str) -> Refusal {
    let words = words.to_lowercase();
    let says = |text: &str| words.contains(text);
    match status {
        400 if says("not revocable") => Refusal::NotRevocable,
        400 if !says("force_revocable") && FIELDS.iter().any(|field| says(field)) => Refusal::WrongField,
        400 => Refusal::BadRequest,
        401 if says("expired") => Refusal::Expired,
        401 if says("revoked") => Refusal::Revoked,
        401 if says("signature") => Refusal::Signature,
        401 if says("audience") => Refusal::Audience,
        401 => Refusal::Unauthorized,
        403 => Refusal::Forbidden,
        404 if says("refresh token") => Refusal::SpentRefreshToken,
        404 => Refusal::NotFound,
        _ => Refusal::Other,
    }
}

/// What the user can do about it. `from_platform` says that the platform itself answered, not something in front of it.
pub(super) fn advice(operation: Operation, refusal: Refusal, from_platform: bool) -> &'static str {
    match (operation, refusal) {
        (Operation::Refresh, Refusal::SpentRefreshToken) if from_platform => "A refresh token works once, and this one was used before.",
        (Operation::Refresh, _) => "The platform does not let this token be refreshed.",
        (Operation::LookUp, Refusal::NotFound | Refusal::SpentRefreshToken) if from_platform => {
            "The platform keeps no record of this token: it was revoked, or is so short-lived (3 hours unless configured otherwise) that it is not stored."
        }
        (Operation::Configuration, Refusal::NotFound | Refusal::SpentRefreshToken) if from_platform => {
            "The platform has no OIDC provider of that name: its admins list them under Administration, Manage Integrations, OpenID Connect."
        }
        // That a project's admin may read that project's is in the Terraform provider's documentation.
        (Operation::Configuration, Refusal::Forbidden) => {
            "Only an admin's access token may read OIDC providers; that of a project's admin, the project's with --project."
        }
        (_, Refusal::BadRequest | Refusal::WrongField | Refusal::NotRevocable) => {
            "The platform rejected an input; its message above says which."
        }
        (_, Refusal::Expired) => "The credential has expired: put a new access token in its place.",
        (_, Refusal::Revoked) => "The credential was revoked: put a new access token in its place.",
        (_, Refusal::Signature) => {
            "The credential was signed by another platform, or with a key that was changed since: check --url, and make a new access token."
        }
        (_, Refusal::Audience) => {
            "The credential is not for this service: it needs the audience *@* or jfac@*, and must not be from the old /artifactory/api/security/token."
        }
        (_, Refusal::Unauthorized) => {
            "The platform does not know the credential: is the access token whole, of this platform, and not revoked?"
        }
        (Operation::Revoke, Refusal::Forbidden) => "Only an admin's access token, or one of the same user, may revoke it.",
        (_, Refusal::Forbidden) => {
            "The credential may not do this: only an admin's token may ask for another user, for groups or for admin rights; anyone else may ask for themselves with the scope applied-permissions/user."
        }
        (_, Refusal::NotFound | Refusal::SpentRefreshToken) => {
            "Is this the URL of a JFrog platform? It is the part before /artifactory or /ui, and access tokens need Artifactory 7.21.1 or later."
        }
        (_, Refusal::Other) => "JFrog Access does not answer like this: check --url, and what stands in front of it.",
    }
}

/// Whether the body is in a form that JFrog's services send. What is in front of them words a 404 differently.
pub(super) fn is_the_platforms(response: &ApiResponse) -> bool {
    let field = |name| response.json.as_ref()?.get(name);
    field("errors").is_some_and(Value::is_array) || (field("code").is_some() && field("message").is_some())
}

/// The platform's own words, from the six forms of an error that have some. The seventh form is HTML.
pub(super) fn words_of(response: &ApiResponse) -> Option<String> {
    let text = response.text.trim();
    let words = match &response.json {
        Some(value) => {
            let error = value.get("errors").and_then(|errors| errors.get(0)).unwrap_or(value);
            let part = |name| error.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            let words = part("message").or(part("error_description")).or(part("error"))?;
            part("detail").map_or_else(|| words.to_owned(), |detail| format!("{words} ({detail})"))
        }
        // JSON that was cut may end within a new token.
        None if response.content_type.contains("html") || text.contains(['<', '{']) || text.lines().count() != 1 => return None,
        None => text.to_owned(),
    };
    // A short line can't be a workflow command either.
    let line: String = one_line(&without_tokens(&words)).chars().take(300).collect();
    Some(line)
}
