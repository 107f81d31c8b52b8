//! What can't be read can't be hidden: `redact` and `exec` beside sessions that they can't read.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use crate::support::{BINARY, Ran, Scene};

/// A user of whom the tests know nothing.
const SOMEBODY: u32 = 65534;

fn scene() -> Scene {
    let mut scene = Scene::new();
    let home = scene.path("home");
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap()).for_scripts();
    scene
}

fn create(scene: &Scene) -> String {
    let ran = scene.run(&["create", "--session", "s", "--format", "none", "--expiry", "1h", "--force-revocable"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    scene.sandbox.issued().pop().unwrap().access_token
}

/// Lets everybody into the scene's folder, and returns a copy of the program that everybody may run.
fn open_to_all(scene: &Scene) -> PathBuf {
    let program = scene.path("jf-token");
    fs::copy(BINARY, &program).unwrap();
    for folder in ["", "work", "tmp"] {
        fs::set_permissions(scene.path(folder), fs::Permissions::from_mode(0o777)).unwrap();
    }
    program
}

/// Runs `printed | jf-token redact` in a shell, in which the writer takes note of its end. The program runs as this user.
fn redact_as(scene: &mut Scene, user: Option<u32>, printed: &str, options: &str) -> Ran {
    let program = open_to_all(scene);
    scene.set("JF", program.to_str().unwrap()).set("PRINTED", printed);
    let less = user.map(|user| format!("setpriv --reuid {user} --clear-groups")).unwrap_or_default();
    let script =
        format!("{{ printf '%s\\n' \"$PRINTED\"; head -c 300000 /dev/zero; echo whole >written; }} | {less} \"$JF\" redact {options}");
    let ran = scene.ran(&["redact"], scene.command("sh", &["-c", &script]).output().unwrap());
    assert_eq!(fs::read_to_string(scene.path("work/written")).unwrap_or_default(), "whole\n", "the writer was cut off: {}", ran.stderr);
    fs::remove_file(scene.path("work/written")).unwrap();
    ran
}

/// Nothing came through, and both ends name what could not be read.
fn withheld(ran: &Ran, name: &str) {
    assert!(ran.code == 1 && ran.stdout.is_empty(), "{}", ran.story);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains(name)).count(), 2, "{}", ran.stderr);
}

#[test]
fn what_another_user_prints_is_withheld_where_that_user_has_sessions() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Kept for the folder, for the job of a CI, and in a job's own folder.
    for ci in ["", "TF_BUILD", "GITHUB_ACTIONS"] {
        let mut scene = scene();
        scene.unset("JF_TOKEN_HOME");
        match ci {
            "GITHUB_ACTIONS" => drop(scene.in_github()),
            "TF_BUILD" => drop(scene.set("TF_BUILD", "True").set("SYSTEM_JOBID", "7").set("CI", "true")),
            _ => {}
        }
        let token = create(&scene);
        scene.unset("JF_ACCESS_TOKEN");
        let name = if ci == "GITHUB_ACTIONS" { "runner/jf-token" } else { "tmp/jf-token-0" };
        if ci == "GITHUB_ACTIONS" {
            fs::set_permissions(scene.path("runner"), fs::Permissions::from_mode(0o777)).unwrap();
        }
        withheld(&redact_as(&mut scene, Some(SOMEBODY), &token, ""), name);
        let program = scene.path("jf-token");
        let mut command = scene.command(program.to_str().unwrap(), &["exec", "--access-token", "x", "--", "echo", "ran"]);
        let ran = scene.ran(&["exec"], command.uid(SOMEBODY).gid(SOMEBODY).output().unwrap());
        assert!(ran.code == 125 && ran.stdout.is_empty() && ran.stderr.contains(name), "{ci}: {}", ran.story);
        assert!(!ran.story.contains("--- request"), "{}", ran.story);
    }
}

#[test]
fn another_users_sessions_on_the_same_machine_do_not_matter_to_who_prints() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut scene = scene();
    scene.unset("JF_TOKEN_HOME");
    create(&scene);
    scene.unset("JF_ACCESS_TOKEN");
    let program = open_to_all(&scene);
    let script = "echo mine | \"$JF\" redact >printed 2>talk; echo $? >>printed";
    let mut command = scene.command("sh", &["-c", script]);
    command.env("JF", program).uid(SOMEBODY).gid(SOMEBODY).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
    assert_eq!(scene.read("work/printed"), "mine\n0\n", "{}", scene.read("work/talk"));
}

