//! Semaphore (docs.semaphore.io, "OIDC tokens", "Environment variables").

use super::IdToken;
use super::facts::{Facts, variable};

pub static FACTS: Facts = Facts {
    name: "Semaphore",
    signs: &["SEMAPHORE"],
    job: &["SEMAPHORE_JOB_ID"],
    id_token: Some(|environment, _| {
        let fixed = "in the platform's provider, where it must be https://ORGANIZATION.semaphoreci.com";
        variable(environment, "SEMAPHORE_OIDC_TOKEN", fixed).unwrap_or_else(|| {
            IdToken::Unavailable("SEMAPHORE_OIDC_TOKEN is not set: only some of Semaphore's plans give jobs one (at least Scaleup)".into())
        })
    }),
    claims: &["org", "prj", "prj_id", "repo_slug", "branch", "ref", "ref_type", "job_type"],
    context: ["SEMAPHORE_PROJECT_NAME", "SEMAPHORE_WORKFLOW_ID", "SEMAPHORE_GIT_URL", "SEMAPHORE_GIT_SHA", "SEMAPHORE_GIT_BRANCH"],
    ..Facts::UNKNOWN
};
