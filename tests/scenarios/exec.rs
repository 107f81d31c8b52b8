//! `exec`: a program gets a fresh token, and the token ends with it.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use sandbox::Fault;

use crate::support::{BINARY, Ran, Scene, encodings};

/// The default options of a test: a revocable token.
const TOKEN: [&str; 3] = ["--expiry", "1h", "--force-revocable"];

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.for_scripts();
    scene
}

fn arguments<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    [&["exec"], options, &["--", "sh", "-c", script]].concat()
}

/// Runs a shell script with a token for an hour.
fn exec(scene: &Scene, script: &str) -> Ran {
    exec_with(scene, &TOKEN, script)
}

fn exec_with(scene: &Scene, options: &[&str], script: &str) -> Ran {
    scene.run(&arguments(options, script))
}

/// Like `exec`, but the output may be binary.
fn output(scene: &Scene, script: &str) -> Output {
    scene.command(BINARY, &arguments(&TOKEN, script)).output().unwrap()
}

/// Starts a script in its own process group, as a CI does, so that it gets no signals from a terminal. Waits for its first line.
fn start(scene: &Scene, script: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = scene.command(BINARY, &arguments(&TOKEN, script)).process_group(0).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    (child, stdout)
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Checks that every token is revoked, and that only these files of the work folder are left.
fn all_is_over(scene: &Scene, files: &[&str]) {
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "a token is still live");
    let left: Vec<_> = scene.files().iter().map(|path| path.strip_prefix(scene.path("")).unwrap().display().to_string()).collect();
    assert_eq!(left, files.iter().map(|file| format!("work/{file}")).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(scene.path("tmp")).unwrap().count(), 0, "a folder is left");
}

fn minted(scene: &Scene) -> usize {
    scene.sandbox.issued().len()
}

#[test]
fn the_program_gets_a_fresh_token_in_its_environment_and_a_file_and_at_its_end_both_are_gone() {
    let mut scene = scene();
    scene.asks_for("got").asks_for("file");
    let script = r#"printf %s "$JF_ACCESS_TOKEN" >got; cat token >file; echo "$JF_URL"; echo talk >&2; exit 7"#;
    let ran = exec_with(&scene, &[&TOKEN[..], &["--token-file", "token"]].concat(), script);
    assert_eq!((ran.code, ran.stderr.as_str()), (7, "talk\n"));
    assert_eq!(ran.stdout, format!("{}\n", scene.sandbox.url()));
    let token = &scene.sandbox.issued()[0].access_token;
    assert_eq!((&scene.read("work/got"), &scene.read("work/file")), (token, token));
    all_is_over(&scene, &["file", "got"]);
}

