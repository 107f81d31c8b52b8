//! Renewal on request: `get` and `refresh`.

use std::time::{Duration, Instant};

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Fault, Sandbox};

use crate::support::{Ran, Scene};
use crate::tells;

const MINUTE: i64 = 60_000;
/// When less than a third of an hour's lifetime is left.
const DUE: i64 = 45 * MINUTE;
/// When an hour's lifetime is over.
const OVER: i64 = 61 * MINUTE;

/// A session `s` with a token for an hour.
fn session(more: &[&str]) -> Scene {
    let scene = Scene::new();
    create(&scene, more);
    scene
}

fn create(scene: &Scene, more: &[&str]) {
    let arguments = ["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"];
    let ran = scene.run(&[&arguments[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn get(scene: &Scene, ahead: i64) -> Ran {
    scene.run_at(ahead, &["get", "--session", "s"])
}

/// The token that was issued as the `number`th, from 1.
fn issued(scene: &Scene, number: usize) -> String {
    scene.sandbox.issued()[number - 1].access_token.clone()
}

fn live(scene: &Scene) -> Vec<bool> {
    scene.sandbox.issued().iter().map(|issued| issued.live).collect()
}

fn failing(status: u16) -> Fault {
    Fault::Status { status, retry_after: None, body: None }
}

#[test]
fn get_prints_a_fresh_token_in_every_format_and_asks_nobody() {
    let scene = session(&["--reference", "--refreshable"]);
    for format in ["token", "json", "env", "shell", "powershell", "header", "reference"] {
        tells!(format!("get_{format}"), scene.run(&["get", "--session", "s", "--format", format]));
    }
    let ran = scene.run(&["get", "--session", "s"]);
    assert_eq!(ran.stdout, format!("{}\n", issued(&scene, 1)));
    assert!(!ran.story.contains("--- request") && ran.stderr.is_empty(), "{}", ran.story);
}

#[test]
fn get_waits_for_no_lock_while_the_token_is_fresh() {
    let scene = session(&[]);
    scene.sandbox.fault_for("POST", Fault::Delay(3000), 1);
    let creating = scene.spawn(&["create", "--session", "s", "--format", "none"]);
    while scene.sandbox.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let started = Instant::now();
    assert_eq!(scene.run(&["get", "--session", "s"]).stdout.trim(), issued(&scene, 1));
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    creating.wait_with_output().unwrap();
}

#[test]
fn a_token_that_is_due_is_refreshed_and_both_tokens_are_replaced_before_anything_is_printed() {
    let mut scene = session(&["--refreshable", "--description", "nightly"]);
    scene.unset("JF_ACCESS_TOKEN");
    let ran = get(&scene, DUE);
    assert_eq!((ran.stdout.trim(), live(&scene)), (issued(&scene, 2).as_str(), vec![false, true]));
    assert_eq!(scene.state("s")["current"]["token"]["refresh_token"], scene.sandbox.issued()[1].refresh_token.clone().unwrap());
    tells!(ran);
}

#[test]
fn a_token_that_is_due_is_minted_again_and_the_old_one_lives_on() {
    let scene = session(&[]);
    let ran = get(&scene, DUE);
    assert_eq!((ran.stdout.trim(), live(&scene)), (issued(&scene, 2).as_str(), vec![true, true]));
    tells!(ran);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert_eq!(live(&scene), [false, false]);
}

#[test]
fn renew_by_says_how() {
    let refreshable = session(&["--refreshable"]);
    refreshable.run_at(DUE, &["get", "--session", "s", "--renew-by", "mint"]);
    assert_eq!(live(&refreshable), [true, true]);
    let told_at_first = session(&["--refreshable", "--renew-by", "mint"]);
    get(&told_at_first, DUE);
    assert_eq!(live(&told_at_first), [true, true]);
    let plain = session(&[]);
    let ran = plain.run_at(OVER, &["get", "--session", "s", "--renew-by", "refresh"]);
    assert!(ran.code != 0 && ran.stderr.contains("it has no refresh token"), "{}", ran.stderr);
    let ran = plain.run(&["create", "--session", "t", "--renew-by", "refresh"]);
    assert!(ran.code == 2 && ran.stderr.contains("--refreshable") && !ran.story.contains("--- request"), "{}", ran.story);
}

#[test]
fn a_token_that_is_due_and_can_not_be_renewed_yet_is_printed_and_that_is_said() {
    let scene = session(&["--refreshable"]);
    scene.sandbox.fault_for("POST", failing(503), 1);
    tells!("due_but_busy", get(&scene, DUE));
    // The next `get` does not try again at once.
    let ran = get(&scene, DUE);
    assert!(!ran.story.contains("--- request") && ran.stderr.contains("the last try failed, and the next is in"), "{}", ran.story);
    assert_eq!(ran.stdout.trim(), issued(&scene, 1));
    // A later one does.
    let ran = get(&scene, DUE + 10_000);
    assert_eq!(ran.stdout.trim(), issued(&scene, 2), "{}", ran.story);

    let mut plain = session(&[]);
    plain.unset("JF_ACCESS_TOKEN");
    tells!("due_without_means", get(&plain, DUE));
}

#[test]
fn a_platform_that_asks_for_an_hour_of_peace_gets_it_while_the_token_is_good() {
    let scene = session(&["--renew-by", "mint"]);
    let busy = Fault::Status { status: 429, retry_after: Some("3600".into()), body: None };
    scene.sandbox.fault_for("POST", busy, 1);
    assert!(get(&scene, DUE).story.contains("--- request"));
    for ahead in [DUE, DUE + 10 * MINUTE] {
        let ran = get(&scene, ahead);
        assert!(ran.code == 0 && !ran.story.contains("--- request") && ran.stderr.contains("and the next is in"), "{}", ran.story);
    }
}

#[test]
fn a_token_that_is_of_no_use_any_more_is_renewed_or_get_fails() {
    let mut scene = session(&[]);
    assert_eq!(get(&scene, OVER).stdout.trim(), issued(&scene, 2));
    scene.unset("JF_ACCESS_TOKEN");
    tells!("over_without_means", get(&scene, 2 * OVER));
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 1);
    tells!("over_and_refused", get(&scene, 2 * OVER));
    scene.sandbox.pause();
    let ran = scene.run_at(2 * OVER, &["get", "--session", "s", "--retry-for", "0"]);
    assert!(ran.code != 0 && ran.stdout.is_empty() && ran.stderr.contains("ended"), "{}", ran.story);
    scene.sandbox.resume();
    assert_eq!(get(&scene, 2 * OVER).stdout.trim(), issued(&scene, 3));
}

#[test]
fn a_refused_credential_is_not_offered_for_each_get_and_another_is_at_once() {
    let mut scene = session(&[]);
    let good = scene.sandbox.admin_token().to_owned();
    let expired = scene
        .sandbox
        .token_with(serde_json::json!({"sub": "jfac@x/users/admin", "aud": "*@*", "iat": 5, "exp": 9, "scp": "applied-permissions/admin"}));
    scene.set("JF_ACCESS_TOKEN", &expired);
    let asked = |ran: &Ran| ran.story.matches("--- request").count();
    let began = Instant::now();
    // However long the runs before it took.
    let after = |millis: i64| get(&scene, OVER + millis - i64::try_from(began.elapsed().as_millis()).unwrap());
    let first = after(0);
    assert!(first.code != 0 && asked(&first) == 1 && !first.stderr.contains("refused since"), "{}", first.story);
    for millis in [100, 200, 300] {
        let ran = after(millis);
        assert!(ran.code != 0 && asked(&ran) == 0 && ran.stderr.contains("Invalid token, expired (refused since 20"), "{}", ran.story);
        assert!(ran.stderr.contains("jf-token refresh asks now"), "{}", ran.stderr);
    }
    // It is asked again ever more seldom: after 1, 2, 4 and 8 seconds.
    let asks = [1500, 2500, 4000, 5000, 6000, 7400, 8600, 12_000, 16_000, 17_200].map(|millis| asked(&after(millis)));
    assert_eq!(asks, [1, 0, 1, 0, 0, 0, 1, 0, 0, 1]);
    // Who wants to know, asks; and what is remembered is no credential.
    assert_eq!(asked(&scene.run_at(OVER + 18_000, &["refresh", "--session", "s"])), 1);
    assert_eq!(asked(&scene.run_at(OVER + 18_000, &["create", "--session", "s", "--format", "none"])), 1);
    assert!(!crate::support::leaks(&scene.state("s").to_string(), &expired[expired.len() - 100..]));
    scene.set("JF_ACCESS_TOKEN", &good);
    assert_eq!(get(&scene, OVER + 18_000).stdout.trim(), issued(&scene, 2));
    assert_eq!(scene.state("s").get("refused"), None);

    // Only what is refused with 401, and for a token that is still good too.
    let scene = session(&[]);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 2);
    assert_eq!([asked(&get(&scene, OVER)), asked(&get(&scene, OVER))], [1, 1]);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 401), 1);
    let due = [get(&scene, DUE), get(&scene, DUE)];
    assert!(due.iter().all(|ran| ran.stdout.trim() == issued(&scene, 1)) && due[1].stderr.contains("refused since"), "{}", due[1].story);
    assert_eq!([asked(&due[0]), asked(&due[1])], [1, 0]);
}

