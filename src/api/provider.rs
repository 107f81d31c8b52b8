//! The platform's OIDC providers and their identity mappings, which an admin may read (field names and types: JFrog's Terraform provider).

use reqwest::Method;
use serde_json::{Map, Value};

use super::failure;
use super::request::Operation;
use super::retry::RetryPolicy;
use super::{Auth, Claims, Client};
use crate::error::Result;
use crate::options::{InputValue, shown};

const PROVIDERS: &str = "/access/api/v1/oidc";
const ISSUER: &str = "issuer_url";
const LONGEST_NAME: usize = 255;

type Fields = Map<String, Value>;

/// A field that is a text and says something. The platform may send an empty text for one that is absent (guess).
fn text<'f>(fields: &'f Fields, name: &str) -> Option<&'f str> {
    fields.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn object(value: Option<Value>) -> Fields {
    if let Some(Value::Object(fields)) = value { fields } else { Fields::new() }
}

/// An OIDC provider: whose identity tokens the platform takes. The fields are the API's.
pub struct Provider(pub Fields);

/// Which claims get which token.
#[derive(Clone, Default)]
pub struct IdentityMapping {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The provider that it belongs to.
    pub provider: String,
    /// The lowest number is tried first, one without a number last.
    pub priority: Option<u64>,
    /// The claims that a token must have.
    pub claims: Claims,
    /// What it gives, with the API's fields: a `username`, or a pattern that makes one of a claim (`username_pattern`, `groups_pattern`); the
    /// `scope`, the `audience`, and the life (`expires_in`, in seconds).
    pub token_spec: Fields,
    /// The only project whose requests it is for.
    pub project: Option<String>,
}

impl Provider {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        text(&self.0, "name").unwrap_or_default()
    }

    /// What a token's `iss` must be.
    #[must_use]
    pub fn issuer(&self) -> &str {
        text(&self.0, "token_issuer").or(text(&self.0, ISSUER)).unwrap_or_default()
    }

    /// What must be among a token's audiences; `None`: any are right.
    #[must_use]
    pub fn audience(&self) -> Option<&str> {
        text(&self.0, "audience")
    }

    /// The only owner of repositories on GitHub whose tokens are taken.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        let is_github = text(&self.0, "provider_type").is_some_and(|kind| kind.starts_with("GitHub"));
        text(&self.0, "organization").filter(|_| is_github)
    }
}

impl IdentityMapping {
    /// Reads one that the platform sent. One without claims matches every token.
    fn read(value: Value) -> Self {
        let mut fields = object(Some(value));
        let mut part = |name| object(fields.get_mut(name).map(Value::take));
        let (claims, token_spec) = (part("claims"), part("token_spec"));
        let owned = |name| text(&fields, name).map(str::to_owned);
        Self {
            name: owned("name").unwrap_or_default(),
            description: owned("description"),
            provider: owned("provider_name").unwrap_or_default(),
            priority: fields.get("priority").and_then(Value::as_u64),
            project: owned("project_key"),
            claims,
            token_spec,
        }
    }

    /// The body of the request that creates it.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut fields = Fields::new();
        let optional = |text: &Option<String>| text.clone().map_or(Value::Null, Value::from);
        for (name, value) in [
            ("name", self.name.clone().into()),
            ("description", optional(&self.description)),
            ("provider_name", self.provider.clone().into()),
            ("priority", self.priority.map_or(Value::Null, Value::from)),
            ("claims", self.claims.clone().into()),
            ("token_spec", self.token_spec.clone().into()),
            ("project_key", optional(&self.project)),
        ] {
            if !value.is_null() {
                fields.insert(name.to_owned(), value);
            }
        }
        fields.into()
    }

    /// Where it is created: the path of the API.
    #[must_use]
    pub fn path(&self) -> String {
        mappings_of(&self.provider, self.project.as_deref())
    }

    /// What mappings are sorted by. That a project's come first is documented.
    #[must_use]
    pub fn rank(&self) -> (bool, u64) {
        (self.project.is_none(), self.priority.unwrap_or(u64::MAX))
    }
}

/// The name of a provider or an identity mapping, checked as JFrog's Terraform provider checks it.
///
/// # Errors
/// Fails if it can't be one.
pub fn provider_name(given: &InputValue) -> Result<String> {
    let name = given.text.trim();
    let wrong = |c: char| c.is_control() || c.is_whitespace() || c.is_ascii_punctuation() && !matches!(c, '-' | '_');
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(wrong) {
        let right = "A name has letters, digits, - and _, at most 255 of them.";
        return Err(given.wrong(format!("'{}' is not a name that the platform takes", shown(name)), right));
    }
    Ok(name.to_owned())
}

fn with_project(mut path: String, project: Option<&str>) -> String {
    path.extend(project.into_iter().flat_map(|project| ["?project_key=", project]));
    path
}

fn mappings_of(provider: &str, project: Option<&str>) -> String {
    with_project(format!("{PROVIDERS}/{provider}/identity_mappings"), project)
}

impl Client<'_> {
    /// `GET /access/api/v1/oidc/{provider}`. The project must be the key of one.
    ///
    /// # Errors
    /// Fails if there is none of that name, or the bearer may not know.
    pub async fn provider(&self, name: &str, project: Option<&str>, auth: &Auth) -> Result<Provider> {
        let answer = self.configuration(with_project(format!("{PROVIDERS}/{name}"), project), auth, ISSUER).await?;
        Ok(Provider(object(answer.into_iter().next())))
    }

    /// `GET /access/api/v1/oidc/{provider}/identity_mappings`. The project must be the key of one.
    ///
    /// # Errors
    /// As `provider`.
    pub async fn identity_mappings(&self, provider: &str, project: Option<&str>, auth: &Auth) -> Result<Vec<IdentityMapping>> {
        let answer = self.configuration(mappings_of(provider, project), auth, "claims").await?;
        Ok(answer.into_iter().map(IdentityMapping::read).collect())
    }

    /// The objects in an answer; each has this field. That several come as a list is a guess; an object that holds the list would do too.
    async fn configuration(&self, path: String, auth: &Auth, field: &str) -> Result<Vec<Value>> {
        let asked = self.request(Operation::Configuration, Method::GET, &path, auth, None);
        let answer = self.ask(&asked, RetryPolicy::Always).await?;
        let list = match answer.json.clone().ok_or_else(|| failure::not_json(&asked, &answer))? {
            Value::Array(list) if field != ISSUER => list,
            Value::Object(mut fields) if !fields.contains_key(field) => match fields.values_mut().find(|value| value.is_array()) {
                Some(Value::Array(list)) => std::mem::take(list),
                _ => return Err(failure::not_a_configuration(&asked)),
            },
            one => vec![one],
        };
        let is_right =
            |item: &Value| item.get(field).is_some_and(|value| if field == ISSUER { value.is_string() } else { value.is_object() });
        if list.iter().all(is_right) { Ok(list) } else { Err(failure::not_a_configuration(&asked)) }
    }
}
