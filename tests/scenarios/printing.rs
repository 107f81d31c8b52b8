use crate::support::Scene;
use crate::tells;

#[test]
fn each_format_prints_what_it_says() {
    let scene = Scene::new();
    for format in ["token", "env", "shell", "powershell"] {
        tells!(format!("format_{format}"), scene.run(&["create", "--format", format, "--reference", "--refreshable", "--expiry", "1h"]));
    }
}

#[test]
fn the_refresh_token_is_in_a_file_only_where_it_was_asked_for() {
    let mut scene = Scene::new();
    scene.asks_for("work/jf.env");
    let options = ["create", "--refreshable", "--output-file", "jf.env", "--format", "none"];
    assert_eq!(scene.run(&options).code, 0);
    assert!(!scene.read("work/jf.env").contains("JF_REFRESH_TOKEN"));
    assert_eq!(scene.run(&[&options[..], &["--output-refresh-token"]].concat()).code, 0);
    assert!(scene.read("work/jf.env").contains("JF_REFRESH_TOKEN"));
}

#[cfg(unix)]
#[test]
fn the_shell_format_survives_a_shell() {
    let scene = Scene::new();
    let script = scene.run(&["create", "--format", "shell"]).stdout;
    let shell = std::process::Command::new("sh").args(["-c", &format!("{script}\nprintf %s \"$JF_ACCESS_TOKEN\"")]).output();
    assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), scene.sandbox.issued()[0].access_token);
}

#[test]
fn a_user_name_that_is_any_text_is_quoted_for_a_shell_and_left_out_of_a_dotenv() {
    let scene = Scene::new();
    for (user, format, line) in [
        ("it's/a mapping", "shell", r"export JF_USER='it'\''s/a mapping'"),
        ("it's/a mapping", "env", ""),
        ("it's/a mapping", "powershell", "$env:JF_USER = 'it''s/a mapping'"),
        // Each of these is an apostrophe to PowerShell, or is read as one in some code page.
        ("\u{2018}\u{2019}\u{201a}\u{201b}", "powershell", "$env:JF_USER = ''+[char]8216+''+[char]8217+''+[char]8218+''+[char]8219+''"),
        ("\u{451};calc", "powershell", "$env:JF_USER = ''+[char]1105+';calc'"),
        ("two\nlines, 7 \u{1f600}'s", "powershell", "$env:JF_USER = 'two'+[char]10+'lines, 7 '+[char]55357+''+[char]56832+'''s'"),
        ("$(calc) `n \"$env:X\"", "powershell", "$env:JF_USER = '$(calc) `n \"$env:X\"'"),
    ] {
        let token = scene.sandbox.token_with(serde_json::json!({"sub": user, "iat": 1, "jti": "x"}));
        let answer = serde_json::json!({"access_token": token, "token_id": "x"}).to_string();
        scene.sandbox.fault(sandbox::Fault::Body(answer));
        let printed = scene.run(&["create", "--format", format]).stdout;
        assert_eq!(printed.lines().find(|line| line.contains("JF_USER")).unwrap_or_default(), line);
    }
}

#[test]
fn files_are_written_whole_for_this_user_only() {
    let mut scene = Scene::new();
    scene.asks_for("work/token").asks_for("work/jf.env");
    scene.write("work/token", "");
    tells!(scene.run(&["create", "--token-file", "token", "--output-file", "jf.env", "--format", "none", "--expiry", "1h"]));
}

#[cfg(unix)]
#[test]
fn a_link_is_neither_followed_nor_replaced() {
    let scene = Scene::new();
    let elsewhere = scene.write("work/elsewhere", "old");
    std::os::unix::fs::symlink(elsewhere, scene.path("work/token")).unwrap();
    assert_eq!(scene.run(&["create", "--token-file", "token", "--format", "none"]).code, 2);
    assert_eq!(scene.read("work/elsewhere"), "old");
    assert!(scene.path("work/token").is_symlink() && scene.sandbox.issued().is_empty());
}

#[test]
fn in_a_ci_no_secret_is_on_standard_output_unless_a_format_was_asked_for() {
    let mut scene = Scene::new();
    scene.set("CI", "true");
    tells!("in_some_ci_without_a_format", scene.run(&["create", "--expiry", "1h"]));
    let asked = scene.run(&["create", "--format", "token"]);
    assert_eq!(asked.stdout.trim_end(), scene.sandbox.issued()[1].access_token);
}

#[test]
fn a_ci_that_has_no_file_here_yet_and_does_not_set_ci_is_a_ci_all_the_same() {
    let mut scene = Scene::new();
    scene.set("TF_BUILD", "True").set("SYSTEM_JOBID", "12f1170f");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && ran.stdout.is_empty() && ran.stderr.contains("the session 'default'"), "{}", ran.story);
}

#[test]
fn the_end_is_told_in_local_time() {
    let mut scene = Scene::new();
    scene.set("TZ", "XYZ-5:30");
    let ran = scene.run(&["create", "--format", "none", "--session", "s", "--expiry", "2h"]);
    assert!(ran.story.contains("until   <time> +05:30 (in 2 hours)"), "{}", ran.story);
}

#[test]
fn a_closed_standard_output_is_a_failure_and_the_token_is_revoked() {
    let scene = Scene::new();
    // So that it is closed in time.
    scene.sandbox.fault_for("POST", sandbox::Fault::Delay(300), 1);
    let mut child = scene.spawn(&["create"]);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let ran = scene.ran(&["create"], output);
    assert_eq!(ran.code, 1, "{}", ran.story);
    assert!(ran.stderr.contains("The new token was revoked."), "{}", ran.stderr);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn an_unknown_variable_of_ours_gets_a_warning_with_the_nearest_name() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_EXPIERY", "60");
    let ran = scene.run(&["create", "--dry-run"]);
    assert_eq!(ran.code, 0);
    let warning = "jf-token: warning: unknown variable JF_TOKEN_EXPIERY; did you mean JF_TOKEN_EXPIRY?\n";
    assert!(ran.stderr.starts_with(warning) && ran.stderr.matches("warning").count() == 1, "{}", ran.stderr);
}

#[test]
fn verbose_shows_the_requests_with_secrets_replaced() {
    tells!(Scene::new().run(&["create", "--refreshable", "--reference", "--verbose", "--session", "s", "--format", "none"]));
}
