//! The body of `POST …/tokens`: its two encodings, its fields and their limits.

use axum::http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    answers::ApiError,
    scope::{self, PROJECTS},
    state::State,
};

/// guess: other fields are ignored, such as the `token_type` that JFrog's Go client sends when it refreshes.
#[derive(Deserialize)]
pub(crate) struct Request {
    pub grant_type: Option<String>,
    pub username: Option<String>,
    pub scope: Option<String>,
    pub expires_in: Option<u64>,
    pub refreshable: Option<bool>,
    pub description: Option<String>,
    pub audience: Option<String>,
    pub include_reference_token: Option<bool>,
    pub force_revocable: Option<bool>,
    pub project_key: Option<String>,
    pub refresh_token: Option<String>,
    /// jf sends the old token here when it refreshes.
    pub access_token: Option<String>,
}

const SERVICES: [&str; 10] = ["jfrt", "jfxr", "jfpip", "jfds", "jfmc", "jfac", "jfevt", "jfmd", "jfcon", "*"];

impl Request {
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, ApiError> {
        if content_type(headers) == "application/x-www-form-urlencoded" {
            return serde_urlencoded::from_bytes(body).map_err(|e| ApiError::bad_request(e.to_string()));
        }
        read_json(headers, body)
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.grant_type.as_deref() == Some("refresh_token")
    }

    /// Checks everything that does not depend on the caller.
    pub(crate) fn check(&self, state: &State) -> Result<(), ApiError> {
        if let Some(other) = self.grant_type.as_deref()
            && !matches!(other, "client_credentials" | "refresh_token")
        {
            return Err(ApiError::bad_request(format!("Unsupported grant_type '{other}'")));
        }
        for (name, value, limit) in [
            ("username", &self.username, 255),
            ("scope", &self.scope, 500),
            ("description", &self.description, 1024),
            ("audience", &self.audience, 255),
        ] {
            if value.as_ref().is_some_and(|v| v.chars().count() > limit) {
                return Err(ApiError::bad_request(format!("{name} is longer than {limit} characters")));
            }
        }
        if let Some(name) = &self.username {
            check_name(name)?;
        }
        if let Some(scope) = &self.scope {
            scope::check(scope).map_err(ApiError::bad_request)?;
        }
        if let Some(audience) = &self.audience {
            check_audience(audience)?;
        }
        if let Some(project) = &self.project_key {
            check_project(project)?;
        }
        // A reference token has room for an expiry of ten digits.
        if let Some(seconds) = self.expires_in
            && state.now().saturating_add_unsigned(seconds) > 9_999_999_999
        {
            return Err(ApiError::bad_request("expires_in is too large"));
        }
        Ok(())
    }
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let kind = value.and_then(|v| v.split(';').next()).unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

pub(crate) fn read_json<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, ApiError> {
    let kind = content_type(headers);
    if kind != "application/json" {
        // guess
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("HTTP 415 Unsupported Media Type: '{kind}'")));
    }
    serde_json::from_slice(body).map_err(|e| ApiError::bad_request(e.to_string()))
}

/// guess: which names are badly formatted. jf sends lower case only.
pub(crate) fn check_name(name: &str) -> Result<(), ApiError> {
    let bad = |c: char| c.is_uppercase() || c.is_whitespace() || c.is_control() || c == '/';
    if name.is_empty() || name.contains(bad) {
        let message = format!("Invalid formatted name: {name}");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    Ok(())
}

pub(crate) fn check_audience(audience: &str) -> Result<(), ApiError> {
    let good = |part: &str| part.split_once('@').is_some_and(|(service, id)| SERVICES.contains(&service) && !id.is_empty());
    if !audience.split(' ').all(good) {
        return Err(ApiError::bad_request(format!("Invalid audience '{audience}'")));
    }
    Ok(())
}

pub(crate) fn check_project(key: &str) -> Result<(), ApiError> {
    let tail = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let formed = (2..=32).contains(&key.len()) && key.starts_with(|c: char| c.is_ascii_lowercase()) && key.chars().all(tail);
    if !formed {
        return Err(ApiError::bad_request(format!("Invalid project_key '{key}'")));
    }
    if !PROJECTS.contains(&key) {
        return Err(ApiError::bad_request(format!("Project '{key}' does not exist")));
    }
    Ok(())
}
