//! Identity mappings: whether the claims of a job match one, which claims only this job has, and which anybody could have.

use serde_json::Value;

use crate::api::claims::{Claims, audiences, shown, text};
use crate::api::{IdentityMapping, Provider};
use crate::error::{Error, Kind, Result};

/// A claim that keeps a job from matching an identity mapping.
pub struct Difference {
    /// The claim's name.
    pub claim: String,
    /// What the mapping wants.
    pub wanted: Value,
    /// What the job has.
    pub has: Option<Value>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { claim, wanted, has } = self;
        match has {
            Some(has) => write!(f, "{claim} is '{}', not '{}'", shown(has), shown(wanted))?,
            None => write!(f, "{claim} is absent, not '{}'", shown(wanted))?,
        }
        let holds_ids = |value: Option<&Value>| value.and_then(Value::as_str).is_some_and(holds_ids);
        if claim == "sub" && holds_ids(has.as_ref()) && !holds_ids(Some(wanted)) {
            f.write_str(NEW_SUB)?;
        }
        Ok(())
    }
}

const NEW_SUB: &str = " (GitHub's sub holds ids for repositories made or renamed since 2026-07-15; repository_id and ref don't change)";

/// The claims that keep a job from matching.
#[must_use]
pub fn differences(mapping: &IdentityMapping, has: &Claims, project: Option<&str>) -> Vec<Difference> {
    let differs = |(claim, wanted): (&String, &Value)| {
        let found = has.get(claim);
        let fits = found.is_some_and(|found| fits(wanted, found));
        (!fits).then(|| Difference { claim: claim.clone(), wanted: wanted.clone(), has: found.cloned() })
    };
    let other_project = mapping.project.as_deref().filter(|wanted| project != Some(wanted));
    let other_project =
        other_project.map(|wanted| Difference { claim: "--project".into(), wanted: wanted.into(), has: project.map(Value::from) });
    mapping.claims.iter().filter_map(differs).chain(other_project).collect()
}

/// Whether a claim is what a mapping wants. `*` stands for any text, and of several values one is enough (both documented, since 7.94.1).
/// Guesses: several values are a list; of a claim that is a list one value is enough; what is no text is compared as text.
fn fits(wanted: &Value, has: &Value) -> bool {
    match (wanted, has) {
        (Value::Array(wanted), _) => wanted.iter().any(|wanted| fits(wanted, has)),
        (_, Value::Array(has)) => has.iter().any(|has| fits(wanted, has)),
        _ => matches(&text(wanted), &text(has)),
    }
}

/// Whether the text is that of the pattern, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The claims of which a pattern for a user or for groups is made (`{{claim}}`) and that the job does not have: the exchange then fails
/// (documented).
#[must_use]
pub fn missing_claims(mapping: &IdentityMapping, has: &Claims) -> Vec<String> {
    let patterns = ["username_pattern", "groups_pattern"].into_iter().filter_map(|name| mapping.token_spec.get(name)?.as_str());
    let names = patterns.flat_map(|pattern| pattern.split("{{").skip(1).filter_map(|rest| Some(rest.split_once("}}")?.0.trim())));
    names.filter(|name| !has.contains_key(*name)).map(str::to_owned).collect()
}

/// Why a provider would not take a token with these claims. `other_audience` says how to give it another audience.
#[must_use]
pub fn mismatches(provider: &Provider, has: &Claims, other_audience: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let of_token = |name: &str| has.get(name).map(shown).unwrap_or_default();
    let (issuer, iss) = (provider.issuer(), of_token("iss"));
    // That a slash at the end makes no difference is a guess.
    if issuer.trim_end_matches('/') != iss.trim_end_matches('/') {
        wrong.push(format!("the issuer is '{iss}', not '{issuer}'"));
    }
    let found = audiences(has);
    if let Some(wanted) = provider.audience().filter(|wanted| !found.contains(wanted)) {
        wrong.push(format!("the audience is '{}', not '{wanted}': {other_audience}", found.join(" ")));
    }
    // A guess: what the platform compares an organization with.
    let owner = of_token("repository_owner");
    if let Some(wanted) = provider.organization().filter(|wanted| !owner.is_empty() && !owner.eq_ignore_ascii_case(wanted)) {
        wrong.push(format!("the repository's owner is '{owner}', not the organization '{wanted}'"));
    }
    wrong
}

