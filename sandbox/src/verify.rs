//! Whether an identity token is one of a provider's issuer.

use std::io;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::{
    answers::ApiError,
    fetch,
    jwt::{Compact, Jwk},
    providers::Provider,
    state::Shared,
};

pub(crate) type Claims = Map<String, Value>;

/// guess: these words are those for an access token.
fn invalid(why: &str) -> ApiError {
    ApiError::unauthorized(format!("Invalid token, {why}"))
}

/// The claims of a valid identity token.
pub(crate) async fn identity(shared: &Shared, provider: &Provider, token: &str) -> Result<Claims, ApiError> {
    let token = Compact::parse(token).ok_or_else(|| invalid("parse"))?;
    // Any other algorithm, such as none, has no key.
    if !matches!(token.header["alg"].as_str(), Some("RS256" | "ES256")) {
        return Err(invalid("signature"));
    }
    let mut keys = provider.keys.clone();
    if !keys.iter().any(|key| key.is_for(&token)) {
        keys = fetch_keys(shared, provider).await?;
    }
    if !keys.iter().any(|key| key.is_for(&token) && key.verifies(&token)) {
        return Err(invalid("signature"));
    }
    let Value::Object(claims) = token.claims else {
        return Err(invalid("parse"));
    };
    check_issuer(provider, &claims)?;
    check_times(&claims, shared.lock().now())?;
    check_audience(provider, &claims)?;
    Ok(claims)
}

/// The issuer's current keys, which are remembered. A new key of the issuer is found because its id is unknown.
async fn fetch_keys(shared: &Shared, provider: &Provider) -> Result<Vec<Jwk>, ApiError> {
    let cas = shared.lock().providers.issuer_cas.clone();
    let discovery = format!("{}/.well-known/openid-configuration", provider.issuer_url.trim_end_matches('/'));
    // guess: status and message.
    let failed = |e: io::Error| {
        let message = format!("Failed to get the keys of {}: {e}", provider.issuer_url);
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    };
    let document = fetch::json(&discovery, &cas).await.map_err(failed)?;
    let keys_url = document["jwks_uri"].as_str().ok_or_else(|| failed(io::Error::other("no jwks_uri")))?;
    let keys = Jwk::all(&fetch::json(keys_url, &cas).await.map_err(failed)?);
    if let Some(provider) = shared.lock().providers.named(&provider.name) {
        provider.keys.clone_from(&keys);
    }
    Ok(keys)
}

/// guess: a slash at the end makes no difference; the documentation configures GitHub's issuer with one.
fn check_issuer(provider: &Provider, claims: &Claims) -> Result<(), ApiError> {
    let expected = provider.token_issuer.as_ref().unwrap_or(&provider.issuer_url);
    let issuer = claims.get("iss").and_then(Value::as_str);
    let same = issuer.is_some_and(|issuer| issuer.trim_end_matches('/') == expected.trim_end_matches('/'));
    if same { Ok(()) } else { Err(invalid("issuer")) }
}

/// guess: an expiry is required, and clocks may not differ at all.
fn check_times(claims: &Claims, now: i64) -> Result<(), ApiError> {
    let time = |name| claims.get(name).and_then(Value::as_i64);
    if time("exp").is_none_or(|exp| exp <= now) {
        return Err(invalid("expired"));
    }
    if ["nbf", "iat"].into_iter().filter_map(time).any(|start| start > now) {
        return Err(invalid("not yet valid"));
    }
    Ok(())
}

fn check_audience(provider: &Provider, claims: &Claims) -> Result<(), ApiError> {
    let Some(expected) = &provider.audience else { return Ok(()) };
    let audiences = match claims.get("aud") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    if audiences.iter().any(|a| a == expected) { Ok(()) } else { Err(invalid_audience()) }
}

/// Seen, without a `detail`.
pub(crate) fn invalid_audience() -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "Invalid audience")
}
