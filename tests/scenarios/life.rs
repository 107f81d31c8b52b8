//! A token is never forgotten while it lives.
#![cfg(unix)]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::processes::command_lines;
use crate::support::{BINARY, Scene, leaks, wait_until};

const SHORT: &str = "--expiry 1h --force-revocable";

fn live(scene: &Scene) -> usize {
    scene.sandbox.issued().iter().filter(|issued| issued.live).count()
}

/// A script for bash, in which $JF is the program and $CRED the credential under another name.
fn bash(scene: &Scene, script: &str) -> Command {
    let mut command = scene.command("bash", &["-c", script]);
    let file = scene.write("tmp/credential", scene.sandbox.admin_token());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("JF", BINARY).env("CRED_FILE", file);
    command.env_remove("JF_ACCESS_TOKEN").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_credential_that_comes_by_a_pipe_is_kept_from_the_program_and_from_what_it_prints() {
    let mut scene = Scene::new();
    scene.asks_for("tmp/credential");
    for way in ["--access-token-file <(printf %s \"$MY_SECRET\")", "--access-token-stdin <<<\"$MY_SECRET\""] {
        let script = format!("MY_SECRET=$(cat $CRED_FILE); export MY_SECRET; \"$JF\" exec {way} -- sh -c 'env; cat \"$CRED_FILE\"'");
        let output = bash(&scene, &script).output().unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success() && stdout.contains("JF_ACCESS_TOKEN="), "{stderr}");
        assert!(!stdout.contains("MY_SECRET") && !leaks(&stdout, scene.sandbox.admin_token()), "{stdout}");
    }
    assert_eq!(live(&scene), 0);
}

