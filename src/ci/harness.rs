//! Harness (developer.harness.io, "Workload identity overview"; the variables: harness/lite-engine, `engine/spec`).

use super::IdToken;
use super::drone::of_a_plugin;
use super::facts::{Facts, text};
use crate::io::Environment;

pub static FACTS: Facts = Facts {
    name: "Harness",
    signs: &["HARNESS_WI_HANDLE", "HARNESS_BUILD_ID", "HARNESS_PIPELINE_ID"],
    job: &["HARNESS_BUILD_ID", "HARNESS_EXECUTION_ID", "HARNESS_STAGE_ID"],
    id_token: Some(id_token),
    // guess: their names.
    claims: &["account_id", "organization_id", "project_id", "pipeline_id", "stage_id", "step_id", "environment_id", "service_id"],
    context: ["HARNESS_PIPELINE_ID", "HARNESS_EXECUTION_ID", "DRONE_REPO_LINK", "DRONE_COMMIT_SHA", "DRONE_COMMIT_BRANCH"],
    ..Facts::UNKNOWN
};

/// The pipeline names its identities, and a step can't list them.
const NAME: &str = "jfrog";

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    if ["HARNESS_WI_HANDLE", "HARNESS_WI_MINT_URL"].iter().all(|name| text(environment, name).is_some()) {
        let audience = audience.into_iter().flat_map(|audience| ["--audience", audience]);
        return IdToken::Run {
            command: ["hcli", "identity", "token", "--name", NAME].into_iter().chain(audience).map(str::to_owned).collect(),
            help: "If the pipeline names its identity otherwise: --oidc-token-command 'hcli identity token --name NAME --audience AUDIENCE'.",
        };
    }
    of_a_plugin(environment).unwrap_or_else(|| {
        IdToken::Unavailable(format!(
            "The step has no workload identity: declare one named {NAME} under identities in the pipeline. Harness switches that on only for \
             accounts with the feature flag PIPE_PIPELINE_IDENTITY"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_program_is_asked_by_the_name_of_the_identity() {
        let all = [("HARNESS_WI_HANDLE", "h"), ("HARNESS_WI_MINT_URL", "unix:///s"), ("PLUGIN_OIDC_TOKEN_ID", "a.b.c")];
        let IdToken::Run { command, .. } = id_token(&all.into_iter().collect(), Some("a")) else { panic!() };
        assert_eq!(command.join(" "), "hcli identity token --name jfrog --audience a");
        assert!(matches!(id_token(&all[1..].iter().copied().collect(), None), IdToken::Variable { .. }));
        assert!(
            matches!(id_token(&all[..1].iter().copied().collect(), None), IdToken::Unavailable(why) if why.contains("PIPE_PIPELINE_IDENTITY"))
        );
    }
}
