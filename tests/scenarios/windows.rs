//! What is different on Windows, and what jf-token promises there all the same. In place of a shell, `exec` runs `support/program.rs`.
#![cfg(windows)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sandbox::{Fault, Issuer};
use serde_json::json;

use crate::support::{BINARY, Ran, Scene};

const TOKEN: [&str; 3] = ["--expiry", "1h", "--force-revocable"];

fn absolute(path: &str) -> PathBuf {
    std::path::absolute(path).unwrap()
}

fn program() -> PathBuf {
    absolute(BINARY).with_file_name("examples").join("program.exe")
}

fn scene() -> Scene {
    let mut scene = Scene::new();
    for name in ["PATH", "SYSTEMROOT", "COMSPEC"] {
        if let Ok(value) = std::env::var(name) {
            scene.set(name, &value);
        }
    }
    scene
}

fn exec(scene: &Scene, options: &[&str], words: &[&str]) -> Ran {
    scene.run(&[&["exec"], options, &["--", program().to_str().unwrap()], words].concat())
}

/// Starts it, and waits until its program says "ready".
fn start(scene: &Scene, options: &[&str], words: &[&str]) -> (Child, impl BufRead + use<>) {
    let program = program();
    let mut child = scene.spawn(&[&["exec"], options, &["--", program.to_str().unwrap(), "say", "ready"], words].concat());
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line.trim_end(), "ready");
    (child, stdout)
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} takes too long");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The keeper closes its files some moments after the end of its session.
fn wait_until_nothing_is_left(scene: &Scene) {
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_left = |name: &str| fs::read_dir(scene.path(name)).is_ok_and(|mut files| files.next().is_some());
    while is_left("tmp") || is_left("runner") {
        assert!(Instant::now() < deadline, "left: {:?}", scene.files());
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn minted(scene: &Scene) -> usize {
    scene.sandbox.issued().len()
}

fn live(scene: &Scene) -> usize {
    scene.sandbox.issued().iter().filter(|issued| issued.live).count()
}

fn create(scene: &Scene, more: &[&str]) -> Ran {
    let ran = scene.run(&[&["create", "--session", "s", "--format", "none"], &TOKEN[..], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    ran
}

fn status(scene: &Scene) -> String {
    scene.run(&["status", "--session", "s"]).stdout
}

fn keeps(scene: &Scene) -> bool {
    status(scene).lines().any(|line| line.starts_with("keeper") && !line.contains("none"))
}

/// The file, opened by somebody who lets nobody replace or remove it meanwhile.
fn hold(path: &Path) -> File {
    const FILE_SHARE_READ: u32 = 1;
    File::options().read(true).share_mode(FILE_SHARE_READ).open(path).unwrap()
}

#[test]
fn the_program_gets_a_token_its_output_is_hidden_and_its_own_exit_code_is_passed_on() {
    let mut scene = scene();
    scene.asks_for("work/got");
    for code in [0, 7, 3010, -1] {
        let words = ["write", "got", "$JF_ACCESS_TOKEN", "say", "<$JF_ACCESS_TOKEN>", "complain", "talk", "exit", &code.to_string()];
        let ran = exec(&scene, &TOKEN, &words);
        assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (code, "<***>\n", "talk\n"), "{}", ran.story);
        assert_eq!(scene.read("work/got"), scene.sandbox.issued().last().unwrap().access_token);
    }
    assert_eq!((minted(&scene), live(&scene)), (4, 0));
    assert_eq!(fs::read_dir(scene.path("tmp")).unwrap().count(), 0, "a folder is left");
}

#[test]
fn the_program_does_not_inherit_the_credential_under_any_spelling() {
    let mut scene = scene();
    let credential = scene.variable("JF_ACCESS_TOKEN");
    scene.unset("JF_ACCESS_TOKEN").set("jf_Access_Token", &credential).set("My_Secret", &credential).set("Harmless", "as it was");
    let ran = exec(&scene, &TOKEN, &["env"]);
    assert!(ran.code == 0 && ran.stdout.contains("Harmless=as it was"), "{}", ran.story);
    assert!(!ran.stdout.to_lowercase().contains("my_secret"), "{}", ran.story);
    assert_eq!(ran.stdout.to_lowercase().matches("jf_access_token=").count(), 1, "{}", ran.story);
}

#[test]
fn the_token_is_renewed_while_the_program_runs_and_its_file_rewritten() {
    let scene = scene();
    let words = ["sleep", "2600", "cat", "token"];
    let ran = exec(&scene, &["--expiry", "3", "--force-revocable", "--token-file", "token"], &words);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n"), "{}", ran.story);
    assert!(minted(&scene) > 1 && live(&scene) == 0, "{}", ran.story);
    assert!(!scene.path("work/token").exists());
}

#[test]
fn a_program_is_found_by_pathext_before_the_mint() {
    let mut scene = scene();
    fs::create_dir(scene.path("bin")).unwrap();
    // npm puts the script for Unix beside it.
    scene.write("bin/tool", "#!/bin/sh\n");
    scene.write("bin/tool.cmd", "@echo got %JF_ACCESS_TOKEN% and %1\r\n@exit /b 9\r\n");
    scene.write("bin/other.vbs", "");
    let path = format!("{};{}", scene.path("bin").display(), scene.variable("PATH"));
    scene.set("PATH", &path).set("PATHEXT", ".EXE;.CMD;.VBS");
    for name in ["tool", "TOOL.cmd", r"..\bin\tool", "../bin/tool"] {
        let ran = scene.run(&[&["exec"], &TOKEN[..], &["--", name, "a b"]].concat());
        assert_eq!((ran.code, ran.stdout.trim_end()), (9, "got *** and \"a b\""), "{name}: {}", ran.story);
    }
    let minted = minted(&scene);
    for (words, code) in [
        (&["nothing-of-this-name"][..], 127),
        (&["bin"], 127),
        (&["other"], 126),
        (&[r"..\bin\tool.sh"], 127),
        (&["tool", "two\nlines"], 126),
    ] {
        let ran = scene.run(&[&["exec", "--"], words].concat());
        assert_eq!(ran.code, code, "{words:?}: {}", ran.story);
        assert!(!ran.story.contains("--- request"), "{words:?}: {}", ran.story);
    }
    assert_eq!(minted, self::minted(&scene));
}

#[test]
fn what_the_program_leaves_behind_is_not_waited_for_and_lives_on() {
    let scene = scene();
    let ran = exec(&scene, &TOKEN, &["say", "first", "start", "count", "number"]);
    assert_eq!((ran.code, ran.stdout.as_str(), live(&scene)), (0, "first\n", 0), "{}", ran.story);
    let number = || scene.read("work/number").parse().unwrap_or(0);
    let before: u32 = number();
    wait_until("it", || number() > before);
}

#[test]
fn a_jf_token_that_is_killed_takes_its_program_along_and_the_next_command_ends_its_token() {
    let scene = scene();
    let (mut child, _stdout) = start(&scene, &TOKEN, &["count", "number"]);
    wait_until("the program", || scene.path("work/number").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let before = scene.read("work/number");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scene.read("work/number"), before, "the program lives");
    let ran = scene.run(&["revoke"]);
    assert!(ran.code == 0 && ran.stderr.contains("was left behind") && live(&scene) == 0, "{}", ran.story);
}

#[test]
fn a_keeper_in_the_background_holds_no_pipe_of_its_caller_and_keeps_the_token_fresh() {
    let mut scene = scene();
    scene.asks_for("work/token");
    let mut child = scene.spawn(&[
        "create",
        "--session",
        "s",
        "--keep-fresh",
        "--format",
        "token",
        "--expiry",
        "3",
        "--force-revocable",
        "--token-file",
        "token",
    ]);
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    let mut talk = String::new();
    child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
    assert!(child.wait().unwrap().success() && keeps(&scene), "{talk}");
    assert_eq!(printed.trim(), scene.sandbox.issued()[0].access_token);
    wait_until("a renewal", || minted(&scene) > 2);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && live(&scene) == 0, "{}", ran.story);
    wait_until_nothing_is_left(&scene);
    assert!(!scene.path("work/token").exists());
}

#[test]
fn the_credential_reaches_the_keeper_by_a_pipe_however_it_was_given() {
    let mut scene = scene();
    let credential = scene.variable("JF_ACCESS_TOKEN");
    scene.unset("JF_ACCESS_TOKEN").stdin(&credential);
    let options = ["create", "--session", "s", "--keep-fresh", "--format", "none", "--expiry", "3", "--force-revocable"];
    let ran = scene.run(&[&options[..], &["--access-token-stdin"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    wait_until("a renewal", || minted(&scene) > 1);
    scene.run(&["revoke", "--session", "s"]);
    wait_until_nothing_is_left(&scene);
}

#[test]
fn a_keeper_that_fails_at_once_is_said_so() {
    let scene = scene();
    create(&scene, &[]);
    let ran = scene.run(&["keep", "--session", "s", "--log-file", "absent/log"]);
    assert!(ran.code != 0 || keeps(&scene), "{}", ran.story);
    scene.run(&["revoke", "--session", "s"]);
}

#[test]
fn the_keeper_ends_with_the_process_of_until_pid() {
    let scene = scene();
    let mut job = Command::new(program()).args(["sleep", "60000"]).stdin(Stdio::null()).spawn().unwrap();
    create(&scene, &["--keep-fresh", "--until-pid", &job.id().to_string()]);
    assert!(keeps(&scene));
    job.kill().unwrap();
    job.wait().unwrap();
    wait_until("the end of the keeper", || !keeps(&scene));
    let ran = scene.run(&["keep", "--session", "s", "--until-pid", &job.id().to_string()]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no such process, or it has ended"), "{}", ran.story);
    scene.run(&["revoke", "--session", "s"]);
}

#[test]
fn renewals_beside_four_readers_lose_nothing() {
    let mut scene = scene();
    scene.asks_for("work/token");
    create(&scene, &["--refreshable", "--token-file", "token"]);
    let files = [scene.state_file("s"), scene.path("work/token")];
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for number in 0..4 {
            let (file, over) = (&files[number % 2], &over);
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let _ = fs::read(file);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
        }
        for number in 0..40 {
            let ran = scene.run_at(0, &["refresh", "--session", "s"]);
            if ran.code != 0 || ran.stderr.contains("still holds") {
                over.store(true, Ordering::Relaxed);
                panic!("{number}: {}", ran.story);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert_eq!((minted(&scene), live(&scene)), (41, 1));
    assert_eq!(scene.read("work/token"), scene.sandbox.issued().last().unwrap().access_token);
}

#[test]
fn a_token_file_that_somebody_holds_open_is_rewritten_later_and_the_end_says_what_stays() {
    let mut scene = scene();
    scene.asks_for("work/token");
    create(&scene, &["--token-file", "token"]);
    let file = scene.path("work/token");
    let held = hold(&file);
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.contains("a file still holds the old token"), "{}", ran.story);
    drop(held);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{}", ran.story);
    assert_eq!(scene.read("work/token"), scene.sandbox.issued()[1].access_token);
    let held = hold(&file);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code != 0 && ran.stderr.contains("can't remove") && ran.stderr.contains("token"), "{}", ran.story);
    assert_eq!(live(&scene), 0);
    drop(held);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && !file.exists(), "{}", ran.story);
    assert_eq!(fs::read_dir(scene.path("tmp")).unwrap().count(), 0, "a folder is left");
}

#[test]
fn the_sessions_are_in_the_users_profile() {
    let mut scene = scene();
    let profile = scene.path("profile");
    fs::create_dir(&profile).unwrap();
    scene.set("LOCALAPPDATA", profile.to_str().unwrap());
    create(&scene, &[]);
    assert!(scene.state_file("s").starts_with(profile.join("jf-token")));
    scene.run(&["revoke", "--session", "s"]);
    assert_eq!(fs::read_dir(&profile).unwrap().count(), 0);
}

/// A folder that others can read. Under Wine, which can't set rights, one that was made before.
fn exposed(scene: &Scene) -> PathBuf {
    if let Ok(made) = std::env::var("JF_TOKEN_EXPOSED_FOLDER") {
        return made.into();
    }
    let folder = scene.path("exposed");
    fs::create_dir(&folder).unwrap();
    let icacls = Command::new("icacls").arg(&folder).args(["/grant", "*S-1-1-0:(OI)(CI)R"]).output().unwrap();
    assert!(icacls.status.success());
    folder
}

#[test]
fn a_folder_that_others_can_read_is_refused_for_sessions() {
    let mut scene = scene();
    let folder = exposed(&scene);
    scene.set("JF_TOKEN_HOME", folder.to_str().unwrap());
    let ran = scene.run(&["create", "--session", "s"]);
    assert!(ran.code == 1 && ran.stderr.contains("other users can read it"), "{}", ran.story);
    assert!(!ran.story.contains("--- request"), "{}", ran.story);
}

#[test]
fn a_command_for_the_identity_token_is_one_of_cmd_and_what_takes_too_long_is_ended_with_what_it_started() {
    let issuer = Issuer::start();
    let mut scene = scene();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    scene.set("MY_ID", &issuer.sign(json!({"sub": "me", "aud": "a"}))).set("PROGRAM", program().to_str().unwrap());
    let create = ["create", "--oidc-provider", "github", "--oidc-token-command"];
    let ran = scene.run(&[&create[..], &["%PROGRAM% say $MY_ID"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    let ran = scene.run(&[&create[..], &["%PROGRAM% count number"]].concat());
    assert!(ran.code != 0 && ran.stderr.contains("took longer"), "{}", ran.story);
    std::thread::sleep(Duration::from_millis(300));
    let before = scene.read("work/number");
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(scene.read("work/number"), before, "it lives");
}

#[test]
fn names_of_variables_ignore_case() {
    let mut scene = scene();
    let url = scene.variable("JF_URL");
    scene.unset("JF_URL").set("Jf_Url", &url).set("jf_token_expiery", "1");
    let ran = scene.run(&["create", "--dry-run"]);
    assert!(ran.code == 0 && ran.stderr.contains("did you mean JF_TOKEN_EXPIRY?"), "{}", ran.story);
}

#[test]
fn names_that_are_no_ordinary_files_are_refused_before_the_mint() {
    let scene = scene();
    for name in ["nul", "con", "aux.txt", "COM1", "a*b", "tok:ads", "what?", "token.", "token ", r"sub\nul"] {
        for option in ["--token-file", "--output-file"] {
            let ran = scene.run(&["create", option, name]);
            assert!(ran.code == 2 && ran.stderr.contains(option), "{name}: {}", ran.story);
            assert!(!ran.story.contains("--- request"), "{name}: {}", ran.story);
        }
    }
    for name in ["nul", "CON", "com1", "lpt9.x"] {
        let ran = scene.run(&["create", "--session", name]);
        assert!(ran.code == 2 && ran.stderr.contains("device"), "{name}: {}", ran.story);
        assert!(!ran.story.contains("--- request"), "{name}: {}", ran.story);
    }
    assert_eq!(fs::read_dir(scene.path("work")).unwrap().count(), 0);
}

#[test]
fn sessions_and_files_whose_names_differ_by_case_alone_are_refused_before_anything_happens() {
    let mut scene = scene();
    scene.asks_for("work/TOKEN");
    scene.run(&["create", "--session", "Build", "--format", "none"]);
    for arguments in [&["create", "--session", "build"][..], &["get", "--session", "BUILD"], &["revoke", "--session", "build"]] {
        let ran = scene.run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains("Build") && !ran.story.contains("--- request"), "{}", ran.story);
    }
    let ran = scene.run(&["create", "--token-file", "token", "--output-file", "TOKEN"]);
    assert!(ran.code == 2 && !ran.story.contains("--- request"), "{}", ran.story);
}

#[test]
fn paths_are_told_as_people_write_them() {
    let mut scene = Scene::action(&[("token-file", "token"), ("expiry", "1h")]);
    scene.asks_for("work/token");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && !ran.story.contains(r"\\?\") && !ran.story.contains("//?/"), "{}", ran.story);
    assert_eq!(scene.blocks("output")["token-file"], scene.path("work/token").display().to_string());
}

#[test]
fn a_lock_that_was_deleted_is_held_by_nobody() {
    let scene = scene();
    create(&scene, &[]);
    scene.sandbox.fault_for("POST", Fault::Delay(3000), 1);
    let mut first = scene.spawn(&["refresh", "--session", "s"]);
    wait_until("the request", || !scene.sandbox.requests().is_empty());
    let lock = scene.state_file("s").with_extension("lock");
    if fs::remove_file(&lock).is_ok() && !lock.exists() {
        let ran = scene.run(&["refresh", "--session", "s"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
    }
    first.wait().unwrap();
    scene.run(&["revoke", "--session", "s"]);
    assert_eq!(live(&scene), 0);
}

/// Node, which runs the action: where the variable says, else on the PATH.
fn node() -> String {
    std::env::var("JF_TOKEN_NODE").unwrap_or_else(|_| "node".into())
}

/// The action as a release has it, in a job that ends with the process that starts Node.
fn action() -> Scene {
    let inputs = [("expiry", "1h"), ("force-revocable", "true"), ("keep-fresh", "true"), ("token-file", "token")];
    let mut scene = Scene::action(&inputs);
    for name in ["PATH", "SYSTEMROOT"] {
        scene.set(name, &std::env::var(name).unwrap());
    }
    scene.set("NODE_SKIP_PLATFORM_CHECK", "1").asks_for("work/token");
    let binaries = scene.path("action/bin/win32-x64");
    fs::create_dir_all(&binaries).unwrap();
    fs::copy(BINARY, binaries.join("jf-token.exe")).unwrap();
    // Under Wine.
    let _ = fs::copy(absolute(BINARY).with_file_name("bcryptprimitives.dll"), binaries.join("bcryptprimitives.dll"));
    for script in ["main.js", "post.js"] {
        fs::copy(absolute(concat!(env!("CARGO_MANIFEST_DIR"), "/action")).join(script), scene.path("action").join(script)).unwrap();
    }
    scene
}

#[test]
fn the_action_runs_under_node_and_its_keeper_does_not_hold_it() {
    let mut scene = action();
    let run = |scene: &Scene, script: &str| {
        let script = scene.path("action").join(script);
        let output = scene.command(&node(), &[script.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    run(&scene, "main.js");
    assert_eq!(scene.read("work/token"), scene.sandbox.issued()[0].access_token);
    for (name, value) in scene.blocks("state") {
        scene.set(&format!("STATE_{name}"), &value);
    }
    let said = run(&scene, "post.js");
    assert_eq!(live(&scene), 0, "{said}");
    wait_until_nothing_is_left(&scene);
}

#[test]
fn the_actions_keeper_ends_with_the_process_of_the_job() {
    let mut scene = action();
    let script = scene.path("action/main.js");
    let words = ["run", &node(), script.to_str().unwrap(), "write", "ready", "", "sleep", "60000"];
    let mut job = scene.command(program().to_str().unwrap(), &words).spawn().unwrap();
    wait_until("the action", || scene.path("work/ready").exists());
    let session = scene.blocks("output")["session"].clone();
    scene.leave_action().set("JF_TOKEN_SESSION", &session);
    let keeps = |scene: &Scene| scene.run(&["status"]).stdout.lines().any(|line| line.starts_with("keeper") && !line.contains("none"));
    assert!(keeps(&scene));
    job.kill().unwrap();
    job.wait().unwrap();
    wait_until("the end of the keeper", || !keeps(&scene));
    scene.run(&["revoke"]);
    assert_eq!(live(&scene), 0);
}
