//! The JFrog Access client: one request at a time, its answer, its errors, its retries.

mod exchange;
mod failure;
mod http;
mod retry;
mod token;

use reqwest::{Method, StatusCode, Url};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::error::{Error, Fate, Kind, Result};
use crate::inputs::{Order, PlatformUrl};
use crate::redact::Secret;
use exchange::{Answer, Exchange};

pub use http::Http;
pub use retry::{LEFT_BEHIND, Note, Patience};
use retry::{Repeat, Way};
pub use token::{Claims, Grant, claims, user_name};

const TOKENS: &str = "/access/api/v1/tokens";
const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What a revocation came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The token is dead.
    Done,
    /// It was dead before, or is none (204, 404).
    NotFound,
    /// Too short-lived for the platform to revoke (400 `Token not revocable`): it lives out its time.
    NotRevocable,
}

/// What the platform knows of a token (`GET /access/api/v1/tokens/{id}`).
pub type Known = serde_json::Map<String, Value>;

/// JFrog Access on one platform.
pub struct Access<'a> {
    http: Http<'a>,
    platform: PlatformUrl,
    patience: Patience,
    note: Note<'a>,
    way: Way,
}

impl<'a> Access<'a> {
    /// A client of this platform; `note` gets a line for each retry.
    #[must_use]
    pub fn new(http: Http<'a>, platform: PlatformUrl, patience: Patience, note: Note<'a>) -> Self {
        Self { http, platform, patience, note, way: Way::default() }
    }

    /// `POST /access/api/v1/tokens`. Repeated only where that can't leave a second token behind,
    /// or where the one that may be left lives for an hour at most.
    ///
    /// # Errors
    /// When no token came back.
    pub async fn mint(&self, order: &Order, credential: &Secret) -> Result<Grant> {
        let body = order.body();
        let asked = self.exchange(Method::POST, TOKENS, credential, Some((&body, JSON)));
        let answer = self.ask(&asked, if order.ends_within_the_hour() { Repeat::ShortMint } else { Repeat::LongMint }).await?;
        self.grant(&asked, &answer).map_err(|error| if self.lost_an_answer() { error.with_advice(LEFT_BEHIND) } else { error })
    }

    /// The same endpoint with `grant_type=refresh_token`: the pair is replaced by a new one, and the old access token ends.
    /// Sent as jf sends it (JSON, recorded); a platform that takes no JSON here gets the form of JFrog's documentation.
    /// Never repeated once it may have been done, for a refresh token works once.
    ///
    /// # Errors
    /// When no new pair came back. With `Fate::Lost` the refresh token may be spent, with `is_spent` it is.
    pub async fn refresh(&self, held: &Grant, refresh_token: &Secret, expires_in: Option<u64>) -> Result<Grant> {
        let wanted = Renewal {
            grant_type: "refresh_token",
            access_token: &held.access_token,
            refresh_token,
            refreshable: true,
            expires_in,
            include_reference_token: held.reference_token.as_ref().map(|_| true),
        };
        let body = Zeroizing::new(serde_json::to_string(&wanted).unwrap_or_default());
        let form;
        let asked = self.exchange(Method::POST, TOKENS, &held.access_token, Some((&body, JSON)));
        let (asked, answer) = match self.ask(&asked, Repeat::Refresh).await {
            Err(error) if error.status() == Some(415) => {
                form = wanted.as_form();
                let asked = self.exchange(Method::POST, TOKENS, &held.access_token, Some((&form, FORM)));
                let answer = self.ask(&asked, Repeat::Refresh).await;
                (asked, answer)
            }
            answer => (asked, answer),
        };
        self.grant(&asked, &answer.map_err(failure::not_refreshed)?)
    }

    /// The token in an answer. What holds none, but is JSON, may still be the answer to work that was done.
    fn grant(&self, asked: &Exchange<'_>, answer: &Answer) -> Result<Grant> {
        Grant::read(&answer.text, answer.asked_at).ok_or_else(|| {
            let error = failure::no_token(asked, answer);
            if serde_json::from_str::<Value>(&answer.text).is_err() {
                return error;
            }
            self.way.lost.set(true);
            error.with_fate(Fate::Lost)
        })
    }

