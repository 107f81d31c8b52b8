//! The JFrog Access client: its requests, their answers, errors and retries.

mod address;
mod auth;
pub mod claims;
mod exchange;
mod failure;
pub mod fuzzing;
mod handshake;
mod http;
mod issuer;
mod pem;
mod provider;
mod refusal;
mod request;
mod retry;
mod scope;
mod tls;
mod token;
mod token_request;
mod transport;

use std::rc::Rc;
use std::time::Duration;

use redact::Secret;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Outcome, Refusal, Result};
use crate::io::Console;
use request::{ApiRequest, ApiResponse, Operation, TOKEN_FIELDS};
use retry::{RetryLog, RetryPolicy};

pub use address::PlatformUrl;
pub use auth::{Auth, SecretHeader};
pub use claims::Claims;
pub use exchange::ExchangeRequest;
pub use http::{Clients, Http};
pub use provider::{IdentityMapping, Provider, provider_name};
pub use retry::{InFlight, LEFT_BEHIND, LEFT_BY_EXCHANGE, RetryBudget};
pub use scope::quoted_groups;
pub use token::IssuedToken;
pub use token_request::{TokenRequest, max_life, project_key};
pub use transport::{Route, Transport, client_certificate};

const TOKENS: &str = "/access/api/v1/tokens";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The result of a revocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token is revoked.
    Done,
    /// The token was no longer valid, or there is no such token (204 or 404).
    NotFound,
    /// The token is too short-lived for the platform to revoke (400 `Token not revocable`). It stays valid until it expires.
    NotRevocable,
}

/// What the platform knows of a token (`GET /access/api/v1/tokens/{id}`).
pub type Known = serde_json::Map<String, Value>;

/// How long to try, and how long one try may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long to keep starting new tries.
    pub budget: RetryBudget,
    /// Time limit for one request, with all its redirects.
    pub timeout: Duration,
}

/// A client for JFrog Access on one platform, used for one purpose.
pub struct Client<'a> {
    http: &'a Http,
    platform: &'a PlatformUrl,
    limits: Limits,
    console: &'a Console,
    verbose: bool,
    in_flight: Rc<InFlight>,
    retries: RetryLog<'a>,
}

impl<'a> Client<'a> {
    /// A client for this platform. The console gets a line when it begins to try again and, if `verbose`, each request and answer. Clients
    /// that work for the same purpose share `in_flight`.
    #[must_use]
    pub fn new(
        http: &'a Http,
        platform: &'a PlatformUrl,
        limits: Limits,
        console: &'a Console,
        verbose: bool,
        in_flight: Rc<InFlight>,
    ) -> Self {
        Self { http, platform, limits, console, verbose, in_flight, retries: RetryLog::new(console) }
    }

    /// `POST /access/api/v1/tokens`. Repeated only if that can't leave a second token behind, or if such a token ends within an hour.
    ///
    /// # Errors
    /// Fails if no token came back.
    pub async fn mint(&self, wanted: &TokenRequest, auth: &Auth) -> Result<IssuedToken> {
        let body = wanted.body();
        let asked = self.request(Operation::Mint, Method::POST, TOKENS, auth, Some((&body, JSON)));
        let answer = self.ask(&asked, if wanted.ends_within_the_hour() { RetryPolicy::ShortMint } else { RetryPolicy::LongMint }).await?;
        self.issued(&asked, &answer).map_err(|error| if self.lost_an_answer() { error.with_advice(LEFT_BEHIND) } else { error })
    }

    /// The same endpoint with `grant_type=refresh_token`: a new pair replaces the old one, and the old access token becomes invalid. Sent
    /// as jf sends it (JSON, recorded); if the platform doesn't take JSON here (415), sent again as the form in JFrog's documentation.
    /// Never repeated once it may have been carried out, because a refresh token works only once.
    ///
    /// # Errors
    /// Fails if no new pair came back. With `Outcome::Unknown` the refresh token may be spent; with `Refusal::SpentRefreshToken` it is.
    pub async fn refresh(&self, old: &IssuedToken, refresh_token: &Secret, expires_in: Option<Duration>) -> Result<IssuedToken> {
        self.expect(old.secrets());
        let wanted = Renewal {
            grant_type: "refresh_token",
            access_token: &old.access_token,
            refresh_token,
            refreshable: true,
            expires_in: expires_in.map(|life| life.as_secs()),
            include_reference_token: old.reference_token.as_ref().map(|_| true),
        };
        let body = Zeroizing::new(serde_json::to_string(&wanted).unwrap_or_default());
        let (form, auth) = (wanted.as_form(), Auth::Bearer(old.access_token.clone()));
        let request = |body, kind| ApiRequest {
            refresh_token: Some(refresh_token),
            ..self.request(Operation::Refresh, Method::POST, TOKENS, &auth, Some((body, kind)))
        };
        let asked = request(&body, JSON);
        let (asked, answer) = match self.ask(&asked, RetryPolicy::Refresh).await {
            Err(error) if error.status() == Some(415) => {
                let asked = request(&form, FORM);
                let answer = self.ask(&asked, RetryPolicy::Refresh).await;
                (asked, answer)
            }
            answer => (asked, answer),
        };
        self.issued(&asked, &answer?)
    }