/// How the identity tokens of a CI say which job it is.
struct Shape {
    /// The claims by which they are told from others.
    signs: &'static [&'static str],
    /// What the job belongs to, each by the first of these that is there. Ids come first: they survive a renaming, and nobody else can take
    /// them over.
    project: &'static [&'static [&'static str]],
    /// The name by which people know it.
    title: &'static str,
    /// The branch or tag.
    reference: &'static [&'static str],
    /// Whether that is a branch or a tag.
    kind: &'static str,
    /// Whether it is protected.
    protected: &'static str,
    /// The environment that the job may deploy to.
    environment: &'static str,
    /// Whether that is protected.
    guarded: &'static str,
    /// What started the job.
    event: &'static str,
    /// What else to know of these claims.
    note: &'static str,
}

const NONE: Shape = Shape {
    signs: &[],
    project: &[&["sub"]],
    title: "sub",
    reference: &[],
    kind: "",
    protected: "",
    environment: "",
    guarded: "",
    event: "",
    note: "sub is the only claim known here: see what the issuer puts into it, and whether a fork's job has the same",
};

/// Each from the documentation of the CI. Forgejo's are GitHub's without ids. The last fits every token.
const SHAPES: [Shape; 7] = [
    Shape {
        signs: &["repository", "event_name"],
        project: &[&["repository_id", "repository"], &["repository_owner_id", "repository_owner"]],
        title: "repository",
        reference: &["ref"],
        kind: "ref_type",
        protected: "ref_protected",
        environment: "environment",
        event: "event_name",
        note: "",
        ..NONE
    },
    Shape {
        signs: &["project_path", "pipeline_source"],
        project: &[&["project_id", "project_path"], &["namespace_id", "namespace_path"]],
        title: "project_path",
        reference: &["ref", "ref_path"],
        kind: "ref_type",
        protected: "ref_protected",
        environment: "environment",
        guarded: "environment_protected",
        event: "pipeline_source",
        note: "",
    },
    Shape {
        signs: &["oidc.circleci.com/project-id"],
        project: &[&["oidc.circleci.com/project-id"], &["oidc.circleci.com/vcs-origin"]],
        title: "oidc.circleci.com/vcs-origin",
        reference: &["oidc.circleci.com/vcs-ref"],
        note: "",
        ..NONE
    },
    Shape {
        signs: &["organization_slug", "pipeline_slug"],
        project: &[&["organization_id", "organization_slug"], &["pipeline_id", "pipeline_slug"]],
        title: "pipeline_slug",
        reference: &["build_branch"],
        note: "if the pipeline builds forks, let it prefix their branches' names: else a fork's branch may have the same",
        ..NONE
    },
    Shape {
        signs: &["workspaceUuid", "repositoryUuid"],
        project: &[&["repositoryUuid"], &["workspaceUuid"]],
        title: "repositoryUuid",
        reference: &["branchName"],
        environment: "deploymentEnvironmentUuid",
        note: "",
        ..NONE
    },
    // Azure Pipelines: the subject is the service connection (sc://) or the pipeline (p://).
    Shape { signs: &["rpo_id", "sub"], reference: &["rpo_ref"], note: "", ..NONE },
    NONE,
];

/// What starts a job that may run what others sent.
const FROM_OUTSIDE: [&str; 8] = [
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "issue_comment",
    "workflow_run",
    "merge_request_event",
    "external_pull_request_event",
];

/// Claims that say who started a job.
const PEOPLE: [&str; 8] =
    ["actor", "actor_id", "triggering_actor", "user_login", "user_id", "user_email", "preferred_username", "build_creator"];

fn shape(has: &Claims) -> &'static Shape {
    SHAPES.iter().find(|shape| shape.signs.iter().all(|sign| has.contains_key(*sign))).unwrap_or(&NONE)
}

/// A claim that says something.
fn said<'c>(claims: &'c Claims, name: &str) -> Option<&'c Value> {
    claims.get(name).filter(|value| matches!(value, Value::String(text) if !text.is_empty()) || value.is_number() || value.is_boolean())
}

fn is_true(claims: &Claims, name: &str) -> bool {
    said(claims, name).is_some_and(|value| text(value) == "true")
}

/// Whether GitHub's `sub` names the repository by ids too: `repo:owner@1/name@2:…`.
fn holds_ids(sub: &str) -> bool {
    sub.strip_prefix("repo:").and_then(|rest| rest.split(':').next()).is_some_and(|repository| repository.contains('@'))
}

/// The claims that only this job has, and others that are started like it in the same place.
#[derive(Default)]
pub struct Fingerprint {
    /// The claims, with their exact values.
    pub claims: Claims,
    /// Which jobs have them, in words that follow "jobs".
    pub about: String,
    /// What to know of them.
    pub notes: Vec<String>,
    /// Why others could have them too.
    pub warnings: Vec<String>,
}