#[test]
fn a_keeper_gets_a_credential_that_came_by_a_pipe() {
    let mut scene = Scene::new();
    scene.asks_for("tmp/credential").asks_for("work/tok");
    let create = "create --expiry 3 --force-revocable --keep-fresh --until-pid $$ --token-file tok --session s --format none";
    let script = format!("MY_SECRET=$(cat $CRED_FILE); \"$JF\" {create} --access-token-file <(printf %s \"$MY_SECRET\") && sleep 20");
    let mut child = bash(&scene, &script).spawn().unwrap();
    wait_until("two renewals", || scene.sandbox.issued().len() >= 3);
    assert!(command_lines(None).iter().all(|line| !leaks(line, scene.sandbox.admin_token())));
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert!(live(&scene) == 0 && !scene.path("work/tok").exists());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn an_exec_whose_parent_ends_ends_its_program_and_revokes() {
    for (signals, stubborn) in [(&[Signal::INT, Signal::TERM][..], false), (&[Signal::KILL], true)] {
        let scene = Scene::new();
        let program = if stubborn { "sh -c 'trap \"\" TERM; sleep 40'" } else { "sleep 40" };
        let script = format!("\"$JF\" exec {SHORT} -- {program}; true");
        let mut command = scene.command("bash", &["-ec", &script]);
        let mut child = command.env("PATH", std::env::var_os("PATH").unwrap()).env("JF", BINARY).spawn().unwrap();
        wait_until("the token", || live(&scene) == 1);
        std::thread::sleep(Duration::from_millis(300));
        for signal in signals {
            kill_process(Pid::from_child(&child), *signal).unwrap();
        }
        // bash waits for its child before it heeds INT or TERM, and the runner kills it.
        let _ = child.kill();
        child.wait().unwrap();
        let began = Instant::now();
        wait_until("the revocation", || live(&scene) == 0);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        wait_until("an empty folder", || scene.files().is_empty());
    }
}

#[test]
fn an_exec_that_was_started_to_outlive_its_parent_does() {
    for (how, before) in [("--outlive-parent", ""), ("", "nohup "), ("", "setsid ")] {
        if before == "setsid " && cfg!(target_os = "macos") {
            // There is no such program.
            continue;
        }
        let scene = Scene::new();
        // The parent is a shell that ends at once; a background command of sh ignores INT.
        let script = format!("{before}\"$JF\" exec {how} {SHORT} -- sleep 2 </dev/null >/dev/null 2>&1 & sleep 0.5");
        let output = scene.shell(&script);
        assert!(output.status.success(), "{}", text(output.stderr));
        assert_eq!(live(&scene), 1, "{how}{before}");
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(live(&scene), 1, "{how}{before}");
        wait_until("its own end", || live(&scene) == 0);
    }
}

#[test]
fn revoke_ends_what_a_killed_exec_left_and_not_what_a_living_one_uses() {
    let scene = Scene::new();
    let mut killed = scene.spawn(&["exec", "--expiry", "1h", "--force-revocable", "--", "sleep", "40"]);
    wait_until("its session", || sessions(&scene) == 1);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let mut alive = scene.spawn(&["exec", "--expiry", "1h", "--force-revocable", "--", "sleep", "40"]);
    wait_until("another", || sessions(&scene) == 2);
    let ran = scene.run(&["revoke"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let living: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(living, [false, true], "{}", ran.story);
    kill_process(Pid::from_child(&alive), Signal::TERM).unwrap();
    alive.wait().unwrap();
    assert!(live(&scene) == 0 && scene.files().is_empty(), "{:?}", scene.files());
}

fn sessions(scene: &Scene) -> usize {
    scene.files().iter().filter(|path| path.extension().is_some_and(|extension| extension == "json")).count()
}

#[test]
fn a_process_that_is_killed_before_it_remembers_its_token_leaves_word_of_it() {
    for command in [&["exec"][..], &["create", "--session", "s", "--format", "none"]] {
        let scene = Scene::new();
        // The platform does the work, and the answer never comes.
        scene.sandbox.fault_for("POST", sandbox::Fault::StallAfter, 1);
        let mut arguments = command.to_vec();
        arguments.extend(["--username", "bob"].iter().filter(|_| command[0] == "exec"));
        arguments.extend(["--expiry", "1h", "--force-revocable"]);
        arguments.extend(["--", "true"].iter().filter(|_| command[0] == "exec"));
        let mut child = scene.spawn(&arguments);
        wait_until("the token", || live(&scene) == 1);
        child.kill().unwrap();
        child.wait().unwrap();
        let ran = scene.run(if command[0] == "exec" { &["revoke"] } else { &["revoke", "--session", "s"] });
        let whom = if command[0] == "exec" { "for bob" } else { "for the credential's own user" };
        let said = ["may be alive", whom, &scene.sandbox.url(), "in 60 minutes"];
        assert!(said.iter().all(|part| ran.stderr.contains(part)), "{}", ran.story);
        assert!(scene.files().is_empty(), "{:?}", scene.files());
    }
}

#[test]
fn the_post_step_ends_the_sessions_that_no_other_post_step_will() {
    for revoke in ["true", "false"] {
        let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true"), ("revoke", revoke)]);
        scene.run(&["create"]);
        let first = scene.blocks("state");
        std::fs::remove_file(scene.path("state")).unwrap();
        // Another use of the action, a run: step's own session, an exec that was killed, and one that still runs.
        scene.run(&["create"]);
        scene.leave_action();
        assert_eq!(scene.run(&["create", "--session", "step", "--expiry", "1h", "--force-revocable"]).code, 0);
        let mut running: Vec<_> =
            (0..2).map(|_| scene.spawn(&["exec", "--expiry", "1h", "--force-revocable", "--", "sleep", "40"])).collect();
        wait_until("their sessions", || sessions(&scene) == 5);
        running[0].kill().unwrap();
        for (name, value) in first {
            scene.set(&format!("STATE_{name}"), &value);
        }
        let ran = scene.run(&["action", "revoke"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
        let living: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
        assert_eq!(living, [revoke == "false", true, false, false, false], "{}", ran.story);
        for mut child in running {
            let _ = kill_process(Pid::from_child(&child), Signal::TERM);
            child.wait().unwrap();
        }
    }
}

#[test]
fn an_exec_whose_temporary_folder_is_emptied_writes_its_session_back_and_ends_it() {
    let scene = Scene::new();
    let script = "rm -rf \"$TMPDIR\"/*; sleep 1.2; \"$0\" get";
    let ran = scene.run(&["exec", "--expiry", "1h", "--force-revocable", "--", "sh", "-c", script, BINARY]);
    assert!(ran.stderr.contains("vanished from"), "{}", ran.story);
    assert!(live(&scene) == 0 && scene.files().is_empty(), "{}", ran.story);
    // Also when that is the last that the program does.
    let ran = scene.run(&["exec", "--expiry", "1h", "--force-revocable", "--", "sh", "-c", "rm -rf \"$TMPDIR\"/*"]);
    assert!(ran.code == 0 && live(&scene) == 0 && scene.files().is_empty(), "{}", ran.story);
}

#[test]
fn a_keeper_writes_a_session_back_that_vanished_and_leaves_alone_one_that_was_ended() {
    let mut scene = Scene::new();
    scene.asks_for("work/tok");
    let pid = std::process::id().to_string();
    let ran = scene.run(&[
        "create",
        "--session",
        "s",
        "--expiry",
        "1h",
        "--force-revocable",
        "--format",
        "none",
        "--token-file",
        "tok",
        "--keep-fresh",
        "--until-pid",
        &pid,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    std::fs::remove_dir_all(scene.path("tmp")).unwrap();
    std::fs::create_dir(scene.path("tmp")).unwrap();
    std::fs::remove_file(scene.path("work/tok")).unwrap();
    wait_until("the session", || scene.files().iter().any(|path| path.ends_with("s.json")));
    wait_until("the token file", || scene.path("work/tok").exists());
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(live(&scene) == 0 && scene.files().is_empty() && scene.keepers() == 0, "{:?}", scene.files());
}

#[test]
fn the_post_step_ends_a_token_whose_session_vanished_or_says_which_it_is() {
    let create = || {
        let scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
        assert_eq!(scene.run(&["create"]).code, 0);
        std::fs::remove_dir_all(scene.path("runner/jf-token")).unwrap();
        scene
    };
    let mut scene = create();
    let ran = scene.post();
    assert!(ran.code == 0 && live(&scene) == 0 && ran.stderr.contains("revoked its token"), "{}", ran.story);
    for (revoke, code) in [("true", 0), ("strict", 1)] {
        let mut scene = create();
        scene.set("INPUT_REVOKE", revoke).unset("JF_ACCESS_TOKEN");
        let ran = scene.post();
        let id = &scene.sandbox.issued()[0].token_id;
        assert!(ran.code == code && ran.stderr.contains(id.as_str()) && ran.stderr.contains("ends "), "{}", ran.story);
    }
    // One that a step ended already is no reason for a word.
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    scene.run(&["create"]);
    let session = scene.blocks("state")["SESSION"].clone();
    scene.leave_action();
    assert_eq!(scene.run(&["revoke", "--session", &session]).code, 0);
    scene.set("STATE_SESSION", &session);
    for (name, value) in scene.blocks("state") {
        scene.set(&format!("STATE_{name}"), &value);
    }
    let ran = scene.run(&["action", "revoke"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.story);
}

#[test]
fn a_post_step_of_another_user_says_what_lives_and_who_can_end_it() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    std::os::unix::fs::chown(scene.path("runner/jf-token"), Some(65534), None).unwrap();
    scene.unset("JF_ACCESS_TOKEN");
    let ran = scene.post();
    let id = scene.sandbox.issued()[0].token_id.clone();
    let said = ["it belongs to another user (65534)", id.as_str(), "ends ", "jf-token revoke"];
    assert!(ran.code == 0 && said.iter().all(|part| ran.stderr.contains(part)), "{}", ran.story);
}

#[test]
fn two_execs_at_once_under_one_name_share_a_token_and_the_last_one_ends_it() {
    let scene = Scene::new();
    let arguments = ["exec", "--session", "build", "--expiry", "1h", "--force-revocable", "--", "sleep", "1"];
    let children: Vec<_> = (0..6).map(|_| scene.spawn(&arguments)).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(output.stderr));
    }
    assert_eq!((scene.sandbox.issued().len(), live(&scene)), (1, 0));
    assert!(scene.files().is_empty());
}

#[test]
fn what_the_action_can_not_write_stops_it_before_there_is_a_token() {
    for name in ["GITHUB_PATH", "GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STATE"] {
        let mut scene = Scene::action(&[("env-var", "TOKEN"), ("expiry", "1h"), ("force-revocable", "true")]);
        let folder = scene.path("a-folder");
        std::fs::create_dir(&folder).unwrap();
        scene.set(name, folder.to_str().unwrap());
        let ran = scene.run(&["create"]);
        assert!(ran.code != 0 && ran.stderr.contains("a-folder") && !ran.story.contains("--- request"), "{name}: {}", ran.story);
    }
}

#[test]
fn a_disk_that_is_full_for_the_ci_s_files_is_noticed_before_there_is_a_token() {
    let mut scene = Scene::action(&[("env-var", "TOKEN"), ("expiry", "1h"), ("force-revocable", "true")]);
    let path = scene.path("path");
    scene.set("GITHUB_PATH", path.to_str().unwrap());
    // No file may grow beyond 8 blocks, of half a KiB or one, and the write is an error instead of a signal.
    let output = scene.shell("trap '' XFSZ; ulimit -f 8; \"$JF\" action create");
    assert_eq!(output.status.code(), Some(1), "{}", text(output.stderr));
    assert!(scene.sandbox.requests().is_empty() && live(&scene) == 0);
    let length = |file: &str| scene.path(file).metadata().map_or(0, |found| found.len());
    assert_eq!([length("output"), length("env"), length("path")], [0; 3], "the trial is taken back");
}

#[test]
fn what_was_exported_is_taken_back_when_a_later_step_of_the_hand_over_fails() {
    let mut scene = Scene::action(&[("env-var", "TOKEN"), ("expiry", "1h"), ("force-revocable", "true"), ("keep-fresh", "true")]);
    scene.write("output", "before=1");
    // By the time that a keeper is to be started, its process has ended.
    scene.sandbox.fault_for("POST", sandbox::Fault::Delay(800), 1);
    let mut job = Command::new("sleep").arg("0.3").spawn().unwrap();
    let ran = scene.set("JF_TOKEN_UNTIL_PID", &job.id().to_string()).run(&["create"]);
    job.wait().unwrap();
    assert_ne!(ran.code, 0, "{}", ran.story);
    assert!(ran.stderr.contains("The new token was revoked."), "{}", ran.story);
    assert_eq!([scene.read("output").as_str(), scene.read("env").as_str()], ["before=1", ""]);
    assert_eq!(live(&scene), 0);
}

#[test]
fn the_end_removes_what_a_killed_process_left_beside_a_token_file_and_nothing_else() {
    let mut scene = Scene::new();
    scene.asks_for("work/tok");
    scene.set("JF_TOKEN_SESSION", "s");
    for round in 0..40_u64 {
        let mut child = scene.spawn(&["create", "--expiry", "1h", "--force-revocable", "--format", "none", "--token-file", "tok"]);
        std::thread::sleep(Duration::from_micros(round * 400));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(scene.run(&["create", "--expiry", "1h", "--force-revocable", "--format", "none", "--token-file", "tok"]).code, 0);
    for name in ["work/.jf-token-tok~aB3dE6", "work/.jf-token-tok~keep-me", "work/.jf-token-other~aB3dE6"] {
        scene.write(name, "x");
    }
    assert_eq!(scene.run(&["revoke"]).code, 0);
    let mut left: Vec<_> = scene.path("work").read_dir().unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, [".jf-token-other~aB3dE6", ".jf-token-tok~keep-me"]);
}

#[test]
fn a_token_file_that_is_something_else_is_refused_before_there_is_a_token() {
    let mut scene = Scene::github();
    let (home, credential, output) = (scene.path("home"), scene.write("credential", scene.sandbox.admin_token()), scene.path("output"));
    scene.asks_for("/credential").unset("JF_ACCESS_TOKEN");
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap()).set("JF_TOKEN_ACCESS_TOKEN_FILE", credential.to_str().unwrap());
    assert!(Command::new("mkfifo").arg(scene.path("work/pipe")).status().unwrap().success());
    std::fs::write(&output, "").unwrap();
    for (path, why) in [
        ("../credential", "a file of the credential"),
        ("../work/../credential", "a file of the credential"),
        ("../home/s.json", "the folder of the sessions"),
        ("../home/tok", "the folder of the sessions"),
        ("../output", "the CI's own"),
        ("pipe", "a link or a device"),
        ("/dev/stdout", "a link or a device"),
    ] {
        std::fs::create_dir_all(&home).unwrap();
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        for option in ["--token-file", "--output-file"] {
            let ran = scene.run(&["create", "--session", "s", option, path]);
            assert!(ran.code == 2 && ran.stderr.contains(why) && !ran.story.contains("--- request"), "{path}: {}", ran.story);
        }
        let ran = scene.run(&["exec", "--token-file", path, "--", "true"]);
        assert!(ran.code == 125 && ran.stderr.contains(why) && !ran.story.contains("--- request"), "{path}: {}", ran.story);
    }
    assert_eq!(scene.read("credential"), scene.sandbox.admin_token());
}

const CREATE: [&str; 8] = ["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"];

fn create(scene: &Scene, more: &[&str]) {
    let ran = scene.run(&[&CREATE, more].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
}

#[test]
fn a_token_that_a_refresh_may_have_brought_is_named_at_the_end_and_not_one_that_it_did_not() {
    let said = |scene: &Scene| scene.run(&["revoke", "--session", "s"]).stderr.contains("may be alive");
    let scene = Scene::new();
    create(&scene, &["--refreshable"]);
    scene.sandbox.fault_for("POST", sandbox::Fault::StatusAfter { status: 502 }, 1);
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.contains("minting a new one instead"), "{}", ran.story);
    assert!(said(&scene));
    assert_eq!(live(&scene), 1, "the one that was named");

    create(&scene, &["--refreshable", "--renew-by", "refresh"]);
    scene.sandbox.fault_for("POST", sandbox::Fault::ResetBefore, 1);
    assert_ne!(scene.run(&["refresh", "--session", "s"]).code, 0);
    assert_eq!(scene.run(&["refresh", "--session", "s"]).code, 0);
    assert!(!said(&scene));
}

#[test]
fn word_of_a_token_that_may_be_alive_outlives_what_fails_afterwards() {
    let scene = Scene::new();
    scene.sandbox.fault_for("POST", sandbox::Fault::StallAfter, 1);
    let mut child = scene.spawn(&CREATE);
    wait_until("the token", || live(&scene) == 1);
    child.kill().unwrap();
    child.wait().unwrap();
    scene.sandbox.fault_for("POST", sandbox::Fault::Html(404), 1);
    assert_ne!(scene.run(&CREATE).code, 0);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.stderr.contains("may be alive"), "{}", ran.story);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
}

#[test]
fn a_process_that_is_killed_while_it_writes_its_token_down_leaves_one_that_is_ended() {
    for with_another in [false, true] {
        let mut scene = Scene::new();
        scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
        create(&scene, &[]);
        let before = scene.read("home/s.json");
        if with_another {
            create(&scene, &[]);
        }
        // As if the last rename had not come.
        let draft = scene.path("home/.s~Xa1b2c");
        std::fs::rename(scene.path("home/s.json"), &draft).unwrap();
        if with_another {
            scene.write("home/s.json", &before);
            std::fs::set_permissions(scene.path("home/s.json"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        let ran = scene.run(&["revoke", "--session", "s"]);
        assert!(live(&scene) == 0 && scene.files().is_empty(), "{}", ran.story);
        assert!(!ran.stderr.contains("may be alive"), "{}", ran.story);
    }
}

#[test]
fn an_exec_whose_folder_is_opened_to_others_closes_it_and_ends_its_session() {
    for how in ["777", "g+rwXs"] {
        let scene = Scene::new();
        let script = format!("chmod -R {how} \"$TMPDIR\"; sleep 0.8; rm -rf \"$JF_TOKEN_HOME\"/*; chmod {how} \"$JF_TOKEN_HOME\"");
        let ran = scene.run(&["exec", "--expiry", "1h", "--force-revocable", "--", "sh", "-c", &script]);
        assert!(ran.code == 0 && live(&scene) == 0 && scene.files().is_empty(), "{}", ran.story);
        assert!(ran.stderr.contains("other users could look into"), "{}", ran.story);
    }
}

#[test]
fn a_keeper_whose_session_vanished_adds_its_tokens_to_one_that_was_begun_since() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    let pid = format!("--until-pid={}", std::process::id());
    create(&scene, &["--keep-fresh", &pid]);
    // The keeper knows it by now.
    std::thread::sleep(Duration::from_millis(700));
    std::fs::remove_dir_all(scene.path("home")).unwrap();
    create(&scene, &[]);
    wait_until("both", || scene.read("home/s.json").matches("\"access_token\"").count() == 2);
    let ran = scene.run(&["get", "--session", "s"]);
    assert_eq!(ran.stdout.trim(), scene.sandbox.issued()[1].access_token, "{}", ran.story);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && live(&scene) == 0, "{}", ran.story);
    wait_until("the keeper's end", || scene.keepers() == 0);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
}

#[test]
fn an_exec_that_can_not_wait_for_a_renewal_names_the_token_that_it_may_have_brought() {
    let scene = Scene::new();
    let script = format!("\"$JF\" exec --session s {SHORT} -- sleep 40 2>err; true");
    let mut command = scene.command("bash", &["-ec", &script]);
    let mut child = command.env("PATH", std::env::var_os("PATH").unwrap()).env("JF", BINARY).spawn().unwrap();
    wait_until("the token", || sessions(&scene) == 1);
    std::thread::sleep(Duration::from_millis(300));
    scene.sandbox.fault_for("POST", sandbox::Fault::StallAfter, 1);
    scene.ages("s", 45 * 60);
    wait_until("the renewal", || live(&scene) == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the end", || sessions(&scene) == 0);
    let said = scene.read("work/err");
    assert!(said.contains("may be alive") && live(&scene) == 1, "{said}");
}

#[test]
fn an_exec_that_can_not_write_its_session_back_ends_the_token_it_knows() {
    for revocable in [true, false] {
        let scene = Scene::new();
        // exec may write it back meanwhile.
        let script = "until [ -f \"$JF_TOKEN_HOME\" ]; do rm -rf \"$JF_TOKEN_HOME\"; touch \"$JF_TOKEN_HOME\"; done";
        if !revocable {
            scene.sandbox.fault_for("DELETE", sandbox::Fault::Shape('C', 403), 4);
        }
        let ran = scene.run(&["exec", "--expiry", "1h", "--force-revocable", "--", "sh", "-c", script]);
        let id = &scene.sandbox.issued()[0].token_id;
        let said = if revocable { "was revoked" } else { "could not be revoked, and ends " };
        assert!(ran.stderr.contains(&format!("{id} {said}")), "{}", ran.story);
        assert_eq!(live(&scene), usize::from(!revocable));
    }
}

/// A command that this user runs as another, who can read the binary and write where a job writes.
fn as_user(scene: &Scene, user: &str, arguments: &[&str]) -> Command {
    let binary = scene.path("jf");
    if !binary.exists() {
        std::fs::copy(BINARY, &binary).unwrap();
        for file in ["output", "env", "state", "summary"] {
            scene.write(file, "");
        }
        for path in ["", "work", "tmp", "runner", "output", "env", "state", "summary"] {
            std::fs::set_permissions(scene.path(path), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        }
    }
    let setpriv = ["--reuid", user, "--clear-groups", binary.to_str().unwrap()];
    scene.command("setpriv", &[&setpriv, arguments].concat())
}

#[test]
fn root_and_another_user_in_turn_leave_no_token_without_a_word() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for (first, then) in [("0", "65534"), ("65534", "0")] {
        for with_credential in [true, false] {
            let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
            let created = as_user(&scene, first, &["action", "create"]).output().unwrap();
            assert!(created.status.success(), "{}", text(created.stderr));
            for (name, value) in scene.blocks("state") {
                scene.set(&format!("STATE_{name}"), &value);
            }
            if !with_credential {
                scene.unset("JF_ACCESS_TOKEN");
            }
            let ended = as_user(&scene, then, &["action", "revoke"]).output().unwrap();
            let (said, id) = (text(ended.stderr), scene.sandbox.issued()[0].token_id.clone());
            assert!(ended.status.success() && said.contains(&id), "{first} {then}: {said}");
            assert_eq!(live(&scene), usize::from(!with_credential), "{first} {then}: {said}");
            assert!(said.contains(if with_credential { "revoked its token" } else { "ends " }), "{first} {then}: {said}");
        }
    }
}

#[test]
fn a_job_whose_temporary_folder_has_another_path_in_each_step_ends_its_session_and_removes_its_files() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    let token = scene.path("runner/token").display().to_string();
    scene.set("INPUT_TOKEN-FILE", &token).asks_for("runner/token").asks_for("mounted/token").asks_for("again/token");
    assert_eq!(scene.run(&["create"]).code, 0);
    std::fs::rename(scene.path("runner"), scene.path("mounted")).unwrap();
    let session = scene.blocks("state")["SESSION"].clone();
    let path = |scene: &Scene, path| scene.path(path).display().to_string();
    let mounted = path(&scene, "mounted");
    scene.leave_action().set("RUNNER_TEMP", &mounted);
    assert_eq!(scene.run(&["refresh", "--session", &session]).code, 0);
    assert_eq!(scene.read("mounted/token"), scene.sandbox.issued()[1].access_token);
    std::fs::rename(scene.path("mounted"), scene.path("again")).unwrap();
    let again = path(&scene, "again");
    scene.set("RUNNER_TEMP", &again).unset("JF_ACCESS_TOKEN");
    for (name, value) in scene.blocks("state") {
        scene.set(&format!("STATE_{name}"), &value);
    }
    let ran = scene.run(&["action", "revoke"]);
    assert!(ran.code == 0 && live(&scene) == 0 && !scene.path("again/token").exists(), "{}", ran.story);
    assert!(!scene.path("again/jf-token").exists() && !scene.path("runner").exists(), "{}", ran.story);
}

#[cfg(target_os = "linux")]
#[test]
fn a_job_whose_parent_is_none_or_the_first_process_ends_its_tokens() {
    let unshare = ["--pid", "--fork", "--mount-proc"];
    if !Command::new("unshare").args(unshare).arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        // Not permitted here.
        return;
    }
    let scene = Scene::new();
    let arguments = ["exec", "--expiry", "1h", "--force-revocable", "--", "sh", "-c", "sleep 0.3"];
    let ended = scene.command("unshare", &[&unshare[..], &[BINARY], &arguments].concat()).output().unwrap();
    assert!(ended.status.success() && live(&scene) == 0, "{}", text(ended.stderr));
    // The shell is the first process; all that is left of the keeper goes with it.
    let exec = arguments.join(" ").replace("sh -c sleep", "sleep");
    let script = format!("\"$0\" {exec} && \"$0\" {} --keep-fresh && exec \"$0\" get --session s", CREATE.join(" "));
    let ended = scene.command("unshare", &[&unshare[..], &["sh", "-c", &script, BINARY]].concat()).output().unwrap();
    let issued = scene.sandbox.issued();
    assert_eq!(text(ended.stdout).trim(), issued[2].access_token, "{}", text(ended.stderr));
    assert_eq!(live(&scene), 1);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && live(&scene) == 0 && scene.files().is_empty(), "{}", ran.story);
}

#[test]
fn a_job_that_hears_no_signals_ends_its_tokens() {
    let scene = Scene::new();
    let pid = std::process::id();
    let deaf = "trap '' HUP INT QUIT TERM USR1 USR2 CHLD PIPE;";
    let output = scene.shell(&format!("{deaf} \"$JF\" exec {SHORT} -- sh -c 'kill -TERM $PPID; sleep 0.3'"));
    assert!(output.status.success() && live(&scene) == 0, "{}", text(output.stderr));
    let output = scene.shell(&format!("{deaf} \"$JF\" {} --keep-fresh --until-pid {pid}", CREATE.join(" ")));
    assert!(output.status.success() && scene.keepers() == 1, "{}", text(output.stderr));
    let output = scene.shell(&format!("{deaf} \"$JF\" revoke --session s"));
    assert!(output.status.success() && live(&scene) == 0, "{}", text(output.stderr));
    wait_until("the keeper's end", || scene.keepers() == 0);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
}

#[test]
fn the_post_step_of_a_main_step_that_was_killed_says_that_a_token_may_be_alive_though_the_folder_was_emptied() {
    for fails in [false, true] {
        let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
        if fails {
            scene.sandbox.fault_for("POST", sandbox::Fault::Shape('C', 403), 1);
            assert_ne!(scene.run(&["create"]).code, 0);
        } else {
            scene.sandbox.fault_for("POST", sandbox::Fault::StallAfter, 1);
            let mut child = scene.spawn(&["create"]);
            wait_until("the token", || live(&scene) == 1);
            child.kill().unwrap();
            child.wait().unwrap();
            std::fs::remove_dir_all(scene.path("runner/jf-token")).unwrap();
        }
        let ran = scene.post();
        assert_eq!((ran.code, ran.stderr.contains("may be alive")), (0, !fails), "{}", ran.story);
    }
}
