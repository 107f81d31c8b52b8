//! Our own streams: shared with others, full, non-blocking, or both the same.
#![cfg(unix)]

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{BINARY, Scene, wait_until};

const TOKEN: [&str; 3] = ["--expiry", "1h", "--force-revocable"];

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.for_scripts();
    scene
}

fn exec(script: &str) -> Vec<&str> {
    [&["exec"][..], &TOKEN, &["--", "sh", "-c", script]].concat()
}

/// As node makes it, for whoever shares it.
fn make_non_blocking(stream: &impl AsFd) {
    fcntl_setfl(stream, fcntl_getfl(stream).unwrap() | OFlags::NONBLOCK).unwrap();
}

/// A pipe whose writer does not wait, with these bytes in it.
fn full_pipe(bytes: usize) -> (PipeReader, PipeWriter) {
    let (from, mut to) = pipe().unwrap();
    to.write_all(&vec![b'.'; bytes]).unwrap();
    make_non_blocking(&to);
    (from, to)
}

/// Reads to the end, but not at once. The dots that filled the pipe are left out.
fn read_late(mut from: PipeReader) -> std::thread::JoinHandle<String> {
    spawn(move || {
        sleep(Duration::from_millis(400));
        let mut bytes = Vec::new();
        let mut room = [0; 3000];
        while let Ok(read @ 1..) = from.read(&mut room) {
            bytes.extend_from_slice(&room[..read]);
            sleep(Duration::from_micros(200));
        }
        String::from_utf8(bytes).unwrap().trim_start_matches('.').to_owned()
    })
}

#[test]
fn where_standard_output_and_error_do_not_wait_for_room_all_that_a_program_prints_arrives() {
    let scene = scene();
    let (out, err) = (full_pipe(65536), full_pipe(65536));
    let script = "seq 60000; seq 60000 >&2; exit 5";
    let child = scene.command(BINARY, &exec(script)).stdout(out.1).stderr(err.1).spawn();
    let read = [read_late(out.0), read_late(err.0)];
    assert_eq!(child.unwrap().wait().unwrap().code(), Some(5));
    let numbers: String = (1..=60000).map(|number| format!("{number}\n")).collect();
    assert!(read.into_iter().all(|read| read.join().unwrap() == numbers));
}

#[test]
fn a_token_and_its_masks_wait_for_room_and_the_token_is_not_revoked() {
    let scene = Scene::github();
    let (out, err) = (full_pipe(65536), full_pipe(65536));
    let mut command = scene.command(BINARY, &[&["create", "--format", "token"][..], &TOKEN].concat());
    let mut child = command.stdout(out.1).stderr(err.1).spawn().unwrap();
    drop(command);
    let [out, err] = [read_late(out.0), read_late(err.0)].map(|read| read.join().unwrap());
    assert_eq!(child.wait().unwrap().code(), Some(0), "{err}");
    let issued = &scene.sandbox.issued()[0];
    assert!(issued.live && out == format!("{}\n", issued.access_token));
    assert!(err.contains(&format!("::add-mask::{}\n", issued.access_token)) && err.matches("::add-mask::").count() > 100, "{err}");
}

#[test]
fn where_standard_input_does_not_wait_for_data_it_is_waited_for() {
    let mut scene = scene();
    let credential = scene.sandbox.admin_token().to_owned();
    scene.unset("JF_ACCESS_TOKEN");
    for (arguments, input, printed) in [
        (vec!["redact", "--access-token", &credential], format!("a {credential} b\n").repeat(3000), "a *** b\n".repeat(3000)),
        (vec!["exec", "--access-token-stdin", "--", "echo", "ran"], format!("{credential}\n"), "ran\n".into()),
        (vec!["inspect", "--access-token-stdin", "--format", "json"], format!("{credential}\n"), "{".into()),
    ] {
        let (from, mut to) = pipe().unwrap();
        make_non_blocking(&from);
        let out = full_pipe(65000);
        let mut command = scene.command(BINARY, &arguments);
        let mut child = command.stdin(from).stdout(out.1).spawn().unwrap();
        drop(command);
        let read = read_late(out.0);
        for half in [&input[..input.len() / 2], &input[input.len() / 2..]] {
            sleep(Duration::from_millis(200));
            to.write_all(half.as_bytes()).unwrap();
        }
        drop(to);
        let mut talk = String::new();
        child.stderr.take().unwrap().read_to_string(&mut talk).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}: {talk}");
        assert!(read.join().unwrap().starts_with(&printed), "{arguments:?}");
    }
}

