//! What came along with a value, and what can't be the value that was meant.

use crate::support::{Scene, refused};
use crate::tells;

#[test]
fn what_stands_around_a_variables_value_is_no_part_of_it() {
    let mut scene = Scene::new();
    scene.asks_for("work/tf");
    let (url, token) = (scene.sandbox.url(), scene.sandbox.admin_token().to_owned());
    for (before, after) in [("", "\r"), ("", "\n"), ("\u{feff}", "\r\n"), (" \t", " ")] {
        let around = |text: &str| format!("{before}{text}{after}");
        for (name, value) in [
            ("JF_URL", url.as_str()),
            ("JF_ACCESS_TOKEN", &token),
            ("JF_TOKEN_TOKEN_FILE", "tf"),
            ("JF_TOKEN_EXPIRY", "1h"),
            ("JF_TOKEN_GROUPS", "readers"),
            ("JF_TOKEN_FORMAT", "none"),
            ("JF_TOKEN_FORCE_REVOCABLE", "true"),
            ("JF_TOKEN_SESSION", "s"),
            ("JF_TOKEN_HOME", scene.path("tmp/home").to_str().unwrap()),
        ] {
            scene.set(name, &around(value));
        }
        let ran = scene.run(&["create"]);
        assert!(
            ran.code == 0 && ran.story.contains(r#""scope":"applied-permissions/groups:readers""#),
            "{before:?}{after:?} {}",
            ran.story
        );
        assert!(scene.path("work/tf").exists() && scene.path("tmp/home/s.json").exists(), "{:?}", scene.files());
        assert_eq!(scene.run(&["revoke"]).code, 0);
        assert!(!scene.path("work/tf").exists() && !scene.path("tmp/home").exists());
    }
    // Blank is unset.
    scene.set("JF_TOKEN_TOKEN_FILE", " \r\n").set("JF_ACCESS_TOKEN", "\n");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 3 && !ran.story.contains("--- request"), "{}", ran.story);
}

#[test]
fn a_flag_from_a_script_with_windows_line_ends_is_refused_with_the_reason() {
    let scene = Scene::new();
    for arguments in [&["create", "--token-file", "tf\r"][..], &["create", "--expiry=1h\r"], &["create", "bob\r"]] {
        refused(&scene.run(arguments), &["ends in a carriage return", "line feeds"]);
    }
    tells!(scene.run(&["create", "--expiry=1h\r", "--log-format", "json"]));
}

/// What is certainly no token, and what its message says.
fn no_tokens(token: &str) -> Vec<(String, &'static str)> {
    vec![
        (format!("\"{token}\""), "has quotes around it"),
        (format!("'{token}'"), "has quotes around it"),
        (format!("JF_ACCESS_TOKEN={token}"), "is a line NAME=VALUE"),
        (format!("export JF_ACCESS_TOKEN={token}"), "is a line NAME=VALUE"),
        (format!("JF_URL=https://acme.jfrog.io\nJF_ACCESS_TOKEN={token}\n"), "is a line NAME=VALUE"),
        ("***".into(), "in place of a secret"),
        (format!("{}***", &token[..9]), "in place of a secret"),
        ("[MASKED]".into(), "in place of a secret"),
        ("[REDACTED]".into(), "in place of a secret"),
        ("<token>".into(), "is a placeholder"),
        ("{{ jfrog_token }}".into(), "is a placeholder"),
        ("$JF_TOKEN".into(), "was not replaced by its value"),
        (format!("{{\"access_token\": \"{token}\"}}"), "is JSON"),
        (format!("Bearer {token}"), "before it"),
        (format!("Authorization: Bearer {token}"), "before it"),
        ("https://acme.jfrog.io".into(), "is a URL"),
        ("/run/secrets/jfrog".into(), "is the path of a file"),
        ("./token".into(), "is the path of a file"),
        ("~/.jfrog/token".into(), "is the path of a file"),
        ("C:\\token".into(), "is the path of a file"),
        ("there.txt".into(), "is the path of a file"),
        (token.rsplit_once('.').unwrap().0.into(), "is only a part of one"),
        (format!("admin:{token}"), "has a character that no token has"),
        ("tok,en".into(), "has a character that no token has"),
        (format!("{} {}", &token[..40], &token[40..]), "has a space or a line break inside"),
    ]
}

#[test]
fn what_is_certainly_no_token_is_refused_with_its_reason_before_anything_is_sent() {
    let mut scene = Scene::new();
    let token = scene.sandbox.admin_token().to_owned();
    scene.write("work/there.txt", "x");
    for (text, why) in no_tokens(&token) {
        scene.asks_for("work/file").set("JF_ACCESS_TOKEN", &text);
        refused(&scene.run(&["create"]), &["JF_ACCESS_TOKEN: ", why]);
        scene.unset("JF_ACCESS_TOKEN").write("work/file", &text);
        refused(&scene.run(&["create", "--access-token-file", "file"]), &["--access-token-file: ", why]);
        let ran = scene.stdin(&text).run(&["create", "--access-token-stdin"]);
        refused(&ran, &["--access-token-stdin: ", why]);
        let ran = scene.run(&["create", "--oidc-provider", "github", "--oidc-token-file", "file"]);
        refused(&ran, &["--oidc-token-file: ", why]);
    }
    // With a byte order mark and the line end of an editor it is one.
    scene.write("work/file", &format!("\u{feff}{token}\r\n"));
    assert_eq!(scene.run(&["create", "--access-token-file", "file", "--format", "none", "--session", "s"]).code, 0);
}

