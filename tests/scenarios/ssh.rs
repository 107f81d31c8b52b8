//! A login by SSH is the credential. A script named `ssh` stands in for OpenSSH's client; `tests/e2e/ssh.rs` has the real one.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use sandbox::Sandbox;

use crate::support::processes::{command_lines, is_running};
use crate::support::{Ran, Scene, encodings, wait_until};

const PASSPHRASE: &str = "a phrase%that'opens \"the$key";

/// A scene in which `ssh` is this script. It writes its arguments and its environment down.
fn scene(script: &str) -> Scene {
    let mut scene = Scene::new();
    let (bin, path) = (scene.path("bin"), format!("{}:/usr/bin:/bin", scene.path("bin").display()));
    fs::create_dir(&bin).unwrap();
    let home = scene.path("work");
    scene.set("PATH", &path).set("HOME", home.to_str().unwrap());
    scene.unset("JF_ACCESS_TOKEN").set("JF_URL", "ssh://ssh.example").asks_for("bin/ssh");
    let script = format!(
        "#!/bin/sh\ncd {}\n[ \"$1\" = -V ] && {{ echo ${{VERSION:-OpenSSH_9.9p1, OpenSSL}} >&2; exit; }}\necho \"$@\" >>calls\nenv >environment\n{script}\n",
        scene.path("bin").display()
    );
    scene.write("bin/ssh", &script);
    fs::set_permissions(scene.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
    scene
}

/// What a platform's SSH server answers.
fn answer(sandbox: &Sandbox) -> String {
    format!(r#"{{"headers":{{"Authorization":"Bearer {}","X-More":"1"}},"href":"{}/artifactory/"}}"#, sandbox.admin_token(), sandbox.url())
}

/// A scene whose `ssh` gets the platform's answer, after this.
fn answered(before: &str) -> Scene {
    let scene = scene(&format!("{before}\ncat answer"));
    let text = answer(&scene.sandbox);
    scene.write("bin/answer", &text);
    let mut scene = scene;
    scene.asks_for("bin/answer");
    scene
}

fn calls(scene: &Scene) -> Vec<String> {
    fs::read_to_string(scene.path("bin/calls")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// A session outside a CI, which remembers its token.
fn create(scene: &Scene) -> Ran {
    scene.run(&["create", "--session", "s", "--format", "none", "--retry-for", "0", "--expiry", "1h", "--force-revocable"])
}

const LEAD: &str = "-T -a -x -o StrictHostKeyChecking=yes -o LogLevel=ERROR -o ConnectTimeout=10 -o ConnectionAttempts=1 \
                    -o NumberOfPasswordPrompts=1 -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no -o ClearAllForwardings=yes \
                    -o PermitLocalCommand=no";

#[test]
fn a_login_by_ssh_gives_the_platform_and_the_headers_that_mint() {
    let scene = answered("");
    let ran = create(&scene);
    assert_eq!((ran.code, scene.sandbox.issued().len()), (0, 1), "{}", ran.story);
    assert!(ran.story.contains("authorization: Bearer <admin's token>"), "{}", ran.story);
    assert_eq!(scene.state("s")["current"]["platform"], scene.sandbox.url());
    assert_eq!(calls(&scene), [format!("{LEAD} -o BatchMode=yes -l admin -p 1339 -- ssh.example jfrog-authenticate")]);
}

#[test]
fn key_user_and_port_are_those_that_were_given() {
    let mut scene = answered("");
    scene.write("work/100% key", "");
    let ran = scene.set("JF_URL", "SSH://deploy@[::1]:2222/").run(&["create", "--ssh-key-path", "~/100% key", "--ssh-accept-new"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let lead = LEAD.replace("StrictHostKeyChecking=yes", "StrictHostKeyChecking=accept-new");
    let key = scene.path("work/100%% key").display().to_string();
    let rest = "-o BatchMode=yes -l deploy -p 2222 -- ::1 jfrog-authenticate";
    assert_eq!(calls(&scene), [format!("{lead} -o IdentitiesOnly=yes -i {key} {rest}")]);
}

#[test]
fn a_url_that_could_be_an_option_or_a_command_is_refused() {
    let bad =
        ["-oProxyCommand=x", "a b", "$(x)", "host;x", "user:some-password@host", "-l@host", "host:0", "host:99999", "host:x", "", "a@"];
    for rest in [&bad[..], &["[::1", "host/path", "h%h", "host?x"]].concat() {
        let mut scene = answered("");
        let ran = scene.set("JF_URL", &format!("ssh://{rest}")).run(&["create"]);
        assert!(ran.code == 2 && ran.stderr.contains("JF_URL: has no") | ran.stderr.contains("before the @"), "{rest}: {}", ran.story);
        assert!(calls(&scene).is_empty() && !ran.stderr.contains("some-password"), "{}", ran.story);
    }
}

/// Asks as OpenSSH does, twice, and for something else.
const ASKS: &str = r#"
"$SSH_ASKPASS" "Enter PIN for ED25519-SK key: " >pin
"$SSH_ASKPASS" "Enter passphrase for key '/other/key': " >other
"$SSH_ASKPASS" "Enter passphrase for key '$KEY': " >passphrase
"$SSH_ASKPASS" "Enter passphrase for key '$KEY': " >again
"#;

fn with_a_key(scene: &mut Scene) -> &mut Scene {
    let key = scene.write("work/key", "").display().to_string();
    scene.set("KEY", &key).set("JF_TOKEN_SSH_KEY_PATH", &key)
}

#[test]
fn the_passphrase_goes_to_who_asks_for_this_key_and_only_once() {
    for in_file in [None].into_iter().chain(encodings(&format!("{PASSPHRASE}\r\n")).map(Some)) {
        let mut scene = answered(ASKS);
        with_a_key(&mut scene);
        if let Some(text) = in_file {
            let file = scene.write("work/passphrase", &text).display().to_string();
            scene.set("JF_TOKEN_SSH_PASSPHRASE_FILE", &file);
        } else {
            scene.set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE);
        }
        let ran = create(&scene);
        assert_eq!(ran.code, 0, "{}", ran.story);
        assert_eq!(scene.read("bin/passphrase"), format!("{PASSPHRASE}\n"));
        for other in ["pin", "other", "again"] {
            assert_eq!(scene.read(&format!("bin/{other}")), "", "{other}");
        }
        let told = scene.read("bin/environment") + &calls(&scene).join("\n");
        assert!(!told.contains("opens") && !told.contains("BatchMode") && !told.contains("PASSPHRASE"), "{told}");
        assert!(told.contains("SSH_ASKPASS_REQUIRE=force"), "{told}");
        // The socket's folder is gone.
        assert!(!scene.files().iter().any(|file| file.ends_with("socket")));
        assert_eq!(fs::read_dir(scene.path("tmp")).unwrap().count(), 1, "only the session's folder stays");
    }
}

#[test]
fn an_openssh_that_would_ask_the_terminal_is_told_no_passphrase() {
    let mut scene = answered(ASKS);
    with_a_key(&mut scene).set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE).set("VERSION", "OpenSSH_8.3p1, OpenSSL");
    let ran = create(&scene);
    assert_eq!(ran.code, 1, "{}", ran.story);
    assert!(ran.stderr.contains("OpenSSH 8.3 asks no program; 8.4 does") && ran.stderr.contains("ssh-add"), "{}", ran.story);
    assert!(calls(&scene).is_empty());
}

#[test]
fn each_failure_of_ssh_has_a_message_of_its_own() {
    let changed = "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.";
    let unknown =
        "No ED25519 host key is known for [ssh.example]:1339 and you have requested strict checking.\nHost key verification failed.";
    let denied = "admin@ssh.example: Permission denied (publickey).";
    let cases = [
        (255, changed.to_owned(), 5, "is not the one that is known", "ssh-keygen -R '[ssh.example]:1339'"),
        (255, unknown.to_owned(), 5, "the host key is not known", "ssh-keyscan -p 1339 ssh.example"),
        (255, format!("WARNING: UNPROTECTED PRIVATE KEY FILE!\n{denied}"), 2, "others can read", "chmod 600"),
        (255, format!("Load key \"k\": invalid format\n{denied}"), 2, "is not a private key that ssh can read", "private key"),
        (255, format!("Load key \"k\": error in libcrypto\n{denied}"), 2, "is not a private key that ssh can read", "private key"),
        (255, denied.to_owned(), 4, "does not let admin in with the key", "public key"),
        (255, "ssh: connect to host ssh.example port 1339: Connection refused".into(), 5, "connection refused", "port"),
        (255, "ssh: Could not resolve hostname ssh.example: Name or service not known".into(), 5, "name service", "spelled"),
        (255, "Connection timed out during banner exchange".into(), 5, "no answer came in time", "way"),
        (255, "kex_exchange_identification: Connection closed".into(), 5, "kex_exchange_identification", "SSH server"),
        (1, "jfrog-authenticate: not found".into(), 6, "not found", "JFrog"),
    ];
    for (code, said, expected, what, help) in cases {
        let mut scene = scene("cat said >&2; exit $CODE");
        scene.write("bin/said", &said);
        let ran = create(with_a_key(&mut scene).set("CODE", &code.to_string()));
        assert_eq!(ran.code, expected, "{said}: {}", ran.story);
        assert!(ran.stderr.contains(what) && ran.stderr.contains(help), "{said}: {}", ran.story);
        assert!(scene.sandbox.issued().is_empty() && !ran.stderr.contains("may be alive"), "{}", ran.story);
    }
}

#[test]
fn the_key_that_needs_a_passphrase_says_so() {
    let denied = "echo 'admin@ssh.example: Permission denied (publickey).' >&2; exit 255";
    // The first bytes of such files: OpenSSH's own format with the cipher aes256-ctr, and PEM.
    let new = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABD\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
    for text in [new, old] {
        let mut scene = scene(denied);
        with_a_key(&mut scene);
        scene.write("work/key", text);
        let ran = create(&scene);
        assert!(ran.code == 3 && ran.stderr.contains("has a passphrase, and none was given"), "{}", ran.story);

        let mut scene = self::scene(&format!("{ASKS}{denied}"));
        with_a_key(&mut scene).set("JF_TOKEN_SSH_PASSPHRASE", "not-the-one");
        scene.write("work/key", text);
        let ran = create(&scene);
        assert!(ran.code == 2 && ran.stderr.contains("JF_TOKEN_SSH_PASSPHRASE: is not the passphrase of"), "{}", ran.story);
        assert!(!ran.stderr.contains("not-the-one") && (text == new) != ran.stderr.contains("If it is right"), "{}", ran.story);
    }
}

#[test]
fn an_answer_of_no_use_is_not_shown() {
    let token = "SECRET0123456789SECRET0123456789";
    let cases = [
        (format!("{token} is no JSON"), "is not the JSON"),
        (format!(r#"{{"headers":{{"Authorization":"Bearer {token}"}}}}"#), "holds no href"),
        (format!(r#"{{"headers":{{}},"href":"https://x.example/{token}"}}"#), "holds no headers"),
        (r#"{"href":"https://x.example/"}"#.to_owned(), "holds no headers"),
        (format!(r#"{{"headers":{{"A b":"{token}"}},"href":"https://x.example/"}}"#), "a header that can't be sent"),
        (format!(r#"{{"headers":{{"Authorization":"{token}"}},"href":"http://x.example/"}}"#), "plain http"),
        (format!(r#"{{"headers":{{"Authorization":"{token}"}},"href":"https://u:{token}@x.example/"}}"#), "user name or password"),
    ];
    for (text, what) in cases {
        let scene = scene("cat answer");
        scene.write("bin/answer", &text);
        let ran = scene.run(&["create", "--verbose"]);
        assert!(ran.code == 6 && ran.stderr.contains(what), "{}", ran.story);
        assert!(!ran.story.replace(&text, "").contains("SECRET0123456789") && !ran.stderr.contains("SECRET"), "{}", ran.story);
    }
}

#[test]
fn verbose_shows_the_login_without_its_headers() {
    let scene = answered("");
    let ran = scene.run(&["create", "--session", "s", "--format", "none", "--verbose"]);
    assert!(ran.stderr.contains("> ssh -T") && ran.stderr.contains("headers authorization x-more"), "{}", ran.story);
}

#[test]
fn without_ssh_or_the_key_the_message_says_what_is_missing() {
    let mut scene = answered("");
    let ran = create(scene.set("PATH", "/nowhere"));
    assert!(ran.code == 1 && ran.stderr.contains("there is no ssh on the PATH"), "{}", ran.story);

    for (key, what) in [("/nowhere/key", "can't read /nowhere/key"), ("/tmp", "/tmp is a folder")] {
        let mut scene = answered("");
        let ran = create(scene.set("JF_TOKEN_SSH_KEY_PATH", key));
        assert!(ran.code == 2 && ran.stderr.contains(&format!("JF_TOKEN_SSH_KEY_PATH: {what}")), "{}", ran.story);
        assert!(calls(&scene).is_empty());
    }
}

#[test]
fn what_does_not_fit_together_is_an_error_before_ssh_runs() {
    type Case<'c> = (&'c [(&'c str, &'c str)], &'c [&'c str], &'c str);
    let cases: [Case; 6] = [
        (&[("JF_TOKEN_SSH_PASSPHRASE", "x"), ("JF_TOKEN_SSH_PASSPHRASE_FILE", "y")], &[], "JF_TOKEN_SSH_PASSPHRASE gives a passphrase too"),
        (&[("JF_TOKEN_SSH_PASSPHRASE", "x\ny")], &[], "has a line break inside"),
        (&[("JF_URL", "https://x.example")], &["--ssh-key-path", "key"], "is no ssh:// URL"),
        (&[("JF_URL", "")], &["--ssh-key-path", "key"], "URL is missing"),
        (&[("JF_ACCESS_TOKEN", "x")], &[], "which one is the credential?"),
        (&[("FILE", "")], &["--access-token-file", "key"], "another credential is given"),
    ];
    for (variables, flags, what) in cases {
        let mut scene = answered("");
        scene.write("work/key", "x");
        for (name, value) in variables {
            scene.set(name, value);
        }
        let ran = scene.run(&[&["create"], flags].concat());
        assert!(ran.code == 2 && ran.stderr.contains(what), "{what}: {}", ran.story);
        assert!(calls(&scene).is_empty());
    }
}

#[test]
fn who_needs_no_login_does_not_log_in() {
    let mut scene = answered("");
    let ran = scene.run(&["create", "--dry-run"]);
    assert_eq!((ran.code, calls(&scene).len()), (0, 0), "{}", ran.story);
    assert!(ran.stderr.contains("would ask the platform that JF_URL leads to, by a login by SSH that JF_URL gives"), "{}", ran.story);
    assert_eq!(create(&scene).code, 0);
    assert_eq!(scene.run(&["get", "--session", "s"]).code, 0);
    assert_eq!(calls(&scene).len(), 1);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && scene.sandbox.issued().iter().all(|token| !token.live), "{}", ran.story);
    assert_eq!(calls(&scene).len(), 1);
    // By its refresh token alone.
    scene.set("JF_TOKEN_REFRESHABLE", "true");
    assert_eq!(create(&scene).code, 0);
    assert_eq!(scene.run(&["refresh", "--session", "s"]).code, 0);
    assert_eq!((calls(&scene).len(), scene.sandbox.issued().len()), (2, 3));
}

#[test]
fn a_token_is_issued_again_by_another_login() {
    let scene = answered("");
    assert_eq!(create(&scene).code, 0);
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert_eq!((ran.code, scene.sandbox.issued().len(), calls(&scene).len()), (0, 2, 2), "{}", ran.story);
}

#[test]
fn a_token_by_its_id_is_revoked_by_a_login() {
    let scene = answered("");
    assert_eq!(create(&scene).code, 0);
    let id = scene.sandbox.issued()[0].token_id.clone();
    let ran = scene.run(&["revoke", "--token-id", &id]);
    assert!(ran.code == 0 && !scene.sandbox.issued()[0].live, "{}", ran.story);
    assert_eq!(calls(&scene).len(), 2);
}

#[test]
fn the_headers_go_to_no_platform_but_the_one_that_the_server_names() {
    let scene = answered("");
    assert_eq!(create(&scene).code, 0);
    let other = Sandbox::builder().start();
    scene.write("bin/answer", &answer(&other));
    let ran = scene.run(&["refresh", "--session", "s"]);
    assert!(ran.code == 3 && ran.stderr.contains("this is the way in to"), "{}", ran.story);
    assert!(other.requests().is_empty() && !ran.story.contains("--- request"), "{}", ran.story);
    may_have_lost_none(&scene);
}

/// Nobody was asked for a token, so none can be alive that is not remembered.
fn may_have_lost_none(scene: &Scene) {
    let state = scene.state("s");
    assert!(state["current"].is_object() && state.get("lost").is_none(), "{state}");
}

#[test]
fn a_renewal_that_got_no_login_left_no_token_behind() {
    for (answer, code) in [("no JSON", 6), (r#"{"headers":{"A":"b"},"href":"https://127.0.0.1:1/"}"#, 3)] {
        let scene = answered("");
        assert_eq!(create(&scene).code, 0);
        scene.write("bin/answer", answer);
        let ran = scene.run(&["refresh", "--session", "s"]);
        assert_eq!(ran.code, code, "{}", ran.story);
        may_have_lost_none(&scene);
    }
}

#[test]
fn a_server_that_hangs_leaves_a_good_token_in_use() {
    let scene = answered("[ ! -e hangs ] || exec sleep 100");
    let ran = scene.run(&["create", "--session", "s", "--format", "none", "--expiry", "20", "--force-revocable"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    scene.write("bin/hangs", "");
    scene.ages("s", 15);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.contains("is not renewed yet") && ran.stderr.contains("took longer than"), "{}", ran.story);
    may_have_lost_none(&scene);
}

#[test]
fn a_signal_ends_a_login_and_its_ssh() {
    let scene = answered("echo $$ >pid.new; mv pid.new pid; exec sleep 100");
    let mut child = scene.spawn(&["create"]);
    wait_until("the start of ssh", || scene.path("bin/pid").exists());
    let kill = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let ssh = scene.read("bin/pid").trim().parse().unwrap();
    wait_until("the end of ssh", || !is_running(ssh));
}

#[test]
fn the_program_of_exec_learns_nothing_of_the_login() {
    let mut scene = answered(ASKS);
    with_a_key(&mut scene).set("JF_TOKEN_SSH_PASSPHRASE", "correct-horse-battery");
    let script = "env | grep -v ^KEY=; echo correct-horse-battery";
    let ran = scene.run(&["exec", "--", "sh", "-c", script]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(ran.stdout.contains(&format!("JF_URL={}", scene.sandbox.url())), "{}", ran.story);
    for hidden in ["SSH_", "work/key", "correct-horse"] {
        assert!(!ran.stdout.contains(hidden), "{hidden}: {}", ran.story);
    }
}

/// The arguments and, where they can be read, the environments of this scene's processes.
fn processes(scene: &Scene) -> String {
    let folder = scene.path("").display().to_string();
    let environment = |process: fs::DirEntry| fs::read(process.path().join("environ")).ok();
    let environments = fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(environment);
    let environments = environments.map(|text| String::from_utf8_lossy(&text).into_owned());
    command_lines(None).into_iter().chain(environments).filter(|told| told.contains(&folder)).collect()
}

#[test]
fn a_keeper_logs_in_by_itself() {
    let mut scene = answered(ASKS);
    with_a_key(&mut scene).set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE);
    let ran = scene.run(&["create", "--session", "s", "--format", "none", "--expiry", "3", "--force-revocable", "--keep-fresh"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    fs::remove_file(scene.path("bin/passphrase")).unwrap();
    wait_until("a renewal", || scene.sandbox.issued().len() > 2);
    let told = processes(&scene);
    assert!(told.contains(" keep --foreground") && !told.contains("opens"), "{told}");
    assert_eq!(scene.read("bin/passphrase"), format!("{PASSPHRASE}\n"));
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    // One login of the keeper's serves all that it asks for within a minute.
    assert_eq!(calls(&scene).len(), 2);
}