/// The claims that no fork and no pull request can have, if this job is of neither.
///
/// # Errors
/// Fails if no claim says where the job belongs.
pub fn fingerprint(has: &Claims) -> Result<Fingerprint> {
    let shape = shape(has);
    let mut found = Fingerprint::default();
    for names in shape.project {
        found.take(has, names.iter().find(|name| said(has, name).is_some()).copied().unwrap_or_default());
    }
    if found.claims.is_empty() {
        let help = "A mapping needs a claim that only the right jobs have, such as sub.";
        return Err(Error::new(Kind::Input, "the identity token has no claim that says which job this is", help));
    }
    let title = said(has, shape.title).or(found.claims.values().next()).map(shown);
    found.about = format!("of {}", title.unwrap_or_default());
    let in_environment = found.take(has, shape.environment);
    let is_guarded = in_environment && is_true(has, shape.guarded);
    if is_guarded {
        found.take(has, shape.guarded);
    } else if in_environment && shape.guarded.is_empty() {
        found.notes.push(format!(
            "{} is only as safe as its rules, of which the token says nothing: limit the branches and tags that may use it",
            shape.environment
        ));
    } else if in_environment {
        found.warnings.push(format!("{} is not 'true': any job of the project can name that environment", shape.guarded));
    }
    found.take_reference(shape, has, in_environment);
    if is_true(has, shape.protected) {
        found.take(has, shape.protected);
    } else if !(shape.protected.is_empty() || in_environment && (is_guarded || shape.guarded.is_empty())) {
        found.warnings.push(format!("{} is not 'true': whoever can push there gets the token", shape.protected));
    }
    if found.take(has, shape.event) {
        let event = said(has, shape.event).map(shown).unwrap_or_default();
        found.notes.push(format!("{} is '{event}': jobs that are started in another way need a mapping of their own", shape.event));
    }
    // In a reusable workflow all other claims are the caller's.
    if said(has, "workflow_ref").is_some() && has.get("workflow_ref") != has.get("job_workflow_ref") {
        found.take(has, "job_workflow_ref");
    }
    let wild = found.claims.iter().filter(|(_, value)| text(value).contains('*'));
    found.warnings.extend(wild.map(|(name, value)| format!("{name} is '{}', in which * stands for any text", shown(value))));
    found.notes.extend(Some(shape.note.to_owned()).filter(|note| !note.is_empty()));
    Ok(found)
}

impl Fingerprint {
    /// Takes a claim over, if it says something.
    fn take(&mut self, has: &Claims, name: &str) -> bool {
        let value = said(has, name);
        if let Some(value) = value {
            self.claims.insert(name.to_owned(), value.clone());
        }
        value.is_some()
    }

    /// Takes the branch or tag. A tag is another one each time: in an environment, which may be limited to some, it can be left out.
    fn take_reference(&mut self, shape: &Shape, has: &Claims, in_environment: bool) {
        let reference = shape.reference.iter().find_map(|name| said(has, name)).map(shown).unwrap_or_default();
        let is_tag = said(has, shape.kind).is_some_and(|kind| kind == "tag") || reference.starts_with("refs/tags/");
        self.take(has, shape.kind);
        if is_tag && in_environment {
            return;
        }
        let taken = shape.reference.iter().filter(|name| self.take(has, name)).count();
        if taken > 0 {
            self.about.extend([" on ", &reference]);
        } else if !shape.reference.is_empty() && !in_environment {
            self.warnings.push("no claim says on which branch the job runs: every branch of the project gets the token".into());
        }
        if is_tag {
            let name = shape.reference[0];
            self.notes.push(format!("{name} is one tag: from 7.94.1 on * stands for any text, as in a mapping for all tags of releases"));
        }
    }
}

/// What about this job is unusual, whatever the mapping.
#[must_use]
pub fn oddities(has: &Claims) -> Vec<String> {
    let mut odd = Vec::new();
    let shape = shape(has);
    let is = |name: &str, part: &dyn Fn(&str) -> bool| said(has, name).and_then(Value::as_str).is_some_and(part);
    let by_event = is(shape.event, &|event| FROM_OUTSIDE.contains(&event));
    let of_request = |text: &str| text.starts_with("refs/pull/") || text.starts_with("refs/merge-requests/");
    if by_event
        || shape.reference.iter().any(|name| is(name, &of_request))
        || is("sub", &|sub| sub.contains(":pull_request") || sub.contains(":pull-request"))
    {
        let why = said(has, shape.event).map(|event| format!(" ({} is '{}')", shape.event, shown(event))).unwrap_or_default();
        odd.push(format!("this job runs for a pull request or what others sent{why}: a mapping that it matches gives them the token"));
    }
    if is("sub", &holds_ids) {
        odd.push(format!("a mapping that has names in sub does not match{NEW_SUB}"));
    }
    odd
}

