//! The sandbox's endpoints besides the token API.

use base64::{Engine, engine::general_purpose::STANDARD};
use sandbox::Sandbox;
use serde_json::json;

use crate::{
    client::{Answer, call, call_with},
    tokens::create,
};

#[test]
fn pings_the_root_certificate_and_unknown_paths_are_answered() {
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
fn a_file_accepts_a_token_in_three_places_but_none_with_two_group_lists() {
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

#[test]
fn an_upload_is_answered_as_by_artifactory() {
    let sandbox = Sandbox::start();
    let answer = call(&sandbox, "PUT", "/artifactory/repo/a/my%20file.json", sandbox.admin_token(), "abc");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/vnd.org.jfrog.artifactory.storage.ItemCreated+json");
    let stored = answer.json();
    let created = stored["created"].as_str().unwrap();
    assert!(created.starts_with("20") && created[19..] == *".000Z", "{created}");
    let url = format!("{}/artifactory/repo/a/my%20file.json", sandbox.url());
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        stored,
        json!({
            "repo": "repo", "path": "/a/my file.json", "created": created, "createdBy": "admin", "downloadUri": url,
            "mimeType": "application/json", "size": "3",
            "checksums": {"sha1": "a9993e364706816aba3e25717850c26c9cd0d89d", "sha256": sha256},
            "originalChecksums": {"sha256": sha256}, "uri": url,
        })
    );
    let keys: Vec<_> = answer.body.lines().filter_map(|l| l.strip_prefix("  \"")?.split_once('"')).map(|(key, _)| key).collect();
    assert_eq!(keys, ["repo", "path", "created", "createdBy", "downloadUri", "mimeType", "size", "checksums", "originalChecksums", "uri"]);
    assert_eq!(call_with(&sandbox, "PUT", "/artifactory/repo/a/file", "", "abc").status, 401);
}

#[test]
fn an_upload_may_have_several_megabytes() {
    let sandbox = Sandbox::start();
    let answer = call(&sandbox, "PUT", "/artifactory/repo/a/file", sandbox.admin_token(), &"x".repeat(3_000_000));
    assert_eq!((answer.status, &answer.json()["size"]), (201, &json!("3000000")));
}

#[test]
fn an_upload_by_checksum_alone_is_not_found() {
    let sandbox = Sandbox::start();
    let headers = format!("Authorization: Bearer {}\r\nX-Checksum-Deploy: true\r\n", sandbox.admin_token());
    assert_eq!(call_with(&sandbox, "PUT", "/artifactory/repo/a/file", &headers, "").status, 404);
}

#[test]
fn an_unknown_endpoint_of_artifactory_is_not_a_file() {
    let sandbox = Sandbox::start();
    for (method, path) in
        [("GET", "/artifactory/api/storage/repo/a"), ("PUT", "/artifactory/api/repositories/r"), ("POST", "/artifactory/api/x")]
    {
        let answer = call(&sandbox, method, path, sandbox.admin_token(), "");
        assert_eq!((answer.status, answer.json()["errors"][0]["status"].as_u64()), (404, Some(404)), "{method} {path}: {answer:?}");
    }
    for path in ["/artifactory/api/system/ping", "/artifactory/api/system/version"] {
        assert_eq!(call_with(&sandbox, "GET", path, "", "").status, 200, "{path}");
    }
}
