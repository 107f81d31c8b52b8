//! The exchange of an identity token for an access token.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sandbox::{Builder, Issuer, Sandbox, Signature, Tls};
use serde_json::{Value, json};

use crate::{
    client::{Answer, send},
    tokens::{create, message},
};

/// Exchanges at the provider `github`; `more` adds and replaces fields of the request.
pub fn exchange(sandbox: &Sandbox, token: &str, more: &Value) -> Answer {
    let mut body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": token, "provider_name": "github", "job_id": "1",
    });
    body.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    let patience = Duration::from_secs(20);
    send(sandbox.port(), patience, "POST", "/access/api/v1/oidc/token", "Content-Type: application/json\r\n", &body.to_string()).unwrap()
}

pub fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The status and the message.
fn refusal(answer: &Answer) -> (u16, String) {
    (answer.status, message(answer))
}

fn trusting(issuer: &Issuer) -> Sandbox {
    let sandbox = Sandbox::start();
    sandbox.trust("github", issuer, json!({"username": "alice", "expires_in": 300}));
    sandbox
}

#[test]
fn an_identity_token_becomes_the_access_token_of_its_mapping() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let answer = exchange(&sandbox, &issuer.github_token("any"), &json!({"include_reference_token": true, "project_key": "p1"})).json();
    assert_eq!((&answer["username"], &answer["expires_in"]), (&json!("alice"), &json!(300)));
    assert_eq!((&answer["scope"], &answer["token_type"]), (&json!("applied-permissions/user"), &json!("Bearer")));
    assert_eq!(answer["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert!(answer["reference_token"].is_string() && answer.get("refresh_token").is_none());
    assert_eq!(claims(answer["access_token"].as_str().unwrap())["aud"], "*@*");
    assert_eq!(create(&sandbox, answer["access_token"].as_str().unwrap(), &json!({})).status, 200);
}

#[test]
fn without_a_provider_there_is_no_exchange() {
    let answer = exchange(&Sandbox::start(), &Issuer::start().github_token("any"), &json!({}));
    assert_eq!(refusal(&answer), (404, "oidc integration doesn't exist".to_owned()));
    assert_eq!(answer.json()["errors"][0]["code"], "NOT_FOUND");
}

#[test]
fn a_mint_with_the_token_of_a_mapping_without_a_user_is_refused_for_its_name() {
    let issuer = Issuer::start();
    let sandbox = Sandbox::start();
    sandbox.trust("github", &issuer, json!({"scope": "applied-permissions/groups:readers"}));
    let answer = exchange(&sandbox, &issuer.github_token("any"), &json!({})).json();
    assert_eq!((&answer["username"], &answer["expires_in"]), (&json!("github/any"), &json!(60)));
    let mint = create(&sandbox, answer["access_token"].as_str().unwrap(), &json!({}));
    assert_eq!(refusal(&mint), (400, "Invalid formatted name: github/any".to_owned()));
}

#[test]
fn only_a_valid_token_of_the_issuer_is_exchanged() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let stranger = Issuer::start();
    let genuine = issuer.sign(json!({}));
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let swapped = genuine.replace('.', ".e30.");
    for (token, why) in [
        ("nonsense", "parse"),
        (&swapped, "parse"),
        (&format!("{signed}.{}AAAA", &signature[..signature.len() - 4]), "signature"),
        (&issuer.sign_with(Signature::Unsigned, json!({})), "signature"),
        (&issuer.sign_with(Signature::Foreign, json!({})), "signature"),
        (&stranger.sign(json!({"iss": issuer.url()})), "signature"),
        (&issuer.sign(json!({"iss": "https://elsewhere.example"})), "issuer"),
        (&issuer.sign(json!({"iss": null})), "issuer"),
        (&issuer.sign(json!({"exp": 1})), "expired"),
        (&issuer.sign(json!({"exp": null})), "expired"),
        (&issuer.sign(json!({"nbf": 9_999_999_999_i64})), "not yet valid"),
        (&issuer.sign(json!({"iat": 9_999_999_999_i64})), "not yet valid"),
    ] {
        assert_eq!(refusal(&exchange(&sandbox, token, &json!({}))), (401, format!("Invalid token, {why}")), "{token}");
    }
    for how in [Signature::Rs256, Signature::Es256] {
        assert_eq!(exchange(&sandbox, &issuer.sign_with(how, json!({})), &json!({})).status, 200, "{how:?}");
    }
    assert_eq!(sandbox.issued().len(), 2);
}

