//! The lines that a shell sources: each shell that is here reads each value as it is.
#![cfg(unix)]

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::support::Scene;

/// Those that CI images have.
const SHELLS: [&[&str]; 6] = [&["bash"], &["dash"], &["zsh"], &["ksh"], &["mksh"], &["busybox", "sh"]];

fn is_here(shell: &[&str]) -> bool {
    Command::new(shell[0]).args(&shell[1..]).args(["-c", ":"]).output().is_ok_and(|ran| ran.status.success())
}

/// User names in which some character of ASCII might mean something to a shell, at the beginning or behind another.
fn names() -> Vec<String> {
    let odd = (b' '..=b'~').map(char::from).filter(|c| !c.is_ascii_alphanumeric() && *c != '/');
    odd.flat_map(|c| [format!("{c}ls"), format!("a{c}ls"), format!("a:{c}ls"), format!("a={c}ls"), format!("ls{c}"), format!("{c}{c}ls")])
        .collect()
}

#[test]
fn each_shell_reads_each_value_of_a_sourced_file_as_it_is_or_not_at_all() {
    let mut scene = Scene::new();
    scene.asks_for(".env").set("JF_TOKEN_MERGE", "true");
    let (mut script, mut expected, mut whole) = (String::new(), String::new(), 0);
    for (number, name) in names().iter().enumerate() {
        let token = scene.sandbox.token_with(json!({"sub": format!("jfac@x/users/{name}"), "iat": 1, "jti": "x"}));
        scene.sandbox.fault(sandbox::Fault::Body(json!({"access_token": token, "token_id": "x"}).to_string()));
        let file = scene.path(&format!("work/{number}.env"));
        let ran = scene.run_at(0, &["create", "--format", "none", "--output-file", file.to_str().unwrap()]);
        assert_eq!(ran.code, 0, "{}", ran.story);
        let text = fs::read_to_string(file).unwrap();
        let is_there = text.contains("JF_USER=");
        assert_eq!(is_there, !ran.stderr.contains("JF_USER would need quotes"), "{}", ran.stderr);
        whole += usize::from(is_there);
        script +=
            &format!("unset JF_USER; JF_ACCESS_TOKEN=old; . ./{number}.env; printf '%s\\n' \"${{JF_USER-none}}\" \"$JF_ACCESS_TOKEN\"\n");
        expected += &format!("{}\n{token}\n", if is_there { name } else { "none" });
    }
    assert!(whole > 30, "{whole} names are there");
    let mut shells = 0;
    for shell in SHELLS.into_iter().filter(|shell| is_here(shell)) {
        let ran = scene
            .command(shell[0], &[&shell[1..], &["-c", &script]].concat())
            .env("PATH", std::env::var("PATH").unwrap())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(ran.stdout).unwrap(), expected, "{shell:?}: {}", String::from_utf8_lossy(&ran.stderr));
        shells += 1;
    }
    assert!(shells > 0);
}

#[test]
fn a_url_that_zsh_would_read_otherwise_is_refused_before_the_mint() {
    let scene = Scene::new();
    let ran = scene.run(&["create", "--url", &format!("{}/a:=ls", scene.sandbox.url()), "--output-file", "jf.env"]);
    assert!(ran.code == 2 && ran.stderr.contains("NAME=VALUE lines can't") && !ran.story.contains("--- request"), "{}", ran.story);
}
