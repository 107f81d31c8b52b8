//! `/access/api/v1/oidc`: the OIDC providers and their identity mappings.

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State as Handle},
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
    routing::get,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    access::admin,
    answers::{Answer, ApiError, json_answer},
    create,
    jwt::Jwk,
    mapping::{self, Mapping},
    state::Shared,
    verify::Claims,
};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/access/api/v1/oidc", get(list).post(post))
        .route("/access/api/v1/oidc/{provider}", get(show).put(put).delete(delete))
        .route("/access/api/v1/oidc/{provider}/identity_mappings", get(list_mappings).post(post_mapping))
        .route("/access/api/v1/oidc/{provider}/identity_mappings/{name}", get(show_mapping).put(put_mapping).delete(delete_mapping))
}

/// A provider, also called a configuration or an integration; its fields are those of the REST API. guess: others are ignored.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Provider {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    pub issuer_url: String,
    #[serde(rename = "provider_type", default = "generic")]
    kind: String,
    /// Any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<String>,
    /// What `iss` must be, if not the issuer's URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_key: Option<String>,
    #[serde(skip)]
    mappings: Vec<Mapping>,
    /// The issuer's, once they have been fetched.
    #[serde(skip)]
    pub keys: Vec<Jwk>,
}

fn generic() -> String {
    "generic".to_owned()
}

/// The providers, and what they trust.
#[derive(Default)]
pub(crate) struct Providers {
    all: Vec<Provider>,
    /// As PEM; without any, the system's.
    pub issuer_cas: Vec<String>,
}

impl Provider {
    /// That GitHub's needs an organization and allows no token issuer is in the Terraform provider. guess: the messages, and the other checks.
    fn check(&self) -> Result<(), ApiError> {
        let bad = |detail: String| Err(ApiError::bad_request(detail));
        check_name(&self.name)?;
        if !self.issuer_url.parse::<Uri>().is_ok_and(|url| url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https"))) {
            return bad(format!("Invalid issuer_url '{}'", self.issuer_url));
        }
        if self.kind.starts_with("GitHub") {
            if self.organization.as_deref().is_none_or(str::is_empty) {
                return bad("organization is mandatory for GitHub".to_owned());
            }
            if self.token_issuer.is_some() {
                return bad("token_issuer is not allowed for GitHub".to_owned());
            }
        }
        self.project_key.as_deref().map_or(Ok(()), create::check_project)
    }

    fn at(&self, name: &str) -> Result<usize, ApiError> {
        let at = self.mappings.iter().position(|m| m.name == name);
        at.ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, "identity mapping doesn't exist"))
    }

    /// The mapping for these claims; if one is named, no other. guess: an unknown name is a 404.
    pub(crate) fn mapping(&self, name: Option<&str>, project: Option<&str>, claims: &Claims) -> Result<&Mapping, ApiError> {
        let tried = match name {
            Some(name) => std::slice::from_ref(&self.mappings[self.at(name)?]),
            None => self.mappings.as_slice(),
        };
        let fitting = tried.iter().filter(|m| m.serves(project) && m.matches(claims));
        fitting.min_by_key(|m| m.rank()).ok_or_else(mapping::no_match)
    }
}

/// The characters that the Terraform provider allows.
fn check_name(name: &str) -> Result<(), ApiError> {
    let good = |c: char| !c.is_ascii_punctuation() && c != ' ' || matches!(c, '-' | '_');
    if name.is_empty() || name.len() > 255 || !name.chars().all(good) {
        return Err(ApiError::bad_request(format!("Invalid name '{name}'")));
    }
    Ok(())
}

/// Seen.
fn unknown() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "oidc integration doesn't exist")
}

fn read<T: DeserializeOwned>(json: Value) -> Result<T, ApiError> {
    serde_json::from_value(json).map_err(|e| ApiError::bad_request(e.to_string()))
}

impl Providers {
    pub(crate) fn named(&mut self, name: &str) -> Option<&mut Provider> {
        self.all.iter_mut().find(|p| p.name == name)
    }

    fn existing(&mut self, name: &str) -> Result<&mut Provider, ApiError> {
        self.named(name).ok_or_else(unknown)
    }

    /// The provider for a request with this project. guess: a project's serves only its project.
    pub(crate) fn serving(&self, name: &str, project: Option<&str>) -> Result<&Provider, ApiError> {
        let serves = |p: &&Provider| p.name == name && (p.project_key.is_none() || p.project_key.as_deref() == project);
        self.all.iter().find(serves).ok_or_else(unknown)
    }

    /// Creates or replaces a provider; it keeps its mappings.
    pub(crate) fn put(&mut self, json: Value) -> Result<Provider, ApiError> {
        let mut provider: Provider = read(json)?;
        provider.check()?;
        match self.named(&provider.name) {
            Some(old) => {
                provider.mappings = std::mem::take(&mut old.mappings);
                *old = provider.clone();
            }
            None => self.all.push(provider.clone()),
        }
        Ok(provider)
    }

