//! What the fuzz targets `answers`, `addresses` and `scopes` call.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use redact::Secret;
use reqwest::{Method, StatusCode};

use super::request::{ApiRequest, ApiResponse, Operation, TOKEN_FIELDS, Way};
use super::transport::Shows;
use super::{Auth, IssuedToken, PlatformUrl, TOKENS, failure, http, scope};
use crate::io::clock::{self, Timestamp, retry_after};
use crate::options::{InputValue, Source};

/// An answer of a server that may send anything.
#[derive(Debug)]
pub struct Answer<'a> {
    /// 100 to 999.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: &'a str,
    /// The header `Retry-After`.
    pub retry_after: &'a str,
    /// The header `Location`.
    pub location: &'a str,
    /// The body, also as part of a body that was too long.
    pub body: &'a str,
}

const OPERATIONS: [Operation; 7] = [
    Operation::Mint,
    Operation::Refresh,
    Operation::Exchange,
    Operation::Identity,
    Operation::Configuration,
    Operation::Revoke,
    Operation::LookUp,
];

/// All that would be said about this answer to any request with these secrets.
#[must_use]
pub fn messages(answer: &Answer, bearer: &Secret, refresh_token: &Secret) -> Vec<String> {
    let auth = Auth::Bearer(bearer.clone());
    let Ok(status) = StatusCode::from_u16(answer.status) else { return Vec::new() };
    let way =
        Way { proxy: Some("HTTPS_PROXY"), shows: Shows::None, issuer: Arc::default(), headers: Vec::new(), exchanged: Mutex::default() };
    let mut messages = Vec::new();
    for operation in OPERATIONS {
        let request = ApiRequest {
            operation,
            method: Method::POST,
            url: "https://x.io/access/api/v1/tokens".into(),
            auth: &auth,
            refresh_token: Some(refresh_token),
            body: None,
            body_type: "",
            token_fields: TOKEN_FIELDS,
            way: &way,
        };
        request.expect_secrets();
        let (at, is_cut) = (Timestamp::from_millis(u64::MAX), answer.body.len() % 2 == 1);
        let response = ApiResponse::new(&request, status, at, answer.body, is_cut, answer.content_type.to_owned());
        let wait = retry_after(answer.retry_after, SystemTime::UNIX_EPOCH);
        let mut errors = vec![failure::moved(&request, answer.location), failure::no_token(&request, &response)];
        errors.extend([Some(wait), None].map(|wait| failure::status(&request, wait, &response)));
        messages.extend(errors.iter().map(|error| format!("{error}\n{}", error.help())));
        messages.push(http::shown_answer(&response));
        if let Some(token) = IssuedToken::read(&response, &way) {
            let zone = tz::TimeZone::utc();
            messages.extend(token.expires_at().map(|end| clock::local_and_relative(end, Timestamp::default(), &zone)));
            messages.extend([token.name().to_owned(), token.username().unwrap_or_default(), token.scope, token.token_type]);
        }
    }
    messages
}

fn given(text: &str) -> InputValue {
    InputValue { text: text.into(), source: Source::Flag("--option".into()) }
}

/// The URL that a token is requested from; `None` if the platform's URL is refused.
#[must_use]
pub fn mint_url(platform: &str, insecure_http: bool) -> Option<String> {
    Some(PlatformUrl::new(&given(platform), insecure_http).ok()?.endpoint(TOKENS))
}

/// The entries of a scope whose kind is unknown; `None` if the scope is refused.
#[must_use]
pub fn unknown_entries(scope: &str) -> Option<Vec<&str>> {
    scope::check(&given(scope)).ok().map(|()| scope::unknown(scope))
}
