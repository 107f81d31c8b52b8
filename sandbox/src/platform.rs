//! Endpoints besides the token API: pings, versions, the root certificate.

use axum::{
    Router,
    extract::RawQuery,
    http::StatusCode,
    response::Response,
    routing::{any, get},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{answers, state::Shared, tokens};

const TEXT: &str = "text/plain";

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/access/api/v1/system/ping", get(ping))
        .route("/artifactory/api/system/ping", get(ping))
        .route("/access/api/v1/system/version", get(access_version))
        .route("/artifactory/api/system/version", get(artifactory_version))
        .route("/access/api/v1/cert/root", get(root_certificate))
        .route("/artifactory/api/{*path}", any(unknown_api))
}

async fn ping() -> Response {
    answers::answer(StatusCode::OK, TEXT, "OK")
}

// guess: the fields, and that no credential is needed.
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

// guess: no credential is needed.
async fn unknown_api() -> Response {
    answers::error('C', StatusCode::NOT_FOUND)
}

pub(crate) async fn not_found() -> Response {
    answers::html(StatusCode::NOT_FOUND)
}
