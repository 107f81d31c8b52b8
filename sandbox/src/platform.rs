//! What is around the token API: pings, versions, the root certificate, a file to fetch.

use axum::{
    Router,
    extract::{RawQuery, State as Handle},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::Response,
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{access, answers, scope, state::Shared, tokens};

const TEXT: &str = "text/plain";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/access/api/v1/system/ping", get(ping))
        .route("/artifactory/api/system/ping", get(ping))
        .route("/access/api/v1/system/version", get(access_version))
        .route("/artifactory/api/system/version", get(artifactory_version))
        .route("/access/api/v1/cert/root", get(root_certificate))
        .route("/artifactory/{repo}/{*path}", get(file).put(file))
}

async fn ping() -> Response {
    answers::answer(StatusCode::OK, TEXT, "OK")
}

// guess: the members, and that it needs no credential.
async fn access_version() -> Response {
    answers::json_answer(StatusCode::OK, &json!({"version": "7.150.3"}))
}

async fn artifactory_version() -> Response {
    let body = json!({"version": "7.117.5", "revision": "81705900", "addons": [], "license": "sandbox"});
    answers::json_answer(StatusCode::OK, &body)
}

async fn root_certificate(RawQuery(query): RawQuery) -> Response {
    let root = tokens::root_certificate();
    let text = if query.is_some_and(|q| q.contains("formatted=true")) { root.pem() } else { STANDARD.encode(root.der()) };
    answers::answer(StatusCode::OK, TEXT, text)
}

async fn file(Handle(shared): Handle<Shared>, headers: HeaderMap) -> Response {
    let token = access::bearer(&headers)
        .map(str::to_owned)
        .or_else(|| headers.get("x-jfrog-art-api")?.to_str().ok().map(str::to_owned))
        .or_else(|| basic_password(&headers));
    let caller = token.map(|t| shared.lock().authenticate(&t, "jfrt"));
    match caller {
        Some(Ok(claims)) if scope::groups_twice(&claims.scp) => answers::error('C', StatusCode::FORBIDDEN),
        Some(Ok(_)) => answers::answer(StatusCode::OK, TEXT, "sandbox\n"),
        _ => answers::error('C', StatusCode::UNAUTHORIZED),
    }
}

fn basic_password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

pub(crate) async fn not_found() -> Response {
    answers::html(StatusCode::NOT_FOUND)
}