/// Runs it with one pipe or file for both streams, and returns what came there.
fn into_one(mut command: Command, file: Option<&std::path::Path>) -> String {
    if let Some(path) = file {
        let file = File::create(path).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file).status().unwrap();
        return fs::read_to_string(path).unwrap();
    }
    let (mut from, to) = pipe().unwrap();
    let mut child = command.stdout(to.try_clone().unwrap()).stderr(to).spawn().unwrap();
    drop(command);
    let mut printed = String::new();
    from.read_to_string(&mut printed).unwrap();
    child.wait().unwrap();
    printed
}

#[test]
fn where_both_streams_are_one_pipe_or_file_what_a_program_prints_stays_in_order_and_secrets_across_them_are_hidden() {
    let scene = scene();
    let script = "i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done";
    let expected: String = (0..300).map(|number| format!("out {number}\nerr {number}\n")).collect();
    let log = scene.path("work/log");
    for file in [None, Some(log.as_path())] {
        assert_eq!(into_one(scene.command(BINARY, &exec(script)), file), expected);
        let in_turn = r#"rest=$JF_ACCESS_TOKEN; while [ ${#rest} -ge 16 ]; do next=${rest#????????}; printf %s "${rest%"$next"}"
            rest=${next#????????}; printf %s "${next%"$rest"}" >&2; done; printf %s "$rest"; echo; echo end >&2"#;
        assert_eq!(into_one(scene.command(BINARY, &exec(in_turn)), file), "***\nend\n");
    }
    // Two pipes stay two.
    let ran = scene.run(&exec("echo out; echo err >&2"));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
}

#[test]
fn what_becomes_of_the_token_is_said_on_a_line_of_its_own() {
    let mut scene = scene();
    // Where nothing is said, nothing is added.
    assert_eq!(into_one(scene.command(BINARY, &exec("printf done")), None), "done");
    scene.in_github();
    let said = scene.tidy(&into_one(scene.command(BINARY, &exec("printf done")), None));
    assert!(said.ends_with("done\njf-token: revoked <token id 2>\n"), "{said}");
    // With two pipes, only what goes to standard error is in the way.
    let ran = scene.run(&exec("printf out; printf err >&2"));
    assert!(ran.stdout == "out" && scene.tidy(&ran.stderr).ends_with("err\njf-token: revoked <token id 3>\n"), "{}", ran.story);
    assert!(scene.tidy(&scene.run(&exec("printf out")).stderr).ends_with("\njf-token: revoked <token id 4>\n"));
}

/// Starts a program whose output nobody reads, and waits until it has ended and its token is revoked.
fn stuck(scene: &Scene) -> (Child, PipeReader) {
    let (from, mut to) = pipe().unwrap();
    to.write_all(&vec![b'.'; 65536]).unwrap();
    let mut command = scene.command(BINARY, &exec("echo more; ulimit -c 0; echo >done"));
    let child = command.stdout(to).process_group(0).spawn().unwrap();
    wait_until("the token's end", || scene.sandbox.issued().iter().any(|issued| !issued.live) && scene.path("work/done").exists());
    sleep(Duration::from_millis(300));
    (child, from)
}

/// Sends a signal to a command that waits for its reader, and waits for its end.
#[track_caller]
fn end_by(child: &mut Child, signal: Signal) {
    assert!(child.try_wait().unwrap().is_none(), "it waits for its reader");
    kill_process(Pid::from_child(child), signal).unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "{signal:?} is ignored");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn after_the_programs_end_a_signal_ends_exec_though_nobody_reads_what_is_left() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let scene = scene();
        let (mut child, _from) = stuck(&scene);
        end_by(&mut child, signal);
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()), "as a plain program");
    }
}

/// Starts it with nobody who reads standard output, and sends it a signal once it waits for room.
fn stopped_while_it_waits(scene: &Scene, arguments: &[&str], signal: Signal) -> std::process::Output {
    let (_from, mut to) = pipe().unwrap();
    to.write_all(&vec![b'.'; 65536]).unwrap();
    let issued = scene.sandbox.issued().len();
    let mut command = scene.command(BINARY, arguments);
    let mut child = command.stdout(to).stderr(std::process::Stdio::piped()).process_group(0).spawn().unwrap();
    wait_until("the token", || scene.sandbox.issued().len() > issued);
    sleep(Duration::from_millis(300));
    end_by(&mut child, signal);
    child.wait_with_output().unwrap()
}