#[test]
fn a_url_in_quotes_or_hidden_by_a_log_is_told_as_that() {
    let mut scene = Scene::new();
    for (text, why) in [
        ("\"https://acme.jfrog.io\"", "quotes"),
        ("'https://acme.jfrog.io'", "quotes"),
        ("***", "in place of"),
        ("https://***", "in place of"),
    ] {
        scene.set("JF_URL", text);
        refused(&scene.run(&["create"]), &["JF_URL: ", why]);
    }
}

#[test]
fn a_variable_that_means_something_already_does_not_get_the_token() {
    let scene = Scene::github();
    for (name, reason) in [
        ("PATH", "which code other programs run"),
        ("path", "which code other programs run"),
        ("LD_PRELOAD", "which code other programs run"),
        ("DYLD_INSERT_LIBRARIES", "which code other programs run"),
        ("NODE_OPTIONS", "which code other programs run"),
        ("BASH_ENV", "which code other programs run"),
        ("ENV", "which code other programs run"),
        ("PYTHONSTARTUP", "which code other programs run"),
        ("PYTHONPATH", "which code other programs run"),
        ("PERL5OPT", "which code other programs run"),
        ("RUBYOPT", "which code other programs run"),
        ("JAVA_TOOL_OPTIONS", "which code other programs run"),
        ("MAVEN_OPTS", "which code other programs run"),
        ("GIT_SSH_COMMAND", "which code other programs run"),
        ("PROMPT_COMMAND", "which code other programs run"),
        ("IFS", "the shell's own"),
        ("PS4", "the shell's own"),
        ("HOME", "the shell's own"),
        ("_", "the shell's own"),
        ("https_proxy", "reach the network"),
        ("SSL_CERT_FILE", "reach the network"),
        ("CI", "is the CI's own"),
        ("GITHUB_TOKEN", "is the CI's own"),
        ("RUNNER_TEMP", "is the CI's own"),
        ("JF_TOKEN_SCOPE", "is read by jf-token"),
        ("JF_URL", "is read by jf-token"),
        ("JF_ENV_X", "is read by jf-token"),
    ] {
        refused(&scene.run(&["create", "--env-var", name]), &["--env-var: ", name, reason]);
        let ran = scene.run(&["exec", "--env-var", name, "--", "true"]);
        assert!(ran.code == 125 && ran.stderr.contains(reason) && !ran.story.contains("--- request"), "{}", ran.story);
    }
    let mut action = Scene::action(&[("env-var", "PATH")]);
    refused(&action.run(&["create"]), &["the input 'env-var': PATH says which code"]);
    for name in [
        "JF_ACCESS_TOKEN",
        "TOKEN",
        "TF_TOKEN_acme_jfrog_io",
        "NPM_TOKEN",
        "CARGO_REGISTRIES_X_TOKEN",
        "JF_PASSWORD",
        "ENVIRONMENT",
        "_TOKEN",
    ] {
        action.inputs(&[("env-var", name)]);
        assert_eq!(action.run(&["create"]).code, 0, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_a_variable_names_is_regular_and_not_too_long_or_not_read() {
    let mut scene = Scene::github();
    assert!(std::process::Command::new("mkfifo").arg(scene.path("work/pipe")).status().unwrap().success());
    let pipe = scene.path("work/pipe").display().to_string();
    for zone in [":/dev/zero", "/dev/zero", "../../../dev/zero", &format!(":{pipe}"), &pipe] {
        let started = std::time::Instant::now();
        let ran = scene.set("TZ", zone).run(&["create", "--session", "s", "--format", "none"]);
        assert!(ran.code == 0 && started.elapsed() < std::time::Duration::from_secs(20), "{zone}: {}", ran.story);
        assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    }
    scene.set("TZ", "UTC");
    // An https address that nobody serves: what is asked first is with which CAs.
    scene.set("JF_URL", "https://127.0.0.1:1").set("JF_TOKEN_RETRY_FOR", "0");
    for file in ["/dev/zero", &pipe] {
        let ran = scene.set("SSL_CERT_FILE", file).run(&["create"]);
        assert!(ran.code == 2 && ran.stderr.contains("SSL_CERT_FILE: is not a regular file"), "{}", ran.story);
    }
    scene.unset("SSL_CERT_FILE").unset("JF_ACCESS_TOKEN").unset("GITHUB_ACTIONS").unset("CI");
    let home = scene.path("work").join("jf");
    std::fs::create_dir(&home).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(home.join("jfrog-cli.conf.v6")).status().unwrap().success());
    let ran = scene.set("JFROG_CLI_HOME_DIR", home.to_str().unwrap()).run(&["create"]);
    assert!(ran.code != 0 && ran.stderr.contains("it is not a file"), "{}", ran.story);
}
