//! Bitbucket Pipelines (support.atlassian.com, "Integrate Pipelines with resource servers using OIDC", "Variables and secrets").

use super::IdToken;
use super::facts::{Facts, variable};
use crate::io::Environment;
use crate::options::shown;

pub static FACTS: Facts = Facts {
    name: "Bitbucket Pipelines",
    signs: &["BITBUCKET_BUILD_NUMBER", "BITBUCKET_STEP_UUID"],
    job: &["BITBUCKET_STEP_UUID"],
    id_token: Some(id_token),
    claims: &["workspaceUuid", "repositoryUuid", "branchName", "deploymentEnvironmentUuid", "pipelineUuid", "stepUuid"],
    context: ["BITBUCKET_REPO_FULL_NAME", "BITBUCKET_PIPELINE_UUID", "BITBUCKET_GIT_HTTP_ORIGIN", "BITBUCKET_COMMIT", "BITBUCKET_BRANCH"],
    ..Facts::UNKNOWN
};

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    variable(environment, "BITBUCKET_STEP_OIDC_TOKEN", "by oidc: { audiences: […] } in the step").unwrap_or_else(|| {
        let switch = audience.map_or_else(|| "true".into(), |audience| format!("{{ audiences: [{}] }}", shown(audience)));
        IdToken::Unavailable(format!("A step gets one only if it asks for it: add oidc: {switch} to it in bitbucket-pipelines.yml"))
    })
}
