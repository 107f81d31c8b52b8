//! The identity tokens of CIs: their claims, as documented by each.

use serde_json::{Map, Value, json};

use crate::tokens::{random_text, uuid};

type Claims = Map<String, Value>;

/// The CI whose claims a token has.
#[derive(Clone, Copy)]
pub(crate) enum Platform {
    GitHub,
    Forgejo,
    Azure {
        /// Whether the token is for a service connection.
        service_connection: bool,
    },
    GitLab,
}

/// The job that the tokens are for.
#[derive(Default)]
pub(crate) struct Job {
    /// Replaces and adds claims; null removes one.
    pub claims: Claims,
    /// Whether GitHub's `sub` contains the ids of owner and repository.
    pub ids_in_sub: bool,
    /// In seconds; by default the platform's.
    pub life: Option<i64>,
}

fn object(json: Value) -> Claims {
    if let Value::Object(object) = json { object } else { Claims::new() }
}

fn text<'a>(claims: &'a Claims, name: &str) -> &'a str {
    claims.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The claims of a token for this job, with its times.
pub(crate) fn claims(platform: Platform, issuer: &str, job: &Job, audience: Option<Value>, now: i64) -> Value {
    let mut claims = object(facts(platform));
    claims.extend(job.claims.clone());
    let derived = match platform {
        Platform::GitHub => github(&claims, "https://github.com", job.ids_in_sub),
        Platform::Forgejo => github(&claims, issuer, false),
        Platform::Azure { service_connection } => azure(&claims, service_connection),
        Platform::GitLab => gitlab(&claims, issuer),
    };
    claims.extend(object(derived));
    // Azure's can't be chosen.
    if let Some(audience) = audience.filter(|_| !matches!(platform, Platform::Azure { .. })) {
        claims.insert("aud".to_owned(), audience);
    }
    claims.extend(job.claims.clone());
    let (life, early) = match platform {
        // guess: Forgejo's.
        Platform::GitHub | Platform::Forgejo => (300, 0),
        // 10 minutes, and valid 10 minutes before (seen in fulcio#1803).
        Platform::Azure { .. } => (600, 600),
        // A job's default time-out.
        Platform::GitLab => (3600, 5),
    };
    complete(claims, issuer, now, job.life.unwrap_or(life), early)
}

/// Adds what every token has, unless it is there. A claim that is null is removed.
pub(crate) fn complete(mut claims: Claims, issuer: &str, now: i64, life: i64, early: i64) -> Value {
    for (name, value) in [
        ("iss", json!(issuer)),
        ("jti", json!(uuid())),
        ("iat", json!(now)),
        ("nbf", json!(now.saturating_sub(early))),
        ("exp", json!(now.saturating_add(life))),
    ] {
        claims.entry(name).or_insert(value);
    }
    claims.retain(|_, value| !value.is_null());
    Value::Object(claims)
}

/// What other claims are made of.
fn facts(platform: Platform) -> Value {
    let sha = "8f2e1c0d7b6a5948372615f4e3d2c1b0a9f8e7d6";
    match platform {
        Platform::GitHub => json!({
            "actor": "octocat", "actor_id": "12", "base_ref": "", "event_name": "push", "head_ref": "", "ref": "refs/heads/main",
            "ref_protected": "true", "ref_type": "branch", "repository": "octo/app", "repository_id": "74",
            "repository_owner_id": "65", "repository_visibility": "private", "run_attempt": "2", "run_id": "30433642",
            "run_number": "10", "runner_environment": "github-hosted", "sha": sha, "workflow": "ci",
        }),
        // guess: the names are GitHub's, as far as Forgejo has the fact.
        Platform::Forgejo => json!({
            "actor": "octocat", "base_ref": "", "event_name": "push", "head_ref": "", "ref": "refs/heads/main", "ref_protected": "true",
            "ref_type": "branch", "repository": "octo/app", "run_attempt": "1", "run_id": "42", "run_number": "10", "sha": sha,
            "workflow": "ci.yml",
        }),
        Platform::Azure { .. } => json!({
            "aud": "api://AzureADTokenExchange", "org_id": "7f1c2c1e-0000-4000-8000-000000000001",
            "prj_id": "7f1c2c1e-0000-4000-8000-000000000002", "def_id": "7", "rpo_id": "7f1c2c1e-0000-4000-8000-000000000003",
            "rpo_uri": "https://dev.azure.com/octo/app/_git/app", "rpo_ver": sha, "rpo_ref": "refs/heads/main", "run_id": "4711",
        }),
        Platform::GitLab => json!({
            "job_id": "302", "namespace_id": "72", "pipeline_id": "574", "pipeline_source": "push", "project_id": "20",
            "project_path": "octo/app", "project_visibility": "private", "ref": "main", "ref_protected": "true", "ref_type": "branch",
            "runner_environment": "self-hosted", "runner_id": 1, "sha": sha, "user_email": "octocat@example.com", "user_id": "1",
            "user_login": "octocat",
        }),
    }
}

fn github(facts: &Claims, instance: &str, ids_in_sub: bool) -> Value {
    let repository = text(facts, "repository");
    let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
    let subject = if ids_in_sub {
        format!("{owner}@{}/{name}@{}", text(facts, "repository_owner_id"), text(facts, "repository_id"))
    } else {
        repository.to_owned()
    };
    let when = match facts.get("environment").and_then(Value::as_str) {
        Some(environment) => format!("environment:{environment}"),
        None if facts.get("event_name").is_some_and(|e| e == "pull_request") => "pull_request".to_owned(),
        None => format!("ref:{}", text(facts, "ref")),
    };
    let workflow = format!("{repository}/.github/workflows/ci.yml@{}", text(facts, "ref"));
    let mut derived = json!({
        "aud": format!("{instance}/{owner}"), "repository_owner": owner, "sub": format!("repo:{subject}:{when}"),
        "workflow_ref": workflow,
    });
    // Forgejo has no reusable workflows' claim.
    if facts.contains_key("runner_environment") {
        derived["job_workflow_ref"] = workflow.into();
        derived["workflow_sha"] = text(facts, "sha").into();
    }
    derived
}

/// guess: the name of the service connection, and that the claims beside the subject are the same with one.
fn azure(facts: &Claims, service_connection: bool) -> Value {
    let uri = text(facts, "rpo_uri").strip_prefix("https://dev.azure.com/").unwrap_or_default();
    let project = uri.split("/_git/").next().unwrap_or_default();
    json!({"sub": if service_connection { format!("sc://{project}/jfrog") } else { format!("p://{project}/ci") }})
}

fn gitlab(facts: &Claims, issuer: &str) -> Value {
    let path = text(facts, "project_path");
    let namespace = path.rsplit_once('/').map_or("", |(namespace, _)| namespace);
    json!({
        "aud": issuer, "namespace_path": namespace,
        "sub": format!("project_path:{path}:ref_type:{}:ref:{}", text(facts, "ref_type"), text(facts, "ref")),
    })
}

/// What a request for a token must present.
pub(crate) fn bearer() -> String {
    random_text(64)
}
