use std::sync::Arc;

use redact::{Secret, without};
use reqwest::{Method, StatusCode};
use zeroize::Zeroizing;

use super::Auth;
use super::auth::SecretHeader;
use super::issuer::LastIssuer;
use super::transport::Shows;
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

/// The way to a platform, as far as messages tell of it.
pub(super) struct Way {
    /// The variable that names the proxy in use.
    pub proxy: Option<&'static str>,
    /// The client certificate.
    pub shows: Shows,
    /// Who issued the server's certificate, if it was refused.
    pub issuer: Arc<LastIssuer>,
    /// The headers for a gateway that every request has.
    pub headers: Vec<SecretHeader>,
}

impl Way {
    /// What to add to an advice if the proxy may be to blame.
    pub fn hint_at_the_proxy(&self) -> String {
        self.proxy.map(|name| format!(" Requests go through the proxy in {name}; NO_PROXY takes a host out.")).unwrap_or_default()
    }

    /// What to add to an advice if the proxy may have answered itself.
    pub fn may_be_the_proxys(&self) -> String {
        self.proxy.map(|name| format!(" It may have come from the proxy in {name}.")).unwrap_or_default()
    }
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
    /// The way it goes.
    pub way: &'a Way,
}

impl ApiRequest<'_> {
    /// The address as a message shows it: what a CI puts into its query says nothing to a reader.
    pub fn without_query(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Hides this request's secrets, and whatever else looks like a token, in a text from outside.
    pub fn hide_secrets(&self, text: &str) -> String {
        let headers = self.way.headers.iter().flat_map(SecretHeader::secrets);
        self.auth
            .secrets()
            .into_iter()
            .chain(self.refresh_token)
            .chain(headers)
            .fold(text.to_owned(), |text, secret| without(&text, secret))
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
