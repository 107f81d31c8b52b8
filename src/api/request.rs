use redact::Secret;
use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use crate::io::clock::Timestamp;

/// What is asked of the platform: advice about a failure depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// A new token.
    Mint,
    /// A new pair for an old one.
    Refresh,
    /// The end of a token.
    Revoke,
    /// What is known of a token.
    LookUp,
}

/// One request, and all that a message about it may say.
pub(super) struct ApiRequest<'a> {
    pub operation: Operation,
    pub method: Method,
    pub url: String,
    pub bearer: &'a Secret,
    pub body: Option<&'a str>,
    /// The media type of the body.
    pub body_type: &'static str,
}

/// What came back.
pub(super) struct ApiResponse {
    pub status: StatusCode,
    /// When the request was sent.
    pub asked_at: Timestamp,
    /// The body; it may hold tokens.
    pub text: Zeroizing<String>,
    pub content_type: String,
}
