use serde_json::Value;

use crate::support::Scene;
use crate::tells;

/// Every line of standard error, which must be JSON objects.
fn lines(stderr: &str) -> Vec<Value> {
    let lines = stderr.lines().filter(|line| !line.starts_with("::add-mask::") && !line.starts_with("::debug::"));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn fields(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_program_reads_an_error_as_one_object_of_a_stable_shape() {
    let mut scene = Scene::new();
    let with = |scene: &Scene, arguments: &[&str]| {
        let ran = scene.run(&[arguments, &["--log-format", "json"]].concat());
        let mut found = lines(&ran.stderr);
        let error = found.pop().unwrap();
        assert_eq!(fields(&error), ["exit_code", "help", "http_status", "kind", "level", "message", "option", "retryable"]);
        assert_eq!((error["level"].as_str(), error["exit_code"].as_i64()), (Some("error"), Some(ran.code.into())), "{error}");
        error
    };
    // A value that is wrong, whoever gave it under which name.
    let error = with(&scene, &["create", "--expiry", "1 fortnight"]);
    assert_eq!((&error["kind"], &error["option"], &error["retryable"]), (&"input".into(), &"expiry".into(), &false.into()));
    scene.set("JF_TOKEN_GROUPS", "a,\"");
    let error = with(&scene, &["create"]);
    assert_eq!((error["kind"].as_str(), error["option"].as_str()), (Some("input"), Some("groups")), "{error}");
    scene.unset("JF_TOKEN_GROUPS");
    // The arguments themselves.
    assert_eq!(with(&scene, &["create", "--no-such-option"])["kind"], "input");
    assert_eq!(with(&scene, &["no-such-command"])["exit_code"], 2);
    assert_eq!(with(&scene, &["create", "--log-format=xml", "--expiry"])["option"], "expiry");
    // What the platform says.
    let refused = sandbox::Fault::Status {
        status: 401,
        retry_after: None,
        body: Some(r#"{"errors":[{"status":401,"message":"Bad token"}]}"#.into()),
    };
    scene.sandbox.fault(refused);
    let error = with(&scene, &["create"]);
    assert_eq!((error["kind"].as_str(), error["http_status"].as_u64(), &error["retryable"]), (Some("refused"), Some(401), &false.into()));
    scene.sandbox.fault_for("POST", sandbox::Fault::Status { status: 503, retry_after: None, body: None }, 9);
    let error = with(&scene, &["create", "--retry-for", "0"]);
    assert_eq!((error["kind"].as_str(), error["http_status"].as_u64(), &error["retryable"]), (Some("unusable"), Some(503), &true.into()));
    scene.unset("JF_ACCESS_TOKEN");
    assert_eq!(with(&scene, &["create"])["kind"], "no_credential");
    scene.unset("JF_URL");
    assert_eq!(with(&scene, &["create", "--access-token-file", "none"])["level"], "error");
}

#[test]
fn what_exec_could_not_start_is_told_with_the_exit_code_of_exec() {
    let scene = Scene::new();
    let ran = scene.run(&["exec", "--log-format=json", "--", "no-such-program", "--log-format", "text"]);
    let error = &lines(&ran.stderr)[0];
    assert_eq!((ran.code, error["exit_code"].as_i64(), error["kind"].as_str()), (127, Some(127), Some("not_found")), "{}", ran.story);
    let ran = scene.run(&["exec", "--log-format=json", "--expiry", "x", "--", "true"]);
    assert_eq!((ran.code, lines(&ran.stderr)[0]["exit_code"].as_i64()), (125, Some(125)), "{}", ran.story);
}

#[test]
fn for_programs_notes_warnings_and_requests_are_objects_too_and_the_masks_stay_commands() {
    let mut scene = Scene::github();
    scene.set("JF_TOKEN_LOG_FORMAT", "json").set("JF_TOKEN_LIVE", "1h");
    let token = scene.sandbox.admin_token().to_owned();
    let ran = scene.run(&["create", "--verbose", "--expiry", "1h", "--access-token", &token, "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let found = lines(&ran.stderr);
    let levels: Vec<_> = found.iter().map(|line| line["level"].as_str().unwrap()).collect();
    assert!(["info", "warning", "debug"].iter().all(|level| levels.contains(level)), "{levels:?}");
    assert!(found.iter().all(|line| fields(line) == ["level", "message"]), "{found:?}");
    let masks = ran.stderr.lines().filter(|line| line.starts_with("::add-mask::")).count();
    assert!(masks > 0 && !ran.stderr.contains("::warning"), "{}", ran.story);
}

#[test]
fn what_others_said_is_no_command_of_the_ci_and_no_second_line_in_a_message_for_programs() {
    let scene = Scene::github();
    let said = "no\n::set-output name=x::y\n##[group]z \u{85}\u{9b}31m";
    let body = serde_json::json!({"errors": [{"status": 400, "message": said}]}).to_string();
    scene.sandbox.fault(sandbox::Fault::Status { status: 400, retry_after: None, body: Some(body) });
    let ran = scene.run(&["create", "--log-format", "json"]);
    assert_eq!(lines(&ran.stderr).len(), 1, "{}", ran.story);
    assert!(!ran.stderr.contains("##[") && !ran.stderr.contains(['\u{85}', '\u{9b}']), "{}", ran.story);
}

#[test]
fn quiet_leaves_the_notes_out_and_keeps_warnings_errors_and_masks() {
    let mut scene = Scene::github();
    let loud = scene.run(&["create", "--expiry", "1h"]);
    assert!(loud.stderr.contains("jf-token: an access token for"), "{}", loud.story);
    scene.set("JF_TOKEN_QUIET", "true").set("JF_TOKEN_LIVE", "1h");
    tells!(scene.run(&["create", "--expiry", "1h"]));
    tells!("quiet_revoke", scene.run(&["revoke"]));
    let ran = scene.run(&["get"]);
    assert!(ran.code == 3 && ran.stderr.contains("holds no token"), "{}", ran.story);
    // A flag is said more closely than the variable.
    assert!(scene.run(&["create", "--expiry", "1h", "--quiet=false"]).stderr.contains("an access token for"));
}
