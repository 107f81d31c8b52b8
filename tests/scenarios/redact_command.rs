//! `jf-token redact`.

use std::io::{Read, Write};
use std::process::{Child, Stdio};
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use crate::redaction::{base64, utf16};
use crate::support::{BINARY, Ran, Scene};

fn create(scene: &Scene, session: &str) {
    let ran = scene.run(&["create", "--session", session, "--expiry", "1h", "--force-revocable", "--refreshable", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
}

fn redact(scene: &mut Scene, options: &[&str], text: &str) -> Ran {
    scene.stdin(text);
    scene.run(&[&["redact"], options].concat())
}

/// Starts one with pipes for its input and output.
fn start(scene: &Scene) -> Child {
    scene.command(BINARY, &["redact"]).stdin(Stdio::piped()).spawn().unwrap()
}

fn passes(child: &mut Child, text: &str, shown: &str) {
    child.stdin.as_mut().unwrap().write_all(text.as_bytes()).unwrap();
    let mut read = vec![0; shown.len()];
    child.stdout.as_mut().unwrap().read_exact(&mut read).unwrap();
    assert_eq!(String::from_utf8(read).unwrap(), shown);
}

#[test]
fn the_secrets_of_all_sessions_and_the_credential_are_hidden() {
    let mut scene = Scene::new();
    create(&scene, "a");
    create(&scene, "b");
    let issued = scene.sandbox.issued();
    let secrets: Vec<_> = issued.iter().flat_map(|issued| [issued.access_token.clone(), issued.refresh_token.clone().unwrap()]).collect();
    let text = format!("a {} b {} c {} d {}\r\ne {}", secrets[0], secrets[1], secrets[2], secrets[3], scene.sandbox.admin_token());
    let ran = redact(&mut scene, &[], &text);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "a *** b *** c *** d ***\r\ne ***", ""));
}

#[cfg(unix)]
#[test]
fn text_in_utf_16_and_base64_of_it_are_hidden_and_the_text_stays_utf_16() {
    let mut scene = Scene::new();
    create(&scene, "a");
    let token = scene.sandbox.issued()[0].access_token.clone();
    let shown = |text: &str| utf16(&format!("$env:X = '{text}'\r\n"), u16::to_le_bytes);
    let ran = scene.stdin(&shown(&token)).run(&["redact"]);
    assert_eq!((ran.code, ran.stdout.as_bytes()), (0, &shown("***")[..]));
    let command = base64(utf16(&format!("curl -H 'Bearer {token}'"), u16::to_le_bytes));
    let ran = scene.stdin(&command).run(&["redact"]);
    assert!(ran.code == 0 && ran.stdout.len() < 80 && ran.stdout.contains("***"), "{}", ran.stdout);
}

#[cfg(unix)]
#[test]
fn whatever_session_is_meant_here_the_secrets_of_all_are_hidden() {
    let mut scene = Scene::new();
    create(&scene, "a");
    create(&scene, "b");
    let issued = scene.sandbox.issued();
    let refresh: Vec<_> = issued.iter().map(|issued| issued.refresh_token.clone().unwrap()).collect();
    for session in ["b", "none"] {
        scene.set("JF_TOKEN_SESSION", session);
        let ran = redact(&mut scene, &[], &refresh.join("\n"));
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n***"), "{session}");
        let show = format!("echo {}", refresh[0]);
        let ran = scene.run(&["exec", "--", "sh", "-c", &show]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n"), "{session}: {}", ran.stderr);
    }
}

#[test]
fn with_nothing_to_hide_everything_is_passed_on_and_that_is_said() {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN");
    let ran = redact(&mut scene, &[], "just\ntext");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "just\ntext"));
    assert_eq!(ran.stderr, "jf-token: nothing to hide yet: there is no session, and no JF_ACCESS_TOKEN\n");
}

