use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use crate::clock::Seconds;
use crate::redact::Secret;

/// One request, and all that a message about it may say.
pub(super) struct Exchange<'a> {
    pub method: Method,
    pub url: String,
    pub bearer: &'a Secret,
    pub body: Option<&'a str>,
    /// The media type of the body.
    pub body_type: &'static str,
}

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    /// When the request was sent.
    pub asked_at: Seconds,
    /// The body; it may hold tokens.
    pub text: Zeroizing<String>,
    pub content_type: String,
}
