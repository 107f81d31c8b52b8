//! What is handed over, and what is said of it.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use sandbox::Fault;
use serde_json::{Value, json};

use crate::support::Scene;
use crate::tells;

fn printed(stdout: &str) -> Value {
    serde_json::from_str(stdout).unwrap_or_else(|_| panic!("{stdout}"))
}

#[test]
fn the_refresh_token_is_handed_over_only_where_it_was_asked_for_but_by_the_names_that_jf_has() {
    for in_ci in [false, true] {
        let mut scene = Scene::new();
        if in_ci {
            scene.set("CI", "true");
        }
        for (arguments, has_it) in [
            (&["create", "--refreshable", "--session", "s", "--format"][..], false),
            (&["create", "--refreshable", "--session", "s", "--output-refresh-token", "--format"], true),
            (&["get", "--session", "s", "--format"], false),
            (&["refresh", "--session", "s", "--format"], false),
            (&["refresh", "--session", "s", "--output-refresh-token", "--format"], true),
        ] {
            for format in ["json", "env", "shell"] {
                let stdout = scene.run(&[arguments, &[format]].concat()).stdout;
                let refresh_token = scene.sandbox.issued().last().unwrap().refresh_token.clone().unwrap();
                assert_eq!(stdout.contains(&refresh_token), has_it, "{arguments:?} {format}: {stdout}");
            }
        }
        for name in ["atc", "access-token-create"] {
            let stdout = scene.run(&[name, "--refreshable"]).stdout;
            assert_eq!(printed(&stdout)["refresh_token"].as_str(), scene.sandbox.issued().last().unwrap().refresh_token.as_deref());
        }
    }
}

#[test]
fn the_names_that_jf_has_print_json_in_a_ci_too_with_one_warning_where_nothing_masks_it() {
    let mut scene = Scene::new();
    scene.set("CI", "true");
    tells!("as_jf_in_some_ci", scene.run(&["atc", "--expiry", "1h", "--refreshable"]));
    let scene = Scene::github();
    let ran = scene.run(&["access-token-create", "--expiry", "1h"]);
    assert_eq!(printed(&ran.stdout)["access_token"], scene.sandbox.issued()[0].access_token);
    assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);
    let quiet = scene.run(&["create", "--expiry", "1h"]);
    assert_eq!((quiet.stdout.as_str(), quiet.code), ("", 0));
}

#[test]
fn the_keys_are_in_jfs_order_and_what_the_platform_does_not_say_is_absent() {
    let scene = Scene::new();
    let token = scene.sandbox.token_with(json!({"sub": "jfac@x/users/bob", "iat": 1, "jti": "x"}));
    let all = json!({
        "token_id": "x", "reference_token": "reference", "audience": "*@*", "grant_type": "client_credentials", "refresh_token": "again",
        "refreshable": true, "token_type": "Bearer", "expires_in": 60, "access_token": token, "scope": "s", "unknown": 1,
    });
    scene.sandbox.fault(Fault::Body(all.to_string()));
    let stdout = scene.run(&["atc"]).stdout;
    let keys: Vec<_> = stdout.lines().filter_map(|line| line.trim().strip_prefix('"')?.split('"').next()).collect();
    let order = "scope access_token expires_in token_type refreshable refresh_token grant_type audience reference_token token_id";
    assert_eq!(keys.join(" "), format!("{order} username expires_at"));
    scene.sandbox.fault(Fault::Body(json!({"access_token": token}).to_string()));
    let stdout = scene.run(&["atc"]).stdout;
    let keys: Vec<_> = printed(&stdout).as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["access_token", "token_id", "username"]);
}

#[test]
fn a_table_is_for_people_and_shows_no_token() {
    tells!("as_a_table", Scene::new().run(&["create", "--format", "table", "--reference", "--refreshable", "--expiry", "1h"]));
}

