//! The identity side: what a CI's job gets.

use std::time::Duration;

use sandbox::{Fault, Issuer};
use serde_json::{Value, json};

use crate::{
    client::{Answer, send},
    oidc::claims,
};

/// A request with the issuer's bearer.
fn ask(issuer: &Issuer, method: &str, path: &str) -> Answer {
    ask_as(issuer, method, path, issuer.bearer())
}

fn ask_as(issuer: &Issuer, method: &str, path: &str, bearer: &str) -> Answer {
    let headers = format!("Authorization: Bearer {bearer}\r\n");
    send(issuer.port(), Duration::from_millis(500), method, path, &headers, "").unwrap()
}

fn token(answer: &Answer, field: &str) -> Value {
    claims(answer.json()[field].as_str().unwrap())
}

#[test]
fn github_gives_a_token_of_five_minutes_for_any_audience() {
    let issuer = Issuer::start();
    let [(_, url), (_, bearer)] = issuer.github_env();
    assert_eq!((url, bearer.as_str()), (format!("{}/github/id?api-version=2.0", issuer.url()), issuer.bearer()));
    let plain = token(&ask(&issuer, "GET", "/github/id?api-version=2.0"), "value");
    assert_eq!((&plain["aud"], &plain["iss"]), (&json!("https://github.com/octo"), &json!(issuer.url())));
    assert_eq!((&plain["sub"], &plain["repository_owner"]), (&json!("repo:octo/app:ref:refs/heads/main"), &json!("octo")));
    assert_eq!(plain["exp"].as_i64().unwrap() - plain["iat"].as_i64().unwrap(), 300);
    let chosen = token(&ask(&issuer, "GET", "/github/id?api-version=2.0&audience=a%2Fb%20c"), "value");
    assert_eq!(chosen["aud"], "a/b c");
    assert_ne!(plain["jti"], chosen["jti"]);
    assert_eq!(issuer.requests().len(), 2);
    assert_eq!(issuer.requests()[1].path, "/github/id?api-version=2.0&audience=a%2Fb%20c");
}

#[test]
fn claims_follow_the_jobs_and_may_be_replaced() {
    let issuer = Issuer::start();
    let github = || claims(&issuer.github_token("x"));
    issuer.set_ids_in_sub(true);
    assert_eq!(github()["sub"], "repo:octo@65/app@74:ref:refs/heads/main");
    issuer.set_claims(json!({"repository": "a/b", "environment": "prod", "actor": null, "colour": "blue"}));
    let claims = github();
    assert_eq!((&claims["sub"], &claims["repository_owner"]), (&json!("repo:a@65/b@74:environment:prod"), &json!("a")));
    assert_eq!((&claims["workflow_ref"], &claims["colour"]), (&json!("a/b/.github/workflows/ci.yml@refs/heads/main"), &json!("blue")));
    assert_eq!(claims.get("actor"), None);
    issuer.set_claims(json!({"sub": "me"}));
    issuer.set_life(-10);
    let claims = github();
    assert_eq!(claims["sub"], "me");
    assert!(claims["exp"].as_i64() < claims["iat"].as_i64());
}

#[test]
fn forgejo_gives_a_token_at_an_url_with_a_query() {
    let issuer = Issuer::start();
    let [(_, url), _] = issuer.forgejo_env();
    let path = url.strip_prefix(&issuer.url()).unwrap();
    let plain = token(&ask(&issuer, "GET", path), "value");
    assert_eq!((&plain["aud"], &plain["sub"]), (&json!(format!("{}/octo", issuer.url())), &json!("repo:octo/app:ref:refs/heads/main")));
    assert_eq!(plain.get("job_workflow_ref"), None);
    assert_eq!(token(&ask(&issuer, "GET", &format!("{path}&audience=x")), "value")["aud"], "x");
    assert_eq!(ask(&issuer, "GET", "/forgejo/id?audience=x").status, 400);
}

#[test]
fn azure_gives_a_token_of_ten_minutes_for_one_audience_and_only_to_a_post() {
    let issuer = Issuer::start();
    let path = "/azure/id?api-version=7.1";
    assert_eq!(ask(&issuer, "GET", path).status, 405);
    let plain = token(&ask(&issuer, "POST", &format!("{path}&audience=x")), "oidcToken");
    assert_eq!((&plain["aud"], &plain["sub"]), (&json!("api://AzureADTokenExchange"), &json!("p://octo/app/ci")));
    assert_eq!(plain["exp"].as_i64().unwrap() - plain["iat"].as_i64().unwrap(), 600);
    let connected = token(&ask(&issuer, "POST", &format!("{path}&serviceConnectionId=1")), "oidcToken");
    assert_eq!(connected["sub"], "sc://octo/app/jfrog");
    assert_eq!(ask(&issuer, "POST", "/azure/id").status, 400);
}

#[test]
fn gitlab_gives_a_token_for_one_or_several_audiences() {
    let issuer = Issuer::start();
    issuer.set_claims(json!({"environment": "prod", "environment_protected": "true"}));
    let several = claims(&issuer.gitlab_token(json!(["a", "b"])));
    assert_eq!((&several["aud"], &several["environment"]), (&json!(["a", "b"]), &json!("prod")));
    assert_eq!((&several["sub"], &several["namespace_path"]), (&json!("project_path:octo/app:ref_type:branch:ref:main"), &json!("octo")));
    assert_eq!(claims(&issuer.gitlab_token("a"))["aud"], "a");
}

#[test]
fn a_request_without_the_jobs_bearer_or_one_to_refuse_gets_no_token() {
    let issuer = Issuer::start();
    let github = "/github/id?api-version=2.0";
    let refused = ask_as(&issuer, "GET", github, "x");
    assert_eq!((refused.status, &refused.json()["typeKey"]), (401, &json!("UnauthorizedRequestException")));
    assert_eq!(ask_as(&issuer, "POST", "/azure/id?api-version=7.1", "x").status, 401);
    assert_eq!(ask(&issuer, "GET", "/github/id").status, 400);
    issuer.refuse(403, 1);
    assert_eq!(ask(&issuer, "GET", "/.well-known/jwks").status, 200);
    let refused = ask(&issuer, "GET", github);
    assert_eq!((refused.status, refused.json()["message"].is_string()), (403, true));
    issuer.fault_for("/id", Fault::Html(502), 1);
    issuer.fault_for("/id", Fault::Body(String::new()), 1);
    assert!(ask(&issuer, "GET", github).body.starts_with("<!doctype html>"));
    assert_eq!(ask(&issuer, "GET", github).body, "");
    assert_eq!(ask(&issuer, "GET", github).status, 200);
}

#[test]
fn the_published_documents_name_the_issuer_and_its_keys() {
    let issuer = Issuer::start();
    let document = ask_as(&issuer, "GET", "/.well-known/openid-configuration", "").json();
    assert_eq!((&document["issuer"], &document["jwks_uri"]), (&json!(issuer.url()), &json!(format!("{}/.well-known/jwks", issuer.url()))));
    let kids = || {
        let keys = ask_as(&issuer, "GET", "/.well-known/jwks", "").json();
        keys["keys"].as_array().unwrap().iter().map(|k| (k["kty"].to_string(), k["kid"].to_string())).collect::<Vec<_>>()
    };
    let old = kids();
    assert_eq!(old.iter().map(|(kty, _)| kty.as_str()).collect::<Vec<_>>(), ["\"RSA\"", "\"EC\""]);
    issuer.rotate();
    assert!(kids().iter().all(|key| !old.contains(key)));
}
