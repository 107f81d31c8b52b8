//! Drone (docs.drone.io, "Environment reference"; the identity token: the Artifactory plugin of Harness, which follows Drone).

use super::IdToken;
use super::facts::{Facts, variable};
use crate::io::Environment;

pub static FACTS: Facts = Facts {
    name: "Drone",
    signs: &["DRONE", "DRONE_REPO"],
    job: &["DRONE_REPO", "DRONE_BUILD_NUMBER", "DRONE_STAGE_NUMBER"],
    id_token: Some(|environment, _| {
        of_a_plugin(environment).unwrap_or_else(|| {
            IdToken::Unavailable(
                "Drone makes none itself; a plugin step of Harness gets one by PLUGIN_OIDC_TOKEN_ID, which is not set".into(),
            )
        })
    }),
    claims: &[],
    context: ["DRONE_REPO", "DRONE_BUILD_NUMBER", "DRONE_REPO_LINK", "DRONE_COMMIT_SHA", "DRONE_COMMIT_BRANCH"],
    ..Facts::UNKNOWN
};

/// The one that Harness gives a plugin.
pub fn of_a_plugin(environment: &Environment) -> Option<IdToken> {
    variable(environment, "PLUGIN_OIDC_TOKEN_ID", "in the connector of the step")
}