#[test]
fn what_holds_a_token_follows_its_masks_after_a_pause() {
    let scene = Scene::github();
    let mut child = scene.spawn(&["create", "--format", "token"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let masks = std::thread::spawn(move || {
        let (mut line, mut last) = (String::new(), Instant::now());
        while stderr.read_line(&mut line).unwrap() > 0 {
            if line.starts_with("::add-mask::") {
                last = Instant::now();
            }
            line.clear();
        }
        last
    });
    let mut first = [0];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    let data = Instant::now();
    stdout.read_to_end(&mut Vec::new()).unwrap();
    assert!(data.duration_since(masks.join().unwrap()) > Duration::from_millis(80));
    child.wait().unwrap();
}

#[test]
fn only_the_first_who_tells_the_log_of_a_token_makes_it_wait() {
    let scene = Scene::github();
    scene.run(&["create", "--expiry", "1h", "--session", "s"]);
    let state = scene.path("runner/jf-token/s.json");
    let said = |text: &str| std::fs::read_to_string(&state).unwrap().contains(text);
    assert!(!said("unheard"));
    let mut stored: Value = serde_json::from_str(&std::fs::read_to_string(&state).unwrap()).unwrap();
    stored["current"]["unheard"] = true.into();
    std::fs::write(&state, stored.to_string()).unwrap();
    let started = Instant::now();
    assert_eq!(scene.run(&["get", "--session", "s"]).code, 0);
    assert!(started.elapsed() >= Duration::from_millis(100) && !said("unheard"));
}

#[test]
fn a_line_that_the_step_before_left_open_is_ended_first() {
    let mut scene = Scene::action(&[("env-var", "TOKEN")]);
    for file in ["output", "env", "state", "summary", "path"] {
        scene.write(file, "before=1");
    }
    let path = scene.path("path");
    scene.set("GITHUB_PATH", path.to_str().unwrap());
    assert_eq!(scene.run(&["create"]).code, 0);
    for file in ["output", "env", "state", "summary", "path"] {
        let text = scene.read(file);
        assert!(text.starts_with("before=1\n") && text.lines().nth(1).is_some_and(|line| !line.is_empty()), "{file}: {text}");
    }
}

#[test]
fn a_variable_that_is_there_twice_is_an_error_before_the_mint() {
    for name in ["GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY", "GITHUB_STATE", "JF_URL", "INPUT_EXPIRY"] {
        let mut scene = Scene::action(&[]);
        let path = scene.path("path");
        scene.set("GITHUB_PATH", path.to_str().unwrap()).set_twice(name, "elsewhere");
        let ran = scene.run_at(0, &["create"]);
        assert!(ran.code != 0 && ran.stderr.contains(&format!("{name} is set twice in the environment")), "{name}: {}", ran.stderr);
        assert!(scene.sandbox.issued().is_empty() && ran.stdout.is_empty());
    }
    let mut scene = Scene::github();
    scene.set_twice("GITHUB_ACTIONS", "true");
    assert!(scene.run_at(0, &["create"]).stderr.contains("::add-mask::"));
}

#[cfg(unix)]
#[test]
fn a_file_of_the_runners_whose_name_can_not_be_read_is_an_error_before_the_mint() {
    use std::os::unix::ffi::OsStrExt;
    let scene = Scene::action(&[]);
    let mut command = scene.command(crate::support::BINARY, &["action", "create"]);
    command.env("GITHUB_OUTPUT", std::ffi::OsStr::from_bytes(b"/tmp/\xff"));
    let ran = scene.ran(&["create"], command.output().unwrap());
    assert!(ran.code == 2 && ran.stderr.contains("GITHUB_OUTPUT is not UTF-8 text"), "{}", ran.stderr);
    assert!(scene.sandbox.issued().is_empty());
}

#[test]
fn a_shell_that_gets_no_token_does_not_go_on_with_the_credential() {
    let scene = Scene::new();
    for command in
        ["create --format shell --expiry soon", "create --fromat x --format=shell", "get --format shell", "refresh --format shell"]
    {
        let output = scene.shell(&format!("eval \"$($JF {command} 2>/dev/null)\"; printf '%s %s' $? \"${{JF_ACCESS_TOKEN-none}}\""));
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "1 none", "{command}");
    }
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_FORMAT", "shell");
    scene.sandbox.fault_for("POST", Fault::Status { status: 403, retry_after: None, body: None }, 9);
    assert_eq!(scene.run(&["create"]).stdout, "unset JF_ACCESS_TOKEN\nfalse\n");
    assert_eq!(scene.run(&["create", "--format", "token"]).stdout, "");
    assert_eq!(scene.run(&["inspect", "--session", "none"]).stdout, "");
}