#[test]
fn the_variable_can_have_another_name_and_then_the_usual_one_is_not_there() {
    let mut scene = scene();
    scene.asks_for("got");
    let ran = exec_with(&scene, &["--env-var", "NPM_TOKEN"], r#"printf %s "$NPM_TOKEN" >got; echo "${JF_ACCESS_TOKEN-unset}""#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "unset\n"), "{}", ran.story);
    assert_eq!(scene.read("work/got"), scene.sandbox.issued()[0].access_token);
}

#[test]
fn the_program_does_not_inherit_the_credential_under_any_name() {
    let mut scene = scene();
    let credential = scene.sandbox.admin_token().to_owned();
    scene.in_github();
    scene.set("INPUT_ACCESS-TOKEN", &credential).set("MY_SECRET", &credential);
    scene.set("AUTH_HEADER", &format!("Authorization: Bearer {credential}"));
    scene.set("JF_PASSWORD", "pass-of-bob").set("JF_TOKEN_ACCESS_TOKEN_STDIN", "false").set("HARMLESS", "as it was").set("EMPTY", "");
    scene.asks_for("seen");
    let ran = exec(&scene, "env >seen");
    assert_eq!(ran.code, 0, "{}", ran.story);
    let seen = scene.read("work/seen");
    let names: Vec<_> = seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert!(!seen.contains(&credential), "{names:?}");
    for name in ["INPUT_ACCESS-TOKEN", "MY_SECRET", "AUTH_HEADER", "JF_PASSWORD", "JF_TOKEN_ACCESS_TOKEN_STDIN"] {
        assert!(!names.contains(&name), "{name}");
    }
    for line in ["HARMLESS=as it was", "EMPTY=", "GITHUB_ACTIONS=true"] {
        assert!(seen.lines().any(|other| other == line), "{line} is not among {names:?}");
    }
    assert!(seen.contains(&format!("JF_ACCESS_TOKEN={}\n", scene.sandbox.issued()[0].access_token)));
}

#[test]
fn the_program_is_not_told_which_file_holds_the_credential_and_what_it_reads_there_is_hidden() {
    let mut scene = scene();
    let credential = scene.sandbox.admin_token().to_owned();
    let file = scene.write("work/secret", &credential);
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_ACCESS_TOKEN_FILE", file.to_str().unwrap()).asks_for("secret");
    let ran = exec(&scene, r#"echo "${JF_TOKEN_ACCESS_TOKEN_FILE-unset}"; cat secret; echo; base64 <secret | tr -d '\n' | fold -w 76"#);
    assert_eq!((ran.code, ran.stdout.lines().take(3).collect::<Vec<_>>()), (0, vec!["unset", "***", "***"]), "{}", ran.story);
}

#[test]
fn a_get_in_the_program_is_answered_from_its_session() {
    let scene = scene();
    let ran = exec(&scene, r#""$JF" get && [ "$("$JF" get)" = "$JF_ACCESS_TOKEN" ] && echo same"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\nsame\n"), "{}", ran.story);
    assert_eq!(minted(&scene), 1);
}

#[test]
fn the_token_is_renewed_while_the_program_runs_and_its_file_rewritten() {
    let last_line = r"^jf-token: renewed \d times?; revoked <token id \d>( and \d earlier tokens?)?; removed <folder>/work/token\n$";
    let last_line = Regex::new(last_line).unwrap();
    for options in [["--refreshable", "--reference"], ["--renew-by", "mint"]] {
        let mut scene = scene();
        scene.asks_for("first").asks_for("second");
        let options = [&["--expiry", "3", "--force-revocable", "--token-file", "token"], &options[..]].concat();
        let script = "cat token | tee first; echo; sleep 2.6; cat token | tee second; echo; curl -s -o /dev/null -w '%{http_code}\n' -H \"Authorization: Bearer $(cat second)\" \"$JF_URL/access/api/v1/tokens/me\"; exit 9";
        let ran = exec_with(&scene, &options, script);
        assert_eq!((ran.code, ran.stdout.as_str()), (9, "***\n***\n200\n"));
        assert!(last_line.is_match(&scene.tidy(&ran.stderr)), "{}", ran.stderr);
        let issued = scene.sandbox.issued();
        assert!(issued.len() >= 2 && scene.read("work/first") == issued[0].access_token, "{options:?}");
        assert!(issued[1..].iter().any(|issued| issued.access_token == scene.read("work/second")), "{options:?}");
        all_is_over(&scene, &["first", "second"]);
    }
}

#[test]
fn what_another_process_renews_is_hidden_from_the_moment_it_exists() {
    let scene = scene();
    let options = [&TOKEN[..], &["--refreshable", "--token-file", "token"]].concat();
    let ran = exec_with(&scene, &options, r#"for i in 1 2 3; do "$JF" refresh --format none && cat token && echo; done"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n***\n***\n"), "{}", ran.story);
    assert_eq!(minted(&scene), 4);
    all_is_over(&scene, &[]);
}

#[test]
fn in_a_session_that_has_a_token_that_one_is_used_and_lives_on() {
    let mut scene = scene();
    scene.asks_for("got").asks_for("file").asks_for("token");
    assert_eq!(scene.run(&["create", "--session", "s", "--expiry", "1h", "--format", "none"]).code, 0);
    let script = r#"printf %s "$JF_ACCESS_TOKEN" >got; cat token >file; cat token; echo; "$JF" exec -- sh -c 'echo $JF_ACCESS_TOKEN'"#;
    let ran = exec_with(&scene, &["--session", "s", "--token-file", "token"], script);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n***\n"), "{}", ran.story);
    assert!(!ran.story.contains("--- request"), "{}", ran.story);
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 1 && issued[0].live && scene.read("work/got") == issued[0].access_token);
    assert_eq!((scene.read("work/file"), scene.read("work/token")), (scene.read("work/got"), scene.read("work/got")));
}

#[test]
fn of_two_programs_in_a_session_the_second_gets_fresh_tokens_when_the_first_has_ended() {
    let mut scene = scene();
    scene.asks_for("second").asks_for("token").set("JF_TOKEN_SESSION", "s");
    assert_eq!(scene.run(&["create", "--expiry", "4", "--force-revocable", "--token-file", "token", "--format", "none"]).code, 0);
    let first = scene.spawn(&arguments(&[], "sleep 0.6"));
    std::thread::sleep(Duration::from_millis(200));
    let ran = exec_with(&scene, &[], "sleep 3.2; cat token >second");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(first.wait_with_output().unwrap().status.success());
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 2 && issued[1].access_token == scene.read("work/second"), "{}", issued.len());
}

#[test]
fn a_variable_with_the_sessions_own_token_is_the_programs() {
    let mut scene = scene();
    assert_eq!(scene.run(&["create", "--session", "s", "--expiry", "1h", "--format", "none"]).code, 0);
    let token = scene.sandbox.issued()[0].access_token.clone();
    scene.set("JF_ACCESS_TOKEN", &token).set("NPM_TOKEN", &token);
    let ran = exec_with(&scene, &["--session", "s"], r#"[ "$NPM_TOKEN" = "$JF_ACCESS_TOKEN" ] && echo same"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "same\n"), "{}", ran.story);
}

#[test]
fn what_the_platform_would_be_asked_for_is_refused_in_a_session_that_has_its_token() {
    let scene = scene();
    assert_eq!(scene.run(&["create", "--session", "s", "--expiry", "1h", "--format", "none"]).code, 0);
    for option in [&["--expiry", "2h"][..], &["--scope", "applied-permissions/admin"], &["--refreshable"]] {
        let ran = exec_with(&scene, &[&["--session", "s"], option].concat(), "echo ran");
        assert_eq!((ran.code, ran.stdout.as_str()), (125, ""), "{}", ran.story);
        assert!(ran.stderr.contains(&format!("{}: the session 's' already has a token", option[0])), "{}", ran.stderr);
    }
}

#[test]
fn every_secret_is_hidden_in_every_form_in_which_a_program_may_print_it() {
    let mut scene = scene();
    let credential = scene.sandbox.admin_token().to_owned();
    let file = scene.write("work/secret", &credential);
    scene.unset("JF_ACCESS_TOKEN").asks_for("secret");
    let options = [&TOKEN[..], &["--reference", "--refreshable", "--access-token-file", file.to_str().unwrap()]].concat();
    let state = r#"state=$(cat "$JF_TOKEN_HOME/$JF_TOKEN_SESSION.json"); field() { printf %s "$state" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" | tr -d '\n'; }
        all() { printf '%s' "$JF_ACCESS_TOKEN"; echo; field refresh_token; echo; field reference_token; echo; cat secret; echo; }"#;
    for form in [
        "all",
        "all | fold -w 64; echo",
        "all | fold -w 20",
        "for t in \"$JF_ACCESS_TOKEN\" \"$(field refresh_token)\" \"$(field reference_token)\"; do printf %s \"$t\" | base64 | tr -d '\n' | fold -w 76; echo; done",
        "for t in \"$JF_ACCESS_TOKEN\" \"$(field refresh_token)\" \"$(cat secret)\"; do printf 'user:%s' \"$t\" | base64 | tr -d '\n'; echo; done",
        "all | xxd -p",
        "all | od -An -v -tx1 | tr -d ' '",
        "all | dd bs=1 2>/dev/null",
        "all >&2",
        "printf %s \"$state\"",
        "curl -sv -o /dev/null -H \"Authorization: Bearer $JF_ACCESS_TOKEN\" \"$JF_URL/access/api/v1/tokens/me\"",
        "for word in $(field reference_token | sed 's/./& /g'); do printf %s $word; sleep 0.01; done; echo",
    ] {
        // `ran` panics if 16 characters of a secret are printed.
        let ran = exec_with(&scene, &options, &format!("{state}\n{form}"));
        assert_eq!(ran.code, 0, "{form}: {}", ran.story);
        let printed = format!("{}{}", ran.stdout, ran.stderr);
        assert!(printed.contains("***"), "{form}: {printed}");
        if form == "all" {
            assert_eq!(printed, "***\n***\n***\n***\n");
        }
        for secret in scene.secrets().iter().map(String::as_bytes) {
            let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
            let text: String = printed.split_whitespace().collect();
            assert!((0..hex.len() - 48).step_by(16).all(|at| !text.contains(&hex[at..at + 48])), "{form}: {printed}");
        }
    }
}

#[test]
fn everything_else_is_passed_on_byte_by_byte_as_it_was() {
    let scene = scene();
    let mut random = 7_u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random.to_be_bytes()[0]
    })
    .take(100_000)
    .collect();
    let parts = [
        noise,
        b"\xff\xfe\0\0 \x1b[31mred\x1b[0m\r 10%\r 50%\r100%\r\n\n\n".to_vec(),
        b"token='".to_vec(),
        b"'\x80 caf\xc3\xa9 \xe2\x82".to_vec(),
    ];
    for (index, part) in parts.iter().enumerate() {
        fs::write(scene.path(&format!("work/{index}")), part).unwrap();
    }
    let token = "printf %s \"$JF_ACCESS_TOKEN\"";
    let ran = output(&scene, &format!("cat 0 1 2; {token}; cat 3 1; cat 1 2 >&2; {token} >&2; cat 3 >&2; {token}; cat 0"));
    let hidden = b"***".to_vec();
    let [noise, ansi, before, after] = &parts;
    assert!(ran.stdout == [noise, ansi, before, &hidden, after, ansi, &hidden, noise].map(Vec::as_slice).concat());
    assert_eq!(ran.stderr, [ansi, before, &hidden, after].map(Vec::as_slice).concat());
    assert_eq!(ran.status.code(), Some(0));
}

#[test]
fn a_prompt_appears_at_once_and_what_is_answered_arrives() {
    let scene = scene();
    for prompt in ["Password: ", "> ", "Go on? [y/N] "] {
        let script = format!("printf '{prompt}'; read answer; echo \"$answer it is\"");
        let mut command = scene.command(BINARY, &arguments(&TOKEN, &script));
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut read = vec![0; prompt.len()];
        child.stdout.as_mut().unwrap().read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), prompt);
        child.stdin.as_mut().unwrap().write_all(b"yes\n").unwrap();
        assert_eq!(child.wait_with_output().unwrap().stdout, b"yes it is\n");
    }
}

