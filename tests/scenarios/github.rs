use std::time::{Duration, Instant};

use sandbox::Fault;

use crate::support::{Ran, Scene, leaks};
use crate::tells;

#[test]
fn the_action_masks_then_saves_its_state_then_sets_its_outputs() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("refreshable", "true"), ("reference", "true"), ("force-revocable", "true")]);
    let ran = scene.run(&["create"]);
    tells!("the_action_mints", ran);
    let masks = ran.stderr.find("::add-mask::").unwrap();
    assert!(masks < ran.stderr.find("an access token for").unwrap());
    let outputs = scene.blocks("output");
    assert_eq!(outputs["access-token"], scene.sandbox.issued()[0].access_token);
    assert!(!outputs.contains_key("refresh-token"));
    tells!("the_actions_end", scene.post());
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn the_refresh_token_is_an_output_only_where_it_was_asked_for() {
    let scene = Scene::action(&[("refreshable", "true"), ("output-refresh-token", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    assert_eq!(Some(&scene.blocks("output")["refresh-token"]), scene.sandbox.issued()[0].refresh_token.as_ref());
}

#[test]
fn user_names_urls_scopes_and_times_are_never_masked() {
    let scene = Scene::action(&[("refreshable", "true"), ("reference", "true")]);
    let ran = scene.run(&["create"]);
    let outputs = scene.blocks("output");
    let masks: Vec<_> = ran.stderr.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    for name in ["username", "scope", "expires-at", "expires-in", "token-id"] {
        assert!(!outputs[name].is_empty());
        assert!(masks.iter().all(|mask| !outputs[name].contains(mask)), "GitHub would drop {name} as a job output");
    }
    assert!(masks.iter().all(|mask| !scene.sandbox.url().contains(mask)));
    for secret in [&outputs["access-token"], &outputs["reference-token"]] {
        assert!(masks.contains(&secret.as_str()));
    }
}

#[test]
fn a_variable_for_later_steps_and_a_token_file_are_written_and_the_file_goes_at_the_end() {
    let mut scene = Scene::action(&[("env-var", "JF_ACCESS_TOKEN"), ("token-file", "token"), ("expiry", "1h"), ("force-revocable", "yes")]);
    scene.asks_for("work/token");
    assert_eq!(scene.run(&["create"]).code, 0);
    let token = &scene.sandbox.issued()[0].access_token;
    assert_eq!((&scene.blocks("env")["JF_ACCESS_TOKEN"], &scene.read("work/token")), (token, token));
    assert_eq!(scene.blocks("output")["token-file"], scene.path("work/token").to_str().unwrap());
    assert_eq!(scene.post().code, 0);
    assert!(!scene.path("work/token").exists() && !scene.path("runner/jf-token").exists());
}

#[test]
fn a_failure_is_one_error_line_with_the_same_text_in_the_summary_and_nothing_exported() {
    let mut scene = Scene::action(&[("env-var", "TOKEN"), ("token-file", "token")]);
    scene.set("JF_ACCESS_TOKEN", "not-a-token");
    tells!(scene.run(&["create"]));
    for file in ["output", "env"] {
        assert_eq!(scene.read(file), "");
    }
    assert!(!scene.path("work/token").exists());
}

#[test]
fn the_end_after_an_early_failure_has_nothing_to_do_and_says_nothing() {
    let mut scene = Scene::action(&[("expiry", "soon")]);
    assert_eq!(scene.run(&["create"]).code, 2);
    let ran = scene.post();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn each_use_of_the_action_ends_its_own_token_only() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    scene.run(&["create"]);
    let first = scene.blocks("state");
    std::fs::remove_file(scene.path("state")).unwrap();
    scene.run(&["create"]);
    assert_ne!(first["SESSION"], scene.blocks("state")["SESSION"]);
    let live = |scene: &Scene| scene.sandbox.issued().iter().map(|issued| issued.live).collect::<Vec<_>>();
    scene.post();
    assert_eq!(live(&scene), [true, false]);
    scene.set("STATE_SESSION", &first["SESSION"]);
    std::fs::remove_file(scene.path("state")).unwrap();
    scene.post();
    assert_eq!(live(&scene), [false, false]);
}

#[test]
fn an_end_that_fails_is_a_warning_unless_it_is_to_be_strict() {
    for (revoke, code) in [("", 0), ("strict", 4 + 2)] {
        let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true"), ("revoke", revoke), ("retry-for", "1")]);
        scene.run(&["create"]);
        scene.sandbox.fault_for("DELETE", Fault::Status { status: 500, retry_after: None, body: None }, 100);
        let ran = scene.post();
        assert_eq!(ran.code, code, "{}", ran.stderr);
        let level = if code == 0 { "::warning title=jf-token::" } else { "::error title=" };
        assert!(ran.stderr.lines().any(|line| line.starts_with(level)), "{}", ran.stderr);
        assert!(scene.sandbox.issued()[0].live);
    }
}

#[test]
fn revoke_false_leaves_the_token_and_takes_the_files() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("revoke", "false"), ("token-file", "token")]);
    scene.asks_for("work/token");
    scene.run(&["create"]);
    assert_eq!(scene.post().code, 0);
    assert!(scene.sandbox.issued()[0].live);
    assert!(!scene.path("work/token").exists() && !scene.path("runner/jf-token").exists());
}

