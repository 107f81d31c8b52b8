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
            for format in ["json", "env", "shell", "powershell"] {
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

#[cfg(unix)]
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
    for arguments in [
        &["create", "--format", "PowerShell"][..],
        &["get", "--format=powershell"],
        &["refresh", "--fromat", "x", "--format", "powershell"],
    ] {
        let ran = scene.run(arguments);
        assert_eq!(ran.stdout, "$env:JF_ACCESS_TOKEN = $null\nthrow 'jf-token gave no token'\n", "{}", ran.story);
    }
    assert_eq!(scene.run(&["inspect", "--session", "none"]).stdout, "");
}

#[test]
fn the_page_and_the_summary_say_what_the_token_may_do() {
    for (inputs, may) in [
        (&[][..], "everything that admin may"),
        (&[("username", "bob")], "everything that bob may"),
        (&[("groups", "readers")], "applied-permissions/groups:readers"),
    ] {
        let scene = Scene::action(inputs);
        let ran = scene.run(&["create"]);
        assert!(ran.stderr.contains(&format!("scope   {may}\n")), "{}", ran.stderr);
        assert!(scene.read("summary").contains(&format!("| scope | {may} |")), "{}", scene.read("summary"));
    }
}

#[test]
fn after_a_refusal_a_later_step_still_finds_the_program_to_ask_why() {
    for (status, found) in [(403, true), (500, false)] {
        let mut scene = Scene::action(&[("retry-for", "0")]);
        let path = scene.path("path");
        scene.set("GITHUB_PATH", path.to_str().unwrap());
        scene.sandbox.fault_for("POST", Fault::Status { status, retry_after: None, body: None }, 1);
        let ran = scene.run(&["create"]);
        let program = std::path::absolute(crate::support::BINARY).unwrap();
        let on_the_path = path.exists() && scene.read("path").lines().any(|line| Some(line.as_ref()) == program.parent());
        assert!(ran.code != 0 && on_the_path == found, "{status}: {}", ran.story);
    }
}

#[test]
fn a_credential_that_the_job_sets_is_named_where_the_actions_token_is_limited() {
    for (inputs, warns) in [
        (&[("groups", "readers")][..], true),
        (&[("scope", "applied-permissions/user")], true),
        (&[], false),
        (&[("groups", "readers"), ("env-var", "JF_ACCESS_TOKEN")], false),
        (&[("groups", "readers"), ("env-var", "TOKEN")], true),
    ] {
        let scene = Scene::action(inputs);
        let ran = scene.run(&["create"]);
        let warned = ran.stderr.contains("::warning title=jf-token::JF_ACCESS_TOKEN is in the environment");
        assert_eq!((ran.code, warned), (0, warns), "{inputs:?}: {}", ran.stderr);
    }
}