#[test]
fn a_folder_that_can_not_be_listed_may_hold_any_secret() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut scene = scene();
    let token = create(&scene);
    std::os::unix::fs::chown(scene.path("home"), Some(SOMEBODY), None).unwrap();
    fs::set_permissions(scene.path("home"), fs::Permissions::from_mode(0o300)).unwrap();
    withheld(&redact_as(&mut scene, Some(SOMEBODY), &token, ""), "can't list");
    let program = scene.path("jf-token");
    let mut command = scene.command(program.to_str().unwrap(), &["exec", "--", "echo", "ran"]);
    let ran = scene.ran(&["exec"], command.uid(SOMEBODY).gid(SOMEBODY).output().unwrap());
    assert!(ran.code == 125 && ran.stdout.is_empty() && ran.stderr.contains("can't list"), "{}", ran.story);
}

#[test]
fn a_state_file_that_is_a_link_a_pipe_or_cut_is_named_at_both_ends_and_the_writer_is_not_cut_off() {
    for how in ["link", "pipe", "cut", "folder"] {
        let mut scene = scene();
        let token = create(&scene);
        let (file, whole) = (scene.path("home/s.json"), scene.read("home/s.json"));
        fs::remove_file(&file).unwrap();
        scene.asks_for("elsewhere");
        match how {
            "link" => symlink(scene.write("elsewhere", &whole), &file).unwrap(),
            "pipe" => assert!(scene.shell("mkfifo ../home/s.json").status.success()),
            "folder" => fs::create_dir(&file).unwrap(),
            _ => fs::write(&file, &whole[..whole.len() - 1]).unwrap(),
        }
        withheld(&redact_as(&mut scene, None, &token, ""), "home/s.json");
    }
}

#[test]
fn a_credential_that_can_not_be_read_withholds_the_output_too() {
    let mut scene = scene();
    let missing = scene.path("work/missing");
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_ACCESS_TOKEN_FILE", missing.to_str().unwrap());
    withheld(&redact_as(&mut scene, None, "text", ""), "work/missing");
}

#[test]
fn who_wants_it_gets_what_can_not_be_checked_and_all_that_is_known_is_hidden_in_it() {
    let mut scene = scene();
    create(&scene);
    scene.write("home/t.json", "{");
    let credential = scene.sandbox.admin_token().to_owned();
    let token = scene.sandbox.issued()[0].access_token.clone();
    let ran = redact_as(&mut scene, None, &format!("one {credential} two {token} three"), "--pass-if-unreadable | tr -d '\\0'");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "one *** two *** three\n"), "{}", ran.story);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("home/t.json") && line.contains("passed on all the same")).count(), 2);
}

#[test]
fn so_is_what_sessions_hold_where_only_the_credential_can_not_be_read() {
    let mut scene = scene();
    create(&scene);
    let token = scene.sandbox.issued()[0].access_token.clone();
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_ACCESS_TOKEN_FILE", "absent");
    let ran = redact_as(&mut scene, None, &format!("one {token} two"), "--pass-if-unreadable | tr -d '\\0'");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "one *** two\n"), "{}", ran.story);
    assert_eq!(ran.stderr.lines().filter(|line| line.contains("absent") && line.contains("passed on all the same")).count(), 2);
}

#[test]
fn a_folder_that_vanished_takes_no_secret_along_and_one_that_comes_back_is_read() {
    let mut scene = scene();
    let token = create(&scene);
    scene.set("FIRST", &token).unset("JF_ACCESS_TOKEN");
    let state = scene.state("s");
    scene.asks_for("later.json").asks_for("gone/s.json");
    let second = token.replace(&token[100..120], "ABCDEFGHIJKLMNOPQRST");
    scene.write("later.json", &state.to_string().replace(&token, &second));
    scene.set("SECOND", &second).identity(&second);
    let script = "{ echo begin; sleep 0.3; mv ../home ../gone; echo \"$FIRST\"; sleep 0.2
        mkdir -m 700 ../home; (umask 077; cat ../later.json >../home/.x; mv ../home/.x ../home/s.json); echo \"$SECOND\"; } | \"$JF\" redact";
    let ran = scene.ran(&["redact"], scene.command("sh", &["-c", script]).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "begin\n***\n***\n", ""), "{}", ran.story);
}
