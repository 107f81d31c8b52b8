//! `/access/api/v1/tokens`: create, refresh, revoke, look up.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State as Handle},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::{delete, get},
};
use serde::{Deserialize, Serialize};

use crate::{
    answers::{Answer, ApiError, json_answer, old_error},
    create::{Request, check_name},
    scope::{ADMIN, USER},
    state::{ANY_SERVICE, Shared, State, Token, TokenSpec},
    tokens::Claims,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/access/api/v1/tokens", get(list).post(create_or_refresh))
        .route("/access/api/v1/tokens/revoke", delete(revoke_by_value))
        .route("/access/api/v1/tokens/{id}", get(show).delete(revoke))
}

/// The token after `Bearer`. Basic authentication is off by default in Access, so it is ignored.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn presented(headers: &HeaderMap) -> Result<&str, ApiError> {
    // guess: the message if there is no usable Authorization header.
    bearer(headers).ok_or_else(|| ApiError::unauthorized("HTTP 401 Unauthorized"))
}

fn invalid(why: &str) -> ApiError {
    ApiError::unauthorized(format!("Invalid token, {why}"))
}

fn caller(state: &State, headers: &HeaderMap) -> Result<Claims, ApiError> {
    state.authenticate(presented(headers)?, "jfac").map_err(invalid)
}

fn is_admin(caller: &Claims) -> bool {
    let mut scopes = caller.scp.split(' ');
    scopes.any(|s| s == ADMIN || (s == USER && caller.username() == "admin"))
}

/// Refuses a caller who is not an admin.
pub(crate) fn admin(state: &State, headers: &HeaderMap) -> Result<(), ApiError> {
    let caller = caller(state, headers)?;
    if is_admin(&caller) { Ok(()) } else { Err(ApiError::not_admin(caller.username())) }
}

/// The answer to a mint, with its fields in Access's order.
#[derive(Serialize)]
struct Minted<'a> {
    token_id: &'a str,
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    scope: &'a str,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

fn mint(state: &mut State, spec: TokenSpec) -> Response {
    let token = state.issue(spec);
    let body = Minted {
        token_id: &token.claims.jti,
        access_token: &token.access,
        expires_in: token.spec.life,
        scope: &token.spec.scope,
        token_type: "Bearer",
        refresh_token: token.refresh.as_deref(),
        reference_token: token.reference.as_deref(),
        description: token.spec.description.as_deref(),
    };
    json_answer(StatusCode::OK, &body)
}

async fn create_or_refresh(Handle(shared): Handle<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut state = shared.lock();
    let request = Request::read(&headers, &body);
    if let Ok(request) = &request
        && request.is_refresh()
    {
        return refresh(&mut state, &headers, request);
    }
    let caller = caller(&state, &headers)?;
    let request = request?;
    request.check(&state)?;
    create(&mut state, &caller, request)
}

fn create(state: &mut State, caller: &Claims, request: Request) -> Answer {
    let own = caller.username();
    let username = request.username.unwrap_or_else(|| own.to_owned());
    // Seen for the subject of an exchanged token whose identity mapping has no user.
    check_name(&username)?;
    let scope = request.scope.unwrap_or_else(|| USER.to_owned());
    // expires_in 0 is for admins only (documented). guess: so is a project's token.
    let admins_only = username != own || scope != USER || request.expires_in == Some(0) || request.project_key.is_some();
    if admins_only && !is_admin(caller) {
        return Err(ApiError::not_admin(own));
    }
    let life = request.expires_in.unwrap_or(state.settings.default_expiry);
    let spec = TokenSpec {
        username,
        scope,
        audience: request.audience.unwrap_or_else(|| ANY_SERVICE.to_owned()),
        life: (life > 0).then_some(life),
        refreshable: request.refreshable.unwrap_or(false),
        reference: request.include_reference_token.unwrap_or(false),
        forced: request.force_revocable.unwrap_or(false),
        description: request.description,
        project: request.project_key,
    };
    Ok(mint(state, spec))
}

fn refresh(state: &mut State, headers: &HeaderMap, request: &Request) -> Answer {
    let at = to_refresh(state, headers, request)?;
    let token = &mut state.tokens[at];
    token.spent = true;
    token.ended = state.settings.refresh_kills_old;
    // guess: the new token keeps lifetime, audience, description and project.
    let mut spec = token.spec.clone();
    spec.reference = request.include_reference_token.unwrap_or(false);
    if let Some(life) = request.expires_in {
        spec.life = (life > 0).then_some(life);
    }
    Ok(mint(state, spec))
}

/// The index of the token to refresh, if the caller may refresh it.
fn to_refresh(state: &State, headers: &HeaderMap, request: &Request) -> Result<usize, ApiError> {
    let bearer = presented(headers)?;
    // An expired token may still be refreshed. A revoked or replaced one passes too, so that a spent refresh token gets its 404.
    state.identify(bearer).map_err(invalid)?;
    request.check(state)?;
    let wanted = request.refresh_token.as_deref().ok_or_else(|| ApiError::bad_request("refresh_token is missing"))?;
    // guess: without the pair's access token, in the body or as the bearer, the refresh token is not found.
    let own = request.access_token.as_deref().unwrap_or(bearer);
    let pair = |t: &Token| t.refresh.as_deref() == Some(wanted) && !t.ended && !t.spent && t.is(own);
    let Some(at) = state.tokens.iter().position(pair) else {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "Token matching the provided refresh token was not found."));
    };
    // JFrog's Go client sends its own bearer, which in its tests is an admin's. guess: which others are allowed.
    if !state.tokens[at].is(bearer) {
        may_touch(&caller(state, headers)?, &state.tokens[at])?;
    }
    Ok(at)
}

