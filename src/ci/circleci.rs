//! CircleCI (circleci.com/docs, "Using OpenID Connect tokens in jobs", "OIDC tokens with custom claims").

use super::IdToken;
use super::facts::{Facts, variable};
use crate::io::Environment;

pub static FACTS: Facts = Facts {
    name: "CircleCI",
    signs: &["CIRCLECI"],
    job: &["CIRCLE_WORKFLOW_JOB_ID"],
    id_token: Some(id_token),
    claims: &[
        "oidc.circleci.com/project-id",
        "oidc.circleci.com/vcs-origin",
        "oidc.circleci.com/vcs-ref",
        "oidc.circleci.com/context-ids",
        "oidc.circleci.com/ssh-rerun",
    ],
    context: ["CIRCLE_JOB", "CIRCLE_WORKFLOW_ID", "CIRCLE_REPOSITORY_URL", "CIRCLE_SHA1", "CIRCLE_BRANCH"],
    ..Facts::UNKNOWN
};

/// The second form names the repository and the ref in `sub`.
const VARIABLES: [&str; 2] = ["CIRCLE_OIDC_TOKEN_V2", "CIRCLE_OIDC_TOKEN"];

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    let set = "by --oidc-audience, for which CircleCI's program makes another";
    let Some(found) = VARIABLES.iter().find_map(|name| variable(environment, name, set)) else {
        return IdToken::Unavailable(
            "CIRCLE_OIDC_TOKEN_V2 is not set: a build of a fork's pull request gets none unless the project passes secrets to such builds, \
             and CircleCI server makes them from 4.4 on"
                .into(),
        );
    };
    let Some(audience) = audience else { return found };
    let claims = serde_json::json!({ "aud": audience }).to_string();
    IdToken::Run {
        command: ["circleci", "run", "oidc", "get", "--claims", &claims].map(str::to_owned).to_vec(),
        help: "An old version of CircleCI's program lacks `run oidc get`. Without --oidc-audience the job's own token is used, whose \
               audience is the organization's id.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_variable_comes_first_and_another_audience_from_the_program() {
        let both: Environment = [("CIRCLE_OIDC_TOKEN", "a.b.c"), ("CIRCLE_OIDC_TOKEN_V2", "d.e.f")].into_iter().collect();
        assert!(matches!(id_token(&both, None), IdToken::Variable { name, .. } if name == "CIRCLE_OIDC_TOKEN_V2"));
        let IdToken::Run { command, .. } = id_token(&both, Some(r#"a"b"#)) else { panic!() };
        assert_eq!(command.last().unwrap(), r#"{"aud":"a\"b"}"#);
        let old: Environment = [("CIRCLE_OIDC_TOKEN", "a.b.c")].into_iter().collect();
        assert!(matches!(id_token(&old, None), IdToken::Variable { name, .. } if name == "CIRCLE_OIDC_TOKEN"));
        assert!(matches!(id_token(&Environment::default(), None), IdToken::Unavailable(_)));
    }
}