#[test]
fn a_signal_ends_a_command_whose_token_nobody_reads_and_the_token_is_revoked() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let scene = scene();
        let create = [&["create", "--format", "token"][..], &TOKEN].concat();
        let ended = stopped_while_it_waits(&scene, &create, signal);
        assert_eq!(ended.status.code(), Some(128 + signal.as_raw()));
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(said.contains("can't write to standard output: nobody reads it"), "{said}");
        assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "the token is still live");
    }
    // What a session holds is not lost with what was to be printed.
    let scene = scene();
    scene.run(&[&["create", "--session", "s", "--expiry", "2", "--format", "none"][..], &TOKEN[2..]].concat());
    sleep(Duration::from_millis(1500));
    let ended = stopped_while_it_waits(&scene, &["get", "--session", "s"], Signal::TERM);
    assert_eq!(ended.status.code(), Some(128 + Signal::TERM.as_raw()), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(scene.run(&["get", "--session", "s", "--min-ttl", "0"]).stdout.starts_with("ey"));
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 2 && issued[1].live, "the renewed token is the session's");
}

#[test]
fn a_signal_while_the_token_is_revoked_waits_for_that_and_then_ends_exec() {
    let scene = scene();
    scene.sandbox.fault_for("DELETE", sandbox::Fault::Delay(1500), 1);
    let mut child = scene.command(BINARY, &exec("echo >done")).process_group(0).spawn().unwrap();
    wait_until("the revocation", || scene.sandbox.requests().iter().any(|request| request.method == "DELETE"));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::TERM.as_raw()));
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "the token is still live");
}

#[test]
fn a_signal_that_the_program_answered_ends_with_its_code() {
    let scene = scene();
    for _ in 0..5 {
        let mut command = scene.command(BINARY, &exec("trap 'exit 40' TERM; echo ready; while :; do sleep 0.01; done"));
        let mut child = command.process_group(0).spawn().unwrap();
        let mut ready = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(40));
    }
}

/// Runs `exec` as the first process of a container. `None` if this machine makes none.
#[cfg(target_os = "linux")]
fn as_first_process(scene: &Scene, options: &[&str], script: &str) -> Option<std::process::Output> {
    let first = ["--pid", "--fork", "--mount-proc", "--", BINARY];
    let may = scene.command("unshare", &[&first[..4], &["true"]].concat()).output().is_ok_and(|output| output.status.success());
    let arguments = [&first[..], &["exec"], &TOKEN, options, &["--", "sh", "-c", script]].concat();
    may.then(|| scene.command("unshare", &arguments).output().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn as_the_first_process_of_a_container_it_waits_for_those_whose_parent_has_ended() {
    let scene = scene();
    let script = r#"(sleep 0.2 & sleep 0.1 & exec 2>&- >&-) ; sh -c '(exit 3) & exec true'; sleep 0.6
        for line in /proc/[0-9]*/stat; do cat $line; done | grep -c ') Z '; cat /proc/1/comm; "$JF" get --format none 2>&1; exit 9"#;
    let Some(ran) = as_first_process(&scene, &[], script) else { return };
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert_eq!((ran.status.code(), printed.lines().take(2).collect::<Vec<_>>()), (Some(9), vec!["0", "jf-token"]), "{printed}");
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "the token is still live");
    for (script, code) in [("exit 0", 0), ("kill -9 $$", 137), ("(sleep 0.05; exit 4) & wait $!; exit $?", 4)] {
        let ran = as_first_process(&scene, &[], script).unwrap();
        assert_eq!(ran.status.code(), Some(code), "{}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_to_the_first_process_reaches_the_program_and_the_token_ends() {
    let scene = scene();
    let script = "trap 'echo heard; exit 41' TERM; echo ready; while :; do sleep 0.02; done";
    if as_first_process(&scene, &[], "true").is_none() {
        return;
    }
    let arguments = [&["--pid", "--fork", "--mount-proc", "--kill-child", "--", BINARY][..], &exec(script)].concat();
    let mut child = scene.command("unshare", &arguments).stderr(std::process::Stdio::inherit()).spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    let first = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    kill_process(Pid::from_raw(first.trim().parse().unwrap()).unwrap(), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(41), b"heard\n".to_vec()));
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "the token is still live");
}