#[test]
fn the_audience_must_be_the_providers() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let any = |aud: &Value| exchange(&sandbox, &issuer.sign(json!({"aud": aud})), &json!({"audience": "x"})).status;
    assert_eq!([any(&json!("a")), any(&Value::Null)], [200, 200]);
    sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "audience": "jfrog-github"}));
    for (aud, asked, status) in [
        (json!("jfrog-github"), Value::Null, 200),
        (json!(["a", "jfrog-github"]), json!("jfrog-github"), 200),
        (json!("jfrog-github"), json!("jfrt@*"), 400),
        (json!("a"), json!("jfrog-github"), 400),
        (json!(["a"]), Value::Null, 400),
        (Value::Null, Value::Null, 400),
    ] {
        let answer = exchange(&sandbox, &issuer.sign(json!({"aud": aud})), &json!({"audience": asked}));
        assert_eq!(answer.status, status, "{aud} {asked}");
        if status == 400 {
            assert_eq!(answer.json(), json!({"errors": [{"code": "BAD_REQUEST", "message": "Invalid audience"}]}));
        }
    }
}

#[test]
fn another_token_issuer_may_be_named_and_a_slash_ends_no_issuer() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    sandbox.add_provider(json!({"name": "github", "issuer_url": format!("{}/", issuer.url())}));
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({})).status, 200);
    sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "token_issuer": "https://ci.example"}));
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({})).status, 401);
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({"iss": "https://ci.example"})), &json!({})).status, 200);
}

#[test]
fn keys_are_fetched_once_and_again_after_a_rotation() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let old = issuer.sign(json!({}));
    let fetched = || issuer.requests().iter().filter(|r| r.path == "/.well-known/jwks").count();
    assert_eq!([exchange(&sandbox, &old, &json!({})).status, exchange(&sandbox, &old, &json!({})).status], [200, 200]);
    assert_eq!(fetched(), 1);
    issuer.rotate();
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({})).status, 200);
    assert_eq!(fetched(), 2);
    assert_eq!(exchange(&sandbox, &old, &json!({})).status, 401);
    assert_eq!(fetched(), 3);
}

#[test]
fn an_issuer_may_have_tls_if_its_ca_is_trusted() {
    let issuer = Issuer::builder().tls(Tls::Valid).start();
    assert_eq!(exchange(&trusting(&issuer), &issuer.sign(json!({})), &json!({})).status, 200);
    let other_ca = Sandbox::builder().tls(Tls::Valid).start();
    // Without a CA, the system's are trusted.
    for (ca, status) in [(Some(issuer.ca_pem()), 200), (Some(other_ca.ca_pem()), 500), (None, 500)] {
        let sandbox = ca.into_iter().fold(Sandbox::builder(), Builder::issuer_ca).start();
        sandbox.add_provider(json!({
            "name": "github", "issuer_url": issuer.url(),
            "identity_mappings": [{"name": "any", "claims": {}, "token_spec": {"username": "alice"}}],
        }));
        assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({})).status, status);
    }
}

#[test]
fn keys_that_cannot_be_fetched_are_an_error_of_the_server() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let token = issuer.sign(json!({}));
    issuer.fault_for("jwks", sandbox::Fault::Html(503), 1);
    assert_eq!(exchange(&sandbox, &token, &json!({})).status, 500);
    assert_eq!(exchange(&sandbox, &token, &json!({})).status, 200);
    sandbox.add_provider(json!({"name": "github", "issuer_url": "http://127.0.0.1:1"}));
    assert_eq!(exchange(&sandbox, &token, &json!({})).status, 500);
}

#[test]
fn the_platforms_clock_decides_whether_a_token_is_expired() {
    let issuer = Issuer::start();
    let sandbox = Sandbox::builder().clock_skew(301).start();
    sandbox.trust("github", &issuer, json!({"username": "alice"}));
    assert_eq!(refusal(&exchange(&sandbox, &issuer.sign(json!({})), &json!({}))).1, "Invalid token, expired");
}

