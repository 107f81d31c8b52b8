use redact::{Secret, without};
use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use super::Auth;
use crate::io::clock::Timestamp;

/// What is asked of the platform. The advice after a failure depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Issue a new token.
    Mint,
    /// Exchange a pair of tokens for a new one.
    Refresh,
    /// Exchange an identity token for an access token.
    Exchange,
    /// Ask the CI for an identity token.
    Identity,
    /// Read or write the platform's OIDC providers and identity mappings.
    Configuration,
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
    pub auth: &'a Auth,
    /// The refresh token in the body of a refresh.
    pub refresh_token: Option<&'a Secret>,
    pub body: Option<&'a str>,
    /// The media type of the body.
    pub body_type: &'static str,
}

impl ApiRequest<'_> {
    /// The address as a message shows it: what a CI puts into its query says nothing to a reader.
    pub fn without_query(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Hides this request's secrets, and whatever else looks like a token, in a text from outside.
    pub fn hide_secrets(&self, text: &str) -> String {
        self.auth.secrets().into_iter().chain(self.refresh_token).fold(text.to_owned(), |text, secret| without(&text, secret))
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
