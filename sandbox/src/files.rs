//! Artifactory's files: every download succeeds; an upload is answered but not stored.

use std::fmt::Write;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State as Handle},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE},
    },
    response::Response,
    routing::get,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    access, answers, scope,
    state::{Shared, State},
    tokens::Claims,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/artifactory/{repo}/{*path}", get(fetch).put(store).layer(DefaultBodyLimit::disable()))
}

async fn fetch(Handle(shared): Handle<Shared>, headers: HeaderMap) -> Response {
    match caller(&shared, &headers) {
        Ok(_) => answers::answer(StatusCode::OK, "text/plain", "sandbox\n"),
        Err(status) => answers::error('C', status),
    }
}

/// The caller, by a token in one of the three places that Artifactory accepts.
fn caller(shared: &Shared, headers: &HeaderMap) -> Result<Claims, StatusCode> {
    let token = access::bearer(headers)
        .map(str::to_owned)
        .or_else(|| header(headers, "x-jfrog-art-api").map(str::to_owned))
        .or_else(|| basic_password(headers))
        .ok_or(StatusCode::UNAUTHORIZED)?;
    match shared.lock().authenticate(&token, "jfrt") {
        Ok(claims) if scope::groups_twice(&claims.scp) => Err(StatusCode::FORBIDDEN),
        Ok(claims) => Ok(claims),
        Err(_) => Err(StatusCode::UNAUTHORIZED),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn basic_password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let pair = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let pair = String::from_utf8(pair).ok()?;
    Some(pair.split_once(':')?.1.to_owned())
}

/// The answer to the `PUT` of a file, with its fields in Artifactory's order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    repo: String,
    path: String,
    created: String,
    created_by: String,
    download_uri: String,
    mime_type: &'static str,
    /// In bytes.
    size: String,
    checksums: Checksums,
    original_checksums: Checksums,
    uri: String,
}

/// Artifactory's answer also has the MD5.
#[derive(Serialize)]
struct Checksums {
    #[serde(skip_serializing_if = "Option::is_none")]
    sha1: Option<String>,
    sha256: String,
}

impl Stored {
    fn new(state: &State, caller: &Claims, uri: &Uri, (repo, path): (String, String), body: &[u8]) -> Self {
        let url = format!("{}{}", state.url, uri.path());
        let sha256 = hex(&SHA256, body);
        Self {
            repo,
            mime_type: mime_type(&path),
            path: format!("/{path}"),
            created: date(state.now()),
            created_by: caller.username().to_owned(),
            download_uri: url.clone(),
            size: body.len().to_string(),
            checksums: Checksums { sha1: Some(hex(&SHA1_FOR_LEGACY_USE_ONLY, body)), sha256: sha256.clone() },
            // guess: the checksums that a client sends make no difference.
            original_checksums: Checksums { sha1: None, sha256 },
            uri: url,
        }
    }
}

async fn store(Handle(shared): Handle<Shared>, Path(place): Path<(String, String)>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    match caller(&shared, &headers) {
        // This copies an existing file with the same checksum, and no uploads are stored.
        Ok(_) if header(&headers, "x-checksum-deploy") == Some("true") => answers::error('C', StatusCode::NOT_FOUND),
        Ok(caller) => created(&Stored::new(&shared.lock(), &caller, &uri, place, &body)),
        Err(status) => answers::error('C', status),
    }
}

fn created(stored: &Stored) -> Response {
    let mut answer = answers::json_answer(StatusCode::CREATED, stored);
    let kind = HeaderValue::from_static("application/vnd.org.jfrog.artifactory.storage.ItemCreated+json");
    answer.headers_mut().insert(CONTENT_TYPE, kind);
    answer
}

fn hex(algorithm: &'static Algorithm, bytes: &[u8]) -> String {
    digest(algorithm, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// guess: all except jar, gz, tgz and json.
fn mime_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "gz" | "tgz" => "application/x-gzip",
        "jar" => "application/java-archive",
        "json" => "application/json",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}

/// `2026-11-25T16:49:34.000Z`
fn date(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).expect("a clock of our era");
    let (date, time) = (at.date(), at.time());
    format!("{date}T{:02}:{:02}:{:02}.000Z", time.hour(), time.minute(), time.second())
}
