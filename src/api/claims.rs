//! What a token says of itself. Nothing of it is verified: that is up to the platform.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use redact::{Secret, one_line, without_tokens};
use serde_json::{Map, Value};

/// How much of a claim a message shows, in characters.
const LONGEST: usize = 200;

/// The claims of a token, or its header.
pub type Claims = Map<String, Value>;

/// The claims of a token. A reference token (base64 of `reftkn:01:<expiry>:<random>`) only tells when it expires. `None` if it is neither
/// a JWT nor a reference token.
#[must_use]
pub fn claims(token: &Secret) -> Option<Claims> {
    if let Ok(claims) = jsonwebtoken::dangerous::insecure_decode_claims(token.expose()) {
        return Some(claims);
    }
    let text = String::from_utf8(STANDARD.decode(token.expose()).ok()?).ok()?;
    let expiry: u64 = text.strip_prefix("reftkn:01:")?.split(':').next()?.parse().ok()?;
    let mut claims = Claims::new();
    if expiry != 0 {
        claims.insert("exp".to_owned(), expiry.into());
    }
    Some(claims)
}

/// The header of a JWT. jsonwebtoken reads none whose algorithm it does not know, such as `none`.
#[must_use]
pub fn header(token: &Secret) -> Option<Claims> {
    let (header, _) = token.expose().split_once('.')?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()
}

/// A claim that is a number of seconds, such as `exp`; a fraction is dropped.
#[must_use]
pub fn seconds(claims: &Claims, name: &str) -> Option<u64> {
    let value = claims.get(name)?;
    value.as_u64().or_else(|| Some(Duration::try_from_secs_f64(value.as_f64()?).ok()?.as_secs()))
}

/// Whom a token is for.
#[must_use]
pub fn audiences(claims: &Claims) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The user in the subject.
#[must_use]
pub fn user(claims: &Claims) -> Option<&str> {
    claims.get("sub")?.as_str().map(user_name)
}

/// The user in a subject: `jfac@<id>/users/<name>`, `jfrt@<id>/users/<name>` or, for OIDC, any text.
#[must_use]
pub fn user_name(subject: &str) -> &str {
    match subject.rsplit_once('/') {
        Some((_, name)) if subject.starts_with("jfrt@") || subject.contains("/users/") => name,
        _ => subject,
    }
}

/// A claim's value as text, whole.
#[must_use]
pub fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A claim's value as a message may show it: the beginning, on one line and without what could be a token.
#[must_use]
pub fn shown(value: &Value) -> String {
    without_tokens(&one_line(&text(value))).chars().take(LONGEST).collect()
}
