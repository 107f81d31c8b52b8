use std::sync::{Arc, Mutex, PoisonError};

use redact::{HIDDEN, Secret, hide, is_uuid, without};
use reqwest::{Method, StatusCode};
use serde_json::Value;
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
    /// What the server has got or given last: its texts may hold it.
    pub exchanged: Mutex<Vec<Secret>>,
}

/// Enough for a few renewals, and for all that one purpose takes.
const REMEMBERED: usize = 12;

impl Way {
    /// What to add to an advice if the proxy may be to blame.
    pub fn hint_at_the_proxy(&self) -> String {
        self.proxy.map(|name| format!(" Requests go through the proxy in {name}; NO_PROXY takes a host out.")).unwrap_or_default()
    }

    /// What to add to an advice if the proxy may have answered itself.
    pub fn may_be_the_proxys(&self) -> String {
        self.proxy.map(|name| format!(" It may have come from the proxy in {name}.")).unwrap_or_default()
    }

    /// Hides these, and what was exchanged lately, in all that the server says from now on.
    pub fn expect<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) {
        let mut exchanged = self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        for secret in secrets {
            exchanged.retain(|known| known != secret);
            exchanged.push(secret.clone());
        }
        let old = exchanged.len().saturating_sub(REMEMBERED);
        exchanged.drain(..old);
    }

    fn with_secrets<T>(&self, work: impl FnOnce(&[&Secret]) -> T) -> T {
        let exchanged = self.exchanged.lock().unwrap_or_else(PoisonError::into_inner);
        work(&exchanged.iter().chain(self.headers.iter().flat_map(SecretHeader::secrets)).collect::<Vec<_>>())
    }

    /// A text of the server without secrets.
    pub fn clean(&self, text: &str) -> String {
        self.with_secrets(|secrets| without(text, secrets))
    }

    /// Hides secrets in all texts of the server that this holds. A token is revoked by its id, in the field `token_id`: that is not lost because
    /// a UUID has something in common with a secret that was made in the same moment.
    pub fn clean_all(&self, value: &mut Value) {
        let kept = value.get_mut(TOKEN_ID).filter(|id| self.is_harmless_id(id)).map(Value::take);
        let is_searched = |text: &String| !OF_THE_API.contains(&text.as_str());
        let mut texts = Vec::new();
        each_text(value, &mut |text| texts.extend(Some(text.clone()).filter(is_searched)));
        self.with_secrets(|secrets| hide(&mut texts, secrets));
        let mut cleaned = texts.into_iter();
        each_text(value, &mut |text| {
            if is_searched(text) {
                *text = cleaned.next().unwrap_or_default();
            }
        });
        value.get_mut(TOKEN_ID).into_iter().zip(kept).for_each(|(cleaned, id)| *cleaned = id);
    }

    fn is_harmless_id(&self, id: &Value) -> bool {
        let id = id.as_str().unwrap_or_default();
        is_uuid(id) && self.with_secrets(|secrets| secrets.iter().all(|secret| !secret.expose().eq_ignore_ascii_case(id)))
    }
}

/// The names of fields and their texts.
fn each_text(value: &mut Value, work: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => work(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, work)),
        Value::Object(fields) => {
            for (mut name, mut value) in std::mem::take(fields) {
                work(&mut name);
                each_text(&mut value, work);
                fields.insert(name, value);
            }
        }
        _ => {}
    }
}

/// Fields of an answer; the first three hold tokens.
pub(super) const ACCESS_TOKEN: &str = "access_token";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
pub(super) const REFERENCE_TOKEN: &str = "reference_token";
pub(super) const TOKEN_FIELDS: &[&str] = &[ACCESS_TOKEN, REFRESH_TOKEN, REFERENCE_TOKEN];
pub(super) const TOKEN_ID: &str = "token_id";
pub(super) const USERNAME: &str = "username";

/// What a usual answer says but for the tokens: words of the API, which no search is needed for.
const OF_THE_API: [&str; 13] = [
    ACCESS_TOKEN,
    REFRESH_TOKEN,
    REFERENCE_TOKEN,
    TOKEN_ID,
    USERNAME,
    "scope",
    "token_type",
    "expires_in",
    "refreshable",
    "grant_type",
    "Bearer",
    "applied-permissions/user",
    "applied-permissions/admin",
];

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
    /// The fields of the answer that hold tokens.
    pub token_fields: &'a [&'static str],
    /// The way it goes.
    pub way: &'a Way,
}

impl ApiRequest<'_> {
    /// The address as a message shows it: what a CI puts into its query says nothing to a reader.
    pub fn without_query(&self) -> &str {
        self.url.split('?').next().unwrap_or_default()
    }

    /// Hides the secrets of this request in all that the server says.
    pub fn expect_secrets(&self) {
        self.way.expect(self.auth.secrets().into_iter().chain(self.refresh_token));
    }
}

/// The answer to a request: its tokens, and texts that hold no secret of the exchange.
pub(super) struct ApiResponse {
    pub status: StatusCode,
    /// The second in which the request was sent.
    pub asked_at: Timestamp,
    tokens: Vec<(&'static str, Secret)>,
    /// The body, if it is JSON.
    pub json: Option<Value>,
    /// The body as text.
    pub text: String,
    /// The body was too long; the rest was not read.
    pub is_cut: bool,
    pub content_type: String,
}

impl ApiResponse {
    /// The answer with this body.
    pub fn new(asked: &ApiRequest, status: StatusCode, asked_at: Timestamp, body: &str, is_cut: bool, content_type: String) -> Self {
        let mut json: Option<Value> = serde_json::from_str(body).ok();
        let tokens = json.as_mut().map(|json| take_tokens(json, asked.token_fields)).unwrap_or_default();
        asked.way.expect(tokens.iter().map(|(_, token)| token));
        let text = match &mut json {
            Some(json) => {
                asked.way.clean_all(json);
                json.to_string()
            }
            None => asked.way.clean(body),
        };
        Self { status, asked_at, tokens, json, text, is_cut, content_type }
    }

    /// The token in this field.
    pub fn token(&self, field: &str) -> Option<&Secret> {
        self.tokens.iter().find(|(name, _)| *name == field).map(|(_, token)| token)
    }

    /// The text in this field, but for a token's.
    pub fn field(&self, name: &str) -> &str {
        self.json.as_ref().and_then(|json| json.get(name)?.as_str()).unwrap_or_default()
    }
}

fn take_tokens(json: &mut Value, names: &[&'static str]) -> Vec<(&'static str, Secret)> {
    let mut take = |name: &'static str| {
        let Value::String(text) = json.get_mut(name)? else { return None };
        let text = Zeroizing::new(std::mem::replace(text, HIDDEN.into()));
        Some((name, Secret::new(&text).ok()?))
    };
    names.iter().filter_map(|name| take(name)).collect()
}