    /// The token in an answer.
    fn issued(&self, asked: &ApiRequest<'_>, answer: &ApiResponse) -> Result<IssuedToken> {
        IssuedToken::read(answer, asked.way).ok_or_else(|| {
            let error = failure::no_token(asked, answer);
            self.in_flight.lost.set(self.lost_an_answer() || error.outcome() == Outcome::Unknown);
            error
        })
    }

    /// Hides these too in what the platform says from now on: it knows them.
    pub fn expect<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) {
        self.http.way().expect(secrets);
    }

    /// Starts no further request that may issue a token. Returns whether one is on its way, whose answer is still awaited.
    pub fn stop(&self) -> bool {
        self.in_flight.stopped.set(true);
        self.in_flight.sending.get()
    }

    /// Whether an answer was lost. If it was one to a mint, a token may exist that nobody knows of.
    #[must_use]
    pub fn lost_an_answer(&self) -> bool {
        self.in_flight.lost.get()
    }

    /// `DELETE /access/api/v1/tokens/{id}`, or `/me` for the bearer itself.
    ///
    /// # Errors
    /// Fails if the token may still be valid.
    pub async fn revoke(&self, id: &str, auth: &Auth) -> Result<Revoked> {
        let asked = self.request(Operation::Revoke, Method::DELETE, &format!("{TOKENS}/{}", path_segment(id)?), auth, None);
        match self.ask(&asked, RetryPolicy::Always).await {
            Ok(answer) if answer.text.trim_start().starts_with('<') => Err(failure::not_json(&asked, &answer)),
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => Ok(Revoked::NotFound),
            Ok(_) => Ok(Revoked::Done),
            // Something in front of a platform that is down may answer 404 too, which says nothing about the token.
            Err(error) if error.refusal().is_some() && error.status() == Some(404) => Ok(Revoked::NotFound),
            Err(error) if error.refusal() == Some(Refusal::NotRevocable) => Ok(Revoked::NotRevocable),
            Err(error) => Err(error),
        }
    }

    /// `GET /access/api/v1/tokens/{id}`, or `/me` for the bearer itself.
    ///
    /// # Errors
    /// Fails if the platform does not know the token, or gives no usable answer.
    pub async fn look_up(&self, id: &str, auth: &Auth) -> Result<Known> {
        let asked = self.request(Operation::LookUp, Method::GET, &format!("{TOKENS}/{}", path_segment(id)?), auth, None);
        let answer = self.ask(&asked, RetryPolicy::Always).await?;
        match &answer.json {
            Some(Value::Object(known)) => Ok(known.clone()),
            _ => Err(failure::not_json(&asked, &answer)),
        }
    }

    async fn ask(&self, asked: &ApiRequest<'_>, policy: RetryPolicy) -> Result<ApiResponse> {
        if self.in_flight.stopped.get() && policy != RetryPolicy::Always {
            return Err(Error::new(Kind::Unreachable, "nothing more was asked for", "").with_outcome(Outcome::NotSent));
        }
        let send = || self.http.send(asked, self.limits.timeout, self.verbose.then_some(self.console));
        self.limits.budget.retry(policy, &self.in_flight, &self.retries, send).await
    }

    fn request<'b>(
        &'b self,
        operation: Operation,
        method: Method,
        path: &str,
        auth: &'b Auth,
        body: Option<(&'b str, &'static str)>,
    ) -> ApiRequest<'b> {
        let (body, body_type) = body.unzip();
        ApiRequest {
            operation,
            method,
            url: self.platform.endpoint(path),
            auth,
            body,
            body_type: body_type.unwrap_or_default(),
            refresh_token: None,
            token_fields: TOKEN_FIELDS,
            way: self.http.way(),
        }
    }
}

/// The body of a refresh, in jf's order; the last two are jf-token's own.
#[derive(Serialize)]
struct Renewal<'a> {
    grant_type: &'static str,
    access_token: &'a Secret,
    refresh_token: &'a Secret,
    refreshable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    include_reference_token: Option<bool>,
}

impl Renewal<'_> {
    /// The fields of the form in JFrog's documentation.
    fn as_form(&self) -> Zeroizing<String> {
        let mut pairs = vec![("grant_type", self.grant_type.to_owned()), ("refresh_token", self.refresh_token.expose().to_owned())];
        pairs.extend(self.expires_in.map(|life| ("expires_in", life.to_string())));
        pairs.extend(self.include_reference_token.map(|wanted| ("include_reference_token", wanted.to_string())));
        let form = Url::parse_with_params("form:", pairs).ok();
        form.and_then(|form| form.query().map(str::to_owned)).unwrap_or_default().into()
    }
}

/// Whether this can be a token's id. It goes into paths and messages, so nothing but the characters of an id is allowed.
fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn path_segment(id: &str) -> Result<&str> {
    if is_id(id) {
        return Ok(id);
    }
    Err(Error::new(Kind::Input, "not a token id", "A token id has letters, digits and dashes only."))
}
