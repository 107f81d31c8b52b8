//! HCP Terraform, once Terraform Cloud, and its agents (developer.hashicorp.com, "Manually generating workload identity tokens", "Run
//! environment").

use super::IdToken;
use super::facts::{Facts, one_variable};
use crate::io::Environment;
use crate::options::shown;

pub static FACTS: Facts = Facts {
    name: "HCP Terraform",
    signs: &["TFC_RUN_ID", TOKEN],
    job: &["TFC_RUN_ID"],
    id_token: Some(id_token),
    claims: &[
        "terraform_organization_name",
        "terraform_project_name",
        "terraform_workspace_name",
        "terraform_full_workspace",
        "terraform_run_phase",
    ],
    context: ["TFC_WORKSPACE_SLUG", "TFC_RUN_ID", "", "TFC_CONFIGURATION_VERSION_GIT_COMMIT_SHA", "TFC_CONFIGURATION_VERSION_GIT_BRANCH"],
    ..Facts::UNKNOWN
};

/// The variable; a tag may follow, after another `_`.
const TOKEN: &str = "TFC_WORKLOAD_IDENTITY_TOKEN";

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    let is_one = |name: &str| name.strip_prefix(TOKEN).is_some_and(|tag| tag.is_empty() || tag.starts_with('_'));
    let set = "by TFC_WORKLOAD_IDENTITY_AUDIENCE in the workspace";
    one_variable(environment, is_one, "TFC_WORKLOAD_IDENTITY_TOKEN_JF", set).unwrap_or_else(|| {
        let audience = shown(audience.unwrap_or("AUDIENCE"));
        IdToken::Unavailable(format!(
            "A run gets one only if its workspace asks for it: set the environment variable TFC_WORKLOAD_IDENTITY_AUDIENCE={audience} there, \
             and let agents be of version 1.7 or later"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_may_say_that_one_is_meant_for_jfrog() {
        let given = |names: &[&str]| id_token(&names.iter().map(|name| (*name, "eyJh.eyJi.c2ln")).collect(), None);
        for (names, taken) in [
            (&["TFC_WORKLOAD_IDENTITY_TOKEN"][..], "TFC_WORKLOAD_IDENTITY_TOKEN"),
            (&["TFC_WORKLOAD_IDENTITY_TOKEN", "TFC_WORKLOAD_IDENTITY_TOKEN_JFROG"], "TFC_WORKLOAD_IDENTITY_TOKEN_JFROG"),
            (&["TFC_WORKLOAD_IDENTITY_TOKENS", "TFC_WORKLOAD_IDENTITY_TOKEN_AWS"], "TFC_WORKLOAD_IDENTITY_TOKEN_AWS"),
        ] {
            assert!(matches!(given(names), IdToken::Variable { name, .. } if name == taken), "{taken}");
        }
        assert!(matches!(given(&[]), IdToken::Unavailable(why) if why.contains("TFC_WORKLOAD_IDENTITY_AUDIENCE")));
    }
}
