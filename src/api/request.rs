use redact::Secret;
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
    pub body: Option<&'a str>,
    /// The media type of the body.
    pub body_type: &'static str,
}

/// The answer to a request.
pub(super) struct ApiResponse {
    pub status: StatusCode,
    /// The second in which the request was sent.
    pub asked_at: Timestamp,
    /// The body, which may contain tokens.
    pub text: Zeroizing<String>,
    pub content_type: String,
}