#[test]
fn the_end_takes_five_seconds_at_most_however_the_server_stalls() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    let session = [("session", "s")];
    scene.inputs(&[&[("expiry", "1h"), ("force-revocable", "true")][..], &session].concat());
    for _ in 0..3 {
        scene.run(&["create"]);
    }
    scene.sandbox.fault_for("DELETE", Fault::Stall, 100);
    let started = Instant::now();
    let ran = scene.run(&["revoke"]);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert!(ran.code == 0 && ran.stderr.contains("::warning title=jf-token::"), "{}", ran.stderr);
}

#[test]
fn in_a_run_step_workflow_commands_stay_off_a_captured_standard_output() {
    let scene = Scene::github();
    let ran = scene.run(&["create", "--format", "token"]);
    assert_eq!(ran.stdout.trim_end(), scene.sandbox.issued()[0].access_token);
}

/// The masks that a runner obeys, and the lines that it shows. Like GitHub's it knows a command at the start of a line only.
fn as_a_runner_reads(stderr: &str) -> (Vec<String>, Vec<&str>) {
    let (mut masks, mut shown) = (Vec::new(), Vec::new());
    for line in stderr.lines() {
        match line.strip_prefix("::add-mask::") {
            Some(value) => masks.push(value.to_owned()),
            None if line.starts_with("::debug::") => {}
            None => shown.push(line),
        }
    }
    (masks, shown)
}