#[test]
fn standard_input_is_the_programs_to_the_last_byte() {
    let mut scene = scene();
    let big: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(scene.path("work/big"), &big).unwrap();
    let cat = |scene: &Scene, options: &[&str], input: &str| {
        let mut command = scene.command(BINARY, &[&["exec"], options, &["--", "cat"]].concat());
        command.stdin(fs::File::open(scene.path(input)).unwrap()).output().unwrap()
    };
    assert!(cat(&scene, &[], "work/big").stdout == big);
    // The first line is the credential; the program gets the rest.
    let credential = scene.sandbox.admin_token().to_owned();
    scene.unset("JF_ACCESS_TOKEN");
    for line in encodings(&format!("{credential}\r\n")) {
        scene.write("work/piped", &[&line[..], &big].concat());
        assert!(cat(&scene, &["--access-token-stdin"], "work/piped").stdout == big);
    }
    fs::write(scene.path("work/piped"), credential).unwrap();
    let ran = cat(&scene, &["--access-token-stdin"], "work/piped");
    assert_eq!((ran.status.code(), ran.stdout.len()), (Some(0), 0));
    assert_eq!(minted(&scene), 6);
}

#[test]
fn large_output_is_complete_on_each_stream() {
    let scene = scene();
    let big: Vec<u8> = (0..1_u32 << 22).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    fs::write(scene.path("work/big"), &big).unwrap();
    let ran = output(&scene, "cat big");
    assert!(ran.stdout == big && ran.stderr.is_empty());
    // While nothing is printed on standard output.
    let ran = output(&scene, "head -c 4000000 big >&2; echo done");
    assert!(ran.stderr == big[..4_000_000] && ran.stdout == b"done\n");
}

