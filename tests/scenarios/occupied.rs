//! A file that is there already: whose it is, and what becomes of it.

use std::fs;

use sandbox::Fault;

use crate::support::{Ran, Scene};

/// Lines of a user's own, without a line break at the end.
const THEIRS: &str = "# settings\nDATABASE=postgres://x\nJF_URL=https://old.example";

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.asks_for("work/.env").asks_for("work/token");
    scene
}

fn create(scene: &Scene, more: &[&str]) -> Ran {
    let ours = ["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"];
    scene.run(&[&ours, more].concat())
}

fn done(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}", ran.story);
}

fn refused(ran: &Ran, words: &[&str]) {
    assert!(matches!(ran.code, 2 | 125), "{}", ran.story);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{words:?}: {}", ran.stderr);
    assert!(!ran.story.contains("--- request"), "{}", ran.story);
}

fn revoke(scene: &Scene) -> Ran {
    let ran = scene.run(&["revoke", "--session", "s"]);
    done(&ran);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
    ran
}

fn token(scene: &Scene) -> String {
    scene.sandbox.issued().last().unwrap().access_token.clone()
}

#[test]
fn a_file_that_holds_something_else_is_neither_replaced_nor_removed() {
    let scene = scene();
    let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lzc3Vlci5leGFtcGxlIn0.c2lnbmF0dXJl";
    for text in
        ["notes", "\n", THEIRS, "JF_URL=https://x", "JF_URL=https://x\nJF_ACCESS_TOKEN=\n", "JF_ACCESS_TOKEN='x'\n", jwt, "\0\u{ff}"]
    {
        for option in ["--env-file", "--token-file"] {
            scene.write("work/theirs", text);
            refused(&create(&scene, &[option, "theirs"]), &[option, "theirs", "--overwrite", "--merge"]);
            refused(&scene.run(&["exec", option, "theirs", "--", "true"]), &["theirs", "--overwrite", "--merge"]);
            assert_eq!(scene.read("work/theirs"), text);
        }
    }
    scene.write("work/theirs", &vec![b'x'; 2 << 20]);
    refused(&create(&scene, &["--token-file", "theirs"]), &["--overwrite"]);
    let mut action = Scene::action(&[("token-file", "theirs")]);
    action.write("work/theirs", "notes");
    assert!(action.run(&["create"]).stderr.contains("overwrite"));
    action.leave_action();
    assert_eq!(action.read("work/theirs"), "notes");
}

#[test]
fn the_credential_in_a_file_is_not_lost_to_the_token() {
    let scene = scene();
    let lines = format!("JF_URL={}\nJF_ACCESS_TOKEN={}\n", scene.sandbox.url(), scene.sandbox.admin_token());
    for text in [lines.as_str(), scene.sandbox.admin_token()] {
        scene.write("work/.env", text);
        refused(&create(&scene, &["--env-file", ".env"]), &["holds the credential", "--overwrite"]);
        refused(&create(&scene, &["--token-file", ".env"]), &["holds the credential"]);
        assert_eq!(scene.read("work/.env"), text);
    }
}

#[test]
fn a_file_of_the_session_that_holds_the_token_in_use_is_its_own_all_the_same() {
    let mut scene = scene();
    done(&create(&scene, &["--env-file", ".env", "--username", "admin"]));
    // As after `. ./.env`.
    let token = token(&scene);
    scene.set("JF_ACCESS_TOKEN", &token);
    refused(&create(&scene, &["--env-file", ".env", "--session", "other"]), &["holds the credential"]);
    scene.sandbox.fault_for("POST", Fault::Status { status: 403, retry_after: None, body: None }, 1);
    assert_eq!(create(&scene, &["--env-file", ".env"]).code, 4, "it is asked for");
}