/// Why others could match a mapping that this job matches.
#[must_use]
pub fn risks(wanted: &Claims, has: &Claims) -> Vec<String> {
    let shape = shape(has);
    let holds = |name: &str| said(wanted, name).is_some() || wanted.get(name).is_some_and(Value::is_array);
    let mut risks = Vec::new();
    let of_workflow = ["sub", "workflow_ref", shape.title];
    let is_of_project = of_workflow.iter().chain(shape.project.iter().copied().flatten()).any(|name| holds(name));
    let has_gate = ["sub", "workflow_ref", shape.environment].iter().chain(shape.reference).any(|name| holds(name));
    if !is_of_project {
        risks.push("no claim says which project: every job of the issuer that has the others gets the token".to_owned());
    } else if !has_gate && !shape.reference.is_empty() {
        risks.push(format!(
            "no {} and no environment: every branch and pull request of {} gets the token",
            shape.reference[0],
            has.get(shape.title).map(shown).unwrap_or_default()
        ));
    }
    for (name, value) in wanted {
        if PEOPLE.contains(&name.as_str()) {
            risks.push(format!("{name} says who started the job, not what it runs"));
        }
        if text(value).contains('*') {
            risks.push(format!("{name} is '{}', which is more than this job", shown(value)));
        }
        let sub = if name == "sub" { value.as_str().unwrap_or_default() } else { "" };
        if sub.starts_with("repo:") && !holds_ids(sub) {
            risks.push(format!("sub holds names, and stops matching when the repository is renamed{NEW_SUB}"));
        }
    }
    risks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    fn mapping(claims: Claims) -> IdentityMapping {
        IdentityMapping { claims, ..IdentityMapping::default() }
    }

    #[test]
    fn a_claim_fits_exactly_with_a_star_or_as_one_of_several() {
        for (wanted, has, expected) in [
            (json!("octo/app"), json!("octo/app"), true),
            (json!("octo/app"), json!("octo/app2"), false),
            (json!("octo/app"), json!("Octo/app"), false),
            (json!("refs/heads/*"), json!("refs/heads/a/b"), true),
            (json!("refs/heads/*"), json!("refs/tags/a"), false),
            (json!("*"), json!(""), true),
            (json!("a*a"), json!("a"), false),
            (json!("a*b"), json!("a-b-c"), false),
            (json!("a*b*c"), json!("a-b-b-c"), true),
            (json!("a*b*c"), json!("acb"), false),
            (json!(["a", "b*"]), json!("b2"), true),
            (json!("a"), json!(["a", "b"]), true),
            (json!(7), json!("7"), true),
        ] {
            assert_eq!(fits(&wanted, &has), expected, "{wanted} {has}");
        }
    }

    /// Every CI, with what another project, a fork, another branch or a pull request would have instead.
    #[test]
    fn a_fingerprint_matches_the_job_and_no_other() {
        let github = json!({"repository": "o/r", "repository_id": "74", "repository_owner": "o", "repository_owner_id": "65",
            "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "event_name": "push", "actor": "a",
            "sub": "repo:o@65/r@74:ref:refs/heads/main", "job_workflow_ref": "o/shared/x.yml@v1", "workflow_ref": "o/r/ci.yml@main"});
        let gitlab = json!({"project_path": "g/p", "project_id": "20", "namespace_id": "72", "namespace_path": "g", "ref": "main",
            "ref_type": "branch", "ref_protected": "true", "pipeline_source": "push", "environment": "prod",
            "environment_protected": "true"});
        let circleci = json!({"oidc.circleci.com/project-id": "p", "oidc.circleci.com/vcs-origin": "github.com/o/r",
            "oidc.circleci.com/vcs-ref": "refs/heads/main", "sub": "org/x/project/p/user/u"});
        let buildkite = json!({"organization_slug": "o", "pipeline_slug": "p", "build_branch": "main", "sub": "organization:o:…"});
        let bitbucket = json!({"workspaceUuid": "{w}", "repositoryUuid": "{r}", "branchName": "main", "sub": "{r}:{step}"});
        let azure = json!({"rpo_id": "i", "rpo_ref": "refs/heads/main", "sub": "p://o/p/ci"});
        for (job, others) in [
            (
                &github,
                &[
                    json!({"repository_id": "75"}),
                    json!({"repository_owner_id": "66"}),
                    json!({"ref": "refs/heads/x", "ref_protected": "false"}),
                    json!({"ref": "refs/pull/7/merge", "event_name": "pull_request"}),
                    json!({"event_name": "pull_request_target"}),
                    json!({"job_workflow_ref": "o/shared/x.yml@v2"}),
                ][..],
            ),
            (
                &gitlab,
                &[
                    json!({"project_id": "21"}),
                    json!({"ref_protected": "false"}),
                    json!({"environment_protected": "false"}),
                    json!({"environment": null}),
                    json!({"pipeline_source": "merge_request_event"}),
                ],
            ),
            (&circleci, &[json!({"oidc.circleci.com/vcs-origin": "github.com/fork/r"}), json!({"oidc.circleci.com/vcs-ref": "x"})]),
            (&buildkite, &[json!({"pipeline_slug": "q"}), json!({"organization_slug": "q"}), json!({"build_branch": "fork:main"})]),
            (&bitbucket, &[json!({"repositoryUuid": "{s}"}), json!({"branchName": "x"})]),
            (&azure, &[json!({"sub": "p://o/p/other"}), json!({"rpo_ref": "refs/pull/1/merge"})]),
            (&json!({"sub": "system:serviceaccount:ci:publisher"}), &[json!({"sub": "system:serviceaccount:ci:other"})]),
        ] {
            let job = object(job.clone());
            let found = fingerprint(&job).unwrap();
            let mapping = mapping(found.claims);
            assert!(differences(&mapping, &job, None).is_empty(), "{job:?}");
            assert_eq!((found.warnings, risks(&mapping.claims, &job), oddities(&job).len() < 2), (vec![], vec![], true), "{job:?}");
            for other in others {
                let mut other_job = job.clone();
                other_job.extend(object(other.clone()));
                assert!(!differences(&mapping, &other_job, None).is_empty(), "{other}");
            }
        }
    }

    #[test]
    fn who_started_a_job_is_never_taken_and_what_anybody_may_do_gets_a_warning() {
        let job = json!({"repository": "o/r", "repository_owner": "o", "ref": "refs/pull/7/merge", "event_name": "pull_request",
            "ref_protected": "false", "actor": "a", "sub": "repo:o/r:pull_request"});
        let found = fingerprint(&object(job.clone())).unwrap();
        assert!(!found.claims.contains_key("actor") && found.warnings.len() == 1, "{:?}", found.warnings);
        assert_eq!(oddities(&object(job.clone())).len(), 1);
        for (wanted, risk) in [
            (json!({}), "no claim says which project"),
            (json!({"ref": "refs/heads/main"}), "no claim says which project"),
            (json!({"repository": "o/r"}), "every branch and pull request of o/r"),
            (json!({"repository": "o/r", "actor": "a"}), "who started the job"),
            (json!({"repository": "o/*", "ref": "x"}), "more than this job"),
            (json!({"sub": "repo:o/r:ref:refs/heads/main"}), "sub holds names"),
        ] {
            let risks = risks(&object(wanted.clone()), &object(job.clone()));
            assert!(risks.iter().any(|found| found.contains(risk)), "{wanted}: {risks:?}");
        }
        assert!(fingerprint(&object(json!({"actor": "a"}))).is_err());
    }

    #[test]
    fn a_release_in_an_environment_leaves_its_tag_out() {
        let job = |environment: Value| {
            object(json!({"repository": "o/r", "repository_id": "7", "repository_owner_id": "6", "event_name": "push",
                "ref": "refs/tags/v1", "ref_type": "tag", "ref_protected": "true", "environment": environment}))
        };
        let claims = |environment| fingerprint(&job(environment)).unwrap().claims;
        assert!(!claims(json!("prod")).contains_key("ref"));
        assert_eq!(claims(Value::Null)["ref"], "refs/tags/v1");
    }

    #[test]
    fn a_pattern_needs_its_claim() {
        let mut mapping = mapping(Claims::new());
        mapping.token_spec = object(json!({"username_pattern": "({{actor}})@x|$1", "groups_pattern": "{{ groups }}"}));
        assert_eq!(missing_claims(&mapping, &object(json!({"actor": "a"}))), ["groups"]);
    }
}