#[test]
fn a_program_that_dies_in_the_middle_of_a_line_loses_nothing() {
    let scene = scene();
    let script = r#"printf 'half a line %s' "$(printf %.12s "$JF_ACCESS_TOKEN")"; kill -9 $$"#;
    let ran = exec(&scene, script);
    let start = scene.sandbox.issued()[0].access_token[..12].to_owned();
    assert_eq!((ran.code, ran.stdout), (137, format!("half a line {start}")));
    all_is_over(&scene, &[]);
}

#[test]
fn a_reader_that_goes_away_ends_the_program_as_it_would_without_us() {
    let scene = scene();
    let script = r#""$JF" exec -- sh -c 'yes; echo $? >code; exit 3' | head -1; yes | head -1"#;
    let ran = scene.command("sh", &["-c", script]).output().unwrap();
    assert_eq!((ran.stdout, ran.stderr), (b"y\ny\n".to_vec(), Vec::new()));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !scene.path("work/code").exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    // 128 + SIGPIPE.
    assert_eq!(scene.read("work/code").trim(), "141");
}

#[test]
fn closed_streams_are_no_obstacle() {
    let scene = scene();
    for closed in [">&-", "2>&-", ">&- 2>&-", "<&-"] {
        let script = format!(r#""$JF" exec -- sh -c 'echo out; echo err >&2; exit 5' {closed}"#);
        let ran = scene.command("sh", &["-c", &script]).output().unwrap();
        assert_eq!(ran.status.code(), Some(5), "{closed}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.stdout.is_empty(), closed.starts_with('>'), "{closed}");
        assert_eq!(ran.stderr.is_empty(), closed.contains("2>"), "{closed}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn output_that_can_not_be_written_is_no_success() {
    let scene = scene();
    for (code, expected) in [(0, 125), (6, 6)] {
        let script = format!(r#""$JF" exec -- sh -c 'echo out; exit {code}' >/dev/full"#);
        let ran = scene.command("sh", &["-c", &script]).output().unwrap();
        let stderr = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(expected), "{stderr}");
        assert!(stderr.contains("can't pass the program's output on: No space left"), "{stderr}");
    }
}

#[test]
fn a_program_may_close_its_output_and_go_on() {
    let scene = scene();
    let ran = exec(&scene, r"echo out; exec >&-; sleep 1.2; echo err >&2; exec 2>&-; sleep 0.2; echo >there; exit 4");
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (4, "out\n", "err\n"));
    all_is_over(&scene, &["there"]);
}

#[test]
fn each_signal_reaches_the_program_once() {
    for (signal, name) in [
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::WINCH, "WINCH"),
    ] {
        let scene = scene();
        let script = format!(
            "trap 'echo {name}; count=x$count' {name}; echo ready; for i in $(seq 200); do [ -z \"$count\" ] && sleep 0.02; done; sleep 0.2; exit 40"
        );
        let (mut child, mut stdout) = start(&scene, &script);
        send(&child, signal);
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        assert_eq!((child.wait().unwrap().code(), rest), (Some(40), format!("{name}\n")));
        all_is_over(&scene, &[]);
    }
}

#[test]
fn the_exit_code_is_the_programs() {
    let mut scene = scene();
    assert_eq!(scene.run(&["create", "--session", "s", "--expiry", "1h", "--format", "none"]).code, 0);
    scene.set("JF_TOKEN_SESSION", "s");
    for code in [0, 1, 7, 125, 255] {
        assert_eq!(exec_with(&scene, &[], &format!("exit {code}")).code, code);
    }
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139), ("HUP", 129)] {
        let ran = exec_with(&scene, &[], &format!("kill -{signal} $$"));
        assert_eq!((ran.code, ran.stderr.as_str()), (code, ""));
    }
}

