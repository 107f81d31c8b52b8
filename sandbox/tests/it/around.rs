//! What is around the token API.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::{
    client::{Answer, call_with},
    tokens::create,
};

fn exchange(sandbox: &Sandbox, more: &Value) -> Answer {
    let mut body = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": "a.b.c", "provider_name": "github", "job_id": "1",
    });
    body.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    call_with(sandbox, "POST", "/access/api/v1/oidc/token", "Content-Type: application/json\r\n", &body.to_string())
}

#[test]
fn an_identity_token_is_exchanged() {
    let sandbox = Sandbox::start();
    let answer = exchange(&sandbox, &json!({})).json();
    assert_eq!((&answer["username"], &answer["expires_in"]), (&json!("github/default"), &json!(60)));
    assert_eq!(answer.get("refresh_token"), None);
    assert_eq!(create(&sandbox, answer["access_token"].as_str().unwrap(), &json!({})).status, 200);
    assert_eq!(exchange(&sandbox, &json!({"subject_token": "nonsense"})).status, 401);
}

#[test]
fn the_audience_of_an_exchange_is_the_providers_and_never_the_tokens() {
    let sandbox = Sandbox::start();
    for audience in ["github-jfrog", "jfrt@*"] {
        let answer = exchange(&sandbox, &json!({"audience": audience}));
        assert_eq!(answer.status, 200, "{audience}: {answer:?}");
        assert_eq!(claims(answer.json()["access_token"].as_str().unwrap())["aud"], "*@*", "{audience}");
    }
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn an_exchange_ignores_fields_that_it_does_not_know() {
    assert_eq!(exchange(&Sandbox::start(), &json!({"colour": "blue"})).status, 200);
}

#[test]
fn what_is_around_the_tokens_answers_too() {
    let sandbox = Sandbox::builder().clock_skew(86_400 * 365).start();
    let ping = call_with(&sandbox, "GET", "/access/api/v1/system/ping", "", "");
    assert_eq!((ping.status, ping.body.as_str()), (200, "OK"));
    let year = |a: &Answer| a.header("date").split(' ').nth(3).unwrap().parse::<u32>().unwrap();
    assert!(year(&ping) > year(&call_with(&Sandbox::start(), "GET", "/artifactory/api/system/ping", "", "")));
    assert!(call_with(&sandbox, "GET", "/access/api/v1/cert/root?formatted=true", "", "").body.starts_with("-----BEGIN CERTIFICATE-----"));
    let lost = call_with(&sandbox, "GET", "/nowhere", "", "");
    assert_eq!(lost.status, 404);
    assert!(lost.body.starts_with("<!doctype html>"));
}

#[test]
fn a_file_takes_a_token_in_three_ways_but_none_with_two_group_lists() {
    let sandbox = Sandbox::start();
    let get = |header: &str| call_with(&sandbox, "GET", "/artifactory/repo/a/file", header, "").status;
    let admin = sandbox.admin_token();
    let reference = create(&sandbox, admin, &json!({"include_reference_token": true})).json();
    let reference = reference["reference_token"].as_str().unwrap();
    assert_eq!(get(&format!("Authorization: Bearer {admin}\r\n")), 200);
    assert_eq!(get(&format!("X-JFrog-Art-Api: {reference}\r\n")), 200);
    let basic = STANDARD.encode(format!("any:{reference}"));
    assert_eq!(get(&format!("Authorization: Basic {basic}\r\n")), 200);
    assert_eq!(get(""), 401);
    let scope = "applied-permissions/groups:readers applied-permissions/groups:deployers";
    let broken = create(&sandbox, admin, &json!({"scope": scope})).json();
    let broken = broken["access_token"].as_str().unwrap();
    assert_eq!(get(&format!("Authorization: Bearer {broken}\r\n")), 403);
}