#[test]
fn a_get_repeats_the_whole_values_for_a_log_that_may_have_lost_them_and_shows_nothing() {
    let mut scene = Scene::github();
    scene.set("JF_TOKEN_FORMAT", "token");
    let ran = scene.run(&["create", "--session", "s", "--refreshable", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    assert!(as_a_runner_reads(&ran.stderr).0.len() > 100, "{}", ran.stderr);
    let issued = scene.sandbox.issued().remove(0);
    let get = || scene.run(&["get", "--session", "s"]);
    let whole = vec![issued.access_token, issued.refresh_token.unwrap()];
    assert_eq!(as_a_runner_reads(&get().stderr), (whole, Vec::new()));
    // A renewed token is new to every log, and the old one is over.
    scene.ages("s", 3000);
    let ran = get();
    let (masks, _) = as_a_runner_reads(&ran.stderr);
    let renewed = &scene.sandbox.issued()[1];
    assert_eq!(masks.iter().filter(|mask| **mask == renewed.access_token).count(), 1, "{}", ran.stderr);
    let all: std::collections::HashSet<_> = masks.iter().collect();
    assert!(masks.len() > 100 && all.len() == masks.len(), "{}", ran.stderr);
    assert_eq!(as_a_runner_reads(&get().stderr).0.len(), 2);
}

#[test]
fn what_the_action_masked_no_step_masks_again() {
    let mut scene = Scene::action(&[]);
    scene.run(&["create"]);
    scene.leave_action().set("JF_TOKEN_FORMAT", "token");
    assert_eq!(scene.run(&["get"]).stderr, "");
}

#[cfg(unix)]
#[test]
fn a_line_that_the_step_left_open_is_shown_and_hides_no_mask() {
    let scene = Scene::github();
    for command in ["create --session s", "get --session s", "exec -- true"] {
        let ran = scene.shell(&format!("printf 'Uploading... ' >&2; \"$JF\" {command} > ../out"));
        let stderr = String::from_utf8(ran.stderr).unwrap();
        let (masks, shown) = as_a_runner_reads(&stderr);
        assert_eq!(shown[0], "Uploading... ::debug::jf-token masks its secrets", "{command}");
        let token = &scene.sandbox.issued().pop().unwrap().access_token;
        assert!(masks.contains(token) && !shown.iter().any(|line| line.contains(&token[..16])), "{command}: {stderr}");
        std::fs::remove_file(scene.path("out")).unwrap();
    }
}

#[test]
fn the_credential_is_masked_wherever_it_comes_from() {
    let mut scene = Scene::github();
    let token = scene.sandbox.admin_token().to_owned();
    scene.asks_for("work/admin").write("work/admin", &token);
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let masks = |scene: &Scene, arguments: &[&str]| as_a_runner_reads(&scene.run(arguments).stderr).0;
    // The CI knows what it gives itself.
    let given = masks(&scene, &["create", "--format", "none"]);
    assert!(given.contains(&token) && !given.contains(&signature));
    scene.unset("JF_ACCESS_TOKEN");
    for command in [&["create", "--format", "none"][..], &["exec"]] {
        let program: &[&str] = if command[0] == "exec" { &["--", "true"] } else { &[] };
        let found = masks(&scene, &[command, &["--access-token-file", "admin"], program].concat());
        assert!(found.contains(&token) && found.contains(&signature), "{command:?}");
    }
    scene.set("JF_TOKEN_ACCESS_TOKEN_FILE", "admin");
    assert!(masks(&scene, &["create", "--format", "none"]).contains(&signature));
    scene.unset("JF_TOKEN_ACCESS_TOKEN_FILE").stdin(&token);
    let found = masks(&scene, &["create", "--format", "none", "--access-token-stdin"]);
    assert!(found.contains(&token) && found.contains(&signature));
}

#[test]
fn an_identity_token_and_what_it_is_exchanged_for_are_masked() {
    let issuer = sandbox::Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, serde_json::json!({"username": "deployer", "expires_in": 3600}));
    let ran = scene.run(&["create", "--oidc-provider", "github", "--expiry", "1h", "--format", "none"]);
    let (masks, _) = as_a_runner_reads(&ran.stderr);
    let tokens = scene.sandbox.issued();
    assert_eq!((ran.code, tokens.len()), (0, 2), "{}", ran.stderr);
    assert!(tokens.iter().all(|issued| masks.contains(&issued.access_token)), "{}", ran.stderr);
    let others = [scene.sandbox.admin_token(), scene.sandbox.user_token(), issuer.bearer()].map(str::to_owned);
    let ours: Vec<_> = scene.secrets().into_iter().filter(|secret| !others.contains(secret)).collect();
    assert!(ours.len() == 3 && ours.iter().all(|secret| masks.contains(secret)), "{ours:?}: {}", ran.stderr);
}

#[test]
fn an_output_that_can_not_be_written_stops_before_a_token_exists() {
    let mut scene = Scene::action(&[]);
    let missing = scene.path("missing/output");
    scene.set("GITHUB_OUTPUT", missing.to_str().unwrap());
    let ran = scene.run(&["create"]);
    assert_eq!(ran.code, 1, "{}", ran.story);
    assert!(scene.sandbox.issued().is_empty());
}

#[test]
fn a_value_can_not_smuggle_an_output_of_its_own() {
    let scene = Scene::action(&[]);
    let token = scene.sandbox.token_with(serde_json::json!({"sub": "eve", "iat": 1, "jti": "x"}));
    let answer = serde_json::json!({"access_token": token, "token_id": "x", "scope": "a\naccess-token<<EOF\nforged\nEOF"});
    scene.sandbox.fault(Fault::Body(answer.to_string()));
    let ran = scene.run(&["create"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(scene.blocks("output")["access-token"], token);
    assert!(!scene.read("summary").contains("\nforged"));
}

#[test]
fn never_ending_tokens_get_a_warning_in_a_ci() {
    let scene = Scene::action(&[("expiry", "0")]);
    let ran = scene.run(&["create"]);
    assert!(ran.stderr.contains("::warning title=jf-token::the input 'expiry' is 0: the token has no end"), "{}", ran.stderr);
}

#[test]
fn the_summary_holds_no_secret() {
    let scene = Scene::action(&[("refreshable", "true"), ("reference", "true"), ("output-refresh-token", "true")]);
    scene.run(&["create"]);
    let summary = scene.read("summary");
    assert!(summary.starts_with("### JFrog access token"));
    assert!(scene.secrets().iter().all(|secret| !leaks(&summary, secret)));
}

/// On Windows they are one variable.
#[cfg(not(windows))]
#[test]
fn a_lower_case_twin_of_a_variable_does_not_hide_the_ci() {
    let mut scene = Scene::action(&[]);
    scene.set("runner_temp", "x").set("github_actions", "false");
    let ran = scene.run(&["create"]);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("\n::add-mask::"), "{}", ran.story);
}

#[test]
fn inputs_of_another_action_that_starts_this_program_are_not_ours() {
    let mut scene = Scene::github();
    scene.set("INPUT_USERNAME", "other").set("INPUT_URL", "https://elsewhere.example");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && !ran.story.contains("\"username\""), "{}", ran.story);
}

#[test]
fn a_server_can_not_speak_to_the_runner_through_a_message() {
    let scene = Scene::github();
    let body = serde_json::json!({"errors": [{"message": "##[stop-commands]x\n::error::y"}]}).to_string();
    scene.sandbox.fault_for("POST", Fault::Status { status: 503, retry_after: None, body: Some(body) }, 100);
    let ran = scene.run(&["create", "--retry-for", "1"]);
    assert!(!ran.stderr.contains("##[") && !ran.stderr.contains("\n::error::y"), "{}", ran.stderr);
}

/// Fails if a runner or a terminal would take something in it for a command.
#[track_caller]
fn is_harmless(ran: &Ran) {
    for text in [&ran.stdout, &ran.stderr] {
        let is_control = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains("##[") && !text.contains("##vso[") && !text.contains(is_control), "{text:?}");
        let ours = ["::add-mask::", "::debug::jf-token masks", "::warning title=jf-token", "::error title=jf-token"];
        let is_command = |line: &str| line.trim_start().starts_with("::") && !ours.iter().any(|ours| line.starts_with(ours));
        assert!(!text.lines().any(is_command), "{text:?}");
    }
}

