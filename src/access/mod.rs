//! The JFrog Access client: one request at a time, its answer, its errors, its retries.

mod exchange;
mod failure;
mod http;
mod retry;
mod token;

use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::inputs::{Order, PlatformUrl};
use crate::redact::Secret;
use exchange::{Answer, Exchange};

pub use http::Http;
pub use retry::{LEFT_BEHIND, Note, Patience};
use retry::{Repeat, Way};
pub use token::{Claims, Grant, claims, user_name};

const TOKENS: &str = "/access/api/v1/tokens";

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
        let short = order.expires_in.is_some_and(|life| (1..=3600).contains(&life));
        let asked = self.exchange(Method::POST, TOKENS, credential, Some(&body));
        let answer = self.ask(&asked, Repeat::mint(short)).await?;
        Grant::read(&answer.text, answer.asked_at).ok_or_else(|| {
            let error = failure::no_token(&asked, &answer);
            // Whatever the JSON says, the work may have been done.
            if serde_json::from_str::<Value>(&answer.text).is_err() {
                return error;
            }
            self.way.lost.set(true);
            error.with_advice(LEFT_BEHIND)
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

    fn exchange<'b>(&self, method: Method, path: &str, bearer: &'b Secret, body: Option<&'b str>) -> Exchange<'b> {
        Exchange { method, url: format!("{}{path}", self.platform.as_str()), bearer, body }
    }
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
