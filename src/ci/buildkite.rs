//! Buildkite (buildkite.com/docs, "buildkite-agent oidc", "Environment variables").

use super::IdToken;
use super::facts::{Facts, text};
use crate::io::Environment;

pub static FACTS: Facts = Facts {
    name: "Buildkite",
    signs: &["BUILDKITE"],
    job: &["BUILDKITE_JOB_ID"],
    id_token: Some(id_token),
    claims: &[
        "organization_slug",
        "pipeline_slug",
        "pipeline_id",
        "build_branch",
        "build_tag",
        "build_source",
        "step_key",
        "runner_environment",
    ],
    context: ["BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_ID", "BUILDKITE_REPO", "BUILDKITE_COMMIT", "BUILDKITE_BRANCH"],
    ..Facts::UNKNOWN
};

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    if text(environment, "BUILDKITE_AGENT_ACCESS_TOKEN").is_none() {
        return IdToken::Unavailable(
            "Buildkite's agent makes one, and can't be reached: BUILDKITE_AGENT_ACCESS_TOKEN is not set. The docker plugin passes the agent \
             on with mount-buildkite-agent: true"
                .into(),
        );
    }
    let audience = audience.into_iter().flat_map(|audience| ["--audience", audience]);
    IdToken::Run {
        command: ["buildkite-agent", "oidc", "request-token"].into_iter().chain(audience).map(str::to_owned).collect(),
        help: "In a container the agent must be passed on: the docker plugin does that with mount-buildkite-agent: true.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_asked_where_it_can_be_reached() {
        let job: Environment = [("BUILDKITE_AGENT_ACCESS_TOKEN", "bearer")].into_iter().collect();
        let IdToken::Run { command, .. } = id_token(&job, None) else { panic!() };
        assert_eq!(command.join(" "), "buildkite-agent oidc request-token");
        let IdToken::Run { command, .. } = id_token(&job, Some("a b")) else { panic!() };
        assert_eq!(command[3..], ["--audience", "a b"]);
        assert!(matches!(id_token(&Environment::default(), None), IdToken::Unavailable(_)));
    }
}