    /// From now on no request is begun; one that was is still awaited. Returns whether there is one.
    pub fn stop(&self) -> bool {
        self.way.stopped.set(true);
        self.way.sending.get()
    }

    /// Whether the answer to some request to mint was lost, so that a token may exist that nobody knows of.
    #[must_use]
    pub fn lost_an_answer(&self) -> bool {
        self.way.lost.get()
    }

    /// `DELETE /access/api/v1/tokens/{id}`, or `/me` for the bearer itself.
    ///
    /// # Errors
    /// When the token may still be alive.
    pub async fn revoke(&self, id: &str, bearer: &Secret) -> Result<Revoked> {
        let asked = self.exchange(Method::DELETE, &format!("{TOKENS}/{}", path_segment(id)?), bearer, None);
        match self.ask(&asked, Repeat::Always).await {
            Ok(answer) if answer.text.trim_start().starts_with('<') => Err(failure::not_json(&asked, &answer)),
            Ok(answer) if answer.status == StatusCode::NO_CONTENT => Ok(Revoked::NotFound),
            Ok(_) => Ok(Revoked::Done),
            // What stands in front of a platform that is down says 404 too, and nothing of the token.
            Err(error) if error.status() == Some(404) && error.said().is_some() => Ok(Revoked::NotFound),
            Err(error) if error.status() == Some(400) && error.said().is_some_and(|said| said.contains("not revocable")) => {
                Ok(Revoked::NotRevocable)
            }
            Err(error) => Err(error),
        }
    }

    /// `GET /access/api/v1/tokens/{id}`, or `/me` for the bearer itself.
    ///
    /// # Errors
    /// When the platform does not know the token, or does not say.
    pub async fn look_up(&self, id: &str, bearer: &Secret) -> Result<Known> {
        let asked = self.exchange(Method::GET, &format!("{TOKENS}/{}", path_segment(id)?), bearer, None);
        let answer = self.ask(&asked, Repeat::Always).await.map_err(failure::not_stored)?;
        serde_json::from_str(&answer.text).map_err(|_| failure::not_json(&asked, &answer))
    }

    async fn ask(&self, asked: &Exchange<'_>, repeat: Repeat) -> Result<Answer> {
        self.patience.insist(repeat, &self.way, self.note, || self.http.send(asked)).await
    }

    fn exchange<'b>(&self, method: Method, path: &str, bearer: &'b Secret, body: Option<(&'b str, &'static str)>) -> Exchange<'b> {
        let (body, body_type) = body.unzip();
        Exchange { method, url: format!("{}{path}", self.platform.as_str()), bearer, body, body_type: body_type.unwrap_or_default() }
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
    /// The fields that the documentation's form has.
    fn as_form(&self) -> Zeroizing<String> {
        let mut pairs = vec![("grant_type", self.grant_type.to_owned()), ("refresh_token", self.refresh_token.expose().to_owned())];
        pairs.extend(self.expires_in.map(|life| ("expires_in", life.to_string())));
        pairs.extend(self.include_reference_token.map(|wanted| ("include_reference_token", wanted.to_string())));
        let form = Url::parse_with_params("form:", pairs).ok();
        form.and_then(|form| form.query().map(str::to_owned)).unwrap_or_default().into()
    }
}

/// Whether the platform said that it knows no such refresh token: it was used before.
#[must_use]
pub fn is_spent(error: &Error) -> bool {
    error.status() == Some(404) && error.said().is_some_and(|said| said.contains("refresh token"))
}

/// A token's id goes into a path and into messages: only what ids are made of.
fn is_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn path_segment(id: &str) -> Result<&str> {
    if is_id(id) {
        return Ok(id);
    }
    Err(Error::new(Kind::Input, "that is no token id", "A token id has letters, digits and dashes only."))
}
