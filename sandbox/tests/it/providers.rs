//! The administration of OIDC providers and identity mappings.

use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{
    client::{Answer, call},
    tokens::message,
};

const OIDC: &str = "/access/api/v1/oidc";

fn admin(sandbox: &Sandbox, method: &str, path: &str, body: &Value) -> Answer {
    call(sandbox, method, &format!("{OIDC}{path}"), sandbox.admin_token(), &body.to_string())
}

fn provider() -> Value {
    json!({
        "name": "github", "issuer_url": "https://token.actions.githubusercontent.com/", "provider_type": "GitHub", "organization": "octo",
        "audience": "jfrog-github", "description": "d",
    })
}

fn mapping() -> Value {
    json!({
        "name": "main", "description": "d", "priority": 1, "claims": {"repository": "octo/app"},
        "token_spec": {"username": "alice", "scope": "applied-permissions/user", "audience": "jfrt@*", "expires_in": 120},
    })
}

#[test]
fn a_provider_is_created_updated_listed_and_deleted() {
    let sandbox = Sandbox::start();
    assert_eq!(admin(&sandbox, "GET", "", &json!({})).json(), json!([]));
    assert_eq!(admin(&sandbox, "POST", "", &provider()).status, 201);
    assert_eq!(admin(&sandbox, "POST", "/github/identity_mappings", &mapping()).status, 201);
    assert_eq!(admin(&sandbox, "GET", "", &json!({})).json(), json!([provider()]));
    let mut changed = provider();
    changed["description"] = json!("other");
    assert_eq!(admin(&sandbox, "POST", "", &changed).status, 201);
    assert_eq!(admin(&sandbox, "GET", "/github", &json!({})).json(), changed);
    assert_eq!(admin(&sandbox, "PUT", "/github", &provider()).json(), provider());
    assert_eq!(admin(&sandbox, "GET", "/github/identity_mappings", &json!({})).json().as_array().map(Vec::len), Some(1));
    assert_eq!(admin(&sandbox, "DELETE", "/github", &json!({})).status, 204);
    for (method, path) in [("GET", "/github"), ("PUT", "/github"), ("DELETE", "/github"), ("GET", "/github/identity_mappings")] {
        let answer = admin(&sandbox, method, path, &provider());
        assert_eq!((answer.status, message(&answer).as_str()), (404, "oidc integration doesn't exist"), "{method} {path}");
    }
}

#[test]
fn a_mapping_is_created_updated_listed_and_deleted() {
    let sandbox = Sandbox::start();
    sandbox.add_provider(provider());
    let path = "/github/identity_mappings";
    let mut shown = mapping();
    shown["provider_name"] = json!("github");
    assert_eq!(admin(&sandbox, "POST", path, &mapping()).json(), shown);
    assert_eq!(admin(&sandbox, "POST", path, &mapping()).status, 409);
    assert_eq!(admin(&sandbox, "GET", path, &json!({})).json(), json!([shown]));
    let brief = json!({"claims": {}, "token_spec": {"scope": "applied-permissions/admin"}});
    let changed = admin(&sandbox, "PUT", &format!("{path}/main"), &brief).json();
    assert_eq!((&changed["token_spec"]["expires_in"], &changed["token_spec"]["audience"]), (&json!(60), &json!("*@*")));
    assert_eq!(admin(&sandbox, "GET", &format!("{path}/main"), &json!({})).json(), changed);
    assert_eq!(admin(&sandbox, "DELETE", &format!("{path}/main"), &json!({})).status, 204);
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(admin(&sandbox, method, &format!("{path}/main"), &brief).status, 404, "{method}");
    }
}

#[test]
fn a_projects_own_are_listed_by_its_key() {
    let sandbox = Sandbox::start();
    admin(&sandbox, "POST", "", &provider());
    admin(&sandbox, "POST", "?project_key=p1", &json!({"name": "own", "issuer_url": "https://ci.example"}));
    admin(&sandbox, "POST", "/github/identity_mappings?project_key=p1", &mapping());
    let names = |path: &str| {
        let listed = admin(&sandbox, "GET", path, &json!({})).json();
        listed.as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((names(""), names("?project_key=p1")), (vec!["github".to_owned(), "own".to_owned()], vec!["own".to_owned()]));
    assert_eq!(names("/github/identity_mappings?project_key=p1"), ["main"]);
    assert!(names("/github/identity_mappings?project_key=proj-1").is_empty());
}

#[test]
fn only_an_admin_may_see_and_change_them() {
    let sandbox = Sandbox::start();
    sandbox.add_provider(provider());
    sandbox.add_mapping("github", mapping());
    let mappings = "/github/identity_mappings";
    let one = "/github/identity_mappings/main";
    for (path, methods) in
        [("", &["GET", "POST"][..]), ("/github", &["GET", "PUT", "DELETE"]), (mappings, &["GET", "POST"]), (one, &["GET", "PUT", "DELETE"])]
    {
        for method in methods {
            let ask = |token| call(&sandbox, method, &format!("{OIDC}{path}"), token, "{}").status;
            assert_eq!([ask(sandbox.user_token()), ask("x")], [403, 401], "{method} {path}");
        }
    }
    assert_eq!(admin(&sandbox, "GET", one, &json!({})).json()["priority"], 1);
}

/// `base` with one field replaced.
fn with(base: &Value, pointer: &str, value: &Value) -> Value {
    let mut changed = base.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    changed.pointer_mut(parent).unwrap()[name] = value.clone();
    changed
}

#[test]
fn wrong_providers_and_mappings_are_refused() {
    let sandbox = Sandbox::start();
    for (pointer, bad) in [
        ("/name", json!("a b")),
        ("/name", Value::Null),
        ("/issuer_url", json!("ci.example")),
        ("/issuer_url", json!("ftp://ci.example")),
        ("/organization", Value::Null),
        ("/token_issuer", json!("https://ci.example")),
        ("/project_key", json!("nowhere")),
    ] {
        assert_eq!(admin(&sandbox, "POST", "", &with(&provider(), pointer, &bad)).status, 400, "{pointer} {bad}");
    }
    sandbox.add_provider(provider());
    for (pointer, bad) in [
        ("/name", json!("a/b")),
        ("/claims", json!("{}")),
        ("/priority", json!("first")),
        ("/token_spec/username", json!("Alice")),
        ("/token_spec/username_pattern", json!("{{actor}}")),
        ("/token_spec/scope", json!("applied-permissions/groups:nobody")),
        ("/token_spec/audience", json!("all")),
        ("/token_spec/expires_in", json!(0)),
        ("/token_spec/expires_in", json!(86_401)),
        ("/token_spec", json!({})),
        ("/token_spec", json!({"scope": "applied-permissions/roles:p1:Developer"})),
        ("/token_spec", json!({"groups_pattern": "group"})),
    ] {
        let answer = admin(&sandbox, "POST", "/github/identity_mappings", &with(&mapping(), pointer, &bad));
        assert_eq!(answer.status, 400, "{pointer} {bad}");
    }
    assert_eq!(admin(&sandbox, "GET", "/github/identity_mappings", &json!({})).json(), json!([]));
}