#[test]
fn what_is_empty_or_jf_tokens_own_is_replaced_without_a_word() {
    let scene = scene();
    done(&create(&scene, &["--token-file", "token", "--env-file", ".env"]));
    let (token, lines) = (scene.read("work/token"), scene.read("work/.env"));
    revoke(&scene);
    assert!(!scene.path("work/token").exists() && !scene.path("work/.env").exists());
    // Left by a job whose machine lost its power.
    for left in ["", &token, &format!("{token}\n"), &lines, lines.lines().nth(2).unwrap()] {
        for option in ["--env-file", "--token-file"] {
            scene.write("work/token", left);
            done(&create(&scene, &[option, "token"]));
            assert!(scene.read("work/token").contains(&self::token(&scene)));
            done(&create(&scene, &[option, "token"]));
            revoke(&scene);
            assert!(!scene.path("work/token").exists());
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_with_two_names_a_link_or_a_pipe_is_not_replaced_even_if_it_is_empty() {
    let mut scene = scene();
    scene.asks_for("work/two").write("work/one", "");
    fs::hard_link(scene.path("work/one"), scene.path("work/two")).unwrap();
    std::os::unix::fs::symlink("one", scene.path("work/link")).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(scene.path("work/pipe")).status().unwrap().success());
    refused(&create(&scene, &["--token-file", "two"]), &["single name", "--overwrite"]);
    refused(&create(&scene, &["--env-file", "two", "--merge"]), &["single name"]);
    for name in ["link", "pipe"] {
        refused(&create(&scene, &["--token-file", name, "--overwrite"]), &["a folder, a link or a device"]);
    }
    done(&create(&scene, &["--env-file", "two", "--overwrite", "--session", "t"]));
    assert_eq!(scene.read("work/one"), "");
}

#[test]
fn overwritten_is_gone_for_good_and_the_new_file_goes_at_the_end() {
    let scene = scene();
    for more in [&["--token-file", "token"][..], &["--env-file", "token"]] {
        scene.write("work/token", THEIRS);
        done(&create(&scene, &[more, &["--overwrite"]].concat()));
        assert!(scene.read("work/token").contains(&token(&scene)) && !scene.read("work/token").contains("DATABASE"));
        revoke(&scene);
        assert!(!scene.path("work/token").exists());
    }
}

#[test]
fn merged_lines_come_and_go_and_the_rest_stays_byte_for_byte() {
    let mut scene = scene();
    for theirs in [THEIRS.as_bytes(), b"A=1\n", b"A=1\r\nB=\xff\n", b"", b"JF_ACCESS_TOKEN=x\n"] {
        scene.write("work/.env", theirs);
        scene.set("JF_TOKEN_MERGE", "true");
        done(&create(&scene, &["--env-file", ".env", "--refreshable"]));
        scene.unset("JF_TOKEN_MERGE");
        for renewals in 0..3 {
            let merged = fs::read(scene.path("work/.env")).unwrap();
            assert!(merged.starts_with(theirs), "{}", String::from_utf8_lossy(&merged));
            let lines = String::from_utf8_lossy(&merged[theirs.len()..]).into_owned();
            let lines: Vec<_> = lines.trim_start_matches('\n').lines().collect();
            assert!(lines[0].starts_with("# >>> jf-token") && lines.last() == Some(&"# <<< jf-token"), "{lines:?}");
            assert!(lines.contains(&format!("JF_ACCESS_TOKEN={}", token(&scene)).as_str()), "{lines:?}");
            done(&scene.run(&[&["refresh", "--session", "s", "--format", "none"], &["--renew-by", "mint"][..2 * (renewals % 2)]].concat()));
        }
        revoke(&scene);
        assert_eq!(fs::read(scene.path("work/.env")).unwrap(), theirs);
        revoke(&scene);
        assert_eq!(fs::read(scene.path("work/.env")).unwrap(), theirs);
    }
    // What was not there goes.
    fs::remove_file(scene.path("work/.env")).unwrap();
    done(&create(&scene, &["--env-file", ".env", "--merge"]));
    revoke(&scene);
    assert!(!scene.path("work/.env").exists());
}

#[test]
fn what_others_add_to_a_merged_file_stays_and_nobody_else_may_read_it_meanwhile() {
    let scene = scene();
    scene.write("work/.env", THEIRS);
    #[cfg(unix)]
    let mode = || std::os::unix::fs::PermissionsExt::mode(&fs::metadata(scene.path("work/.env")).unwrap().permissions()) & 0o777;
    #[cfg(unix)]
    fs::set_permissions(scene.path("work/.env"), std::os::unix::fs::PermissionsExt::from_mode(0o664)).unwrap();
    done(&create(&scene, &["--env-file", ".env", "--merge"]));
    #[cfg(unix)]
    assert_eq!(mode(), 0o600);
    let text = scene.read("work/.env").replace("postgres", "mysql") + "LATER=1\n";
    scene.write("work/.env", &text);
    done(&scene.run(&["refresh", "--session", "s", "--format", "none"]));
    assert!(scene.read("work/.env").contains(&token(&scene)));
    revoke(&scene);
    assert_eq!(scene.read("work/.env"), format!("{}\nLATER=1\n", THEIRS.replace("postgres", "mysql")));
    #[cfg(unix)]
    assert_eq!(mode(), 0o664);
}

#[test]
fn lines_that_a_killed_job_left_in_a_file_are_replaced_by_the_next_job_that_merges() {
    let scene = scene();
    scene.write("work/.env", THEIRS);
    done(&create(&scene, &["--env-file", ".env", "--merge"]));
    let left = scene.read("work/.env");
    revoke(&scene);
    scene.write("work/.env", &left);
    refused(&create(&scene, &["--env-file", ".env"]), &["--merge"]);
    done(&create(&scene, &["--env-file", ".env", "--merge"]));
    assert_eq!(scene.read("work/.env").matches("JF_ACCESS_TOKEN=").count(), 1);
    revoke(&scene);
    assert_eq!(scene.read("work/.env"), THEIRS);
    let damaged = left.replace("# <<< jf-token\n", "");
    scene.write("work/.env", &damaged);
    refused(&create(&scene, &["--env-file", ".env", "--merge"]), &["markers"]);
    assert_eq!(scene.read("work/.env"), damaged);
}

#[test]
fn merging_is_refused_where_lines_have_no_place() {
    let scene = scene();
    scene.write("work/.env", THEIRS);
    refused(&create(&scene, &["--token-file", ".env", "--merge"]), &["--merge", "--token-file", "bare token"]);
    refused(&create(&scene, &["--env-file", ".env", "--merge", "--overwrite"]), &["--overwrite", "--merge"]);
    scene.write("work/.env", b"\xff\xfeA\0=\x001\0");
    refused(&create(&scene, &["--env-file", ".env", "--merge"]), &["--env-file", "UTF-8"]);
    let mut scene = Scene::gitlab();
    scene.asks_for("work/.env");
    scene.write("work/.env", THEIRS);
    scene.write("work/.gitlab-ci.yml", "job:\n  artifacts:\n    reports:\n      dotenv: .env\n");
    refused(&create(&scene, &["--env-file", "../work/.env", "--merge"]), &["dotenv report"]);
    scene.write("work/.gitlab-ci.yml", "job:\n  artifacts:\n    reports:\n      dotenv: build.env\n    paths: [.env]\n");
    done(&create(&scene, &["--env-file", ".env", "--merge"]));
}

#[cfg(unix)]
#[test]
fn a_program_finds_the_lines_and_leaves_the_file_as_it_was() {
    let mut scene = scene();
    scene.set("PATH", &std::env::var("PATH").unwrap());
    scene.write("work/.env", THEIRS);
    let look = "grep -c ^JF_ACCESS_TOKEN= .env; grep -c DATABASE .env";
    let ran = scene.run(&["exec", "--env-file", ".env", "--merge", "--force-revocable", "--", "sh", "-c", look]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n1\n"), "{}", ran.story);
    assert_eq!(scene.read("work/.env"), THEIRS);
    // Into a session that is there, too.
    done(&create(&scene, &[]));
    let ran = scene.run(&["exec", "--session", "s", "--env-file", ".env", "--merge", "--", "sh", "-c", look]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "1\n1\n"), "{}", ran.story);
    revoke(&scene);
    assert_eq!(scene.read("work/.env"), THEIRS);
}

#[test]
fn what_fails_after_the_mint_leaves_a_merged_file_as_it_was() {
    let mut scene = Scene::action(&[("output-file", ".env"), ("merge", "true"), ("max-life", "1m"), ("expiry", "1h")]);
    scene.asks_for("work/.env");
    scene.write("work/.env", THEIRS);
    assert_ne!(scene.run(&["create"]).code, 0);
    assert_eq!(scene.read("work/.env"), THEIRS);
    scene.inputs(&[("output-file", ".env"), ("merge", "true"), ("expiry", "1h"), ("force-revocable", "true")]);
    done(&scene.run(&["create"]));
    assert_ne!(scene.read("work/.env"), THEIRS);
    assert_eq!(scene.post().code, 0);
    assert_eq!(scene.read("work/.env"), THEIRS);
}

#[test]
fn a_file_that_others_replaced_later_is_theirs() {
    let scene = scene();
    done(&create(&scene, &["--token-file", "token", "--env-file", ".env"]));
    let added = scene.read("work/.env") + "LATER=1\n";
    scene.write("work/token", "notes");
    scene.write("work/.env", &added);
    let ran = scene.run(&["refresh", "--session", "s", "--format", "none"]);
    assert!(ran.code == 0 && ran.stderr.contains("others have replaced what") && ran.stderr.contains("work"), "{}", ran.story);
    assert!(scene.read("work/.env").contains(&token(&scene)), "the lines among theirs are renewed");
    assert!(!scene.run(&["get", "--session", "s"]).stderr.contains("others"), "told once");
    revoke(&scene);
    assert_eq!((scene.read("work/token"), scene.read("work/.env")), ("notes".into(), "LATER=1\n".into()));
    // Unnoticed until the end.
    fs::remove_file(scene.path("work/token")).unwrap();
    done(&create(&scene, &["--token-file", "token"]));
    scene.write("work/token", "notes");
    assert!(revoke(&scene).stderr.contains("others have replaced what"));
    assert_eq!(scene.read("work/token"), "notes");
}

#[cfg(unix)]
#[test]
fn a_merged_file_that_can_not_be_written_at_the_end_is_cleared_by_the_next_revoke() {
    use std::os::unix::fs::PermissionsExt;
    let scene = scene();
    fs::create_dir(scene.path("work/folder")).unwrap();
    scene.write("work/folder/.env", THEIRS);
    let mut scene = scene;
    scene.asks_for("folder/.env").asks_for("work/kept");
    done(&create(&scene, &["--env-file", "folder/.env", "--merge"]));
    let close = |mode| fs::set_permissions(scene.path("work/folder"), fs::Permissions::from_mode(mode)).unwrap();
    close(0o500);
    if fs::write(scene.path("work/folder/probe"), "").is_ok() {
        // Root may write anywhere: something else is in the way.
        fs::rename(scene.path("work/folder/.env"), scene.path("work/kept")).unwrap();
        fs::create_dir(scene.path("work/folder/.env")).unwrap();
    }
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 1 && ran.stderr.contains("The next jf-token revoke tries again."), "{}", ran.story);
    close(0o700);
    if scene.path("work/kept").exists() {
        fs::remove_dir(scene.path("work/folder/.env")).unwrap();
        fs::rename(scene.path("work/kept"), scene.path("work/folder/.env")).unwrap();
    }
    revoke(&scene);
    assert_eq!(scene.read("work/folder/.env"), THEIRS);
}

#[test]
fn a_platform_that_refuses_leaves_every_file_as_it_was() {
    let scene = scene();
    scene.write("work/.env", THEIRS);
    for more in ["--merge", "--overwrite"] {
        scene.sandbox.fault_for("POST", Fault::Status { status: 403, retry_after: None, body: None }, 1);
        assert_eq!(create(&scene, &["--env-file", ".env", more]).code, 4);
        assert_eq!(scene.read("work/.env"), THEIRS);
    }
}
