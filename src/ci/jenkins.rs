//! Jenkins (the README of its plugin oidc-provider). It makes an identity token where a credential is bound, under a name of the job's.

use super::IdToken;
use super::facts::Facts;

pub static FACTS: Facts = Facts {
    name: "Jenkins",
    signs: &["JENKINS_URL"],
    job: &["BUILD_TAG"],
    id_token: Some(|_, _| {
        IdToken::Unavailable(
            "The plugin oidc-provider makes one where a job binds a credential of its kind, with the audience that is set on that credential: \
             withCredentials([string(credentialsId: 'ID', variable: 'NAME')]), then --oidc-token-var NAME; or file(…), then --oidc-token-file"
                .into(),
        )
    }),
    claims: &["build_number"],
    context: ["JOB_NAME", "BUILD_NUMBER", "GIT_URL", "GIT_COMMIT", "GIT_BRANCH"],
    ..Facts::UNKNOWN
};