#[cfg(unix)]
#[test]
fn a_thousand_that_want_a_due_token_at_once_make_one_renewal_and_get_the_same_living_token() {
    for (mode, more) in [("refresh", &["--refreshable"][..]), ("mint", &[])] {
        let scene = session(more);
        scene.ages("s", 45 * 60);
        scene.sandbox.fault_for("POST", Fault::Delay(300), 1);
        let output = scene.shell("i=0; while [ $i -lt 1000 ]; do \"$JF\" get --session s >>out 2>>err & i=$((i + 1)); done; wait");
        assert!(output.status.success());
        assert_eq!(scene.read("work/err"), "");
        let printed = scene.read("work/out");
        let issued = scene.sandbox.issued();
        assert_eq!(issued.len(), 2, "{mode}");
        assert_eq!(printed, format!("{}\n", issued[1].access_token).repeat(1000), "{mode}");
        assert!(issued[1].live, "{mode}");
    }
}

/// Starts a refresh and kills it after this many milliseconds.
#[cfg(unix)]
fn killed(scene: &Scene, after: u64, fault: Fault) {
    scene.sandbox.fault_for("POST", fault, 1);
    let mut child = scene.spawn(&["refresh", "--session", "s"]);
    std::thread::sleep(Duration::from_millis(after));
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    scene.sandbox.clear_requests();
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_while_it_renews_leaves_what_the_next_one_can_go_on_from() {
    for more in [&["--refreshable"][..], &[]] {
        for after in [0, 5, 10, 20, 40, 100, 200, 380, 400, 410, 420] {
            let scene = session(more);
            killed(&scene, after, Fault::Delay(400));
            let ran = get(&scene, DUE);
            assert_eq!(ran.code, 0, "{more:?} {after}: {}", ran.story);
            assert!(scene.sandbox.is_live(ran.stdout.trim()), "{more:?} {after}: {}", ran.story);
            let ran = scene.run(&["revoke", "--session", "s"]);
            assert_eq!(ran.code, 0, "{}", ran.story);
            // If the answer with a new token was lost, a warning says so.
            let alive = live(&scene).into_iter().filter(|live| *live).count();
            assert!(
                alive == 0 || (alive == 1 && ran.stderr.contains("a token may be alive that is not remembered here")),
                "{after}: {}",
                ran.story
            );
            assert!(scene.files().is_empty(), "{:?}", scene.files());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_when_the_platform_has_refreshed_leaves_no_dead_token_to_be_taken_for_a_fresh_one() {
    let scene = session(&["--refreshable"]);
    killed(&scene, 300, Fault::StallAfter);
    assert_eq!(live(&scene), [false, true]);
    let ran = get(&scene, 0);
    assert!(ran.code == 0 && scene.sandbox.is_live(ran.stdout.trim()), "{}", ran.story);
}

#[test]
fn a_refresh_whose_answer_was_lost_has_spent_the_pair_and_a_new_token_is_minted() {
    for fault in [Fault::ResetAfter, Fault::StatusAfter { status: 502 }, Fault::CutShort] {
        let scene = session(&["--refreshable"]);
        scene.sandbox.fault_for("POST", fault.clone(), 1);
        let ran = get(&scene, DUE);
        assert_eq!((ran.code, ran.stdout.trim()), (0, issued(&scene, 3).as_str()), "{fault:?}: {}", ran.story);
        assert!(ran.stderr.contains("minting a new one instead"), "{}", ran.stderr);
    }
}

#[test]
fn a_lost_refresh_without_a_credential_is_said_so_and_the_next_try_tells_for_sure() {
    let mut scene = session(&["--refreshable"]);
    scene.unset("JF_ACCESS_TOKEN");
    scene.sandbox.fault_for("POST", Fault::ResetAfter, 1);
    tells!("refresh_lost", scene.run(&["refresh", "--session", "s"]));
    tells!("refresh_spent", scene.run(&["refresh", "--session", "s"]));
    tells!("get_after_a_refresh_was_spent", scene.run(&["get", "--session", "s"]));
    // With the credential, it mints a new one.
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 0 && scene.sandbox.is_live(ran.stdout.trim()), "{}", ran.story);
}

#[test]
fn a_doubt_stays_until_there_is_a_new_pair() {
    let mut scene = session(&["--refreshable"]);
    scene.unset("JF_ACCESS_TOKEN");
    scene.sandbox.fault_for("POST", Fault::ResetAfter, 1);
    assert_ne!(scene.run(&["refresh", "--session", "s"]).code, 0);
    // A 503 means that this refresh did nothing, but the first one may have.
    scene.sandbox.fault_for("POST", failing(503), 1);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.stderr.contains("may have been ended by a refresh whose answer was lost"), "{}", ran.story);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code != 0 || ran.stderr.contains("may have been ended"), "{}", ran.story);
}

#[test]
fn what_was_never_sent_casts_no_doubt() {
    let mut scene = Scene::new();
    scene.leaves_the_machine();
    assert_eq!(scene.run(&["create", "--session", "s", "--refreshable", "--format", "none"]).code, 0);
    scene.set("http_proxy", "ftp://127.0.0.1:1");
    assert_eq!(scene.run(&["refresh", "--session", "s"]).code, 2);
    assert_eq!(scene.state("s")["current"].get("in_doubt"), None);
}

#[test]
fn refresh_hands_the_refresh_token_over_only_if_asked() {
    let scene = session(&["--refreshable"]);
    let ran = scene.run(&["refresh", "--session", "s", "--format", "json"]);
    assert!(ran.code == 0 && !ran.stdout.contains("refresh_token"), "{}", ran.story);
    let ran = scene.run(&["refresh", "--session", "s", "--format", "json", "--output-refresh-token"]);
    assert!(ran.stdout.contains("\"refresh_token\""), "{}", ran.story);
}

#[test]
fn a_refresh_that_was_never_done_is_done_by_the_next_one() {
    let mut scene = session(&["--refreshable"]);
    scene.unset("JF_ACCESS_TOKEN");
    scene.sandbox.fault_for("POST", Fault::ResetBefore, 1);
    assert_ne!(scene.run(&["refresh", "--session", "s"]).code, 0);
    let ran = scene.run(&["get", "--session", "s"]);
    assert_eq!(ran.stdout.trim(), issued(&scene, 2), "{}", ran.story);
    assert_eq!(scene.state("s")["current"].get("in_doubt"), None);
}

#[cfg(unix)]
#[test]
fn a_refresh_token_that_somebody_else_used_leads_to_a_mint() {
    let scene = session(&["--refreshable"]);
    let (old, refresh) = (issued(&scene, 1), scene.sandbox.issued()[0].refresh_token.clone().unwrap());
    let body = format!("grant_type=refresh_token&refresh_token={refresh}");
    let url = scene.sandbox.url();
    let posted = std::process::Command::new("curl")
        .args([
            "-sf",
            "-o",
            "/dev/null",
            "-H",
            &format!("Authorization: Bearer {old}"),
            "-d",
            &body,
            &format!("{url}/access/api/v1/tokens"),
        ])
        .status();
    assert!(posted.unwrap().success());
    scene.sandbox.clear_requests();
    tells!(scene.run(&["refresh", "--session", "s"]));
}

#[test]
fn an_access_token_that_has_expired_is_still_refreshed() {
    let mut scene = Scene::new();
    scene.run(&["create", "--session", "s", "--expiry", "2", "--refreshable", "--format", "none"]);
    scene.unset("JF_ACCESS_TOKEN");
    std::thread::sleep(Duration::from_millis(2500));
    let ran = scene.run(&["get", "--session", "s", "--min-ttl", "0"]);
    assert_eq!((ran.code, ran.stdout.trim()), (0, issued(&scene, 2).as_str()), "{}", ran.story);
}

#[test]
fn a_platform_that_takes_no_json_here_gets_the_form() {
    let mut scene = session(&["--refreshable", "--reference"]);
    scene.unset("JF_ACCESS_TOKEN");
    scene.sandbox.fault_for("POST", failing(415), 1);
    tells!(scene.run(&["refresh", "--session", "s"]));
}

#[test]
fn refresh_prints_what_was_asked_for_and_verbose_shows_no_token() {
    let scene = session(&["--refreshable"]);
    let ran = scene.run(&["refresh", "--session", "s", "--format", "token", "--verbose"]);
    assert_eq!(ran.stdout.trim(), issued(&scene, 2));
    tells!(ran);
}

#[test]
fn two_sessions_of_a_job_are_told_apart_and_one_need_not_be_named() {
    let mut scene = Scene::github();
    let ran = scene.run(&["get"]);
    assert!(ran.code == 3 && ran.stderr.contains("holds no token"), "{}", ran.stderr);
    assert!(!scene.path("runner/jf-token").exists());
    scene.run(&["create", "--session", "one", "--expiry", "1h", "--force-revocable"]);
    assert_eq!(scene.run(&["get"]).stdout.trim(), issued(&scene, 1));
    scene.run(&["create", "--session", "two", "--expiry", "1h", "--force-revocable"]);
    let ran = scene.run(&["get"]);
    assert!(ran.code == 2 && ran.stderr.contains("this job has 2 sessions: one, two"), "{}", ran.stderr);
    assert_eq!(scene.set("JF_TOKEN_SESSION", "two").run(&["get"]).stdout.trim(), issued(&scene, 2));
    assert_eq!(scene.run(&["get", "--session", "one"]).stdout.trim(), issued(&scene, 1));
}

#[test]
fn a_clock_that_jumps_does_no_harm() {
    let scene = session(&[]);
    // The clock jumps a day ahead: the token seems to have expired, and is renewed.
    let ran = get(&scene, 24 * 60 * MINUTE);
    assert_eq!(ran.stdout.trim(), issued(&scene, 2), "{}", ran.story);
    // It jumps back: the new token seems to be issued in the future, so its remaining lifetime is unknown, and it is renewed too.
    let ran = get(&scene, 0);
    assert_eq!(ran.stdout.trim(), issued(&scene, 3), "{}", ran.story);
    assert_eq!(get(&scene, 0).stdout.trim(), issued(&scene, 3));
    // If it can't be renewed, it is used as it is.
    scene.sandbox.pause();
    let ran = get(&scene, -24 * 60 * MINUTE);
    assert_eq!((ran.code, ran.stdout.trim()), (0, issued(&scene, 3).as_str()), "{}", ran.story);
    scene.sandbox.resume();
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert!(live(&scene).iter().all(|live| !live));
}

#[test]
fn lives_of_a_second_a_minute_a_year_and_for_ever_all_behave() {
    for (life, steps) in [
        ("60", &[(0, 1), (39_000 - 1000, 1), (45_000, 2), (45_000 + 58_000, 3)][..]),
        ("365d", &[(0, 1), (240 * 24 * 60 * MINUTE, 1), (300 * 24 * 60 * MINUTE, 2)]),
        ("0", &[(0, 1), (10_000 * 24 * 60 * MINUTE, 1)]),
    ] {
        let scene = Scene::new();
        scene.run(&["create", "--session", "s", "--expiry", life, "--format", "none"]);
        for (ahead, number) in steps {
            let ran = get(&scene, *ahead);
            assert_eq!(ran.stdout.trim(), issued(&scene, *number), "{life} at {ahead}: {}", ran.story);
        }
    }
    let scene = Scene::new();
    scene.run(&["create", "--session", "s", "--expiry", "1", "--format", "none"]);
    std::thread::sleep(Duration::from_millis(1100));
    let before = Instant::now();
    let ran = scene.run(&["get", "--session", "s", "--min-ttl", "0"]);
    // A lifetime of a second can be over when the answer arrives.
    assert!(ran.code == 0 || ran.stderr.contains("no longer good for long enough"), "{}", ran.story);
    assert!(before.elapsed() < Duration::from_secs(3) && scene.sandbox.issued().len() == 2);
}

#[test]
fn a_token_that_is_over_when_it_arrives_is_said_so_and_not_asked_for_again_and_again() {
    let scene = session(&[]);
    let over = |jti: &str| {
        scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/admin", "aud": "*@*", "iat": 200, "exp": 100, "jti": jti}))
    };
    let answer = serde_json::json!({"access_token": over("over"), "token_id": "over", "scope": "x", "token_type": "Bearer"});
    scene.sandbox.fault_for("POST", Fault::Body(answer.to_string()), 5);
    let ran = get(&scene, OVER);
    assert!(ran.code != 0 && ran.stderr.contains("no longer good for long enough"), "{}", ran.story);
    assert_eq!(ran.story.matches("--- request").count(), 1, "{}", ran.story);
}

#[test]
fn a_min_ttl_that_no_token_of_the_session_can_have_is_said_so_and_nothing_is_sent() {
    let scene = session(&[]);
    tells!(scene.run(&["get", "--session", "s", "--min-ttl", "2h"]));
    let ran = scene.run_at(10 * MINUTE, &["get", "--session", "s", "--min-ttl", "55m"]);
    assert_eq!(ran.stdout.trim(), issued(&scene, 2));
}

#[test]
fn in_a_step_the_new_token_is_hidden_before_it_is_written_anywhere() {
    let mut scene = Scene::github();
    scene.asks_for("work/token").asks_for("work/jf.env");
    let more = ["--env-var", "TOKEN_OF_THE_JOB", "--token-file", "token", "--output-file", "jf.env"];
    scene.run(&[&["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--refreshable"], &more[..]].concat());
    let first = issued(&scene, 1);
    scene.unset("JF_ACCESS_TOKEN");
    let ran = scene.run_at(DUE, &["get"]);
    let second = issued(&scene, 2);
    for mask in [&second, &scene.sandbox.issued()[1].refresh_token.clone().unwrap()] {
        assert!(ran.stderr.contains(&format!("::add-mask::{mask}\n")), "{}", ran.stderr);
    }
    // All files and variables that had the old token now have the new one.
    assert_eq!(scene.read("work/token"), second);
    assert!(scene.read("work/jf.env").contains(&second) && !scene.read("work/jf.env").contains(&first));
    assert!(scene.read("env").contains(&second));
    // `refresh` says where it wrote the new token.
    let ran = scene.run_at(DUE, &["refresh"]);
    assert!(ran.code == 0 && ran.stderr.contains("the variable TOKEN_OF_THE_JOB"), "{}", ran.stderr);
    let second = issued(&scene, 3);
    assert!(scene.read("env").contains(&second));
    // A step that does not renew it masks it too, because its log has no masks for it yet.
    let ran = scene.run_at(DUE, &["get"]);
    assert!(ran.stderr.contains(&format!("::add-mask::{second}\n")) && ran.stdout.trim() == second, "{}", ran.stderr);
}

#[test]
fn a_fresh_token_that_the_action_had_hidden_is_printed_without_another_word() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    let ran = scene.leave_action().run(&["get"]);
    assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), (issued(&scene, 1).as_str(), ""));
}

