//! Identity mappings: which claims get which token.

use axum::http::StatusCode;
use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    answers::ApiError,
    create, scope,
    state::{ANY_SERVICE, TokenSpec},
    verify::Claims,
};

/// An identity mapping; its fields are those of the REST API.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Mapping {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    pub provider_name: String,
    /// The lowest number is tried first, a mapping without one last (documented).
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u64>,
    claims: Claims,
    token_spec: Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_key: Option<String>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(default = "any_service")]
    audience: String,
    /// In seconds.
    #[serde(default = "default_life")]
    expires_in: u64,
}

fn any_service() -> String {
    ANY_SERVICE.to_owned()
}

/// The documented default.
fn default_life() -> u64 {
    60
}

impl Mapping {
    /// guess: every message. That a roles scope needs a user is documented, as is that a scope is required without one.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let bad = |detail: &str| Err(ApiError::bad_request(detail));
        let spec = &self.token_spec;
        let ways = [&spec.username, &spec.username_pattern, &spec.groups_pattern];
        match ways.into_iter().flatten().count() {
            0 if spec.scope.is_none() => return bad("token_spec needs a scope or a username"),
            0 | 1 => {}
            _ => return bad("only one of username, username_pattern and groups_pattern is allowed"),
        }
        if let Some(scope) = &spec.scope {
            scope::check(scope).map_err(ApiError::bad_request)?;
            if scope.starts_with("applied-permissions/roles:") && spec.username.is_none() {
                return bad("a roles scope needs a username");
            }
        }
        if let Some(name) = &spec.username {
            create::check_name(name)?;
        }
        for pattern in [&spec.username_pattern, &spec.groups_pattern].into_iter().flatten() {
            Pattern::parse(pattern)?;
        }
        create::check_audience(&spec.audience)?;
        // The Terraform provider allows 60 to 86400; tests need shorter lives.
        if !(1..=86_400).contains(&spec.expires_in) {
            return bad("expires_in must be 1 to 86400");
        }
        self.project_key.as_deref().map_or(Ok(()), create::check_project)
    }

    /// Whether this mapping is for a request with this project.
    pub(crate) fn serves(&self, project: Option<&str>) -> bool {
        self.project_key.is_none() || self.project_key.as_deref() == project
    }

    /// What mappings are sorted by. A project's come first (documented).
    pub(crate) fn rank(&self) -> (bool, u64) {
        (self.project_key.is_none(), self.priority.unwrap_or(u64::MAX))
    }

    pub(crate) fn matches(&self, claims: &Claims) -> bool {
        self.claims.iter().all(|(name, wanted)| claims.get(name).is_some_and(|found| fits(wanted, found)))
    }

    /// The token for these claims.
    pub(crate) fn token(&self, claims: &Claims) -> Result<TokenSpec, ApiError> {
        let spec = &self.token_spec;
        let username = match (&spec.username, &spec.username_pattern) {
            (Some(name), _) => name.clone(),
            (_, Some(pattern)) => mapped_username(pattern, claims)?,
            // guess: the subject of a token without a user. In the documentation it is provider/actor.
            _ => format!("{}/{}", self.provider_name, self.name),
        };
        let scope = match &spec.groups_pattern {
            Some(pattern) => mapped_groups(pattern, claims)?,
            None => spec.scope.clone().unwrap_or_else(|| scope::USER.to_owned()),
        };
        Ok(TokenSpec { username, scope, audience: spec.audience.clone(), life: Some(spec.expires_in), ..TokenSpec::default() })
    }
}

/// guess: a name is made lower case, as jf does it.
fn mapped_username(pattern: &str, claims: &Claims) -> Result<String, ApiError> {
    let names = Pattern::parse(pattern)?.apply(claims)?;
    let [name] = names.as_slice() else { return Err(no_match()) };
    let name = name.to_lowercase();
    create::check_name(&name)?;
    Ok(name)
}

/// guess: these groups replace a fixed scope.
fn mapped_groups(pattern: &str, claims: &Claims) -> Result<String, ApiError> {
    let groups: Vec<_> = Pattern::parse(pattern)?.apply(claims)?.into_iter().map(|group| format!("\"{group}\"")).collect();
    let scope = format!("applied-permissions/groups:{}", groups.join(","));
    scope::check(&scope).map_err(ApiError::bad_request)?;
    Ok(scope)
}

