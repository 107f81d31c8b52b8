use serde_json::{Value, json};

use crate::support::Scene;
use crate::tells;

/// A session `s` whose first token was replaced by a second; its file is `home/s.json`.
fn session() -> Scene {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    let ran = scene.run(&["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert_eq!(scene.run(&["refresh", "--session", "s"]).code, 0);
    scene
}

/// The same state in the oldest format, which had no version.
fn version_before(state: &Value) -> Value {
    let old = |stored: &Value, replaced: bool| {
        let mut grant = stored["token"].clone();
        grant["issued_at"] = (grant["issued_at"].as_u64().unwrap() / 1000).into();
        json!({
            "platform": stored["platform"], "order": stored["issuing"]["mint"], "grant": grant,
            "revoke": true, "files": [], "masked": true, "replaced": replaced,
        })
    };
    json!({"tokens": [old(&state["replaced"][0], true), old(&state["current"], false)]})
}

#[test]
fn a_session_of_the_version_before_goes_on_in_mid_life() {
    let scene = session();
    let before = version_before(&scene.state("s"));
    scene.write("home/s.json", &before.to_string());
    let current = scene.sandbox.issued()[1].access_token.clone();
    let ran = scene.run(&["get", "--session", "s"]);
    assert_eq!((ran.code, ran.stdout.trim()), (0, current.as_str()), "{}", ran.story);
    // The token is due when a third of its hour is left, as in the current format.
    let ran = scene.run_at(45 * 60_000, &["get", "--session", "s"]);
    assert_eq!(ran.stdout.trim(), scene.sandbox.issued()[2].access_token, "{}", ran.story);
    assert_eq!(scene.state("s")["version"], 2);
    scene.write("home/s.json", &before.to_string());
    let ran = scene.run(&["revoke", "--session", "s"]);
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!((ran.code, live), (0, vec![false, false, true]), "{}", ran.story);
    assert!(!scene.path("home").exists());
}

#[test]
fn the_post_step_ends_the_tokens_of_session_files_of_the_version_before() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    let session = scene.blocks("state")["SESSION"].clone();
    scene.leave_action();
    assert_eq!(scene.run(&["create", "--session", "step", "--expiry", "1h", "--force-revocable"]).code, 0);
    for session in [&session, "step"] {
        assert_eq!(scene.run(&["refresh", "--session", session]).code, 0);
        let before = version_before(&scene.state(session));
        // It was masked in the action only.
        let text = if session == "step" { before.to_string().replace("\"masked\":true", "\"masked\":false") } else { before.to_string() };
        scene.write(&format!("runner/jf-token/{session}.json"), &text);
    }
    for (name, value) in scene.blocks("state") {
        scene.set(&format!("STATE_{name}"), &value);
    }
    let ran = scene.run(&["action", "revoke"]);
    assert!(ran.code == 0 && scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ran.story);
    assert!(!scene.path("runner/jf-token").exists(), "{}", ran.story);
}

#[test]
fn a_session_file_that_can_not_be_read_is_never_taken_for_no_session() {
    let scene = session();
    let program = std::path::absolute(crate::support::BINARY).unwrap().display().to_string();
    let whole = scene.read("home/s.json");
    let newer = whole.replace("\"version\":2", "\"version\":3");
    let mut foreign: Value = serde_json::from_str(&whole).unwrap();
    foreign["current"]["platform"] = "file:///etc".into();
    for (what, text) in [
        ("newer", newer.as_str()),
        ("cut", &whole[..whole.len() / 2]),
        ("empty", ""),
        ("foreign", "{\"servers\": []}"),
        ("an address that is none", &foreign.to_string()),
    ] {
        scene.write("home/s.json", text);
        for command in [&["get"][..], &["refresh"], &["keep"], &["create", "--format", "none"], &["exec", "--", &program]] {
            let mut arguments = command.to_vec();
            arguments.splice(1..1, ["--session", "s"]);
            let ran = scene.run(&arguments);
            let code = if command[0] == "exec" { 125 } else { 1 };
            assert!(ran.code == code && ran.stderr.replace('\\', "/").contains("home/s.json"), "{what}: {}", ran.story);
            assert!(!ran.story.contains("--- request"), "{what}: {}", ran.story);
        }
        assert_eq!(scene.read("home/s.json"), text, "{what}: an unreadable file must not be replaced");
    }
}

#[test]
fn revoke_ends_what_can_be_read_of_a_session_file_that_is_none() {
    for (name, change) in [
        ("revoke_newer", (|whole: &str| whole.replace("\"version\":2", "\"version\":3")) as fn(&str) -> String),
        // The replaced tokens come after the current one in the file.
        ("revoke_cut", |whole: &str| whole[..whole.find("\"replaced\"").unwrap()].to_owned()),
    ] {
        let scene = session();
        scene.write("home/s.json", &change(&scene.read("home/s.json")));
        let ran = scene.run(&["revoke", "--session", "s"]);
        let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
        assert_eq!(live, if name == "revoke_cut" { [true, false] } else { [false, false] }, "{}", ran.story);
        tells!(name, ran);
    }
}

#[test]
fn a_run_step_of_an_action_that_wraps_ours_is_no_step_of_ours() {
    let mut scene = Scene::github();
    // The wrapping action has inputs of the same names, and its run: steps see their variables.
    scene.set("INPUT_FORCE-REVOCABLE", "true").set("INPUT_EXPIRY", "soon");
    let ran = scene.run(&["create", "--expiry", "1h", "--force-revocable"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(scene.blocks("state").is_empty(), "no post step would read the state");
    let ran = scene.run(&["revoke"]);
    assert!(ran.code == 0 && !scene.sandbox.issued()[0].live, "{}", ran.story);
}

#[test]
fn the_seeds_of_the_fuzz_target_are_files_that_are_read() {
    let seed = |name: &str| std::fs::read(format!("{}/fuzz/seeds/state/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    for name in ["1", "2", "3"] {
        let written = jf_token::fuzzing::rewritten(&seed(name)).unwrap_or_else(|| panic!("{name} is not read"));
        assert_eq!(jf_token::fuzzing::rewritten(written.as_bytes()).as_deref(), Some(&*written), "{name}");
    }
    assert_eq!(jf_token::fuzzing::rewritten(&seed("4")).as_deref(), None);
}

#[cfg(unix)]
#[test]
fn a_process_that_may_open_no_more_files_leaves_nothing_behind() {
    let mut failed = 0;
    for files in (4..=44).step_by(2) {
        for command in ["create --session s --expiry 1h --force-revocable --format none", "exec --expiry 1h --force-revocable -- true"] {
            let scene = Scene::new();
            let output = scene.shell(&format!("ulimit -n {files}; \"$JF\" {command}"));
            let said = String::from_utf8(output.stderr).unwrap();
            if output.status.success() {
                scene.run(&["revoke", "--session", "s"]);
            } else {
                failed += 1;
            }
            assert!(output.status.code().is_some() && !said.contains("panicked") && !said.contains("~"), "{files} {command}: {said}");
            // What the shell can't do with so few is not told by us.
            let ours: Vec<_> = said.lines().filter(|line| line.starts_with("jf-token: ")).collect();
            assert!(output.status.success() || said.contains("open files") || ours.is_empty(), "{files} {command}: {said}");
            let left: Vec<_> = scene.files().into_iter().filter(|path| !path.ends_with("ca.pem")).collect();
            assert!(left.is_empty() && scene.sandbox.issued().iter().all(|issued| !issued.live), "{files} {command}: {left:?} {said}");
        }
    }
    assert!(failed > 4, "{failed}");
}
