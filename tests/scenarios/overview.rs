use serde_json::Value;

use crate::support::{Scene, leaks};
use crate::tells;

fn create(scene: &Scene, more: &[&str]) {
    let ran = scene.run(&[&["create", "--expiry", "1h", "--force-revocable"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
}

fn status(scene: &Scene) -> Value {
    serde_json::from_str(&scene.run(&["status", "--format", "json"]).stdout).unwrap()
}

fn live(scene: &Scene) -> usize {
    scene.sandbox.issued().iter().filter(|issued| issued.live).count()
}

#[test]
fn status_shows_every_session_of_the_job_and_no_secret() {
    let mut scene = Scene::gitlab();
    scene.asks_for("work/token").asks_for("work/deploy.env");
    create(&scene, &["--token-file", "token", "--refreshable"]);
    create(&scene, &["--session", "deploy", "--output-file", "deploy.env", "--groups", "readers"]);
    assert_eq!(scene.run(&["refresh", "--session", "default"]).code, 0);
    let ran = scene.run(&["status"]);
    assert!(scene.secrets().iter().all(|secret| !leaks(ran.story.split("--- file").next().unwrap(), secret)));
    tells!(ran);
    tells!("status_as_json", scene.run(&["status", "--format", "json"]));
    let only = scene.run(&["status", "--session", "deploy"]);
    assert!(only.stdout.contains("deploy.env") && !only.stdout.contains("default"), "{}", only.story);
}

#[test]
fn what_status_says_in_json_is_typed_and_always_there() {
    let scene = Scene::gitlab();
    let ran = scene.run(&["status", "--format", "json"]);
    let none: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(ran.code == 3 && none["sessions"] == Value::Array(Vec::new()) && none["folder"].is_string(), "{}", ran.story);
    create(&scene, &[]);
    let all = status(&scene);
    let session = &all["sessions"][0];
    let left = session["token"]["seconds_left"].as_u64().unwrap();
    assert!((3500..=3600).contains(&left) && session["token"]["last_renewal"].is_null(), "{session}");
    assert_eq!(session["keeper"], serde_json::json!({"running": false, "process": null, "failure": null}));
    assert_eq!((&session["files"], &session["in_use"], &session["problem"]), (&serde_json::json!([]), &false.into(), &Value::Null));
    assert_eq!(scene.run(&["refresh"]).code, 0);
    assert!(status(&scene)["sessions"][0]["token"]["last_renewal"].as_str().unwrap().ends_with('Z'));
}

#[cfg(unix)]
#[test]
fn status_tells_which_process_keeps_a_session_fresh_and_which_session_a_program_uses() {
    let scene = Scene::gitlab();
    create(&scene, &["--keep-fresh", "--until-pid", &std::process::id().to_string()]);
    let keeper = status(&scene)["sessions"][0]["keeper"].clone();
    assert!(keeper["running"] == true && keeper["process"].as_u64().is_some(), "{keeper}");
    let output = scene.shell("$JF exec --expiry 1h --force-revocable -- sh -c 'unset JF_TOKEN_SESSION; $JF status --format json'");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: Vec<_> = all["sessions"].as_array().unwrap().iter().map(|session| session["in_use"].as_bool().unwrap()).collect();
    assert_eq!(used, [false, true], "{all}");
    assert_eq!(scene.run(&["revoke"]).code, 0);
}

#[test]
fn a_session_that_can_not_be_read_does_not_hide_the_others() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    create(&scene, &["--session", "a"]);
    create(&scene, &["--session", "b"]);
    scene.write("home/a.json", "{\"version\":99}");
    let ran = scene.run(&["status"]);
    assert!(ran.code == 1 && ran.stdout.contains("problem") && ran.stdout.contains("session         b"), "{}", ran.story);
    // A rehearsal fails as the end itself does.
    for arguments in [&["revoke", "--session", "a", "--dry-run"][..], &["revoke", "--all", "--dry-run"]] {
        let ran = scene.run(arguments);
        assert!(ran.code == 1 && ran.stderr.contains("a.json") && live(&scene) == 2, "{}", ran.story);
    }
    // Which is ended all the same, and named.
    let ran = scene.run(&["revoke", "--all"]);
    assert!(ran.code == 1 && ran.stderr.contains("a.json") && live(&scene) == 1, "{}", ran.story);
}

#[test]
fn revoke_all_ends_every_session_of_the_job() {
    let mut scene = Scene::gitlab();
    create(&scene, &[]);
    create(&scene, &["--session", "deploy"]);
    scene.asks_for("work/token");
    create(&scene, &["--session", "test", "--token-file", "token"]);
    let dry = scene.run(&["revoke", "--all", "--dry-run"]);
    assert_eq!((dry.code, live(&scene), scene.path("work/token").exists()), (0, 3, true), "{}", dry.story);
    tells!("revoke_all_dry_run", dry);
    tells!(scene.run(&["revoke", "--all"]));
    assert_eq!((live(&scene), scene.path("work/token").exists()), (0, false));
    let again = scene.run(&["revoke", "--all"]);
    assert!(again.code == 0 && again.stderr.contains("there is no session"), "{}", again.story);
}

#[test]
fn of_revoke_all_each_failure_is_told_and_the_rest_is_ended() {
    let scene = Scene::gitlab();
    for name in ["a", "b", "c"] {
        create(&scene, &["--session", name]);
    }
    scene.sandbox.fault_for("DELETE", sandbox::Fault::Status { status: 500, retry_after: None, body: None }, 2);
    let ran = scene.run(&["revoke", "--all", "--retry-for", "0"]);
    let told = ran.stderr.matches("could not be revoked").count();
    assert!(ran.code == 6 && told == 2 && live(&scene) == 2, "{}", ran.story);
    let ran = scene.run(&["revoke", "--all"]);
    assert!(ran.code == 0 && live(&scene) == 0, "{}", ran.story);
}

#[test]
fn all_is_not_given_beside_what_names_one() {
    let mut scene = Scene::gitlab();
    create(&scene, &[]);
    create(&scene, &["--session", "a"]);
    for less in [["--session", "a"], ["--token-id", "x"]] {
        let ran = scene.run(&["revoke", "--all", less[0], less[1]]);
        assert!(ran.code == 2 && ran.stderr.contains(less[0]) && live(&scene) == 2, "{}", ran.story);
    }
    // What is said more closely wins.
    scene.set("JF_TOKEN_ALL", "true");
    assert_eq!((scene.run(&["revoke", "--session", "a"]).code, live(&scene)), (0, 1));
    scene.set("JF_TOKEN_SESSION", "nothing").unset("JF_TOKEN_ALL");
    assert_eq!((scene.run(&["revoke", "--all"]).code, live(&scene)), (0, 0));
}

#[test]
fn the_action_s_post_step_ends_its_own_even_where_the_job_says_all() {
    let mut scene = Scene::action(&[]);
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.leave_action();
    create(&scene, &["--session", "kept", "--revoke", "false"]);
    scene.be_action(&[]).set("JF_TOKEN_ALL", "true");
    let ran = scene.post();
    assert_eq!(ran.code, 0, "{}", ran.story);
}

#[test]
fn a_dry_run_says_address_user_life_and_rights_beside_the_body() {
    let mut scene = Scene::new();
    let ran = scene.run(&["create", "--dry-run"]);
    assert!(
        ran.stderr.contains("user  admin, the credential's own user") && ran.stderr.contains("life  the platform's default"),
        "{}",
        ran.story
    );
    tells!(scene.run(&["create", "alice", "--groups", "readers,writers", "--expiry", "12h", "--force-revocable", "--dry-run"]));
    let ran = scene.run(&["create", "--expiry", "0", "--dry-run", "--quiet"]);
    assert!(serde_json::from_str::<Value>(&ran.stdout).is_ok() && ran.stderr.is_empty(), "{}", ran.story);
    scene.set("JF_TOKEN_DRY_RUN", "true");
    tells!("dry_run_of_exec", scene.run(&["exec", "--", crate::support::BINARY, "no-such-command"]));
    assert!(scene.sandbox.issued().is_empty());
    tells!("dry_run_of_exchange_oidc_token", scene.run(&["exchange-oidc-token", "github", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.x"]));
    tells!("dry_run_of_one_revocation", scene.run(&["revoke", "--token-id", "abc"]));
}