#[test]
fn outside_a_ci_a_session_that_is_not_there_is_told_with_those_that_are() {
    let scene = session(&[]);
    tells!("get_no_session_but_others", scene.run(&["get"]));
}

#[test]
fn a_token_that_has_ended_by_itself_is_revoked_though_the_platform_is_away() {
    let scene = session(&[]);
    scene.sandbox.pause();
    let began = Instant::now();
    let ran = scene.run_at(OVER, &["revoke", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.contains(" by itself (revoking it was tried: "), "{}", ran.stderr);
    assert!(began.elapsed() < Duration::from_secs(5) && scene.files().is_empty(), "{:?}", scene.files());
    // With a refresh token, an expired token can still be renewed.
    scene.sandbox.resume();
    create(&scene, &["--refreshable"]);
    scene.sandbox.pause();
    let ran = scene.run_at(OVER, &["revoke", "--session", "s", "--retry-for", "0"]);
    assert!(ran.code != 0 && ran.stderr.contains("could not be revoked"), "{}", ran.stderr);
}

#[test]
fn the_token_itself_is_never_taken_for_the_credential_that_mints_it() {
    let mut scene = session(&[]);
    let token = issued(&scene, 1);
    scene.set("JF_ACCESS_TOKEN", &token);
    let ran = get(&scene, DUE);
    assert!(ran.code == 0 && !ran.story.contains("--- request") && ran.stderr.contains("the session's own token"), "{}", ran.story);
    let ran = scene.run(&["keep", "--session", "s"]);
    assert!(ran.code == 3 && ran.stderr.contains("the session's own token"), "{}", ran.story);
}

#[test]
fn the_credential_of_another_platform_mints_nothing_here() {
    let (mut scene, other) = (session(&[]), Sandbox::start());
    scene.set("JF_URL", &other.url());
    let ran = get(&scene, OVER);
    assert!(ran.code != 0 && ran.stderr.contains("the URL here is not the platform"), "{}", ran.story);
    assert!(other.requests().is_empty() && !ran.story.contains("--- request"));
}

#[cfg(unix)]
#[test]
fn a_renewal_that_is_stopped_waits_for_the_answer_and_remembers_it() {
    for more in [&["--refreshable"][..], &[]] {
        let scene = session(more);
        scene.sandbox.fault_for("POST", Fault::Delay(1000), 1);
        let child = scene.spawn(&["refresh", "--session", "s"]);
        while scene.sandbox.requests().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let ran = scene.ran(&["refresh"], child.wait_with_output().unwrap());
        assert!(ran.code == 143 && ran.stderr.contains("renewed and remembered"), "{}", ran.story);
        assert_eq!(get(&scene, 0).stdout.trim(), issued(&scene, 2));
    }
}

/// Runs a refresh with file sizes limited to this many blocks, as if the disk were full.
#[cfg(unix)]
fn get_on_a_full_disk(scene: &Scene, blocks: u32) -> std::process::Output {
    scene.shell(&format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$JF\" refresh --session s --format token"))
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_noticed_before_anything_is_sent() {
    for more in [&["--refreshable"][..], &[]] {
        let scene = session(more);
        scene.sandbox.clear_requests();
        let output = get_on_a_full_disk(&scene, 1);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(1) && stderr.contains("can't write") && !stderr.contains('~') && output.stdout.is_empty(),
            "{stderr}"
        );
        assert!(scene.sandbox.requests().is_empty() && live(&scene) == [true]);
        assert_eq!(get(&scene, 0).stdout.trim(), issued(&scene, 1));
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_takes_no_files_is_no_hindrance_while_the_token_is_good() {
    use std::os::unix::fs::PermissionsExt;
    let scene = session(&[]);
    let only = |folder: &std::path::Path| folder.read_dir().unwrap().next().unwrap().unwrap().path();
    let home = only(&scene.path("tmp"));
    if rustix::process::geteuid().is_root() {
        // Root ignores permissions, so another user runs it.
        let nobody = |path: &std::path::Path| std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(scene.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
        let other = scene.path("tmp/jf-token-65534");
        std::fs::rename(&home, &other).unwrap();
        nobody(&other);
        let here = only(&other);
        nobody(&here);
        std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o500)).unwrap();
        scene.files().iter().filter(|path| path.starts_with(&other)).for_each(|path| nobody(path));
        std::fs::copy(crate::support::BINARY, scene.path("jf")).unwrap();
        let run = |arguments: &str| scene.shell(&format!("exec setpriv --reuid 65534 --clear-groups ../jf {arguments}"));
        let fresh = run("get --session s");
        assert_eq!(String::from_utf8_lossy(&fresh.stdout).trim(), issued(&scene, 1), "{}", String::from_utf8_lossy(&fresh.stderr));
        scene.sandbox.clear_requests();
        let refresh = run("refresh --session s");
        assert!(refresh.status.code() == Some(1) && scene.sandbox.requests().is_empty(), "{}", String::from_utf8_lossy(&refresh.stderr));
        return;
    }
    let mode = |mode| std::fs::set_permissions(only(&home), std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o500);
    let ran = get(&scene, DUE);
    assert!(
        ran.stdout.trim() == issued(&scene, 1) && ran.stderr.contains("can't write") && !ran.story.contains("--- request"),
        "{}",
        ran.story
    );
    mode(0o700);
}

#[cfg(unix)]
#[test]
fn while_a_file_of_the_session_can_not_get_the_next_token_none_is_asked_for() {
    for more in [&["--refreshable"][..], &[]] {
        let mut scene = Scene::new();
        scene.asks_for("work/token").asks_for("work/held");
        create(&scene, &[more, &["--token-file", "token"]].concat());
        std::fs::rename(scene.path("work/token"), scene.path("work/held")).unwrap();
        std::os::unix::fs::symlink("held", scene.path("work/token")).unwrap();
        let ran = scene.run(&["refresh", "--session", "s"]);
        assert!(ran.code == 1 && ran.stderr.contains("can't write /"), "{}", ran.story);
        assert!(!ran.story.contains("--- request") && live(&scene) == [true], "{}", ran.story);
        assert_eq!(scene.state("s")["current"].get("in_doubt"), None);
        // While it is good, it is used; when it is over, there is nothing to lose.
        let ran = get(&scene, DUE);
        assert!(ran.code == 0 && ran.stdout.trim() == issued(&scene, 1) && !ran.story.contains("--- request"), "{}", ran.story);
        let ran = get(&scene, OVER);
        assert!(ran.stdout.trim() == issued(&scene, 2) && ran.stderr.contains("a file still holds the old token"), "{}", ran.story);
    }
}

/// A disk of its own needs Linux and leave to have namespaces.
#[cfg(target_os = "linux")]
#[test]
fn while_the_disk_of_a_file_is_full_no_token_is_asked_for() {
    let mut scene = Scene::new();
    // Within the namespace this user has another number, and so other sessions.
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap()).asks_for("work/token");
    create(&scene, &["--refreshable", "--token-file", "token"]);
    std::fs::create_dir(scene.path("work/disk")).unwrap();
    scene.sandbox.clear_requests();
    let output = scene.shell(
        "unshare -rm sh -c 'mount -t tmpfs -o size=16k tmpfs disk || exit 77; \"$JF\" keep --session s --token-file disk/token --until-pid $$ --foreground & \
         while [ ! -s disk/token ]; do sleep 0.05; done; kill $!; wait $!; head -c 100000 /dev/zero > disk/rest; \"$JF\" refresh --session s'",
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) || stderr.contains("unshare") {
        return;
    }
    assert!(output.status.code() == Some(1) && stderr.contains("disk/token: No space left on device"), "{stderr}");
    assert!(scene.sandbox.requests().is_empty() && live(&scene) == [true], "{stderr}");
}