#[test]
fn a_program_that_dies_by_a_signal_that_was_passed_on_gives_128_and_its_number() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT, Signal::USR1] {
        let scene = scene();
        let (mut child, _stdout) = start(&scene, "ulimit -c 0; echo ready; exec sleep 20");
        // Waits until the shell has become the sleep.
        std::thread::sleep(Duration::from_millis(50));
        send(&child, signal);
        assert_eq!(child.wait().unwrap().code(), Some(128 + signal.as_raw()));
        all_is_over(&scene, &[]);
    }
}

#[test]
fn a_program_that_is_not_there_or_none_costs_no_token() {
    let scene = scene();
    scene.write("work/text", "no program");
    for (program, code, words) in [
        ("no-such-program", 127, "there is no program 'no-such-program'"),
        ("./no-such-program", 127, "there is no program './no-such-program'"),
        ("", 127, "there is no program ''"),
        ("./text", 126, "'./text' can't be started"),
        ("/", 126, "'/' can't be started"),
    ] {
        let ran = scene.run(&["exec", "--", program]);
        assert_eq!(ran.code, code, "{}", ran.story);
        assert!(ran.stderr.contains(words) && !ran.story.contains("--- request"), "{}", ran.story);
    }
    all_is_over(&scene, &["text"]);
}

