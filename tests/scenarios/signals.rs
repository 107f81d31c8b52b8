#![cfg(unix)]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Fault, Issuer};
use serde_json::json;

use crate::support::{Ran, Scene};

/// Sends the signal once the request has arrived.
fn stopped(scene: &Scene, arguments: &[&str], signal: Signal) -> Ran {
    let child = scene.spawn(arguments);
    let deadline = Instant::now() + Duration::from_secs(20);
    while scene.sandbox.requests().is_empty() {
        assert!(Instant::now() < deadline, "no request was sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(100));
    kill_process(Pid::from_child(&child), signal).unwrap();
    scene.ran(arguments, child.wait_with_output().unwrap())
}

#[test]
fn a_job_that_is_cancelled_while_the_answer_is_on_its_way_leaves_no_token() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true"), ("token-file", "token")]);
        scene.sandbox.fault(Fault::Delay(1000));
        let ran = stopped(&scene, &["create"], signal);
        assert_eq!(ran.code, code, "{}", ran.story);
        assert!(ran.stderr.contains("The new token was revoked."), "{}", ran.stderr);
        assert!(scene.sandbox.issued().len() == 1 && !scene.sandbox.issued()[0].live);
        assert_eq!(scene.read("output"), "");
        assert!(!scene.path("work/token").exists() && !scene.path("runner/jf-token").exists());
    }
}

#[test]
fn a_token_that_came_after_the_signal_and_can_not_be_revoked_stays_for_the_end_of_the_job() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    scene.sandbox.fault_for("POST", Fault::Delay(500), 1);
    scene.sandbox.fault_for("DELETE", Fault::Status { status: 500, retry_after: None, body: None }, 1);
    let ran = stopped(&scene, &["create"], Signal::INT);
    assert!(ran.stderr.contains("could not be revoked"), "{}", ran.stderr);
    assert!(scene.sandbox.issued()[0].live);
    assert_eq!(scene.post().code, 0);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn a_server_that_stalls_does_not_hold_a_cancelled_job_for_long() {
    let scene = Scene::action(&[]);
    scene.sandbox.fault(Fault::Stall);
    let started = Instant::now();
    let ran = stopped(&scene, &["create"], Signal::INT);
    assert_eq!(ran.code, 130);
    assert!(started.elapsed() < Duration::from_secs(7), "GitHub's runner kills after 7.5 s, and this took {:?}", started.elapsed());
    assert!(ran.stderr.contains("A token may have been created"), "{}", ran.stderr);
}

#[test]
fn a_signal_between_two_tries_ends_it_at_once() {
    let scene = Scene::action(&[]);
    scene.sandbox.fault_for("POST", Fault::Status { status: 503, retry_after: Some("20".into()), body: None }, 10);
    let started = Instant::now();
    let ran = stopped(&scene, &["create"], Signal::TERM);
    assert_eq!(ran.code, 143);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

/// A job whose identity token is exchanged for a token of a day.
fn exchanging() -> (Scene, Issuer) {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, json!({"username": "deployer", "expires_in": 86400}));
    (scene, issuer)
}

const MINT_BY_EXCHANGE: [&str; 6] = ["create", "--oidc-provider", "github", "--expiry", "1h", "--force-revocable"];

#[test]
fn a_job_that_is_cancelled_during_an_exchange_mints_nothing_and_revokes_what_it_got() {
    let (scene, _issuer) = exchanging();
    scene.sandbox.fault_for("oidc/token", Fault::Delay(1000), 1);
    let ran = stopped(&scene, &MINT_BY_EXCHANGE, Signal::TERM);
    assert_eq!(ran.code, 143, "{}", ran.story);
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 1 && !issued[0].live, "{}", ran.story);
}

#[test]
fn a_job_that_is_cancelled_during_a_mint_by_exchange_revokes_the_exchanged_token_too() {
    let (scene, _issuer) = exchanging();
    scene.sandbox.fault_for("/access/api/v1/tokens", Fault::StallAfter, 1);
    let ran = stopped(&scene, &MINT_BY_EXCHANGE, Signal::TERM);
    assert!(ran.code == 143 && ran.stderr.contains("A token may have been created"), "{}", ran.story);
    assert_eq!(scene.sandbox.issued().iter().map(|token| token.live).collect::<Vec<_>>(), [false, true], "{}", ran.story);
}