    /// Creates or replaces a mapping.
    pub(crate) fn put_mapping(&mut self, provider: &str, mut json: Value) -> Result<Mapping, ApiError> {
        let provider = self.existing(provider)?;
        set(&mut json, "provider_name", &provider.name);
        let mapping: Mapping = read(json)?;
        check_name(&mapping.name)?;
        mapping.check()?;
        match provider.at(&mapping.name) {
            Ok(at) => provider.mappings[at] = mapping.clone(),
            Err(_) => provider.mappings.push(mapping.clone()),
        }
        Ok(mapping)
    }
}

fn set(json: &mut Value, name: &str, value: &str) {
    if let Value::Object(fields) = json {
        fields.insert(name.to_owned(), value.into());
    }
}

#[derive(Deserialize)]
struct Query {
    project_key: Option<String>,
}

fn project(query: Option<&str>) -> Result<Option<String>, ApiError> {
    let query: Query = serde_urlencoded::from_str(query.unwrap_or_default()).map_err(|e| ApiError::bad_request(e.to_string()))?;
    Ok(query.project_key)
}

/// The body; the query's project becomes its project.
fn body(headers: &HeaderMap, body: &[u8], query: Option<&str>) -> Result<Value, ApiError> {
    let mut json: Value = create::read_json(headers, body)?;
    if let Some(project) = project(query)? {
        set(&mut json, "project_key", &project);
    }
    Ok(json)
}

// guess: the statuses and the bodies of the answers below.

async fn list(Handle(shared): Handle<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Answer {
    let state = shared.lock();
    admin(&state, &headers)?;
    let project = project(query.as_deref())?;
    let listed: Vec<_> = state.providers.all.iter().filter(|p| project.is_none() || p.project_key == project).collect();
    Ok(json_answer(StatusCode::OK, &listed))
}

/// That it updates an existing one is documented.
async fn post(Handle(shared): Handle<Shared>, RawQuery(query): RawQuery, headers: HeaderMap, bytes: Bytes) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let provider = state.providers.put(body(&headers, &bytes, query.as_deref())?)?;
    Ok(json_answer(StatusCode::CREATED, &provider))
}

async fn show(Handle(shared): Handle<Shared>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    Ok(json_answer(StatusCode::OK, state.providers.existing(&name)?))
}

async fn put(
    Handle(shared): Handle<Shared>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    state.providers.existing(&name)?;
    let mut json = body(&headers, &bytes, query.as_deref())?;
    set(&mut json, "name", &name);
    Ok(json_answer(StatusCode::OK, &state.providers.put(json)?))
}

async fn delete(Handle(shared): Handle<Shared>, Path(name): Path<String>, headers: HeaderMap) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    state.providers.existing(&name)?;
    state.providers.all.retain(|p| p.name != name);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list_mappings(
    Handle(shared): Handle<Shared>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let project = project(query.as_deref())?;
    let mappings = &state.providers.existing(&provider)?.mappings;
    let listed: Vec<_> = mappings.iter().filter(|m| project.is_none() || m.project_key == project).collect();
    Ok(json_answer(StatusCode::OK, &listed))
}

async fn post_mapping(
    Handle(shared): Handle<Shared>,
    Path(provider): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let json = body(&headers, &bytes, query.as_deref())?;
    if let Some(name) = json["name"].as_str()
        && state.providers.existing(&provider)?.at(name).is_ok()
    {
        return Err(ApiError::new(StatusCode::CONFLICT, format!("identity mapping '{name}' already exists")));
    }
    let mapping = state.providers.put_mapping(&provider, json)?;
    Ok(json_answer(StatusCode::CREATED, &mapping))
}

async fn show_mapping(Handle(shared): Handle<Shared>, Path((provider, name)): Path<(String, String)>, headers: HeaderMap) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let provider = state.providers.existing(&provider)?;
    Ok(json_answer(StatusCode::OK, &provider.mappings[provider.at(&name)?]))
}

async fn put_mapping(
    Handle(shared): Handle<Shared>,
    Path((provider, name)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    state.providers.existing(&provider)?.at(&name)?;
    let mut json = body(&headers, &bytes, query.as_deref())?;
    set(&mut json, "name", &name);
    Ok(json_answer(StatusCode::OK, &state.providers.put_mapping(&provider, json)?))
}

async fn delete_mapping(Handle(shared): Handle<Shared>, Path((provider, name)): Path<(String, String)>, headers: HeaderMap) -> Answer {
    let mut state = shared.lock();
    admin(&state, &headers)?;
    let provider = state.providers.existing(&provider)?;
    let at = provider.at(&name)?;
    provider.mappings.remove(at);
    Ok(StatusCode::NO_CONTENT.into_response())
}