#[test]
fn a_token_is_renewed_for_its_own_user_only() {
    let mut scene = Scene::new();
    let (alice, admin) = (scene.sandbox.user_token().to_owned(), scene.sandbox.admin_token().to_owned());
    scene.set("JF_ACCESS_TOKEN", &alice);
    create(&scene, &[]);
    scene.set("JF_ACCESS_TOKEN", &admin);
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 3 && ran.stderr.contains("another user's") && scene.sandbox.issued().len() == 1, "{}", ran.story);
    // Where only the answer tells: a reference token names nobody.
    let ran = scene.run(&["create", "--reference", "--format", "reference"]);
    scene.set("JF_ACCESS_TOKEN", ran.stdout.trim());
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 3 && ran.stderr.contains("one of 'admin', and the old one was of 'alice'"), "{}", ran.story);
    assert!(ran.stderr.contains("The new token was revoked") && live(&scene) == [true, true, false], "{}", ran.story);
    scene.set("JF_ACCESS_TOKEN", &alice);
    assert_eq!(scene.run(&["refresh", "--session", "s"]).code, 0);
}

#[test]
fn a_file_that_could_not_be_rewritten_is_rewritten_by_the_next_command() {
    let mut scene = Scene::new();
    scene.asks_for("work/token");
    create(&scene, &["--token-file", "token"]);
    let file = scene.path("work/token");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let ran = get(&scene, OVER);
    assert!(ran.code == 0 && ran.stderr.contains("a file still holds the old token"), "{}", ran.story);
    let ran = get(&scene, OVER);
    assert!(ran.code == 0 && ran.stderr.contains("a file still holds the old token"), "{}", ran.story);
    std::fs::remove_dir(&file).unwrap();
    for _ in 0..2 {
        let ran = get(&scene, OVER);
        assert!(ran.code == 0 && ran.stderr.is_empty(), "{}", ran.story);
        assert_eq!(scene.read("work/token"), issued(&scene, 2));
    }
    assert_eq!(scene.sandbox.issued().len(), 2);
}