#[test]
fn a_session_that_begins_while_it_runs_is_hidden_from_its_first_token_on() {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN");
    let mut child = start(&scene);
    passes(&mut child, "before\n", "before\n");
    let credential = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &credential);
    for session in ["a", "b"] {
        create(&scene, session);
        let token = scene.sandbox.issued().pop().unwrap().access_token;
        passes(&mut child, &format!("{session} {token}\n"), &format!("{session} ***\n"));
    }
    // The tokens of a session stay hidden after it is revoked.
    assert_eq!(scene.run(&["revoke", "--session", "b"]).code, 0);
    let token = scene.sandbox.issued().pop().unwrap().access_token;
    passes(&mut child, &format!("{token}\n"), "***\n");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_prompt_is_passed_on_at_once() {
    let mut child = start(&Scene::new());
    passes(&mut child, "Password: ", "Password: ");
    passes(&mut child, "> ", "> ");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn when_nobody_reads_any_more_it_ends_in_silence_and_not_as_a_success() {
    let mut scene = Scene::new();
    scene.for_scripts();
    let ran = scene.command("sh", &["-c", r#"{ yes; echo $? >yes; } | { "$JF" redact; echo $? >redact; } | head -1"#]).output().unwrap();
    assert_eq!((ran.stdout, ran.stderr), (b"y\n".to_vec(), Vec::new()));
    assert_eq!((scene.read("work/yes").trim(), scene.read("work/redact").trim()), ("141", "141"));
}

#[test]
#[cfg(target_os = "linux")]
fn what_can_not_be_written_is_a_failure() {
    let scene = Scene::new();
    let mut command = scene.command(BINARY, &["redact"]);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(full).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"text\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("can't pass everything on: No space left"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_token_that_has_expired_is_hidden_as_it_is_and_others_in_every_form() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    let mut redact = start(&scene);
    for (session, life) in [("short", "1"), ("long", "1h")] {
        assert_eq!(scene.run(&["create", "--session", session, "--format", "none", "--expiry", life]).code, 0);
        passes(&mut redact, "a line\n", "a line\n");
        let token = scene.sandbox.issued().pop().unwrap().access_token;
        passes(&mut redact, &format!("{}\n", base64(&token)), "***\n");
        std::thread::sleep(Duration::from_millis(2200));
    }
    for issued in scene.sandbox.issued() {
        passes(&mut redact, &format!("{}\n", issued.access_token), "***\n");
    }
    let [short, long] = [0, 1].map(|index| base64(&scene.sandbox.issued()[index].access_token));
    let mut stdin = redact.stdin.take().unwrap();
    writeln!(stdin, "{short}\n{long}").unwrap();
    drop(stdin);
    let mut shown = String::new();
    redact.stdout.take().unwrap().read_to_string(&mut shown).unwrap();
    assert!(shown.contains(&short[900..1000]) && shown.ends_with("\n***\n"), "{shown}");
    assert!(redact.wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_token_whose_session_vanished_may_be_alive_and_is_hidden_in_every_form() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    let names = ["a", "b", "c", "d", "e", "f"];
    for name in names {
        create(&scene, name);
    }
    let mut redact = start(&scene);
    passes(&mut redact, "a line\n", "a line\n");
    for name in names {
        std::fs::remove_file(scene.path(&format!("home/{name}.json"))).unwrap();
    }
    create(&scene, "g");
    for issued in scene.sandbox.issued() {
        passes(&mut redact, &format!("{}\n", base64(&issued.access_token)), "***\n");
    }
    drop(redact.stdin.take());
    assert!(redact.wait().unwrap().success());
}

#[test]
fn the_credential_does_not_come_by_the_stream_that_is_passed_on() {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_ACCESS_TOKEN_STDIN", "true");
    let ran = redact(&mut scene, &[], "a log of many words\n");
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a log of many words\n"), "{}", ran.story);
    let ran = redact(&mut scene, &["--access-token-stdin"], "");
    assert!(ran.code == 2 && ran.stderr.contains("for redact"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn what_can_not_be_read_can_not_be_hidden_so_nothing_is_passed_on() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    for name in ["s", "t"] {
        assert_eq!(scene.run(&["create", "--session", name, "--format", "none", "--expiry", "1h", "--force-revocable"]).code, 0);
    }
    let whole = scene.read("home/s.json");
    for text in [&whole[..whole.len() / 2], "", &whole.replace("\"version\":2", "\"version\":3")] {
        scene.write("home/s.json", text);
        let ran = scene.stdin(&format!("one\n{}\ntwo\n", scene.sandbox.issued()[0].access_token)).run(&["redact"]);
        assert!(ran.code == 1 && ran.stdout.is_empty(), "{}", ran.story);
        assert_eq!(ran.stderr.matches("home/s.json").count(), 2, "at both ends: {}", ran.stderr);
        let ran = scene.run(&["exec", "--", "true"]);
        assert!(ran.code == 125 && ran.stderr.contains("home/s.json") && !ran.story.contains("--- request"), "{}", ran.story);
    }
    // If it happens while the program runs, what it prints from then on is withheld.
    scene.write("home/s.json", &whole);
    let script = "echo before; sleep 0.3; echo >new; mv new \"$JF_TOKEN_HOME/s.json\"; echo \"$SECRET\"; echo after";
    scene.set("SECRET", &scene.sandbox.issued()[0].access_token.clone());
    let ran = scene.run(&["exec", "--session", "t", "--", "sh", "-c", script]);
    assert!(ran.code == 125 && ran.stdout == "before\n", "{}", ran.story);
    assert_eq!(ran.stderr.matches("home/s.json").count(), 1, "one line stands for the output: {}", ran.stderr);
}

#[test]
fn the_tokens_of_a_session_of_the_version_before_are_hidden() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    assert_eq!(scene.run(&["create", "--session", "s", "--format", "none"]).code, 0);
    let state = scene.state("s");
    let mut grant = state["current"]["token"].clone();
    grant["issued_at"] = 1_700_000_000.into();
    let old = serde_json::json!({"tokens": [{
        "platform": state["current"]["platform"], "order": state["current"]["issuing"]["mint"], "grant": grant, "revoke": true, "files": [],
    }]});
    scene.write("home/s.json", &old.to_string());
    let token = scene.sandbox.issued()[0].access_token.clone();
    let ran = scene.stdin(&format!("a {token} b\n")).run(&["redact"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "a *** b\n"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn what_the_tools_of_every_machine_make_of_a_token_is_hidden() {
    let mut scene = Scene::new();
    create(&scene, "a");
    let token = scene.sandbox.issued()[0].access_token.clone();
    scene.for_scripts().set("TOKEN", &token);
    for tool in [
        "od -An -tx1",
        "od -tx1",
        "od -x",
        "od -c",
        "od -b",
        "od -An -tu1",
        "od",
        "od -An -tx4",
        "base64",
        "base64 | base64",
        "base64 | tr -d '\\n' | base64",
        "od -An -tx1 | tr -d ' \\n'",
        "fold -w 20",
        "sed 's/./&\x1b[31m/g'",
    ] {
        let ran = scene.command("sh", &["-c", &format!("printf %s \"$TOKEN\" | {tool} | \"$JF\" redact")]).output().unwrap();
        let shown = String::from_utf8(ran.stdout).unwrap();
        let lines = shown.lines().count();
        // Offsets, and what stands before the first and behind the last 16 characters of a line of text.
        let left = shown.replace("\x1b[31m", "").chars().filter(char::is_ascii_alphanumeric).count();
        assert!(shown.contains("***") && left <= 9 * lines + 30, "{tool}: {shown}");
    }
}