#[test]
fn a_program_that_can_not_be_started_after_all_leaves_no_token() {
    let scene = scene();
    // What is no program at all macOS hands to its shell, which ends with this code.
    let none = if cfg!(target_os = "macos") { 127 } else { 126 };
    for (text, code) in [("\u{1}\u{2}", none), ("#!/no/such/interpreter\n", 127)] {
        let path = scene.write("work/broken", text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let ran = scene.run(&[&["exec"][..], &TOKEN, &["--", "./broken"]].concat());
        assert_eq!(ran.code, code, "{}", ran.story);
        all_is_over(&scene, &["broken"]);
    }
    assert_eq!(minted(&scene), 2);
}

#[test]
fn our_own_failures_give_125_and_the_program_never_starts() {
    let mut scene = scene();
    let ran = |scene: &Scene, options: &[&str], words: &str| {
        let ran = exec_with(scene, options, "echo ran");
        assert_eq!((ran.code, ran.stdout.as_str()), (125, ""), "{}", ran.story);
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
        ran.story.matches("--- request").count()
    };
    assert_eq!(ran(&scene, &["--nonsense"], "unknown option --nonsense for exec"), 0);
    assert_eq!(ran(&scene, &["--env-var", "1 2"], "--env-var"), 0);
    assert_eq!(ran(&scene, &["--expiry", "soon"], "--expiry"), 0);
    assert_eq!(ran(&scene, &["--revoke", "perhaps"], "--revoke"), 0);
    assert_eq!(ran(&scene, &["--token-file", "no/such/folder/token"], "no/such/folder"), 0);
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 1);
    assert_eq!(ran(&scene, &[], "403"), 1);
    scene.unset("JF_ACCESS_TOKEN");
    assert_eq!(ran(&scene, &[], "there is no credential"), 0);
    for (arguments, words) in [
        (&["exec"][..], "there is no program to run"),
        (&["exec", "--"], "there is no program to run"),
        (&["exec", "sh", "-c", "echo ran"], "'sh' belongs to no option"),
        (&["exec", "--expiry", "1h", "sh", "-c", "echo ran"], "'sh' belongs to no option"),
        (&["exec", "--expiry", "1", "hour", "--", "sh", "-c", "echo ran"], "'hour' belongs to no option"),
    ] {
        let ran = scene.run(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (125, ""), "{}", ran.story);
        assert!(ran.stderr.contains(words) && ran.stderr.contains("-- PROGRAM ARGUMENTS"), "{}", ran.stderr);
    }
    all_is_over(&scene, &[]);
}

#[test]
fn a_signal_while_the_token_is_on_its_way_ends_it_all_before_the_program_starts() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let scene = scene();
        scene.sandbox.fault(Fault::Delay(600));
        let arguments = arguments(&TOKEN, "echo ran >ran");
        let child = scene.command(BINARY, &arguments).process_group(0).spawn().unwrap();
        while scene.sandbox.requests().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(100));
        send(&child, signal);
        let ran = scene.ran(&arguments, child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{}", ran.story);
        assert!(ran.stderr.contains("The new token was revoked."), "{}", ran.stderr);
        assert_eq!(minted(&scene), 1);
        all_is_over(&scene, &[]);
    }
}