fn asked(scene: &Scene, arguments: &[&str]) -> Value {
    let ran = scene.run(&[arguments, &["--dry-run"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    let body = printed(&ran.stdout);
    json!([body["expires_in"], body["force_revocable"]])
}

#[test]
fn where_the_end_is_ours_a_token_is_short_if_no_life_was_asked_for_and_revocable() {
    assert_eq!(asked(&Scene::action(&[]), &["create"]), json!([3600, true]));
    assert_eq!(asked(&Scene::action(&[("force-revocable", "false")]), &["create"]), json!([3600, null]));
    assert_eq!(asked(&Scene::action(&[("expiry", "2h")]), &["create"]), json!([7200, true]));
    assert_eq!(asked(&Scene::action(&[("expiry", "2h"), ("revoke", "false")]), &["create"]), json!([7200, null]));
    assert_eq!(asked(&Scene::action(&[("revoke", "false")]), &["create"]), json!([3600, true]));
    assert_eq!(asked(&Scene::action(&[("expiry", "Default")]), &["create"]), json!([null, null]));
    assert_eq!(asked(&Scene::action(&[("max-life", "30m")]), &["create"]), json!([1800, true]));
    for command in ["create", "atc"] {
        assert_eq!(asked(&Scene::github(), &[command]), json!([null, null]));
        assert_eq!(asked(&Scene::github(), &[command, "--expiry", "1h"]), json!([3600, true]));
        assert_eq!(asked(&Scene::github(), &[command, "--expiry", "0"]), json!([0, null]));
        // Nothing will revoke it: as jf.
        assert_eq!(asked(&Scene::new(), &[command, "--expiry", "1h"]), json!([3600, null]));
        assert_eq!(asked(&Scene::new(), &[command, "--expiry", "1h", "--session", "s"]), json!([3600, true]));
    }
    let scene = Scene::new();
    assert_eq!(scene.run(&["exec", "--", std::path::absolute(crate::support::BINARY).unwrap().to_str().unwrap(), "--version"]).code, 0);
    assert_eq!(scene.sandbox.issued()[0].expires_in, Some(6 * 3600));
    assert!(!scene.sandbox.issued()[0].live);
    assert!(
        scene
            .run(&["exec", "--expiry", "default", "--", "true"])
            .story
            .contains(r#"{"refreshable":false,"include_reference_token":false}"#)
    );
}

#[test]
fn a_token_that_lives_for_long_without_being_asked_to_gets_a_warning_in_a_ci() {
    let long = "no life was asked for, and the token lives for 31536000 s: set expiry";
    assert!(Scene::github().run(&["create"]).stderr.contains(long));
    assert!(Scene::action(&[("expiry", "default")]).run(&["create"]).stderr.contains(long));
    assert!(!Scene::action(&[]).run(&["create"]).stderr.contains("no life was asked for"));
    assert!(!Scene::github().run(&["create", "--expiry", "90d"]).stderr.contains("no life was asked for"));
    assert!(!Scene::new().run(&["create"]).stderr.contains("no life was asked for"));
}

fn refusal(words: &str) -> Fault {
    let body = json!({"errors": [{"code": "BAD_REQUEST", "message": words}]}).to_string();
    Fault::Status { status: 400, retry_after: None, body: Some(body) }
}

#[test]
fn force_revocable_that_nobody_asked_for_is_left_out_where_the_platform_does_not_know_it() {
    for words in ["Unrecognized field \"force_revocable\" (known: \"scope\", \"username\")", "Bad request"] {
        let mut scene = Scene::action(&[]);
        scene.sandbox.fault(refusal(words));
        let ran = scene.run(&["create"]);
        assert!(ran.code == 0 && ran.stderr.contains("asking once more without force-revocable"), "{}", ran.stderr);
        assert!(ran.story.contains(r#"{"expires_in":3600,"refreshable":false,"include_reference_token":false}"#), "{}", ran.story);
        let renewed = scene.leave_action().run(&["refresh"]);
        assert!(renewed.code == 0 && !renewed.story.contains(r#"_token":false,"force_revocable""#), "{}", renewed.story);
    }
    for (inputs, words) in
        [(&[("force-revocable", "true")][..], "Bad request"), (&[], "expires_in is too large for this user: at most 600")]
    {
        let scene = Scene::action(inputs);
        scene.sandbox.fault(refusal(words));
        let ran = scene.run(&["create"]);
        assert!(ran.code == 1 || ran.code == 4, "{}", ran.story);
        assert!(scene.sandbox.issued().is_empty() && ran.stderr.contains(words), "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("The life of 60 minutes is jf-token's own choice"), inputs.is_empty(), "{}", ran.stderr);
    }
}

#[test]
fn the_post_step_says_that_the_token_ended_before_the_job() {
    let mut scene = Scene::action(&[("expiry", "20m")]);
    scene.run(&["create"]);
    for (name, value) in scene.blocks("state") {
        scene.set(&format!("STATE_{name}"), &value);
    }
    let ran = scene.run_at(3_600_000, &["revoke"]);
    assert!(ran.stderr.contains("the token ended 40 minutes before the job: set expiry or keep-fresh"), "{}", ran.stderr);
}

/// A platform that gives a token of another life than it is asked for.
fn gives(scene: &Scene, life: Option<u64>) {
    // What is issued is real, so that it can be revoked.
    scene.run(&["create", "--expiry", "9h", "--format", "none", "--token-file", "other"]);
    let issued = scene.sandbox.issued().last().unwrap().clone();
    let answer = json!({"access_token": issued.access_token, "token_id": issued.token_id, "expires_in": life.unwrap_or(0)});
    scene.sandbox.fault(Fault::Body(answer.to_string()));
}

#[test]
fn a_life_that_is_not_what_was_asked_for_gets_a_warning_with_both() {
    let mut scene = Scene::new();
    scene.asks_for("work/other");
    for (asked, life, words) in [
        ("1h", 31_536_000, Some("--expiry asked for a token that lives for 3600 s, and the platform gave one that lives for 31536000 s")),
        ("0", 31_536_000, Some("--expiry asked for a token that lives for ever, and the platform gave one that lives for 31536000 s")),
        ("1h", 60, Some("--expiry asked for a token that lives for 3600 s, and the platform gave one that lives for 60 s")),
        ("1h", 3600, None),
    ] {
        gives(&scene, Some(life));
        let ran = scene.run(&["create", "--expiry", asked]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert_eq!(ran.stderr.contains("asked for a token"), words.is_some(), "{}", ran.stderr);
        assert!(ran.stderr.contains(words.unwrap_or_default()), "{}", ran.stderr);
    }
    let scene = Scene::action(&[]);
    scene.sandbox.fault(Fault::Body(json!({"access_token": scene.sandbox.user_token(), "expires_in": 7200}).to_string()));
    assert!(!scene.run(&["create"]).stderr.contains("asked for a token"));
}

#[test]
fn a_token_that_lives_longer_than_is_accepted_is_revoked_at_once_and_is_a_failure() {
    let mut scene = Scene::new();
    scene.asks_for("work/other");
    for (arguments, life) in [
        (&["create", "--session", "s", "--max-life", "2h"][..], Some(31_536_000)),
        (&["create", "--session", "s", "--max-life", "2h"], None),
        (&["atc", "--max-life", "2h", "--expiry", "1h"], Some(31_536_000)),
        (&["exec", "--max-life", "2h", "--", "true"], Some(31_536_000)),
    ] {
        gives(&scene, life);
        let ran = scene.run(arguments);
        assert_eq!(ran.code, if arguments[0] == "exec" { 125 } else { 6 }, "{}", ran.story);
        assert!(ran.stderr.contains("max-life allows 7200 s") && ran.stderr.contains("The new token was revoked."), "{}", ran.stderr);
        assert!(ran.stdout.is_empty() && !scene.sandbox.issued().last().unwrap().live, "{}", ran.story);
        assert!(!scene.files().iter().any(|file| file.extension().is_some_and(|end| end == "json")));
    }
    gives(&scene, Some(31_536_000));
    scene.sandbox.fault_for("DELETE", Fault::Status { status: 500, retry_after: None, body: None }, 1);
    let ran = scene.run(&["create", "--session", "s", "--max-life", "2h"]);
    assert!(ran.stderr.contains("could not be revoked, and ends 20") && ran.code == 6, "{}", ran.stderr);
    // Nobody gets it, and somebody can still end it.
    assert_eq!(scene.run(&["get", "--session", "s"]).code, 3);
    assert!(scene.sandbox.issued().last().unwrap().live);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert!(!scene.sandbox.issued().last().unwrap().live);
}

#[test]
fn a_renewed_token_may_not_live_longer_than_was_accepted_of_the_first() {
    let mut scene = Scene::new();
    scene.asks_for("work/other");
    assert_eq!(scene.run(&["create", "--session", "s", "--max-life", "2h", "--expiry", "1h", "--format", "none"]).code, 0);
    let first = scene.sandbox.issued()[0].access_token.clone();
    gives(&scene, Some(31_536_000));
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 6 && ran.stderr.contains("max-life allows 7200 s"), "{}", ran.stderr);
    assert!(!scene.sandbox.issued().last().unwrap().live);
    assert_eq!(scene.run(&["get", "--session", "s"]).stdout.trim_end(), first);
}

#[test]
fn more_than_is_accepted_is_not_asked_for() {
    let scene = Scene::new();
    for (arguments, words) in [
        (&["create", "--max-life", "1h", "--expiry", "2h"][..], "--expiry: 7200 s is more than the 3600 s that --max-life allows"),
        (&["create", "--max-life", "1h", "--expiry", "0"], "--expiry: for ever is more than the 3600 s that --max-life allows"),
        (&["create", "--max-life", "0"], "--max-life: 0 allows no token at all"),
    ] {
        let ran = scene.run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains(words) && !ran.story.contains("--- request"), "{}", ran.story);
    }
}

#[test]
fn what_is_advised_fits_what_was_asked() {
    for (arguments, advised) in [(&[][..], false), (&["--force-revocable=false"], true)] {
        let scene = Scene::new();
        scene.run(&[&["create", "--session", "s", "--format", "none", "--expiry", "1h"], arguments].concat());
        let body = json!({"code": "BAD_REQUEST", "message": "Token not revocable", "detail": "x"}).to_string();
        scene.sandbox.fault_for("DELETE", Fault::Status { status: 400, retry_after: None, body: Some(body) }, 9);
        let ran = scene.run(&["revoke", "--session", "s"]);
        assert_eq!(ran.stderr.contains("makes such a token revocable"), advised, "{}", ran.stderr);
        assert!(advised || ran.stderr.contains("though force-revocable was asked for"), "{}", ran.stderr);
    }
}

#[test]
fn no_date_is_made_up_for_a_life_that_no_date_ends() {
    for life in [u64::MAX, 1 << 62, 400_000_000_000] {
        let mut scene = Scene::github();
        scene.sandbox.fault(Fault::Body(json!({"access_token": scene.sandbox.user_token(), "expires_in": life}).to_string()));
        let ran = scene.run(&["atc", "--session", "s"]);
        let answer = printed(&ran.stdout);
        assert!(ran.code == 0 && answer["expires_in"] == life && answer.get("expires_at").is_none(), "{}", ran.story);
        assert_eq!(scene.blocks("output")["expires-at"], "");
        scene.unset("GITHUB_OUTPUT");
        scene.sandbox.fault(Fault::Body(json!({"access_token": scene.sandbox.user_token(), "expires_in": life}).to_string()));
        let ran = scene.run(&["create", "--session", "s"]);
        assert!(ran.code == 0 && ran.stderr.contains("until   after the year 9999\n"), "{}", ran.story);
    }
}

#[test]
fn an_end_that_is_no_time_is_shown_as_it_is() {
    let mut scene = Scene::new();
    for (end, shown) in [(json!("soon"), "soon"), (json!(-5), "-5"), (json!(1_800_000_000.5), "1800000000.5"), (Value::Null, "null")] {
        let token = scene.sandbox.token_with(json!({"sub": "jfac@x/users/bob", "exp": end, "iat": 1}));
        let ran = scene.set("JF_ACCESS_TOKEN", &token).run(&["inspect"]);
        assert!(ran.stdout.contains(&format!("ends       {shown}\n")), "{}", ran.stdout);
        let ran = scene.run(&["inspect", "--format", "json"]);
        assert!(printed(&ran.stdout).get("expires_at").is_none());
    }
}

#[test]
fn an_address_that_a_format_can_not_hold_is_refused_before_the_mint() {
    let mut scene = Scene::new();
    let url = format!("{}/it's", scene.sandbox.url());
    scene.set("JF_URL", &url);
    for arguments in
        [&["create", "--format", "env"][..], &["create", "--output-file", "jf.env"], &["exec", "--output-file", "jf.env", "--", "true"]]
    {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, if arguments[0] == "exec" { 125 } else { 2 }, "{}", ran.story);
        assert!(ran.stderr.contains("a character that NAME=VALUE lines can't") && !ran.story.contains("--- request"), "{}", ran.story);
        assert!(scene.files().iter().all(|file| file.ends_with("ca.pem")), "{:?}", scene.files());
    }
}

#[test]
fn two_files_that_are_one_to_the_system_are_refused_before_the_mint() {
    let mut scene = Scene::new();
    scene.asks_for("/token").asks_for("/Token").asks_for("/other");
    scene.write("work/probe", "");
    let ignores_case = scene.path("work/PROBE").exists();
    for (one, other, same) in [
        ("token", "token", true),
        ("token", "./token", true),
        ("token", "../work/token", true),
        ("token", "other", false),
        ("token", "../tmp/token", false),
        ("token", "Token", ignores_case),
    ] {
        let ran = scene.run(&["create", "--format", "none", "--token-file", one, "--output-file", other]);
        assert_eq!(ran.code, if same { 2 } else { 0 }, "{one} {other}: {}", ran.story);
        assert_eq!(ran.stderr.contains("--token-file and --output-file name the same file"), same, "{}", ran.story);
        assert_eq!(ran.story.contains("--- request"), !same, "{}", ran.story);
    }
}
