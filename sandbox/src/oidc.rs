//! `/access/api/v1/oidc/token`: exchanges a CI's identity token for a short-lived access token.

use axum::{
    Router,
    body::Bytes,
    extract::State as Handle,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde::{Deserialize, Serialize};

use crate::{
    answers::{Answer, ApiError, json_answer},
    create,
    state::Shared,
    verify,
};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

pub(crate) fn routes() -> Router<Shared> {
    Router::new().route("/access/api/v1/oidc/token", post(exchange))
}

/// guess: other fields are ignored.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are only checked for their type")]
struct Request {
    grant_type: String,
    subject_token_type: String,
    subject_token: String,
    provider_name: String,
    provider_type: Option<String>,
    /// The provider's, any text; not the new token's.
    audience: Option<String>,
    project_key: Option<String>,
    application_key: Option<String>,
    identity_mapping_name: Option<String>,
    include_reference_token: Option<bool>,
    job_id: Option<String>,
    run_id: Option<String>,
    repo: Option<String>,
    revision: Option<String>,
    branch: Option<String>,
}

#[derive(Serialize)]
struct Exchanged<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: Option<u64>,
    scope: &'a str,
    issued_token_type: &'static str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_token: Option<&'a str>,
}

/// guess: the refusals of a malformed request.
async fn exchange(Handle(shared): Handle<Shared>, headers: HeaderMap, body: Bytes) -> Answer {
    let request: Request = create::read_json(&headers, &body)?;
    if request.grant_type != GRANT || request.subject_token_type != ID_TOKEN {
        return Err(ApiError::bad_request("wrong grant_type or subject_token_type"));
    }
    let project = request.project_key.as_deref();
    if let Some(project) = project {
        create::check_project(project)?;
    }
    let provider = shared.lock().providers.serving(&request.provider_name, project)?.clone();
    // guess: it is compared with the provider's, if both are there.
    if request.audience.is_some() && provider.audience.is_some() && request.audience != provider.audience {
        return Err(verify::invalid_audience());
    }
    let claims = verify::identity(&shared, &provider, &request.subject_token).await?;
    let mapping = provider.mapping(request.identity_mapping_name.as_deref(), project, &claims)?;
    let mut spec = mapping.token(&claims)?;
    spec.reference = request.include_reference_token.unwrap_or(false);
    spec.project = mapping.project_key.clone().or(request.project_key);

    let mut state = shared.lock();
    let token = state.issue(spec);
    let body = Exchanged {
        access_token: &token.access,
        token_type: "Bearer",
        expires_in: token.spec.life,
        scope: &token.spec.scope,
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
        username: &token.spec.username,
        reference_token: token.reference.as_deref(),
    };
    Ok(json_answer(StatusCode::OK, &body))
}