#[test]
fn a_signal_that_is_ignored_stays_ignored_in_the_program() {
    let scene = scene();
    for (signal, is_ignored) in [("HUP", true), ("INT", true), ("USR1", true), ("TERM", false), ("QUIT", false), ("USR2", false)] {
        let script = format!(r#"trap "" HUP INT USR1; exec "$JF" exec -- sh -c 'ulimit -c 0; kill -{signal} $$; echo ignored'"#);
        let ran = scene.command("sh", &["-c", &script]).output().unwrap();
        assert_eq!(ran.stdout == b"ignored\n", is_ignored, "{signal}: {}", String::from_utf8_lossy(&ran.stderr));
    }
}

#[test]
fn whoever_does_not_want_to_hear_of_its_children_still_learns_the_exit_code() {
    let scene = scene();
    let script = r#"$SIG{CHLD} = "IGNORE"; exec $ENV{JF}, "exec", "--", "sh", "-c", "exit 7""#;
    let ran = scene.command("perl", &["-e", script]).output().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_child_in_the_background_that_holds_the_output_holds_nothing_else() {
    let scene = scene();
    let started = Instant::now();
    let ran = exec(&scene, "sleep 30 & echo $! >pid; (sleep 0.4; echo late; echo late >&2) & echo early; exit 8");
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (8, "early\nlate\n", "late\n"));
    all_is_over(&scene, &["pid"]);
    let pid = Pid::from_raw(scene.read("work/pid").trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn a_child_in_the_background_that_never_stops_printing_does_not_go_on_for_ever() {
    let scene = scene();
    for script in ["yes & exit 8", "(while :; do echo x; sleep 0.05; done) & exit 8"] {
        let started = Instant::now();
        let mut child = scene.command(BINARY, &arguments(&TOKEN, script)).stdout(Stdio::null()).spawn().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(8));
        assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
    }
    all_is_over(&scene, &[]);
}

#[test]
fn the_token_ends_with_the_program_and_not_with_a_reader_that_takes_its_time() {
    let scene = scene();
    // More than the pipe to the reader holds, so that some of it stays in the program's pipe.
    let script = "head -c 130000 /dev/zero | tr '\\0' a; echo >done";
    let mut child = scene.command(BINARY, &arguments(&TOKEN, script)).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while scene.sandbox.issued().iter().all(|issued| issued.live) || !scene.path("work/done").exists() {
        assert!(Instant::now() < deadline, "the token is still live");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(4));
    let mut printed = Vec::new();
    stdout.read_to_end(&mut printed).unwrap();
    assert_eq!(printed.len(), 130_000);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    all_is_over(&scene, &["done"]);
}

#[test]
fn what_is_printed_after_the_end_is_hidden_as_well() {
    let mut scene = scene();
    scene.asks_for("new");
    let options = [&TOKEN[..], &["--refreshable", "--token-file", "token"]].concat();
    let ran = exec_with(&scene, &options, r#""$JF" refresh --format none 2>/dev/null; cp token new; (sleep 0.6; cat new) & exit 3"#);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, "***"), "{}", ran.story);
    all_is_over(&scene, &["new"]);
}

#[test]
fn a_token_that_could_not_be_revoked_is_told_and_the_exit_code_is_still_the_programs() {
    let scene = scene();
    scene.sandbox.fault_for("DELETE", Fault::Shape('A', 403), 9);
    let ran = exec_with(&scene, &[&TOKEN[..], &["--retry-for", "0"]].concat(), "exit 7");
    assert_eq!(ran.code, 7, "{}", ran.story);
    assert!(ran.stderr.contains("could not be revoked"), "{}", ran.stderr);
}

#[test]
fn a_token_that_is_to_live_on_does() {
    let scene = scene();
    let ran = exec_with(&scene, &[&TOKEN[..], &["--revoke", "false", "--token-file", "token"]].concat(), "exit 0");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(scene.sandbox.issued()[0].live && scene.files().is_empty(), "{:?}", scene.files());
}

#[test]
fn a_jobs_log_tells_what_became_of_the_token_after_all_that_the_program_said() {
    let mut scene = scene();
    assert_eq!(exec_with(&scene, &TOKEN, "echo last >&2").stderr, "last\n");
    scene.in_github();
    let ran = exec_with(&scene, &[&TOKEN[..], &["--token-file", "token"]].concat(), "echo last >&2");
    let said = scene.tidy(&ran.stderr);
    assert!(said.ends_with("last\njf-token: revoked <token id 2>; removed <folder>/work/token\n"), "{said}");
}

#[test]
fn a_renewal_never_speaks_into_the_programs_line() {
    let mut scene = scene();
    scene.in_github();
    let script = "printf 'downloading 45%%' >&2; sleep 4; printf ' 100%%\\n' >&2";
    let ran = exec_with(&scene, &["--expiry", "3", "--force-revocable"], script);
    assert!(ran.code == 0 && minted(&scene) >= 2, "{}", ran.story);
    let said = ran.stderr.rsplit_once("\ndownloading 45% 100%\n").map(|(_, said)| scene.tidy(said)).unwrap_or_default();
    assert!(said.starts_with("jf-token: renewed ") && said.lines().count() == 1, "{}", ran.stderr);
}

#[test]
fn of_programs_that_share_a_session_the_last_one_ends_its_token() {
    let scene = scene();
    let options = ["--session", "p", "--expiry", "1h", "--force-revocable"];
    let first = scene.spawn(&arguments(&options, "sleep 1"));
    while minted(&scene) == 0 || !scene.files().iter().any(|path| path.ends_with("p.users")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let second = scene.spawn(&arguments(&["--session", "p"], "sleep 2; echo here"));
    assert!(first.wait_with_output().unwrap().status.success());
    assert!(scene.sandbox.issued()[0].live, "the second program still needs the token");
    assert_eq!(second.wait_with_output().unwrap().stdout, b"here\n");
    assert_eq!(minted(&scene), 1);
    all_is_over(&scene, &[]);
}

#[test]
fn what_a_killed_exec_left_is_ended_by_the_next_one_in_its_session() {
    let scene = scene();
    let options = ["--session", "p", "--expiry", "1h", "--force-revocable"];
    let mut child = scene.command(BINARY, &arguments(&options, "echo ready; sleep 3")).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(scene.sandbox.issued()[0].live);
    let ran = exec_with(&scene, &["--session", "p", "--expiry", "2h", "--force-revocable"], "true");
    assert!(ran.code == 125 && ran.stderr.contains("jf-token revoke --session p"), "{}", ran.stderr);
    assert_eq!(exec_with(&scene, &["--session", "p"], "true").code, 0);
    all_is_over(&scene, &[]);
}

#[test]
fn a_token_that_the_program_mints_for_itself_is_no_part_of_execs_session() {
    let mut scene = scene();
    let token = scene.sandbox.admin_token().to_owned();
    scene.write("work/credential", &token);
    scene.asks_for("work/credential").asks_for("work/own").asks_for("work/got");
    let ran = exec(&scene, "\"$JF\" create --access-token-file credential --format token >own && \"$JF\" get >got");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let issued = scene.sandbox.issued();
    assert_eq!(
        (scene.read("work/own").trim(), scene.read("work/got").trim()),
        (issued[1].access_token.as_str(), issued[0].access_token.as_str())
    );
    assert_eq!((issued[0].live, issued[1].live), (false, true));
}

#[test]
fn with_revoke_strict_a_token_that_lives_on_is_a_failure() {
    let scene = scene();
    for (script, code) in [("exit 0", 125), ("exit 7", 7)] {
        scene.sandbox.fault_for("DELETE", Fault::Shape('A', 403), 2);
        let ran = exec_with(&scene, &[&TOKEN[..], &["--revoke", "strict"]].concat(), script);
        assert_eq!(ran.code, code, "{}", ran.stderr);
    }
}

#[test]
fn a_file_that_could_not_be_removed_is_removed_by_the_next_revoke() {
    let mut scene = scene();
    scene.asks_for("work/token");
    let ran = exec_with(&scene, &[&TOKEN[..], &["--token-file", "token"]].concat(), "rm token; mkdir token");
    assert!(ran.stderr.contains("can't remove") && ran.stderr.contains("The next jf-token revoke tries again."), "{}", ran.story);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ran.story);
    fs::remove_dir(scene.path("work/token")).unwrap();
    scene.write("work/token", &scene.sandbox.issued()[0].access_token);
    let ran = scene.run(&["revoke"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    all_is_over(&scene, &[]);
}

#[test]
fn an_end_that_leaves_a_file_is_no_session_that_vanished() {
    let mut scene = scene();
    scene.asks_for("work/token");
    let create = ["create", "--session", "s", "--format", "none", "--token-file", "token"];
    assert_eq!(scene.run(&[&create[..], &TOKEN].concat()).code, 0);
    let script = "rm token; mkdir token; \"$JF\" revoke --session s; sleep 1.2; rmdir token";
    let ran = exec_with(&scene, &["--session", "s"], script);
    assert!(!ran.stderr.contains("vanished") && minted(&scene) == 1, "{}", ran.story);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    all_is_over(&scene, &[]);
}

#[test]
fn a_session_that_is_ended_as_a_program_joins_it_leaves_the_program_a_token_of_its_own() {
    for round in 0..30 {
        let scene = scene();
        let ran = scene.run(&["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
        let revoke = scene.spawn(&["revoke", "--session", "s"]);
        std::thread::sleep(Duration::from_millis(round));
        let program = scene.spawn(&["exec", "--session", "s", "--", "true"]);
        let (program, revoke) = (program.wait_with_output().unwrap(), revoke.wait_with_output().unwrap());
        assert!(program.status.success() && revoke.status.success(), "{round}: {program:?} {revoke:?}");
        scene.run(&["revoke", "--session", "s"]);
        all_is_over(&scene, &[]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn verbose_and_status_say_where_a_program_could_read_the_credential_in_the_environment_of_a_process_above() {
    let mut scene = scene();
    let said = |scene: &Scene, script: &str| {
        let ran = scene.shell(script);
        assert!(ran.status.success());
        String::from_utf8(ran.stderr)
            .unwrap()
            .lines()
            .find(|line| line.contains("the credential is in the environment of process"))
            .map(str::to_owned)
    };
    let line = said(&scene, "\"$JF\" exec --verbose -- true; true").unwrap();
    assert!(line.contains(" (sh)") && line.contains("exec jf-token exec"), "{line}");
    assert_eq!(said(&scene, "\"$JF\" exec -- true; true"), None);
    assert_eq!(said(&scene, "\"$JF\" status; true").map(|_| ()), Some(()));
    assert_eq!(said(&scene, "exec \"$JF\" exec --verbose -- true"), None);
    let token = scene.variable("JF_ACCESS_TOKEN");
    scene.unset("JF_ACCESS_TOKEN").asks_for("work/admin").write("work/admin", &token);
    assert_eq!(said(&scene, "\"$JF\" exec --verbose --access-token-file admin -- true; true"), None);
}
