//! Renewal in the background: `keep`, and the action's `keep-fresh`.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Fault, Sandbox};

use crate::support::processes::{is_running, started_with};
use crate::support::{Ran, Scene, leaks, wait_until};
use crate::tells;

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A session `s` with a token for `life`, which is also in the file `token`.
fn session(life: &str, more: &[&str]) -> Scene {
    let mut scene = Scene::new();
    scene.asks_for("work/token").asks_for("work/jf.env");
    let arguments = ["create", "--session", "s", "--expiry", life, "--force-revocable", "--format", "none", "--token-file", "token"];
    let ran = scene.run(&[&arguments[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    scene
}

fn keep(scene: &Scene, more: &[&str]) -> Ran {
    let pid = std::process::id().to_string();
    scene.run(&[&["keep", "--session", "s", "--until-pid", &pid], more].concat())
}

fn wait_for_keeper(scene: &Scene) -> u32 {
    wait_until("the keeper", || scene.keeper().is_some());
    scene.keeper().unwrap()
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn log(scene: &Scene) -> String {
    let file = scene.files().into_iter().find(|path| path.extension().is_some_and(|extension| extension == "log"));
    file.map(|file| fs::read_to_string(file).unwrap()).unwrap_or_default()
}

fn minted(scene: &Scene) -> usize {
    scene.sandbox.issued().len()
}

fn revoke(scene: &Scene) -> Ran {
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ran.story);
    ran
}

#[test]
fn the_keeper_renews_in_time_rewrites_the_files_whole_and_ends_with_its_session() {
    for more in [&[][..], &["--refreshable"]] {
        let scene = session("3", more);
        let started = Instant::now();
        let ran = keep(&scene, &["--env-file", "jf.env"]);
        let program = std::env::current_exe().unwrap();
        let said = format!(
            "jf-token: the session 's' is kept fresh until it is revoked, or `{}` (process {}) ends; the keeper's log is ",
            program.file_name().unwrap().display(),
            std::process::id()
        );
        assert!(ran.code == 0 && ran.stdout.is_empty() && ran.stderr.starts_with(&said), "{}", ran.stderr);
        assert!(started.elapsed() < Duration::from_secs(2));
        let pid = wait_for_keeper(&scene);
        let mut seen = BTreeSet::new();
        while minted(&scene) < 4 {
            let token = scene.read("work/token");
            assert!(scene.sandbox.issued().iter().any(|issued| issued.access_token == token), "not a whole token: {token:?}");
            seen.insert(token);
            pause(20);
        }
        assert!(seen.len() >= 3, "{}", seen.len());
        wait_until("the last one in its files", || {
            let last = scene.sandbox.issued().pop().unwrap().access_token;
            scene.read("work/token") == last && scene.read("work/jf.env").contains(&last)
        });
        let log = log(&scene);
        assert!(log.contains("keeping the session 's' fresh\n") && log.contains("renewed: "), "{log}");
        assert!(scene.secrets().iter().all(|secret| !leaks(&log, secret)), "{log}");
        revoke(&scene);
        wait_until("its end", || !is_running(pid));
        assert!(scene.files().is_empty(), "{:?}", scene.files());
    }
}

#[test]
fn a_session_has_one_keeper() {
    let scene = session("3", &[]);
    let pid = std::process::id().to_string();
    let launches: Vec<_> = (0..5).map(|_| scene.spawn(&["keep", "--session", "s", "--until-pid", &pid])).collect();
    for launch in launches {
        assert!(launch.wait_with_output().unwrap().status.success());
    }
    wait_for_keeper(&scene);
    wait_until("a renewal", || minted(&scene) == 2);
    wait_until("one alone", || scene.keepers() == 1);
    let ran = keep(&scene, &[]);
    assert!(ran.code == 0 && ran.stderr.contains("already has a keeper, which goes on as it was started"), "{}", ran.stderr);
    revoke(&scene);
    wait_until("its end", || scene.keepers() == 0);
}

#[test]
fn the_keeper_ends_with_the_process_of_its_job() {
    let scene = session("1h", &[]);
    // The keeper watches only the script that starts it.
    let mut script = scene.spawn_shell("\"$JF\" keep --session s; exec sleep 60");
    let pid = wait_for_keeper(&scene);
    pause(700);
    assert!(is_running(pid));
    script.kill().unwrap();
    // The script is now a zombie, until the `wait` below.
    wait_until("its end", || !is_running(pid));
    script.wait().unwrap();
    assert!(log(&scene).contains("has ended; renewed 0 times"), "{}", log(&scene));
    revoke(&scene);
}

#[test]
fn a_keeper_of_a_wrapper_script_names_it_and_the_next_command_tells_that_it_has_ended() {
    let mut scene = session("3", &[]);
    scene.write("work/deploy.sh", "\"$JF\" keep --session s 2>said");
    let shell = |scene: &Scene| {
        let output = scene.shell("sh -e deploy.sh an-argument-that-nobody-should-see; cat said");
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let (started, said) = shell(&scene);
    assert!(started && said.contains("or `sh deploy.sh` (process ") && said.contains("), which started jf-token, ends; "), "{said}");
    wait_until("its end", || scene.keepers() == 0);
    let told = Regex::new("warning: the token is no longer kept fresh: `sh deploy.sh` \\(process \\d+\\), with which its keeper was to end, has ended. Give --until-pid the number").unwrap();
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(told.is_match(&ran.stderr), "{}", ran.stderr);
    assert!(scene.run(&["status", "--session", "s"]).stdout.contains("`sh deploy.sh` (process "));
    assert!(told.is_match(&scene.run(&["refresh", "--session", "s"]).stderr));
    pause(3100);
    assert!(told.is_match(&revoke(&scene).stderr));
    // Nothing was missed: the token outlived the wrapper's job.
    scene = session("1h", &[]);
    scene.write("work/deploy.sh", "\"$JF\" keep --session s 2>said");
    assert!(shell(&scene).0);
    wait_until("its end", || scene.keepers() == 0);
    let ran = revoke(&scene);
    assert!(!ran.stderr.contains("kept fresh"), "{}", ran.stderr);
}

#[test]
fn the_keeper_ends_when_it_is_asked_to_and_another_can_follow() {
    let scene = session("1h", &[]);
    keep(&scene, &[]);
    let first = wait_for_keeper(&scene);
    send(first, Signal::TERM);
    wait_until("its end", || !is_running(first));
    // A keeper that is killed does not block the next one either.
    keep(&scene, &[]);
    wait_until("the next", || scene.keeper().is_some_and(|pid| pid != first));
    let second = scene.keeper().unwrap();
    send(second, Signal::KILL);
    wait_until("its end", || !is_running(second));
    keep(&scene, &[]);
    wait_until("the next", || scene.keeper().is_some_and(|pid| pid != second));
    let third = scene.keeper().unwrap();
    revoke(&scene);
    wait_until("its end", || !is_running(third));
}

#[test]
fn failed_renewals_come_ever_more_seldom() {
    let scene = session("3", &[]);
    scene.sandbox.fault_for("POST", Fault::Status { status: 503, retry_after: None, body: None }, 1000);
    scene.sandbox.clear_requests();
    let started = Instant::now();
    keep(&scene, &[]);
    let mut tries: Vec<u128> = Vec::new();
    while started.elapsed() < Duration::from_secs(16) {
        if scene.sandbox.requests().len() > tries.len() {
            tries.push(started.elapsed().as_millis());
        }
        pause(5);
    }
    // While the token is good, the pauses are short. Then they double, each shortened at random by up to half.
    let gaps: Vec<_> = tries.windows(2).filter(|pair| pair[0] > 3000).map(|pair| pair[1] - pair[0]).collect();
    assert!((2..=6).contains(&gaps.len()), "{tries:?}");
    assert!(gaps.last() > Some(&2000) && gaps.last() > Some(&(gaps[0] * 2)), "{tries:?}");
    assert!(tries.windows(2).all(|pair| pair[1] - pair[0] > 90), "{tries:?}");
    let text = log(&scene);
    assert!(text.contains("503 Service Unavailable; the next try is in") && text.len() < 4000, "{text}");
    revoke(&scene);
}

#[test]
fn a_refusal_for_good_ends_the_keeper_and_the_jobs_log_shows_why_in_one_line() {
    let scene = session("3", &[]);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 100);
    keep(&scene, &[]);
    let pid = wait_for_keeper(&scene);
    wait_until("its end", || !is_running(pid));
    assert!(log(&scene).contains("403 Forbidden"), "{}", log(&scene));
    let line = "warning: the token is no longer kept fresh: POST <url>/access/api/v1/tokens: 403 Forbidden, Logged in 'alice' is not an admin. The credential may not do this";
    let told = |text: &str| scene.tidy(text).contains(line);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 4 && told(&ran.stderr), "{}", ran.stderr);
    assert!(ran.stderr.contains("It was refused ") && ran.stderr.contains(" times in "), "{}", ran.stderr);
    let ran = revoke(&scene);
    assert!(told(&ran.stderr), "{}", ran.stderr);
}

#[test]
fn one_refusal_of_each_kind_does_not_end_the_keeper() {
    for fault in [Fault::Shape('A', 401), Fault::Shape('A', 403), Fault::RedirectTo("https://maintenance.example".into())] {
        let scene = session("6", &[]);
        scene.sandbox.fault_for("POST", fault, 1);
        keep(&scene, &[]);
        wait_until("a renewal", || minted(&scene) >= 2);
        assert!(log(&scene).matches("the next try is in").count() == 1, "{}", log(&scene));
        let ran = revoke(&scene);
        assert!(!ran.stderr.contains("no longer kept fresh"), "{}", ran.stderr);
    }
}

#[test]
fn tokens_that_are_over_when_they_arrive_are_not_asked_for_again_and_again() {
    let scene = session("3", &[]);
    let over =
        scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/admin", "aud": "*@*", "iat": 200, "exp": 100, "jti": "over"}));
    let answer = serde_json::json!({"access_token": over, "token_id": "over", "scope": "x", "token_type": "Bearer"});
    scene.sandbox.fault_for("POST", Fault::Body(answer.to_string()), 10_000);
    scene.sandbox.clear_requests();
    keep(&scene, &[]);
    pause(7000);
    let tries = scene.sandbox.requests().iter().filter(|request| request.method == "POST").count();
    assert!((2..=8).contains(&tries), "{tries}");
    scene.run(&["revoke", "--session", "s", "--retry-for", "0"]);
}

#[test]
fn a_keeper_that_ends_leaves_nothing_where_another_session_lives_on() {
    let scene = session("1h", &[]);
    scene.run(&["create", "--session", "other", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    keep(&scene, &[]);
    let pid = wait_for_keeper(&scene);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    wait_until("its end", || !is_running(pid));
    let left: Vec<_> = scene.files().iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(left, ["other.json", "other.lock"]);
}

#[test]
fn another_keeper_makes_the_last_ones_failure_a_thing_of_the_past() {
    let mut scene = session("3", &[]);
    let good = scene.sandbox.admin_token().to_owned();
    let expired = scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/admin", "aud": "*@*", "iat": 5, "exp": 9}));
    scene.set("JF_ACCESS_TOKEN", &expired);
    keep(&scene, &[]);
    let first = wait_for_keeper(&scene);
    wait_until("its end", || !is_running(first));
    scene.set("JF_ACCESS_TOKEN", &good);
    keep(&scene, &[]);
    wait_until("the next", || scene.keeper().is_some_and(|pid| pid != first) && minted(&scene) >= 2);
    let ran = revoke(&scene);
    assert!(!ran.stderr.contains("no longer kept fresh"), "{}", ran.stderr);
}

#[test]
fn a_long_lived_token_is_not_minted_again_when_the_answer_was_lost_and_the_end_of_the_job_warns() {
    let scene = session("8h", &[]);
    scene.ages("s", 6 * 3600);
    scene.sandbox.fault_for("POST", Fault::StatusAfter { status: 502 }, 3);
    keep(&scene, &[]);
    let pid = wait_for_keeper(&scene);
    wait_until("its end", || !is_running(pid));
    assert_eq!(minted(&scene), 2);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(
        ran.stderr.contains("a token may be alive that is not remembered here") && ran.stderr.contains("no longer kept fresh"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_mint_that_the_end_of_the_job_cuts_off_is_warned_of() {
    let scene = session("1h", &[]);
    scene.ages("s", 45 * 60);
    scene.sandbox.fault_for("POST", Fault::StallAfter, 1);
    scene.sandbox.clear_requests();
    keep(&scene, &[]);
    wait_until("a try", || !scene.sandbox.requests().is_empty());
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.stderr.contains("a token may be alive that is not remembered here"), "{}", ran.stderr);
}

#[test]
fn a_page_of_what_stands_in_front_of_the_platform_does_not_end_the_keeper() {
    let scene = session("4", &[]);
    scene.sandbox.fault_for("POST", Fault::Html(404), 2);
    scene.sandbox.fault_for("POST", Fault::Html(403), 1);
    keep(&scene, &[]);
    wait_until("a renewal", || minted(&scene) >= 2);
    assert!(log(&scene).matches("the next try is in").count() >= 3, "{}", log(&scene));
    revoke(&scene);
}

#[test]
fn the_keeper_gets_the_credential_however_it_was_given() {
    let mut scene = session("3", &[]);
    let token = scene.sandbox.admin_token().to_owned();
    scene.unset("JF_ACCESS_TOKEN").stdin(&token).set("JF_TOKEN_ACCESS_TOKEN_STDIN", "true");
    assert_eq!(keep(&scene, &[]).code, 0);
    let first = wait_for_keeper(&scene);
    wait_until("a renewal", || minted(&scene) >= 2);
    send(first, Signal::TERM);
    wait_until("its end", || !is_running(first));
    // A flag takes precedence over a file that a variable names.
    scene.unset("JF_TOKEN_ACCESS_TOKEN_STDIN").set("JF_TOKEN_ACCESS_TOKEN_FILE", "nowhere");
    let before = minted(&scene);
    assert_eq!(keep(&scene, &["--access-token", &token]).code, 0);
    wait_until("a renewal", || minted(&scene) > before);
    let second = wait_for_keeper(&scene);
    assert!(!leaks(&started_with(second), &token));
    scene.unset("JF_TOKEN_ACCESS_TOKEN_FILE").set("JF_ACCESS_TOKEN", &token);
    revoke(&scene);
}

#[test]
fn a_keeper_that_only_refreshes_does_not_have_the_credential() {
    let mut scene = session("3", &["--refreshable", "--renew-by", "refresh"]);
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("ANOTHER_NAME", &format!("x{token}"));
    keep(&scene, &[]);
    let pid = wait_for_keeper(&scene);
    assert!(!leaks(&started_with(pid), &token));
    wait_until("two renewals", || minted(&scene) >= 3);
    revoke(&scene);
}

#[test]
fn a_keeper_that_fails_in_the_foreground_says_so_by_its_exit_code_too() {
    let scene = session("3", &[]);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 100);
    let ran = scene.run(&["keep", "--session", "s", "--foreground", "--log-file", "keep.log"]);
    assert!(ran.code == 4 && ran.stderr.is_empty(), "{}", ran.story);
    assert!(scene.read("work/keep.log").contains("403 Forbidden"));
    revoke(&scene);
}

#[test]
fn a_job_that_ends_as_soon_as_its_keeper_begins_leaves_nothing() {
    for _ in 0..8 {
        let mut scene = Scene::new();
        scene.asks_for("work/token").set("JF_TOKEN_SESSION", "s").set("JF_TOKEN_TOKEN_FILE", "token");
        let pid = std::process::id().to_string();
        let arguments = ["create", "--expiry", "1h", "--force-revocable", "--format", "none", "--keep-fresh", "--until-pid", &pid];
        assert_eq!(scene.run(&arguments).code, 0);
        let keeper = wait_for_keeper(&scene);
        assert_eq!(scene.run(&["revoke"]).code, 0);
        wait_until("its end", || !is_running(keeper));
        assert!(scene.files().is_empty(), "{:?}", scene.files());
    }
}

#[test]
fn who_can_not_renew_is_sent_to_the_keeper_that_can() {
    let mut scene = session("1h", &[]);
    assert_eq!(keep(&scene, &[]).code, 0);
    for name in ["JF_URL", "JF_ACCESS_TOKEN"] {
        scene.unset(name);
    }
    let ran = scene.run(&["keep", "--session", "s"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, "jf-token: the session 's' already has a keeper, which goes on as it was started\n"));
    tells!("refresh_beside_a_keeper", scene.run(&["refresh", "--session", "s"]));
    revoke(&scene);
    // If the keeper can't renew it either, the error names its log.
    let mut scene = session("3", &[]);
    assert_eq!(keep(&scene, &[]).code, 0);
    scene.sandbox.pause();
    scene.unset("JF_ACCESS_TOKEN");
    wait_until("a failure", || log(&scene).contains("refused"));
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 3 && ran.stderr.contains("it tries again: ") && ran.stderr.contains("s.log says why"), "{}", ran.stderr);
    scene.sandbox.resume();
    revoke(&scene);
}

#[test]
fn a_keeper_that_could_do_nothing_is_not_started() {
    let mut scene = session("1h", &[]);
    scene.unset("JF_ACCESS_TOKEN");
    let ran = keep(&scene, &[]);
    assert!(ran.code == 3 && ran.stderr.contains("it has no refresh token, and there is no credential here"), "{}", ran.stderr);
    assert_eq!(scene.keeper(), None);
    let ran = scene.run(&["keep", "--session", "none"]);
    assert!(ran.code == 3 && ran.stderr.contains("the session 'none' holds no token"), "{}", ran.stderr);
    let ran = scene.run(&["keep", "--session", "s", "--until-pid", "4194305"]);
    assert!(ran.code == 2 && ran.stderr.contains("--until-pid: there is no such process"), "{}", ran.stderr);
    let ran = scene.run(&["keep", "--session", "s", "--until-pid", "me"]);
    assert!(ran.code == 2 && ran.stderr.contains("--until-pid: is not the number of a process"), "{}", ran.stderr);
    assert!(!log(&scene).contains("keeping"));
}

#[test]
fn a_process_that_has_ended_or_ends_at_that_moment_is_said_so() {
    let scene = session("1h", &[]);
    // Nobody has taken note of its end yet.
    let mut zombie = Command::new("true").spawn().unwrap();
    wait_until("its end", || !is_running(zombie.id()));
    for more in [&[][..], &["--foreground"]] {
        let ran = scene.run(&[&["keep", "--session", "s", "--until-pid", &zombie.id().to_string()], more].concat());
        assert!(ran.code == 2 && ran.stderr.contains("--until-pid: there is no such process, or it has ended"), "{}", ran.stderr);
    }
    zombie.wait().unwrap();
    let mut not_kept = 0;
    for after in 0..30 {
        let mut ending = Command::new("sleep").arg(format!("0.0{after:02}")).spawn().unwrap();
        let started = Instant::now();
        let ran = scene.run(&["keep", "--session", "s", "--until-pid", &ending.id().to_string()]);
        let has_ended = !is_running(ending.id());
        let kept = ran.stderr.contains("is kept fresh until");
        assert!(kept == (ran.code == 0) && (kept || ran.stderr.contains("has ended")), "{}", ran.story);
        assert!(kept || has_ended, "{}", ran.story);
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
        not_kept += usize::from(!kept);
        ending.wait().unwrap();
        wait_until("its end", || scene.keepers() == 0);
    }
    assert!(not_kept > 0);
    revoke(&scene);
}

#[test]
fn a_credential_from_standard_input_reaches_the_keeper_and_no_argument_list() {
    let mut scene = session("3", &[]);
    let token = scene.sandbox.admin_token().to_owned();
    scene.unset("JF_ACCESS_TOKEN").stdin(&token);
    let ran = keep(&scene, &["--access-token-stdin"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let pid = wait_for_keeper(&scene);
    assert!(!leaks(&started_with(pid), &token));
    wait_until("two renewals", || minted(&scene) >= 3);
    scene.set("JF_ACCESS_TOKEN", &token);
    revoke(&scene);
}

#[test]
fn a_file_that_can_not_be_written_for_a_while_is_written_later() {
    let mut scene = session("3", &[]);
    scene.asks_for("work/away/token");
    fs::create_dir(scene.path("work/away")).unwrap();
    keep(&scene, &["--token-file", "away/token"]);
    wait_for_keeper(&scene);
    let last = |scene: &Scene| scene.sandbox.issued().pop().unwrap().access_token;
    fs::rename(scene.path("work/away"), scene.path("work/gone")).unwrap();
    let before = minted(&scene);
    wait_until("a renewal", || minted(&scene) > before);
    pause(300);
    fs::remove_dir_all(scene.path("work/gone")).unwrap();
    fs::create_dir(scene.path("work/away")).unwrap();
    wait_until("the file", || fs::read_to_string(scene.path("work/away/token")).is_ok_and(|token| token == last(&scene)));
    let text = log(&scene);
    assert!(text.contains("can't write") && text.matches("can't write").count() <= 4, "{text}");
    scene.sandbox.clear_requests();
    fs::remove_dir_all(scene.path("work/away")).unwrap();
    revoke(&scene);
}

#[test]
fn in_the_foreground_it_says_what_it_does_and_hides_what_it_gets() {
    let mut scene = session("3", &[]);
    scene.in_github();
    let home = scene.files().into_iter().find(|path| path.ends_with("s.json")).unwrap().parent().unwrap().to_owned();
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap());
    let child = scene.spawn(&["keep", "--foreground", "--session", "s"]);
    wait_until("two renewals", || minted(&scene) >= 3);
    pause(200);
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && stderr.contains("jf-token: renewed: ") && stderr.contains("asked to end by signal 15; renewed "),
        "{stderr}"
    );
    for issued in &scene.sandbox.issued()[1..3] {
        assert!(stderr.contains(&format!("::add-mask::{}\n", issued.access_token)));
    }
    revoke(&scene);
}

#[test]
fn a_keeper_that_is_waiting_for_the_platform_does_not_hold_the_end_of_the_job() {
    let scene = session("3", &[]);
    scene.sandbox.fault_for("POST", Fault::Stall, 1000);
    scene.sandbox.clear_requests();
    keep(&scene, &[]);
    wait_until("a try", || !scene.sandbox.requests().is_empty());
    pause(3000);
    let started = Instant::now();
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(ran.code, 0, "{}", ran.story);
}

#[test]
fn the_actions_keep_fresh_starts_a_keeper_whose_end_is_the_post_step() {
    let pid = std::process::id().to_string();
    let inputs = [("expiry", "3"), ("force-revocable", "true"), ("token-file", "token"), ("keep-fresh", "true")];
    let mut scene = Scene::action(&inputs);
    scene.asks_for("work/token");
    let path = scene.path("path");
    scene.set("GITHUB_PATH", path.to_str().unwrap());
    let ran = scene.set("JF_TOKEN_UNTIL_PID", &pid).run(&["create"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    // Later steps find jf-token on their PATH.
    let folder = std::path::Path::new(crate::support::BINARY).parent().unwrap();
    assert_eq!(scene.read("path"), format!("{}\n", folder.display()));
    let keeper = wait_for_keeper(&scene);
    wait_until("two renewals", || minted(&scene) >= 3);
    wait_until("the file", || scene.read("work/token") == scene.sandbox.issued().pop().unwrap().access_token);
    let ran = scene.post();
    assert!(ran.code == 0 && ran.stderr.contains("; revoked "), "{}", ran.story);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ran.story);
    wait_until("its end", || !is_running(keeper));
    assert!(!scene.path("runner/jf-token").exists() && !scene.path("work/token").exists(), "{:?}", scene.files());
}

#[test]
fn a_keeper_holds_no_file_lock_or_pipe_of_who_started_it() {
    let scene = session("1h", &[]);
    let mut job = Command::new("sleep").arg("20").spawn().unwrap();
    // The first is what this reads to its end, the others are a file and a folder; jf-token itself inherits them all.
    let script = format!("exec 7>&1 8<. 9>lock; \"$JF\" keep --session s --until-pid {}", job.id());
    let started = Instant::now();
    let output = scene.shell(&script);
    assert!(output.status.success(), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(15), "the pipe was held for {:?}", started.elapsed());
    let pid = wait_for_keeper(&scene);
    assert!(is_running(pid) && is_running(job.id()));
    // Where the system tells.
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let open: Vec<_> = open.filter_map(|fd| fs::read_link(fd.path()).ok()).collect();
    assert!(open.iter().all(|file| !file.starts_with(scene.path("work"))), "{open:?}");
    revoke(&scene);
    job.kill().unwrap();
    job.wait().unwrap();
}

#[test]
fn keep_fresh_needs_a_session() {
    let ran = Scene::new().run(&["create", "--keep-fresh"]);
    assert!(ran.code == 2 && ran.stderr.contains("--keep-fresh: nothing remembers the token"), "{}", ran.stderr);
}

#[test]
fn get_leaves_a_due_token_to_the_keeper_and_waits_for_it_where_it_can_not_renew_itself() {
    let mut scene = session("4", &[]);
    keep(&scene, &[]);
    wait_for_keeper(&scene);
    scene.unset("JF_ACCESS_TOKEN");
    for _ in 0..60 {
        let ran = scene.run(&["get", "--session", "s"]);
        assert!(ran.code == 0 && scene.sandbox.is_live(ran.stdout.trim()), "{}", ran.story);
        assert_eq!(ran.stderr, "");
        pause(50);
    }
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    revoke(&scene);
}

#[test]
fn a_skewed_server_clock_does_not_matter() {
    for skew in [-86_400, 86_400] {
        let mut scene = Scene::with(Sandbox::builder().clock_skew(skew));
        scene.asks_for("work/token");
        let token = scene.sandbox.token_with(
            serde_json::json!({"sub": "jfac@x/users/admin", "scp": "applied-permissions/admin", "aud": "*@*", "iat": 1, "jti": "x"}),
        );
        scene.set("JF_ACCESS_TOKEN", &token);
        scene.run(&["create", "--session", "s", "--expiry", "3", "--force-revocable", "--format", "none", "--token-file", "token"]);
        keep(&scene, &[]);
        wait_until("two renewals", || minted(&scene) >= 3);
        wait_until("the file", || scene.read("work/token") == scene.sandbox.issued().pop().unwrap().access_token);
        revoke(&scene);
    }
}
