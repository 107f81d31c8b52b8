//! CIs that give a job no identity token of their own. A cloud's metadata service is asked only by a command of the user's: looking for
//! one where there is none takes long.

use super::IdToken;
use super::facts::Facts;

pub static WOODPECKER: Facts = Facts {
    name: "Woodpecker",
    signs: &["CI=woodpecker"],
    job: &["CI_REPO_ID", "CI_PIPELINE_NUMBER", "CI_WORKFLOW_NUMBER"],
    context: ["CI_WORKFLOW_NAME", "CI_PIPELINE_NUMBER", "CI_REPO_URL", "CI_COMMIT_SHA", "CI_COMMIT_BRANCH"],
    ..Facts::UNKNOWN
};

pub static TEAMCITY: Facts = Facts {
    name: "TeamCity",
    signs: &["TEAMCITY_VERSION", "TEAMCITY_BUILD_PROPERTIES_FILE"],
    job: &["TEAMCITY_BUILD_PROPERTIES_FILE"],
    context: ["TEAMCITY_BUILDCONF_NAME", "BUILD_NUMBER", "", "BUILD_VCS_NUMBER", ""],
    ..Facts::UNKNOWN
};

pub static TRAVIS: Facts = Facts {
    name: "Travis CI",
    signs: &["TRAVIS", "TRAVIS_JOB_ID"],
    job: &["TRAVIS_JOB_ID"],
    context: ["TRAVIS_JOB_NAME", "TRAVIS_BUILD_ID", "", "TRAVIS_COMMIT", "TRAVIS_BRANCH"],
    ..Facts::UNKNOWN
};

pub static APPVEYOR: Facts = Facts {
    name: "AppVeyor",
    signs: &["APPVEYOR", "APPVEYOR_JOB_ID"],
    job: &["APPVEYOR_JOB_ID"],
    context: ["APPVEYOR_JOB_NAME", "APPVEYOR_BUILD_ID", "", "APPVEYOR_REPO_COMMIT", "APPVEYOR_REPO_BRANCH"],
    ..Facts::UNKNOWN
};

/// The account must have its outbound identity federation switched on (AWS CLI 2.32.5 or later).
pub static CODEBUILD: Facts = Facts {
    name: "AWS CodeBuild",
    signs: &["CODEBUILD_BUILD_ARN", "CODEBUILD_BUILD_ID"],
    job: &["CODEBUILD_BUILD_ID"],
    id_token: Some(|_, _| {
        IdToken::Unavailable(
            "AWS makes one for the build's role, if the account allows it (aws iam enable-outbound-web-identity-federation): \
             --oidc-token-command 'aws sts get-web-identity-token --audience AUDIENCE --signing-algorithm RS256 --duration-seconds 300 \
             --query WebIdentityToken --output text'"
                .into(),
        )
    }),
    context: ["CODEBUILD_INITIATOR", "CODEBUILD_BUILD_ID", "CODEBUILD_SOURCE_REPO_URL", "CODEBUILD_RESOLVED_SOURCE_VERSION", ""],
    ..Facts::UNKNOWN
};

/// guess: what it is recognised by, for it sets little else.
pub static CLOUD_BUILD: Facts = Facts {
    name: "Google Cloud Build",
    signs: &["BUILDER_OUTPUT"],
    id_token: Some(|_, _| {
        IdToken::Unavailable(
            "Google's metadata service makes one for the build's service account: --oidc-token-command 'curl -sSf -H Metadata-Flavor:Google \
             \"http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity?audience=AUDIENCE&format=full\"'"
                .into(),
        )
    }),
    claims: &["email", "azp"],
    ..Facts::UNKNOWN
};
