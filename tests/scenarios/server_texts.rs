//! What a server says holds no secret of the exchange, wherever it says it and however it spells it.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sandbox::{Fault, Issuer};
use serde_json::{Value, json};

use crate::support::{Ran, Scene};

fn letters(text: &str) -> Vec<u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect()
}

fn in_pieces(text: &str, size: usize, between: &str) -> String {
    let pieces: Vec<_> = text.as_bytes().chunks(size).map(String::from_utf8_lossy).collect();
    pieces.join(between)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// How a server may spell a secret.
fn spelled(secret: &str) -> Vec<(String, String)> {
    let end = &secret[secret.len() - 60.min(secret.len())..];
    let mut spelled: Vec<(String, String)> = vec![
        ("whole".into(), secret.into()),
        ("in base64".into(), STANDARD.encode(secret)),
        ("in base64 with a user".into(), STANDARD.encode(format!("bob:{secret}"))),
        ("in base64url".into(), URL_SAFE_NO_PAD.encode(end)),
        ("in hex".into(), hex(end)),
        ("in HEX with blanks".into(), in_pieces(&hex(end).to_uppercase(), 2, " ")),
        ("in hex by fours".into(), in_pieces(&hex(end), 4, "  ")),
        (
            "percent-encoded".into(),
            end.bytes().fold(String::new(), |mut to, byte| {
                let _ = write!(to, "%{byte:02X}");
                to
            }),
        ),
        ("backwards".into(), end.chars().rev().collect()),
        ("in capitals".into(), end.to_uppercase()),
        ("with blanks".into(), in_pieces(end, 1, " ")),
    ];
    for size in [8, 11, 15, 16, 23] {
        spelled.push((format!("in pieces of {size}"), in_pieces(secret, size, " / ")));
    }
    spelled
}

/// Every 8 letters and digits of these secrets in the forms above.
fn pieces(secrets: &[&str]) -> HashSet<Vec<u8>> {
    let forms = secrets.iter().flat_map(|secret| spelled(secret));
    forms.flat_map(|(_, form)| letters(&form).windows(8).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect()
}

#[track_caller]
fn holds_none(text: &str, pieces: &HashSet<Vec<u8>>, where_it_was: &str) {
    let found = letters(text).windows(8).find(|window| pieces.contains(*window)).map(|found| String::from_utf8_lossy(found).into_owned());
    assert_eq!(found, None, "{where_it_was}:\n{text}");
}

fn talk(ran: &Ran) -> String {
    ran.stderr.lines().filter(|line| !line.starts_with("::add-mask::")).fold(String::new(), |talk, line| talk + line + "\n")
}

fn error(status: u16, message: &str) -> Fault {
    let body = json!({"errors": [{"code": "BAD", "message": message}]}).to_string();
    Fault::Status { status, retry_after: None, body: Some(body) }
}

#[test]
fn an_error_that_repeats_the_bearer_is_shown_without_it_however_it_is_spelled() {
    let scene = Scene::new();
    let token = scene.sandbox.admin_token().to_owned();
    let pieces = pieces(&[&token]);
    for (name, text) in spelled(&token) {
        let message = format!("The token {text} is bad");
        let plain = Fault::Status { status: 400, retry_after: None, body: Some(message.clone()) };
        let elsewhere = json!({ &message: "x", "error": "y", "scope": [message] }).to_string();
        for fault in [error(400, &message), plain, Fault::Status { status: 400, retry_after: None, body: Some(elsewhere) }] {
            scene.sandbox.fault(fault);
            let ran = scene.run(&["create", "--retry-for", "0", "--verbose"]);
            assert_eq!(ran.code, 4, "{}", ran.stderr);
            holds_none(&ran.stderr, &pieces, &name);
        }
    }
}

#[test]
fn a_redirect_that_repeats_the_bearer_is_shown_without_it() {
    let scene = Scene::new();
    let token = scene.sandbox.admin_token().to_owned();
    let pieces = pieces(&[&token]);
    for host in [scene.sandbox.url(), "https://elsewhere.example".into()] {
        for path in [format!("/x/{token}"), format!("/x?a={}", in_pieces(&token[..100], 23, "&a=")), format!("/{}", hex(&token))] {
            scene.sandbox.fault(Fault::RedirectTo(format!("{host}{path}")));
            let ran = scene.run(&["create", "--retry-for", "0", "--verbose"]);
            assert_eq!(ran.code, 4, "{}", ran.stderr);
            holds_none(&ran.stderr, &pieces, &path);
        }
    }
}

#[test]
fn what_an_answer_says_of_a_token_holds_neither_it_nor_the_bearer() {
    let mut scene = Scene::github();
    scene.set("JF_TOKEN_FORMAT", "none");
    let bearer = scene.sandbox.admin_token().to_owned();
    let claims = json!({"sub": format!("jfac@x/users/{}", &bearer[bearer.len() - 30..]), "exp": 9_999_999_999_u64, "jti": &bearer[bearer.len() - 40..]});
    let token = scene.sandbox.token_with(claims);
    let refresh = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
    let pieces = pieces(&[&bearer, &token, refresh]);
    for secret in [&bearer, &token, refresh] {
        for (name, text) in spelled(secret).into_iter().step_by(3) {
            let mut answer = json!({"access_token": token, "refresh_token": refresh, "expires_in": 3600});
            for field in ["scope", "token_type", "token_id", "username", "description", "audience", "grant_type"] {
                answer[field] = Value::from(text.clone());
            }
            scene.sandbox.fault(Fault::Body(answer.to_string()));
            let ran = scene.run(&["create", "--verbose", "--session", "s"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            holds_none(&(talk(&ran) + &ran.stdout), &pieces, &name);
            let outputs = scene.blocks("output");
            let shown: String = outputs
                .iter()
                .filter(|(name, _)| !name.contains("token") || *name == "token-id")
                .map(|(_, value)| value.as_str())
                .collect();
            holds_none(&(shown + &scene.read("summary")), &pieces, &name);
            scene.run(&["revoke", "--session", "s"]);
        }
    }
}

#[test]
fn a_refusal_that_repeats_a_refresh_token_is_shown_without_it() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_FORMAT", "none");
    scene.run(&["create", "--session", "s", "--expiry", "1h", "--refreshable", "--reference", "--force-revocable"]);
    scene.unset("JF_ACCESS_TOKEN");
    let issued = scene.sandbox.issued().remove(0);
    let secrets = [issued.access_token, issued.refresh_token.unwrap(), issued.reference_token.unwrap()];
    let pieces = pieces(&secrets.each_ref().map(String::as_str));
    for (name, text) in secrets.iter().flat_map(|secret| spelled(secret)) {
        scene.sandbox.fault(error(400, &format!("Refresh token {text} is not valid now")));
        let ran = scene.run(&["refresh", "--session", "s", "--retry-for", "0", "--verbose"]);
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        holds_none(&ran.stderr, &pieces, &name);
    }
    let [access, refresh, reference] = secrets;
    for text in [access, refresh, reference] {
        scene.sandbox.fault(error(500, &format!("{text} can't be revoked")));
        holds_none(&scene.run(&["revoke", "--session", "s", "--retry-for", "0"]).stderr, &pieces, "revoke");
    }
}

#[test]
fn the_platform_can_not_make_the_log_show_an_identity_token() {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, json!({"username": "ci"}));
    let identity = issuer.github_token("https://github.com/octo");
    scene.identity(&identity);
    scene.asks_for("work/id").write("work/id", &identity);
    let pieces = pieces(&[&identity]);
    for (name, text) in spelled(&identity) {
        scene.sandbox.fault(error(400, &text));
        let ran = scene.run(&["create", "--oidc-provider", "github", "--oidc-token-file", "id", "--retry-for", "0", "--verbose"]);
        assert!(ran.stderr.contains("oidc/token: 400 Bad Request"), "{}", ran.stderr);
        holds_none(&talk(&ran), &pieces, &name);
    }
}

#[test]
fn an_id_that_shares_the_digits_of_a_secret_made_in_the_same_moment_still_revokes_the_token() {
    let scene = Scene::new();
    let token = scene.sandbox.token_with(json!({"sub": "jfac@x/users/bob", "iat": 1, "exp": 9_999_999_999_u64}));
    let id = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let answer =
        json!({"access_token": token, "refresh_token": "f81d4fae-7dec-11d0-a765-00a0c91e6bf7", "token_id": id, "expires_in": 3600});
    scene.sandbox.fault(Fault::Body(answer.to_string()));
    let ran = scene.run(&["create", "--session", "s", "--format", "none"]);
    assert_eq!((ran.code, scene.state("s")["current"]["token"]["token_id"].as_str()), (0, Some(id)), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_keepers_log_holds_no_secret_that_a_server_repeats() {
    let scene = Scene::new();
    scene.run(&["create", "--session", "s", "--expiry", "3", "--force-revocable", "--refreshable", "--format", "none"]);
    let issued = scene.sandbox.issued().remove(0);
    let secrets = [issued.access_token, issued.refresh_token.unwrap(), scene.sandbox.admin_token().to_owned()];
    for secret in &secrets {
        scene.sandbox.fault_for("POST", error(503, &format!("not now: {}", in_pieces(secret, 12, " "))), 2);
    }
    scene.run(&["keep", "--session", "s", "--until-pid", &std::process::id().to_string(), "--verbose"]);
    let log = || {
        let file = scene.files().into_iter().find(|path| path.extension().is_some_and(|extension| extension == "log"));
        file.map(|file| std::fs::read_to_string(file).unwrap()).unwrap_or_default()
    };
    crate::support::wait_until("three refusals", || log().matches("503 Service Unavailable, not now").count() >= 5);
    holds_none(&log(), &pieces(&secrets.each_ref().map(String::as_str)), "the keeper's log");
    scene.run(&["revoke", "--session", "s"]);
}
