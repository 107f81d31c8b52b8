//! The sandbox's token API.

use crate::client::{Answer, call, call_with};
use sandbox::Sandbox;
use serde_json::{Value, json};

pub fn create(sandbox: &Sandbox, token: &str, body: &Value) -> Answer {
    call(sandbox, "POST", "/access/api/v1/tokens", token, &body.to_string())
}

fn form(sandbox: &Sandbox, token: &str, body: &str) -> Answer {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
    call_with(sandbox, "POST", "/access/api/v1/tokens", &headers, body)
}

fn get(sandbox: &Sandbox, path: &str, token: &str) -> u16 {
    call(sandbox, "GET", path, token, "").status
}

fn delete(sandbox: &Sandbox, id: &str, token: &str) -> Answer {
    call(sandbox, "DELETE", &format!("/access/api/v1/tokens/{id}"), token, "")
}

pub fn message(answer: &Answer) -> String {
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_created_used_shown_and_revoked() {
    let sandbox = Sandbox::start();
    let admin = sandbox.admin_token();
    let answer = create(
        &sandbox,
        admin,
        &json!({
            "scope": "applied-permissions/groups:readers applied-permissions/admin", "expires_in": 3600,
            "refreshable": true, "audience": "jfrt@* jfac@*", "include_reference_token": true,
            "force_revocable": true, "username": "bob", "project_key": "p1", "description": "d",
        }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let keys: Vec<_> = answer.body.lines().filter_map(|l| l.trim().split_once(" : ")).map(|(k, _)| k.trim_matches('"')).collect();
    assert_eq!(keys, ["token_id", "access_token", "expires_in", "scope", "token_type", "refresh_token", "reference_token", "description"]);

    let made = answer.json();
    let (id, access, reference) = (&made["token_id"], made["access_token"].as_str().unwrap(), made["reference_token"].as_str().unwrap());
    let id = id.as_str().unwrap();
    for token in [access, reference] {
        assert!(sandbox.is_live(token));
        assert_eq!(get(&sandbox, "/artifactory/repo/a/file", token), 200);
        let shown = call(&sandbox, "GET", "/access/api/v1/tokens/me", token, "").json();
        assert_eq!((&shown["token_id"], &shown["description"], &shown["project"]), (&json!(id), &json!("d"), &json!("p1")));
    }
    let issued = &sandbox.issued()[0];
    assert_eq!((issued.token_id.as_str(), issued.username.as_str(), issued.live), (id, "bob", true));

    assert_eq!(delete(&sandbox, id, admin).status, 200);
    assert_eq!(delete(&sandbox, id, admin).status, 204);
    assert!(!sandbox.is_live(access) && !sandbox.issued()[0].live);
    assert_eq!(get(&sandbox, "/artifactory/repo/a/file", reference), 401);
    assert_eq!(get(&sandbox, &format!("/access/api/v1/tokens/{id}"), admin), 404);
}

#[test]
fn the_defaults_are_the_callers_name_and_a_users_permissions() {
    let sandbox = Sandbox::start();
    let made = create(&sandbox, sandbox.user_token(), &json!({})).json();
    assert_eq!((&made["scope"], &made["expires_in"]), (&json!("applied-permissions/user"), &json!(31_536_000)));
    assert_eq!(made.get("refresh_token"), None);
    assert_eq!(sandbox.issued()[0].username, "alice");
    let never = create(&sandbox, sandbox.admin_token(), &json!({"expires_in": 0})).json();
    assert_eq!(never.get("expires_in"), None);
}

#[test]
fn a_wrong_field_is_refused() {
    let sandbox = Sandbox::start();
    for bad in [
        json!({"expires_in": -1}),
        json!({"expires_in": "60"}),
        json!({"expires_in": 1.5}),
        json!({"refreshable": "true"}),
        json!({"grant_type": "password"}),
        json!({"scope": "applied-permissions/groups:nobody"}),
        json!({"scope": format!("applied-permissions/groups:readers,{}", "readers,".repeat(70))}),
        json!({"audience": "jfxx@*"}),
        json!({"description": "d".repeat(1025)}),
        json!({"username": "Bob"}),
        json!({"project_key": "P1"}),
        json!({"project_key": "p2"}),
        json!([]),
    ] {
        let answer = create(&sandbox, sandbox.admin_token(), &bad);
        assert_eq!(answer.status, 400, "{bad}: {answer:?}");
    }
    assert_eq!(form(&sandbox, sandbox.admin_token(), "expires_in=x").status, 400);
    assert_eq!(
        call_with(&sandbox, "POST", "/access/api/v1/tokens", &format!("Authorization: Bearer {}\r\n", sandbox.admin_token()), "{}").status,
        415
    );
    assert!(sandbox.issued().is_empty());
}

#[test]
fn unknown_fields_and_filters_are_ignored() {
    let sandbox = Sandbox::start();
    let admin = sandbox.admin_token();
    assert_eq!(create(&sandbox, admin, &json!({"scoop": "x"})).status, 200);
    assert_eq!(form(&sandbox, admin, "scoop=x").status, 200);
    assert_eq!(get(&sandbox, "/access/api/v1/tokens?scoop=x", admin), 200);
}

#[test]
fn only_an_admin_may_mint_for_others_and_revoke_their_tokens() {
    let sandbox = Sandbox::start();
    let user = sandbox.user_token();
    for body in [json!({"username": "bob"}), json!({"scope": "applied-permissions/admin"}), json!({"expires_in": 0})] {
        let answer = create(&sandbox, user, &body);
        assert_eq!((answer.status, message(&answer).as_str()), (403, "Logged in 'alice' is not an admin."));
    }
    let bobs = create(&sandbox, sandbox.admin_token(), &json!({"username": "bob"})).json();
    let own = create(&sandbox, user, &json!({})).json();
    assert_eq!(delete(&sandbox, bobs["token_id"].as_str().unwrap(), user).status, 403);
    let by_value = |caller| {
        let body = json!({"token": bobs["access_token"]}).to_string();
        call(&sandbox, "DELETE", "/access/api/v1/tokens/revoke", caller, &body)
    };
    assert_eq!(by_value(user).status, 403);
    assert_eq!(by_value(sandbox.admin_token()).json(), json!({"revoked-token-id": bobs["token_id"]}));
    let listed = |query| call(&sandbox, "GET", &format!("/access/api/v1/tokens?{query}"), user, "").json();
    assert_eq!(listed("username=alice")["tokens"][0]["token_id"], own["token_id"]);
    assert_eq!(listed("refreshable=true"), json!({"tokens": []}));
    assert_eq!(delete(&sandbox, "me", own["access_token"].as_str().unwrap()).status, 200);
}

#[test]
fn the_refusal_of_a_token_says_why() {
    let sandbox = Sandbox::builder().clock_skew(-7200).start();
    let subject = "jfac@x/users/admin";
    let signed =
        |aud: &str, exp: u64| sandbox.token_with(json!({"sub": subject, "scp": "applied-permissions/admin", "aud": aud, "exp": exp}));
    let forged = format!("{}AAAAAAAA", &sandbox.admin_token()[..sandbox.admin_token().len() - 8]);
    for (token, why) in [
        (signed("*@*", 1), "Invalid token, expired"),
        (signed("jfrt@*", 9_999_999_999), "Invalid token, audience"),
        (forged, "Invalid token, signature"),
        ("nonsense".to_owned(), "Invalid token, parse"),
    ] {
        let answer = create(&sandbox, &token, &json!({}));
        assert_eq!((answer.status, message(&answer).as_str()), (401, why));
    }
    assert_eq!(create(&sandbox, &signed("*@*", 9_999_999_999), &json!({"username": "bob"})).status, 200);
    assert_eq!(call_with(&sandbox, "POST", "/access/api/v1/tokens", "", "").status, 401);
}

#[test]
fn a_refresh_token_works_once_and_ends_the_old_pair() {
    let sandbox = Sandbox::start();
    let old = create(&sandbox, sandbox.admin_token(), &json!({"refreshable": true, "username": "bob"})).json();
    let old_access = old["access_token"].as_str().unwrap();
    let body = format!("grant_type=refresh_token&refresh_token={}&include_reference_token=true", old["refresh_token"].as_str().unwrap());
    let new = form(&sandbox, old_access, &body).json();
    assert_ne!(new["token_id"], old["token_id"]);
    assert_ne!(new["refresh_token"], old["refresh_token"]);
    assert!(new["reference_token"].is_string());
    assert!(!sandbox.is_live(old_access) && sandbox.is_live(new["access_token"].as_str().unwrap()));
    let again = form(&sandbox, old_access, &body);
    assert_eq!((again.status, message(&again).as_str()), (404, "Token matching the provided refresh token was not found."));
}

/// Refreshes a pair as JFrog's own client does.
fn refresh(sandbox: &Sandbox, bearer: &str, access: &Value, refresh: &Value) -> Answer {
    let body = json!({
        "grant_type": "refresh_token", "token_type": "Bearer", "access_token": access, "refresh_token": refresh,
        "refreshable": true, "expires_in": 60,
    });
    create(sandbox, bearer, &body)
}

fn refreshable_pair(sandbox: &Sandbox) -> Value {
    create(sandbox, sandbox.user_token(), &json!({"refreshable": true})).json()
}

#[test]
fn a_refresh_may_contain_the_token_type() {
    let sandbox = Sandbox::start();
    let pair = refreshable_pair(&sandbox);
    let answer = refresh(&sandbox, pair["access_token"].as_str().unwrap(), &pair["access_token"], &pair["refresh_token"]);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_refresh_with_the_pairs_own_token_accepts_a_bearer_of_the_same_user_or_of_an_admin() {
    let sandbox = Sandbox::start();
    for bearer in [sandbox.user_token(), sandbox.admin_token()] {
        let pair = refreshable_pair(&sandbox);
        let answer = refresh(&sandbox, bearer, &pair["access_token"], &pair["refresh_token"]);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(!sandbox.is_live(pair["access_token"].as_str().unwrap()));
    }
}

#[test]
fn a_refresh_by_another_user_by_a_dead_token_or_without_the_pairs_own_token_changes_nothing() {
    let sandbox = Sandbox::start();
    let pair = refreshable_pair(&sandbox);
    let bob = create(&sandbox, sandbox.admin_token(), &json!({"username": "bob"})).json();
    let dead = create(&sandbox, sandbox.user_token(), &json!({"force_revocable": true})).json();
    let dead = dead["access_token"].as_str().unwrap();
    assert_eq!(delete(&sandbox, "me", dead).status, 200);
    let (admin, access) = (sandbox.admin_token(), &pair["access_token"]);
    for (bearer, access, status) in [
        (admin, &Value::Null, 404),
        (admin, &bob["access_token"], 404),
        (bob["access_token"].as_str().unwrap(), access, 403),
        (dead, access, 401),
    ] {
        assert_eq!(refresh(&sandbox, bearer, access, &pair["refresh_token"]).status, status);
    }
    assert!(sandbox.is_live(access.as_str().unwrap()));
}

#[test]
fn an_expired_token_can_be_refreshed_and_the_old_one_may_stay_live() {
    let sandbox = Sandbox::builder().refresh_kills_old(false).start();
    let jf_form = |pair: &Value| {
        create(
            &sandbox,
            pair["access_token"].as_str().unwrap(),
            &json!({
                "grant_type": "refresh_token", "access_token": pair["access_token"], "refresh_token": pair["refresh_token"], "refreshable": true,
            }),
        )
    };
    let lasting = create(&sandbox, sandbox.admin_token(), &json!({"refreshable": true})).json();
    assert_eq!([jf_form(&lasting).status, jf_form(&lasting).status], [200, 404]);
    assert!(sandbox.is_live(lasting["access_token"].as_str().unwrap()));

    let brief = create(&sandbox, sandbox.admin_token(), &json!({"refreshable": true, "expires_in": 1})).json();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(get(&sandbox, "/access/api/v1/tokens/me", brief["access_token"].as_str().unwrap()), 401);
    assert_eq!(jf_form(&brief).status, 200);
}

#[test]
fn short_lived_tokens_cannot_be_revoked_and_shorter_ones_are_not_stored() {
    let sandbox = Sandbox::builder().revocable_threshold(200).persistent_threshold(100).start();
    let admin = sandbox.admin_token();
    for (life, forced, shown, revoked) in [(99, false, 404, 400), (100, false, 200, 400), (200, false, 200, 200), (1, true, 200, 200)] {
        let made = create(&sandbox, admin, &json!({"expires_in": life, "force_revocable": forced})).json();
        let id = made["token_id"].as_str().unwrap();
        assert_eq!(get(&sandbox, &format!("/access/api/v1/tokens/{id}"), admin), shown, "{life}");
        let answer = delete(&sandbox, id, admin);
        assert_eq!(answer.status, revoked, "{life}");
        if revoked == 400 {
            let error = answer.json();
            assert_eq!(error["message"], "Token not revocable");
            assert!(error["detail"].as_str().unwrap().ends_with("revocableExpiryThresholdMillis: 200000"));
        }
    }
}
