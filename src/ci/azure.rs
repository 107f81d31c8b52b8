//! Azure Pipelines (learn.microsoft.com, "Predefined variables"; the identity token: release notes of sprint 240).

use redact::Secret;
use reqwest::Url;

use super::facts::{Facts, text};
use super::{IdToken, IdTokenRequest};
use crate::io::{Environment, MaskCommand};

pub static FACTS: Facts = Facts {
    name: "Azure Pipelines",
    signs: &["TF_BUILD"],
    // A job's id is the same in each run.
    job: &["SYSTEM_PLANID", "SYSTEM_JOBID"],
    id_token: Some(id_token),
    mask: Some(&MASK),
    claims: &["org_id", "prj_id", "def_id", "rpo_id", "rpo_uri", "rpo_ref"],
    // guess: what JFrog records of a GitHub job, in this CI's terms.
    context: ["BUILD_DEFINITIONNAME", "BUILD_BUILDID", "BUILD_REPOSITORY_URI", "BUILD_SOURCEVERSION", "BUILD_SOURCEBRANCHNAME"],
};

/// In learn.microsoft.com, "Logging commands": "SetSecret". The first process of a task is the agent's own, which passes on what a script
/// prints.
static MASK: MaskCommand = MaskCommand {
    begins: "##vso[task.setsecret]",
    never_holds: None,
    suspended_by: None,
    step: "SYSTEM_TASKINSTANCEID",
    has_handler: true,
};

const VARIABLES: [&str; 2] = ["SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"];
/// The only audience there is.
const AUDIENCE: &str = "api://AzureADTokenExchange";

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    let unavailable = |why: String| IdToken::Unavailable(why);
    if audience.is_some_and(|audience| audience != AUDIENCE) {
        return unavailable(format!(
            "An Azure pipeline can't choose the audience: leave --oidc-audience out, and let the platform's provider take {AUDIENCE}"
        ));
    }
    let Some(mut url) = text(environment, VARIABLES[0]).and_then(|url| Url::parse(url).ok()) else {
        return unavailable(format!(
            "{} is not set, or no URL: Azure DevOps Services set it, a server of one's own or an old agent may not",
            VARIABLES[0]
        ));
    };
    url.query_pairs_mut().append_pair("api-version", "7.1");
    match text(environment, VARIABLES[1]).and_then(|bearer| Secret::new(bearer).ok()) {
        Some(bearer) => {
            IdToken::Fetch(IdTokenRequest { url: url.into(), posts: true, bearer, bare: false, variables: &VARIABLES, field: "oidcToken" })
        }
        None => unavailable(
            "A step must be given the right to ask for one: add env: { SYSTEM_ACCESSTOKEN: $(System.AccessToken) } to it".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_by_a_post_and_only_for_the_one_audience() {
        let all = [("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/o/p/oidctoken"), ("SYSTEM_ACCESSTOKEN", "bearer")];
        let environment: Environment = all.into_iter().collect();
        for audience in [None, Some(AUDIENCE)] {
            let IdToken::Fetch(request) = id_token(&environment, audience) else { panic!() };
            assert_eq!(request.url, "https://dev.azure.com/o/p/oidctoken?api-version=7.1");
            assert!(request.posts && request.field == "oidcToken");
        }
        let why = |environment: &[(&str, &str)], audience| match id_token(&environment.iter().copied().collect(), audience) {
            IdToken::Unavailable(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(&all, Some("other")).contains(AUDIENCE));
        assert!(why(&all[..1], None).contains("$(System.AccessToken)"));
        assert!(why(&all[1..], None).contains("SYSTEM_OIDCREQUESTURI is not set, or no URL"));
    }
}
