//! The lines by which a program masks a value in the job's log: they arrive whole there, and are redacted elsewhere.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::{Command, Stdio};

use redact::{Secret, masks};

use crate::support::Scene;

/// A step of a GitHub job, with a credential that `exec` leaves to its program. What reads the step's output is this process.
fn scene() -> Scene {
    let mut scene = Scene::github();
    let credential = scene.sandbox.admin_token().to_owned();
    let credential = scene.write("work/credential", &credential);
    let create = r#""$JF" create --env-var LATER --expiry 1h --force-revocable --format none --access-token-file "$CREDENTIAL""#;
    scene.for_scripts().set("CREDENTIAL", credential.to_str().unwrap());
    scene.set("CREATE", create).asks_for("work/credential");
    scene
}

/// What a script prints as a step: standard output and standard error.
fn printed(scene: &Scene, shell: &str, script: &str) -> String {
    let output = scene.command(shell, &["-c", script]).output().unwrap();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

/// The token that later steps have.
fn later(scene: &Scene) -> String {
    let token = scene.blocks("env")["LATER"].clone();
    fs::remove_file(scene.path("env")).unwrap();
    token
}

/// The masks of this token that are not in the text, each on a line of its own.
fn missing(text: &str, token: &str) -> usize {
    let lines: Vec<_> = text.lines().collect();
    masks(&Secret::new(token).unwrap()).iter().filter(|mask| !lines.contains(&format!("::add-mask::{mask}").as_str())).count()
}

/// Whether 16 characters of what only this token has, its signature, are in the text.
fn shows(text: &str, token: &str) -> bool {
    token.rsplit('.').next().unwrap().as_bytes().windows(16).any(|piece| text.as_bytes().windows(16).any(|there| there == piece))
}

#[test]
fn the_masks_of_a_token_for_later_steps_arrive_whole_in_the_jobs_log() {
    let scene = scene();
    for script in [
        r#""$JF" exec -- sh -c "$CREATE""#,
        r#""$JF" exec -- sh -c "$CREATE" 2>&1"#,
        r#"{ eval "$CREATE"; } 2>&1 | "$JF" redact"#,
        r#""$JF" exec -- sh -c "printf 'half a line'; $CREATE; echo; echo ::stop-commands::t-1; echo ::t-1::; $CREATE" 2>&1"#,
    ] {
        for _ in 0..3 {
            let printed = printed(&scene, "sh", script);
            let token = later(&scene);
            assert_eq!(missing(&printed, &token), 0, "{script}: {printed}");
            let rest: String = printed.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
            assert!(!shows(&rest, &token) && !rest.contains("was hidden"), "{script}: {printed}");
        }
    }
}

#[test]
fn where_they_may_go_elsewhere_they_are_hidden_every_time_and_that_is_said() {
    let scene = scene();
    for (shell, script) in [
        ("sh", r#""$JF" exec -- sh -c "$CREATE" 2>&1 | tee log"#),
        ("sh", r#"{ eval "$CREATE"; } 2>&1 | "$JF" redact | tee log"#),
        ("sh", r#""$JF" exec -- sh -c "$CREATE" >log 2>&1; cat log"#),
        ("sh", r#"printed=$("$JF" exec -- sh -c "$CREATE" 2>&1); echo "$printed" | tee log"#),
        ("bash", r#"exec > >(tee log) 2>&1; "$JF" exec -- sh -c "$CREATE""#),
        ("bash", r#"exec 2> >(tee log); { eval "$CREATE"; } 2>&1 | "$JF" redact >&2; sleep 0.3; cat log"#),
        ("sh", r#"{ eval "$CREATE"; } 2>&1 | GITHUB_ENV=other "$JF" redact | tee log"#),
    ] {
        for _ in 0..3 {
            let printed = printed(&scene, shell, script);
            let (token, log) = (later(&scene), scene.read("work/log"));
            assert!(log.contains("::add-mask::***") && !shows(&log, &token) && !shows(&printed, &token), "{script}: {printed}");
            assert!(
                printed.contains("a line that masks a secret in the job's log was hidden") || script.contains("=other"),
                "{script}: {printed}"
            );
        }
    }
}

#[test]
fn a_line_that_not_every_runner_takes_for_a_mask_is_hidden_like_all_else() {
    let scene = scene();
    // exec's own masks are not looked at.
    let pass =
        |lines: &str| printed(&scene, "sh", &format!(r#""$JF" exec --access-token-file "$CREDENTIAL" -- sh -c '{lines}' 2>/dev/null"#));
    assert!(pass(r#"printf "::add-mask::%s\n" "$JF_ACCESS_TOKEN""#).contains("::add-mask::eyJ"), "the others can fail");
    assert!(pass(r#"printf "::add-mask::%s\r\n" "$JF_ACCESS_TOKEN""#).contains("::add-mask::eyJ"));
    assert!(pass(r#"printf "::add-"; sleep 0.1; printf "mask::%s" "$JF_ACCESS_TOKEN"; sleep 0.1; echo"#).contains("::add-mask::eyJ"));
    for lines in [
        r#"printf "x::add-mask::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf " ::add-mask::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "x\r::add-mask::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "::ADD-MASK::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "::add-mask x=y::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "::add-mask::a::%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "::add-mask::a\r%s\n" "$JF_ACCESS_TOKEN""#,
        r#"printf "::add-mask::%s" "$JF_ACCESS_TOKEN""#,
        r###"printf "##[add-mask]%s\n" "$JF_ACCESS_TOKEN""###,
        r#"printf "::add-mask::%s %20000s\n" "$JF_ACCESS_TOKEN" x"#,
    ] {
        let printed = pass(lines);
        assert!(printed.contains("***") && !printed.contains("eyJ"), "{lines}: {printed}");
    }
}

#[test]
fn while_commands_are_suspended_in_any_form_masks_are_hidden() {
    let scene = scene();
    let mask = r#"printf "::add-mask::%s\n" "$JF_ACCESS_TOKEN""#;
    for (before, is_whole) in [
        ("echo ::stop-commands::t1", false),
        ("echo ::stop-commands::t1; echo ::t1::", true),
        ("printf ::stop-; sleep 0.1; echo commands::t1; echo x; printf ::t1; sleep 0.1; echo ::", true),
        ("echo ::stop-commands::t1 | tr -d \"\\n\"; printf \"\\r\\n::t1::\\r\\n\"", true),
        ("echo ::stop-commands::t1; echo ::t2::; echo ::T1::; echo \" ::t1::\"; echo x::t1::", false),
        ("echo ::stop-commands::t1; echo ::stop-commands::t2; echo ::t2::", false),
        ("echo \"  ::Stop-Commands::t1\"; echo ::t1::", false),
        ("echo ::stop-commands a=b::t1; echo ::t1::", false),
        ("echo ::stop-commands::a%25b; echo ::a%25b::", false),
        ("printf \"x\\r::stop-commands::t1\\n\"", false),
        ("printf \"::stop-commands::t1\\rx\\n\"", false),
        ("echo \"x ##[stop-commands]t1\"; echo ::t1::", false),
        ("printf \"##[sto\"; sleep 0.1; echo p-commands]t1", false),
        ("echo stop-commands; echo a::stop-commands::b; echo \"::group::stop-commands::\"", true),
    ] {
        let script = format!(r#""$JF" exec --access-token-file "$CREDENTIAL" -- sh -c '{before}; {mask}' 2>/dev/null"#);
        let printed = printed(&scene, "sh", &script);
        assert_eq!(printed.contains("::add-mask::eyJ"), is_whole, "{before}: {printed}");
        assert!(is_whole || printed.contains("::add-mask::***\n"), "{before}: {printed}");
    }
    // On one stream for the other too.
    let script = format!(r#""$JF" exec --access-token-file "$CREDENTIAL" -- sh -c 'echo ::stop-commands::t1; sleep 0.2; {mask} >&2'"#);
    let printed = printed(&scene, "sh", &script);
    assert!(printed.contains("::add-mask::***\n"), "{printed}");
}

#[test]
fn a_ci_without_such_lines_gets_none_and_azure_has_its_own() {
    let mut scene = scene();
    let script = r###""$JF" exec --access-token-file "$CREDENTIAL" -- sh -c 'echo "::add-mask::$JF_ACCESS_TOKEN"; echo "##vso[task.setsecret]$JF_ACCESS_TOKEN"'"###;
    let whole = |printed: &str| ["::add-mask::", "##vso[task.setsecret]"].map(|begins| printed.contains(&format!("{begins}eyJ")));
    assert_eq!(whole(&printed(&scene, "sh", script)), [true, false]);
    scene.unset("GITHUB_ACTIONS");
    assert_eq!(whole(&printed(&scene, "sh", script)), [false, false]);
    scene.set("GITLAB_CI", "true").set("CI_JOB_ID", "1");
    assert_eq!(whole(&printed(&scene, "sh", script)), [false, false]);
    scene.unset("GITLAB_CI").set("TF_BUILD", "True").set("SYSTEM_TASKINSTANCEID", "4f1d").set("SYSTEM_JOBID", "2");
    assert_eq!(whole(&printed(&scene, "sh", script)), [false, true]);
    // The first process of a task is the agent's own.
    let handled = format!("exec 3< <({script}); cat <&3");
    assert_eq!(whole(&printed(&scene, "bash", &handled)), [false, true]);
    assert_eq!(whole(&printed(&scene, "bash", &format!("sh -c '{}' | cat", script.replace('\'', r"'\''")))), [false, false]);
}

/// Runs a script as the first process of a step in a container: a process outside starts it there. `None` if this machine has none.
fn in_a_container(scene: &Scene, script: &str) -> Option<String> {
    let mut unshare = Command::new("unshare");
    let mut container = unshare
        .args(["--pid", "--fork", "--mount-proc", "sh", "-c", "echo up; exec sleep 60"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(container.stdout.take()?), &mut line).ok()?;
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", container.id())).unwrap_or_default();
    let mut enter = scene.command("nsenter", &["-t", children.trim(), "-p", "-m", "sh", "-c", script]);
    let output = enter.output().unwrap();
    let _ = Command::new("kill").args(["-9", children.trim()]).status();
    container.wait().unwrap();
    (line == "up\n").then(|| String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn in_a_container_they_arrive_by_the_streams_that_the_step_began_with() {
    let scene = scene();
    let Some(whole) = in_a_container(&scene, r#""$JF" exec -- sh -c "$CREATE""#) else { return };
    assert_eq!(missing(&whole, &later(&scene)), 0, "{whole}");
    for script in
        [r#""$JF" exec -- sh -c "$CREATE" 2>&1 | tee log"#, r#"bash -c 'exec > >(tee log) 2>&1; "$JF" exec -- sh -c "$CREATE"; sleep 0.1'"#]
    {
        let hidden = in_a_container(&scene, script).unwrap();
        assert!(hidden.contains("::add-mask::***") && !shows(&hidden, &later(&scene)), "{script}: {hidden}");
    }
}
