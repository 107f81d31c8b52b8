//! Spacelift (docs.spacelift.io, "OpenID Connect (OIDC)", "Environment").

use super::IdToken;
use super::facts::{Facts, variable};

pub static FACTS: Facts = Facts {
    name: "Spacelift",
    signs: &["TF_VAR_spacelift_run_id", "SPACELIFT_OIDC_TOKEN"],
    job: &["TF_VAR_spacelift_run_id"],
    id_token: Some(|environment, _| {
        let fixed = "in the platform's provider, where it must be the account's host name";
        variable(environment, "SPACELIFT_OIDC_TOKEN", fixed).unwrap_or_else(|| {
            IdToken::Unavailable(
                "SPACELIFT_OIDC_TOKEN is not set: every run of a paid account gets it, and as a file: --oidc-token-file /mnt/workspace/spacelift.oidc"
                    .into(),
            )
        })
    }),
    claims: &["spaceId", "callerType", "callerId", "runType", "runId", "scope"],
    context: [
        "TF_VAR_spacelift_stack_id",
        "TF_VAR_spacelift_run_id",
        "TF_VAR_spacelift_repository",
        "TF_VAR_spacelift_commit_sha",
        "TF_VAR_spacelift_commit_branch",
    ],
    ..Facts::UNKNOWN
};