const COMMANDS: &str = "##[add-matcher]x ###[b] \u{9b}31m\u{7f} ##vso[c]d";

#[test]
fn data_that_is_printed_into_the_log_holds_no_command_and_means_the_same_to_a_program() {
    let mut scene = Scene::github();
    let token =
        scene.sandbox.token_with(serde_json::json!({"sub": format!("jfac@x/users/{COMMANDS}"), "scp": COMMANDS, "exp": 9_999_999_999_u64}));
    let text = format!("{COMMANDS}\n::error::pwned\r\n::warning::x");
    let mut answer = serde_json::json!({"access_token": token, "expires_in": 3600});
    for field in ["scope", "token_type", "username", "audience", "grant_type", "description"] {
        answer[field] = text.clone().into();
    }
    for format in ["json", "env", "shell", "powershell", "table", "none"] {
        scene.sandbox.fault(Fault::Body(answer.to_string()));
        let ran = scene.run(&["create", "--session", "s", "--format", format, "--verbose"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        is_harmless(&ran);
        let ran = scene.run(&["get", "--session", "s", "--format", if matches!(format, "table" | "none") { "json" } else { format }]);
        is_harmless(&ran);
        for format in ["json", "table"] {
            is_harmless(&scene.run(&["status", "--session", "s", "--format", format]));
            scene.sandbox.fault_for("GET", Fault::Body(serde_json::json!({"description": text, (COMMANDS): COMMANDS}).to_string()), 1);
            let ran = scene.run(&["inspect", "--session", "s", "--online", "--format", format, "--verbose"]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            is_harmless(&ran);
            if format == "json" {
                let printed: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
                assert_eq!((&printed["platform"]["description"], &printed["claims"]["scp"]), (&text.clone().into(), &COMMANDS.into()));
            }
        }
        scene.run(&["revoke", "--session", "s"]);
    }
    let ran = scene.run(&["create", "--dry-run", "--description", "##[add-matcher]x"]);
    is_harmless(&ran);
    let printed: serde_json::Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(printed["description"], "##[add-matcher]x");
    // A shell reads the same.
    scene.set("JF_TOKEN_FORMAT", "shell");
    answer["username"] = "a##[b]'c".into();
    scene.sandbox.fault(Fault::Body(answer.to_string()));
    if cfg!(unix) {
        let ran = scene.shell("eval \"$(\"$JF\" create --session t)\"; printf %s \"$JF_USER\"");
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), "a##[b]'c");
    }
}