#[test]
fn a_job_that_is_cancelled_while_the_exchanged_token_is_revoked_leaves_no_token() {
    let (scene, _issuer) = exchanging();
    scene.sandbox.fault_for("DELETE", Fault::Delay(1000), 1);
    let child = scene.spawn(&MINT_BY_EXCHANGE);
    let deadline = Instant::now() + Duration::from_secs(20);
    while scene.sandbox.requests().len() < 3 {
        assert!(Instant::now() < deadline, "no revocation was sent");
        std::thread::sleep(Duration::from_millis(10));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let ran = scene.ran(&MINT_BY_EXCHANGE, child.wait_with_output().unwrap());
    assert!(ran.code == 143 && ran.stderr.contains("The new token was revoked."), "{}", ran.story);
    assert!(scene.sandbox.issued().iter().all(|token| !token.live), "{}", ran.story);
}

#[test]
fn the_end_of_a_job_that_was_killed_names_the_exchange_and_the_mint() {
    for at in ["oidc/token", "/access/api/v1/tokens"] {
        let (scene, _issuer) = exchanging();
        scene.sandbox.fault_for(at, Fault::StallAfter, 1);
        assert_eq!(stopped(&scene, &MINT_BY_EXCHANGE, Signal::KILL).code, 1000);
        let ran = scene.run(&["revoke"]);
        assert!(ran.stderr.contains("at its OIDC provider 'github'") && ran.stderr.contains("in 60 minutes"), "{}", ran.stderr);
    }
}

/// If a job is killed while a token is being minted, its `revoke` waits for the lock and then revokes the token.
#[test]
fn the_end_of_the_job_waits_for_a_mint_that_is_still_under_way() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    scene.sandbox.fault(Fault::Delay(1500));
    let child = scene.spawn(&["create"]);
    while scene.sandbox.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(scene.post().code, 0);
    assert!(child.wait_with_output().unwrap().status.success());
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn a_killed_process_leaves_a_session_that_the_next_one_can_use() {
    let mut scene = Scene::action(&[("session", "s"), ("expiry", "1h"), ("force-revocable", "true")]);
    scene.sandbox.fault(Fault::Stall);
    let ran = stopped(&scene, &["create"], Signal::KILL);
    assert_eq!(ran.code, 1000);
    assert_eq!(scene.run(&["create"]).code, 0);
    assert_eq!(scene.post().code, 0);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
    assert!(!scene.path("runner/jf-token").exists(), "{:?}", scene.files());
}

#[cfg(target_os = "linux")]
#[test]
fn its_memory_is_closed_to_others_and_to_core_files() {
    let scene = Scene::new();
    scene.sandbox.fault(Fault::Delay(1000));
    let mut child = scene.spawn(&["create"]);
    while scene.sandbox.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The /proc files of a process that cannot be dumped belong to root.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{}/environ", child.id())).unwrap());
    let user = rustix::process::geteuid().as_raw();
    assert!(owner == 0 || owner != user, "{status}");
    child.wait().unwrap();
}

#[test]
fn once_a_stop_was_asked_for_nothing_new_is_asked_of_the_platform() {
    let scene = Scene::action(&[("expiry", "7d")]);
    scene.sandbox.fault(Fault::Status { status: 503, retry_after: Some("1".into()), body: None });
    let ran = stopped(&scene, &["create"], Signal::HUP);
    assert_eq!(ran.code, 129, "{}", ran.story);
    assert_eq!(ran.story.matches("--- request").count(), 1, "{}", ran.story);
    assert!(scene.sandbox.issued().is_empty());
}

#[cfg(target_os = "linux")]
#[test]
fn these_tests_may_be_started_with_signals_ignored() {
    let script = r#"trap "" HUP INT QUIT; exec "$0" --exact "$1""#;
    let test = "exec::a_signal_that_is_ignored_stays_ignored_in_the_program";
    let ran = std::process::Command::new("sh").args(["-c", script]).arg(std::env::current_exe().unwrap()).arg(test).output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}