/// The index of the token that a path names, among all ever issued.
fn named(state: &State, caller: &Claims, id: &str) -> Option<usize> {
    let id = if id == "me" { &caller.jti } else { id };
    state.tokens.iter().position(|t| t.claims.jti == id)
}

fn may_touch(caller: &Claims, token: &Token) -> Result<(), ApiError> {
    if is_admin(caller) || caller.sub == token.claims.sub {
        return Ok(());
    }
    Err(ApiError::not_admin(caller.username()))
}

async fn revoke(Handle(shared): Handle<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = shared.lock();
    let caller = caller(&state, &headers)?;
    let Some(at) = named(&state, &caller, &id).filter(|&at| !state.tokens[at].ended) else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    may_touch(&caller, &state.tokens[at])?;
    if let Some(refusal) = refuse_revocation(&state, at) {
        return Ok(refusal);
    }
    state.tokens[at].ended = true;
    Ok(StatusCode::OK.into_response())
}

#[derive(Deserialize)]
struct ByValue {
    token: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Revoked<'a> {
    revoked_token_id: &'a str,
}

async fn revoke_by_value(Handle(shared): Handle<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let body: ByValue = serde_json::from_slice(&body).map_err(|e| ApiError::bad_request(e.to_string()))?;
    let found = state.tokens.iter().position(|t| t.is(&body.token) && !t.ended);
    let Some(at) = found else {
        // guess
        return Err(ApiError::new(StatusCode::NOT_FOUND, "Token not found."));
    };
    if let Some(refusal) = refuse_revocation(&state, at) {
        return Ok(refusal);
    }
    let token = &mut state.tokens[at];
    token.ended = true;
    let revoked_token_id = &token.claims.jti;
    Ok(json_answer(StatusCode::OK, &Revoked { revoked_token_id }))
}

/// The wording and the older error shape are those of jfrog-client-go#753.
fn refuse_revocation(state: &State, at: usize) -> Option<Response> {
    let token = &state.tokens[at];
    if state.revocable(token) {
        return None;
    }
    let millis = |seconds: Option<i64>| seconds.unwrap_or(0) * 1000;
    let detail = format!(
        "Token not revocable. Token expirationTimeMillis: {}, issuedAtMillis: {}, revocableExpiryThresholdMillis: {}",
        millis(token.claims.exp),
        millis(Some(token.claims.iat)),
        state.settings.revocable_threshold * 1000
    );
    Some(old_error(StatusCode::BAD_REQUEST, "Token not revocable", &detail))
}

/// A token as a look-up shows it.
#[derive(Serialize)]
struct Shown<'a> {
    token_id: &'a str,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiry: Option<i64>,
    issued_at: i64,
    issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    refreshable: bool,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    project: Option<&'a str>,
}

impl<'a> From<&'a Token> for Shown<'a> {
    fn from(token: &'a Token) -> Self {
        Self {
            token_id: &token.claims.jti,
            subject: &token.claims.sub,
            expiry: token.claims.exp,
            issued_at: token.claims.iat,
            issuer: &token.claims.iss,
            description: token.spec.description.as_deref(),
            refreshable: token.spec.refreshable,
            scope: &token.spec.scope,
            project: token.spec.project.as_deref(),
        }
    }
}

async fn show(Handle(shared): Handle<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let state = shared.lock();
    let caller = caller(&state, &headers)?;
    // guess: `me` finds no more than the id.
    let found = named(&state, &caller, &id).map(|at| &state.tokens[at]);
    let Some(token) = found.filter(|t| state.listed(t)) else {
        let message = format!("Token '{id}' was not found.");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    };
    may_touch(&caller, token)?;
    Ok(json_answer(StatusCode::OK, &Shown::from(token)))
}

/// guess: other filters are ignored.
#[derive(Deserialize)]
struct Filter {
    description: Option<String>,
    username: Option<String>,
    refreshable: Option<bool>,
    token_id: Option<String>,
    order_by: Option<String>,
    descending_order: Option<bool>,
}

#[derive(Serialize)]
struct Listed<'a> {
    tokens: Vec<Shown<'a>>,
}

fn fits<T: PartialEq>(wanted: Option<&T>, value: &T) -> bool {
    wanted.is_none_or(|w| w == value)
}

async fn list(Handle(shared): Handle<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let state = shared.lock();
    let caller = caller(&state, &headers)?;
    let filter: Filter =
        serde_urlencoded::from_str(query.as_deref().unwrap_or_default()).map_err(|e| ApiError::bad_request(e.to_string()))?;
    let mut found: Vec<_> = state
        .tokens
        .iter()
        .filter(|t| {
            state.listed(t)
                && may_touch(&caller, t).is_ok()
                && fits(filter.username.as_ref(), &t.spec.username)
                && fits(filter.refreshable.as_ref(), &t.spec.refreshable)
                && fits(filter.token_id.as_ref(), &t.claims.jti)
                && (filter.description.is_none() || filter.description == t.spec.description)
        })
        .collect();
    // guess: the names to sort by, and the default direction.
    match filter.order_by.as_deref() {
        None | Some("created" | "issued_at") => {}
        Some("token_id") => found.sort_by_key(|t| &t.claims.jti),
        Some("subject" | "username" | "owner") => found.sort_by_key(|t| &t.claims.sub),
        Some("expiry") => found.sort_by_key(|t| t.claims.exp.unwrap_or(i64::MAX)),
        Some("description") => found.sort_by_key(|t| &t.spec.description),
        Some(other) => {
            return Err(ApiError::bad_request(format!("Invalid order_by '{other}'")));
        }
    }
    if filter.descending_order.unwrap_or(true) {
        found.reverse();
    }
    let tokens = found.into_iter().map(Shown::from).collect();
    Ok(json_answer(StatusCode::OK, &Listed { tokens }))
}
