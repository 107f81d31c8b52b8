//! The exchange of a CI's identity token for an access token (`POST /access/api/v1/oidc/token`, cloud 7.73.1, self-hosted 7.77.3).

use redact::Secret;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::auth::SecretHeader;
use super::failure;
use super::request::{ApiRequest, Operation};
use super::retry::RetryPolicy;
use super::{Auth, Client, IssuedToken, JSON};
use crate::ci::IdTokenRequest;
use crate::error::Result;

const EXCHANGE: &str = "/access/api/v1/oidc/token";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// What an identity token is to be exchanged for, with the field names of the request (JFrog's documentation; recorded from jf). Holds no
/// secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRequest {
    /// The OIDC provider, as the platform's admin named it.
    pub provider_name: String,
    /// The project whose identity mapping is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_key: Option<String>,
    /// The job, for the platform's records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The run of the pipeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// The application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_key: Option<String>,
    /// `GitHub`, `Azure` or `GenericOidc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_type: Option<String>,
    /// The provider's audience, which is not the new token's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// The only identity mapping to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_mapping_name: Option<String>,
    /// Whether to ask for a reference token too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_reference_token: bool,
    /// The repository's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The branch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    grant_type: &'static str,
    subject_token_type: &'static str,
    subject_token: &'a str,
    #[serde(flatten)]
    request: &'a ExchangeRequest,
}

impl ExchangeRequest {
    /// The body of the request, with this text as the identity token.
    #[must_use]
    pub fn body(&self, subject_token: &str) -> Zeroizing<String> {
        let body = Body { grant_type: GRANT_TYPE, subject_token_type: ID_TOKEN, subject_token, request: self };
        Zeroizing::new(serde_json::to_string(&body).unwrap_or_default())
    }
}

impl Client<'_> {
    /// Exchanges an identity token for an access token. Can be repeated: one that is left behind lives as long as the identity mapping says,
    /// which is a minute by default.
    ///
    /// # Errors
    /// Fails if no token came back.
    pub async fn exchange(&self, wanted: &ExchangeRequest, identity: &Auth) -> Result<IssuedToken> {
        let body = wanted.body(identity.secrets().first().map(|token| token.expose()).unwrap_or_default());
        let asked = self.request(Operation::Exchange, Method::POST, EXCHANGE, identity, Some((&body, JSON)));
        let answer = self.ask(&asked, RetryPolicy::Exchange).await?;
        self.issued(&asked, &answer)
    }

    /// Asks a CI's own service for the job's identity token. This client must be for that service's origin.
    ///
    /// # Errors
    /// Fails if none came back.
    pub async fn identity_token(&self, wanted: &IdTokenRequest) -> Result<Secret> {
        let bare = || SecretHeader::new("authorization", wanted.bearer.expose());
        let auth = if wanted.bare { Auth::Headers(bare().into_iter().collect()) } else { Auth::Bearer(wanted.bearer.clone()) };
        let asked = ApiRequest {
            operation: Operation::Identity,
            method: if wanted.posts { Method::POST } else { Method::GET },
            url: wanted.url.clone(),
            auth: &auth,
            refresh_token: None,
            body: wanted.posts.then_some(""),
            body_type: JSON,
            token_fields: std::slice::from_ref(&wanted.field),
            way: self.http.way(),
        };
        let answer = self.ask(&asked, RetryPolicy::Always).await?;
        match answer.token(wanted.field) {
            Some(token) => Ok(token.clone()),
            None if answer.json.is_none() => Err(failure::not_json(&asked, &answer)),
            None => Err(failure::no_identity_token(&asked, wanted.field)),
        }
    }
}
