//! Codefresh (codefresh.io/docs, "OIDC in pipelines"; the request: codefresh-io/steps, `obtain-oidc-id-token`).

use redact::Secret;
use reqwest::Url;

use super::facts::{Facts, text, variable};
use super::{IdToken, IdTokenRequest};
use crate::io::Environment;

pub static FACTS: Facts = Facts {
    name: "Codefresh",
    signs: &["CF_BUILD_ID"],
    job: &["CF_BUILD_ID"],
    id_token: Some(id_token),
    claims: &["account_name", "account_id", "pipeline_name", "pipeline_id", "initiator", "scm_repo_url", "scm_ref", "scm_user_name"],
    context: ["CF_PIPELINE_NAME", "CF_BUILD_ID", "CF_COMMIT_URL", "CF_REVISION", "CF_BRANCH"],
    ..Facts::UNKNOWN
};

const VARIABLES: [&str; 2] = ["CF_OIDC_REQUEST_URL", "CF_OIDC_REQUEST_TOKEN"];

fn id_token(environment: &Environment, audience: Option<&str>) -> IdToken {
    let url = text(environment, VARIABLES[0]).and_then(|url| Url::parse(url).ok());
    let bearer = text(environment, VARIABLES[1]).and_then(|bearer| Secret::new(bearer).ok());
    if let (Some(mut url), Some(bearer)) = (url, bearer) {
        if let Some(audience) = audience {
            url.query_pairs_mut().append_pair("audience", audience);
        }
        return IdToken::Fetch(IdTokenRequest {
            url: url.into(),
            posts: false,
            bearer,
            bare: true,
            variables: &VARIABLES,
            field: "id_token",
        });
    }
    variable(environment, "ID_TOKEN", "by AUDIENCE in the step obtain-oidc-id-token").unwrap_or_else(|| {
        IdToken::Unavailable(
            "CF_OIDC_REQUEST_URL and CF_OIDC_REQUEST_TOKEN are not set in this step: put one of the type obtain-oidc-id-token before it, which \
             leaves one in ID_TOKEN for five minutes"
                .into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_for_else_taken_from_the_step_before() {
        let all = [("CF_OIDC_REQUEST_URL", "https://cf.example/id"), ("CF_OIDC_REQUEST_TOKEN", "bearer"), ("ID_TOKEN", "a.b.c")];
        let IdToken::Fetch(request) = id_token(&all.into_iter().collect(), Some("a&b")) else { panic!() };
        assert_eq!((request.url.as_str(), request.field, request.bare), ("https://cf.example/id?audience=a%26b", "id_token", true));
        assert!(matches!(id_token(&all[1..].iter().copied().collect(), None), IdToken::Variable { .. }));
        assert!(matches!(id_token(&all[..1].iter().copied().collect(), None), IdToken::Unavailable(_)));
    }
}
