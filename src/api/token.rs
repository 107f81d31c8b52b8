use std::time::Duration;

use redact::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::claims::{claims, seconds, user};
use super::is_id;
use super::request::{ACCESS_TOKEN, ApiResponse, REFERENCE_TOKEN, REFRESH_TOKEN, TOKEN_ID, USERNAME, Way};
use crate::io::clock::{self, Timestamp};
use crate::io::printable;

/// A token from the platform: the answer to `POST /access/api/v1/tokens`, and when it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedToken {
    /// The access token.
    pub access_token: Secret,
    /// Works for one renewal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// The short form of the access token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_token: Option<Secret>,
    /// The id by which it can be revoked; empty if the platform gave none, or none that is usable.
    #[serde(default)]
    pub token_id: String,
    /// What the platform granted, which may differ from what was asked for.
    #[serde(default)]
    pub scope: String,
    /// The kind of token: `Bearer`.
    #[serde(default)]
    pub token_type: String,
    /// The user that it is for, if the platform says so, as in the answer to an exchange.
    #[serde(default, rename = "username", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Whether it came with a refresh token; `None` if the platform does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshable: Option<bool>,
    /// How it was asked for; empty if the platform does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub grant_type: String,
    /// The services that accept it; empty if the platform does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Its life in whole seconds, counted from `issued_at`; `None` if it never expires.
    #[serde(default, with = "clock::seconds", skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Duration>,
    /// The second in which it was asked for, by this machine's clock, so that a wrong clock on the server does no harm.
    #[serde(default)]
    pub issued_at: Timestamp,
}

impl IssuedToken {
    /// Reads an answer. Only the access token is required: nothing else that is odd in the answer may lose it.
    pub(super) fn read(answer: &ApiResponse, way: &Way) -> Option<Self> {
        let access_token = answer.token(ACCESS_TOKEN)?.clone();
        let claims = claims(&access_token).unwrap_or_default();
        // What the server says in the token itself is a text of the server's too.
        let mut claimed = json!({ USERNAME: user(&claims), TOKEN_ID: claims.get("jti") });
        way.clean_all(&mut claimed);
        let claimed = |name: &str| claimed[name].as_str().unwrap_or_default();
        let cleaned_user = Some(printable(claimed(USERNAME))).filter(|cleaned| user(&claims).is_some_and(|user| user != cleaned));
        let text = |name| printable(answer.field(name));
        let field = |name| answer.json.as_ref()?.get(name);
        let life = || Some(seconds(&claims, "exp")?.saturating_sub(seconds(&claims, "iat")?));
        Some(Self {
            refresh_token: answer.token(REFRESH_TOKEN).cloned(),
            reference_token: answer.token(REFERENCE_TOKEN).cloned(),
            token_id: [answer.field(TOKEN_ID), claimed(TOKEN_ID)].into_iter().find(|id| is_id(id)).unwrap_or_default().to_owned(),
            scope: text("scope"),
            token_type: text("token_type"),
            user: Some(text(USERNAME)).filter(|user| !user.is_empty()).or(cleaned_user),
            refreshable: field("refreshable").and_then(Value::as_bool),
            grant_type: text("grant_type"),
            audience: text("audience"),
            // In a request, 0 means that the token never expires. In an answer, 0 is not trusted: the claims decide.
            expires_in: field("expires_in").and_then(Value::as_u64).filter(|life| *life > 0).or_else(life).map(Duration::from_secs),
            issued_at: answer.asked_at,
            access_token,
        })
    }

    /// How to name it in a message.
    #[must_use]
    pub fn name(&self) -> &str {
        if self.token_id.is_empty() { "a token without an id" } else { &self.token_id }
    }

    /// When it expires, by this machine's clock. The platform counts whole seconds, from the one in which it was asked.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_in.map(|life| self.issued_at.after(life))
    }

    /// The user that it is for. The answer to a mint doesn't say; the token does.
    #[must_use]
    pub fn username(&self) -> Option<String> {
        if self.user.is_some() {
            return self.user.clone();
        }
        user(&claims(&self.access_token)?).map(str::to_owned)
    }

    /// All its secrets.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        [Some(&self.access_token), self.reference_token.as_ref(), self.refresh_token.as_ref()].into_iter().flatten()
    }
}
