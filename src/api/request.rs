use redact::{Secret, without};
use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use crate::io::clock::Timestamp;

/// What is asked of the platform. The advice after a failure depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Issue a new token.
    Mint,
    /// Exchange a pair of tokens for a new one.
    Refresh,
    /// Revoke a token.
    Revoke,
    /// Ask what the platform knows of a token.
    LookUp,
}

/// One request, with everything that a message about it may say.
pub(super) struct ApiRequest<'a> {
    pub operation: Operation,
    pub method: Method,
    pub url: String,
    pub bearer: &'a Secret,
    /// The refresh token in the body of a refresh.
    pub refresh_token: Option<&'a Secret>,
    pub body: Option<&'a str>,
    /// The media type of the body.
    pub body_type: &'static str,
}

impl ApiRequest<'_> {
    /// Hides this request's secrets, and whatever else looks like a token, in a text from outside.
    pub fn hide_secrets(&self, text: &str) -> String {
        let text = without(text, self.bearer);
        self.refresh_token.map_or_else(|| text.clone(), |secret| without(&text, secret))
    }
}

/// The answer to a request.
pub(super) struct ApiResponse {
    pub status: StatusCode,
    /// The second in which the request was sent.
    pub asked_at: Timestamp,
    /// The body, which may contain tokens.
    pub text: Zeroizing<String>,
    /// The body was too long; the rest was not read.
    pub is_cut: bool,
    pub content_type: String,
}