#[test]
fn the_first_mapping_by_priority_that_matches_is_taken_or_the_named_one() {
    let issuer = Issuer::start();
    let sandbox = Sandbox::start();
    sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url()}));
    let add = |name: &str, priority: Option<u64>, claims: Value| {
        sandbox.add_mapping("github", json!({"name": name, "priority": priority, "claims": claims, "token_spec": {"username": name}}));
    };
    add("main", Some(1), json!({"ref": "refs/heads/main", "repository": ["octo/lib", "octo/app"]}));
    add("rest", None, json!({}));
    add("branches", Some(2), json!({"ref": "refs/heads/*"}));
    let user = |claims: &Value, more: &Value| {
        let answer = exchange(&sandbox, &issuer.sign(claims.clone()), more);
        if answer.status == 200 { answer.json()["username"].clone() } else { json!(refusal(&answer)) }
    };
    let main = json!({"ref": "refs/heads/main", "repository": "octo/app"});
    assert_eq!(user(&main, &json!({})), "main");
    assert_eq!(user(&json!({"ref": "refs/heads/main", "repository": "octo/other"}), &json!({})), "branches");
    assert_eq!(user(&json!({"ref": "refs/tags/v1"}), &json!({})), "rest");
    assert_eq!(user(&main, &json!({"identity_mapping_name": "branches"})), "branches");
    let no_match = json!([403, "No identity mapping matches the claims of the token"]);
    assert_eq!(user(&json!({"ref": "refs/tags/v1"}), &json!({"identity_mapping_name": "branches"})), no_match);
    assert_eq!(user(&main, &json!({"identity_mapping_name": "none"})), json!([404, "identity mapping doesn't exist"]));
}

#[test]
fn a_projects_mapping_comes_first_and_only_for_its_project() {
    let issuer = Issuer::start();
    let sandbox = Sandbox::start();
    sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url()}));
    sandbox.add_mapping("github", json!({"name": "all", "priority": 1, "claims": {}, "token_spec": {"username": "alice"}}));
    let spec = json!({"username": "bob", "scope": "applied-permissions/roles:p1:Developer"});
    sandbox.add_mapping("github", json!({"name": "p1", "priority": 9, "project_key": "p1", "claims": {}, "token_spec": spec}));
    let user = |project: &Value| exchange(&sandbox, &issuer.sign(json!({})), &json!({"project_key": project})).json()["username"].clone();
    assert_eq!([user(&json!("p1")), user(&json!("proj-1")), user(&Value::Null)], ["bob", "alice", "alice"]);
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({"project_key": "nowhere"})).status, 400);
}

#[test]
fn a_projects_provider_serves_only_its_project() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "project_key": "p1"}));
    let status = |project: &Value| exchange(&sandbox, &issuer.sign(json!({})), &json!({"project_key": project})).status;
    assert_eq!([status(&json!("p1")), status(&json!("proj-1")), status(&Value::Null)], [200, 404, 404]);
}

#[test]
fn users_and_groups_may_come_from_claims() {
    let issuer = Issuer::start();
    let sandbox = Sandbox::start();
    sandbox.trust("github", &issuer, json!({"username_pattern": "{{repository_owner}} | ci-$0"}));
    let answer = exchange(&sandbox, &issuer.sign(json!({"repository_owner": "Octo"})), &json!({}));
    assert_eq!(answer.json()["username"], "ci-octo");
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({})), &json!({})).status, 403);
    sandbox.trust("github", &issuer, json!({"groups_pattern": "({{teams}})-team | $1"}));
    let answer = exchange(&sandbox, &issuer.sign(json!({"teams": ["readers-team", "group 2-team"]})), &json!({})).json();
    assert_eq!(answer["scope"], r#"applied-permissions/groups:"readers","group 2""#);
    assert_eq!(answer["username"], "github/any");
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({"teams": "nobody-team"})), &json!({})).status, 400);
    assert_eq!(exchange(&sandbox, &issuer.sign(json!({"teams": "readers"})), &json!({})).status, 403);
}

#[test]
fn a_malformed_exchange_is_refused_and_unknown_fields_are_ignored() {
    let issuer = Issuer::start();
    let sandbox = trusting(&issuer);
    let token = issuer.sign(json!({}));
    assert_eq!(exchange(&sandbox, &token, &json!({"colour": "blue", "provider_type": "GenericOidc"})).status, 200);
    for bad in [json!({"grant_type": "refresh_token"}), json!({"subject_token_type": "jwt"}), json!({"provider_name": null})] {
        assert_eq!(exchange(&sandbox, &token, &bad).status, 400, "{bad}");
    }
}