/// That a request fails whose claims match no mapping is documented. guess: status and message.
pub(crate) fn no_match() -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "No identity mapping matches the claims of the token")
}

/// `*` stands for any text; of several values one is enough (both since 7.94.1). guess: several values are a list; a claim that is a list
/// fits if one of its values does; numbers and booleans are compared as text.
fn fits(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Array(wanted), _) => wanted.iter().any(|wanted| fits(wanted, found)),
        (_, Value::Array(found)) => found.iter().any(|found| fits(wanted, found)),
        _ => wildcard(&text(wanted), &text(found)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern = regex::escape(pattern).replace(r"\*", ".*");
    Regex::new(&format!("(?s)^{pattern}$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// A dynamic mapping (since 7.95): `({{actor}})@example.com | $1` takes the claim `actor`, which must match the left side with any text in
/// place of the braces, and rewrites it as on the right side. Without a right side nothing is rewritten.
struct Pattern<'a> {
    claim: &'a str,
    value: Regex,
    rewritten: &'a str,
}

impl<'a> Pattern<'a> {
    /// guess: exactly one claim, and that the rest of the left side is a regular expression.
    fn parse(pattern: &'a str) -> Result<Self, ApiError> {
        let bad = || ApiError::bad_request(format!("Invalid pattern '{pattern}'"));
        let (left, rewritten) = pattern.split_once('|').unwrap_or((pattern, "$0"));
        let (before, rest) = left.trim().split_once("{{").ok_or_else(bad)?;
        let (claim, after) = rest.split_once("}}").ok_or_else(bad)?;
        let value = Regex::new(&format!("^(?:{before}.*{after})$")).map_err(|_| bad())?;
        Ok(Self { claim: claim.trim(), value, rewritten: rewritten.trim() })
    }

    /// The rewritten values of the claim. That the request fails without the claim is documented.
    fn apply(&self, claims: &Claims) -> Result<Vec<String>, ApiError> {
        let values = match claims.get(self.claim).ok_or_else(no_match)? {
            Value::Array(list) => list.iter().map(text).collect(),
            one => vec![text(one)],
        };
        // $1x would be the group named 1x.
        let rewritten = Regex::new(r"\$(\d+)").map_or_else(|_| self.rewritten.into(), |group| group.replace_all(self.rewritten, "$${$1}"));
        let rewrite = |value: String| {
            let found = self.value.captures(&value).ok_or_else(no_match)?;
            let mut name = String::new();
            found.expand(&rewritten, &mut name);
            Ok(name)
        };
        values.into_iter().map(rewrite).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_fits_exactly_with_a_star_or_as_one_of_several() {
        for (wanted, found, expected) in [
            (json!("octo/app"), json!("octo/app"), true),
            (json!("octo/app"), json!("octo/app2"), false),
            (json!("octo.app"), json!("octo/app"), false),
            (json!("refs/heads/*"), json!("refs/heads/a/b"), true),
            (json!("refs/heads/*"), json!("refs/tags/a"), false),
            (json!(["a", "b*"]), json!("b2"), true),
            (json!("a"), json!(["a", "b"]), true),
            (json!(7), json!("7"), true),
        ] {
            assert_eq!(fits(&wanted, &found), expected, "{wanted} {found}");
        }
    }

    /// The examples of JFrog's documentation.
    #[test]
    fn a_pattern_takes_checks_and_rewrites_a_claim() {
        for (pattern, value, expected) in [
            ("{{actor}}", "octocat", Some("octocat")),
            ("{{actor}} | $0@jfrog.com", "octocat", Some("octocat@jfrog.com")),
            ("({{actor}})@jfrog.com|$1", "octocat@jfrog.com", Some("octocat")),
            ("({{actor}})@jfrog.com|$1", "octocat@other.com", None),
            ("jf{{actor}}jfrog.com|$0", "jfoctocat@jfrog.com", Some("jfoctocat@jfrog.com")),
            ("({{actor}})@(.*)|$2_$1s", "a@b", Some("b_as")),
        ] {
            let claims = Claims::from_iter([("actor".to_owned(), json!(value))]);
            let mapped = Pattern::parse(pattern).ok().and_then(|p| p.apply(&claims).ok());
            assert_eq!(mapped, expected.map(|name| vec![name.to_owned()]), "{pattern} {value}");
        }
        for bad in ["", "actor", "{{actor", "({{actor}}"] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
    }
}
