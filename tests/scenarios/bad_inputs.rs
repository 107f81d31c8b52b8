use crate::support::Scene;

/// Wrong arguments and variables; the URL and the credential are right unless these replace them.
type Bad = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const BAD: &[Bad] = &[
    // The command line
    (&["creat"], &[]),
    (&["create", "bob", "carol"], &[]),
    (&["create", "--acess-token", "x"], &[]),
    (&["create", "--no-such-thing"], &[]),
    (&["create", "--expiry"], &[]),
    (&["create", "--expiry=60", "--refreshable", "yes", "no"], &[]),
    (&["create", "-x"], &[]),
    (&["--url", "https://acme.jfrog.io"], &[]),
    (&["create", "--grant-admin", "false"], &[]),
    (&["create", "--token-file", "--format", "json"], &[]),
    (&["revoke", "--groups", "a"], &[]),
    (&["redact", "--foo"], &[]),
    (&["redact", "cat", "x"], &[]),
    (&["create"], &[("JF_ACCESS_TOKEN", "$JFROG_TOKEN")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "${{ secrets.JFROG_TOKEN }}")]),
    (&["revoke", "bob"], &[]),
    (&["inspect", "--expiry", "60"], &[]),
    // The URL
    (&["create", "--url", "acme.jfrog.io"], &[]),
    (&["create", "--url", "not a url"], &[]),
    (&["create", "--url", "https://"], &[]),
    (&["create", "--url", "https://acme.jfrog.io:99999"], &[]),
    (&["create", "--url", "ftp://acme.jfrog.io"], &[]),
    (&["create", "--url", "http://acme.jfrog.io"], &[]),
    (&["create", "--url", "http://10.0.0.1:8082"], &[]),
    (&["create", "--url", "https://bob:hunter2@acme.jfrog.io"], &[]),
    (&["create", "--url", "https://bob@acme.jfrog.io"], &[]),
    (&["create", "--url", "https://acme.jfrog.io/?x=1"], &[]),
    (&["create", "--url", "https://acme.jfrog.io/#tokens"], &[]),
    (&["create"], &[("JF_URL", "")]),
    (&["create", "--url", "http://foo.localhost"], &[]),
    // The credential
    (&["create"], &[("JF_ACCESS_TOKEN", "")]),
    (&["create"], &[("JF_ACCESS_TOKEN", ""), ("JF_USER", "bob"), ("JF_PASSWORD", "hunter2")]),
    (&["create", "--user", "bob", "--password", "hunter2"], &[("JF_ACCESS_TOKEN", "")]),
    (&["create", "--user", "bob"], &[("JF_ACCESS_TOKEN", "")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "two words")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "two\nlines")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "   ")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "tökén")]),
    (&["create"], &[("JF_ACCESS_TOKEN", "AKCp8kcX0xExampleOnly")]),
    (&["create", "--access-token-file", "missing"], &[]),
    (&["create", "--access-token-file", "."], &[]),
    (&["create", "--access-token-file", "empty"], &[]),
    (&["create", "--access-token-stdin"], &[]),
    (&["create", "--access-token-stdin", "--access-token-file", "empty"], &[]),
    (&["create"], &[("JF_TOKEN_ACCESS_TOKEN_FILE", "empty")]),
    (&["create", "--access-token-stdin=perhaps"], &[]),
    // The scope
    (&["create", "--scope", "applied-permissions/usr"], &[]),
    (&["create", "--scope", "applied-permissions/user  applied-permissions/admin"], &[]),
    (&["create", "--scope", "everything"], &[]),
    (&["create", "--scope", "applied-permissions/groups"], &[]),
    (&["create", "--scope", "applied-permissions/groups:"], &[]),
    (&["create", "--scope", "applied-permissions/groups:a,,b"], &[]),
    (&["create", "--scope", "applied-permissions/groups:a applied-permissions/groups:b"], &[]),
    (&["create", "--scope", "applied-permissions/groups:\"a b"], &[]),
    (&["create", "--scope", "applied-permissions/groups:a\"b\"c"], &[]),
    (&["create", "--scope", "applied-permissions/groups:group 2"], &[]),
    (&["create", "--scope", "applied-permissions/roles:Developer"], &[]),
    (&["create", "--scope", "applied-permissions/roles:P1:Developer"], &[]),
    (&["create", "--scope", "artifact:generic-local"], &[]),
    (&["create", "--scope", "artifact::r"], &[]),
    (&["create", "--scope", "artifact:generic-local:r,q"], &[]),
    (&["create", "--scope", "system:metrics:q"], &[]),
    (&["create", "--scope", "größe applied-permissions/usr"], &[]),
    (&["create", "--scope", "LONG"], &[]),
    (&["create", "--scope", "applied-permissions/user", "--groups", "a"], &[]),
    (&["create", "--scope", "applied-permissions/user", "--grant-admin"], &[]),
    (&["create", "--grant-admin"], &[("JF_TOKEN_SCOPE", "applied-permissions/user")]),
    // Groups
    (&["create", "--groups", "a,,b"], &[]),
    (&["create", "--groups", ","], &[]),
    (&["create", "--groups", "a,\"b"], &[]),
    (&["create", "--groups", "a\u{7}b"], &[]),
    (&["create", "--groups", "LONG"], &[]),
    // The expiry
    (&["create", "--expiry", "-1"], &[]),
    (&["create", "--expiry", "abc"], &[]),
    (&["create", "--expiry", "1.5"], &[]),
    (&["create", "--expiry", " 60"], &[]),
    (&["create", "--expiry", "60 s"], &[]),
    (&["create", "--expiry", "5y"], &[]),
    (&["create", "--expiry", "h"], &[]),
    (&["create", "--expiry", "99999999999999999999"], &[]),
    (&["create", "--expiry", "9999999999"], &[]),
    (&["create", "--expiry", "9999999d"], &[]),
    (&["create"], &[("JF_TOKEN_EXPIRY", "soon")]),
    (&["action", "create"], &[("GITHUB_ACTIONS", "true"), ("INPUT_EXPIRY", "soon")]),
    (&["create", "--retry-for", "never"], &[]),
    // Other properties of the token
    (&["create", "two words"], &[]),
    (&["create", "LONG"], &[]),
    (&["create", "--description", "LONG"], &[]),
    (&["create", "--description", "bell\u{7}"], &[]),
    (&["create", "--scope", "applied-permissions/user\n"], &[]),
    (&["create", "--audience", "everyone"], &[]),
    (&["create", "--audience", "jfrt@"], &[]),
    (&["create", "--audience", "jfrt@*  jfxr@*"], &[]),
    (&["create", "--audience", "LONG"], &[]),
    (&["create", "--project", "P1"], &[]),
    (&["create", "--project", "p"], &[]),
    (&["create", "--project", "1p"], &[]),
    (&["create"], &[("JF_PROJECT", "my_project")]),
    (&["create", "--refreshable=maybe"], &[]),
    (&["create"], &[("JF_TOKEN_REFRESHABLE", "perhaps")]),
    (&["action", "create"], &[("GITHUB_ACTIONS", "true"), ("INPUT_FORCE-REVOCABLE", "yep")]),
    (&["action", "create"], &[("GITHUB_ACTIONS", "true"), ("INPUT_LIFETIME", "1h")]),
    // A slip that would give more rights
    (&["create", "--groups", ""], &[]),
    (&["create", "", "--expiry", "60"], &[]),
    (&["create", "--groups", "\"a\"b"], &[]),
    (&["create", "--description", "--scope=applied-permissions/user"], &[]),
    (&["create", "--refreshable", "off"], &[]),
    (&["create", "bob", "--username", "carol"], &[]),
    (&["create", "--ttl", "60"], &[]),
    (&["create", "--require", "groups,expiry", "--expiry", "60"], &[]),
    (&["create"], &[("JF_TOKEN_REQUIRE", "group")]),
    (&["create"], &[("JF_TOKEN_TTL", "60"), ("JF_URL", "")]),
    (&["create", "--scope", "::add-mask::x"], &[]),
    (&["create"], &[("JF_TOKEN_GRANT_ADMIN", "2")]),
    // Formats, variables and files
    (&["create", "--format", "yaml"], &[]),
    (&["create", "--format", "none"], &[]),
    (&["inspect", "--format", "shell"], &[]),
    (&["create", "--env-var", "TOKEN"], &[]),
    (&["create", "--env-var", "1TOKEN"], &[]),
    (&["create", "--env-var", "MY-TOKEN"], &[]),
    (&["create", "--env-var", "GITHUB_TOKEN"], &[("GITHUB_ACTIONS", "true")]),
    (&["create", "--env-var", "NODE_OPTIONS"], &[("GITHUB_ACTIONS", "true")]),
    (&["create", "--env-var", "TOKEN"], &[("GITHUB_ACTIONS", "true")]),
    (&["create", "--token-file", "missing/token"], &[]),
    (&["create", "--token-file", "."], &[]),
    (&["create", "--output-file", "/dev/stdout"], &[]),
    (&["create", "--token-file", "same", "--output-file", "./same"], &[]),
    (&["create", "--session", "../elsewhere"], &[]),
    (&["create", "--session", ".hidden"], &[]),
    (&["create", "--session", "LONG"], &[]),
    (&["create", "--revoke", "later"], &[]),
    (&["create"], &[("JF_URL", "https://acme.jfrog.io"), ("https_proxy", "socks5://127.0.0.1:1")]),
    (&["create"], &[("JF_URL", "https://acme.jfrog.io"), ("https_proxy", "not a url")]),
    // The other commands
    (&["revoke", "--token-id", "../me"], &[]),
    (&["revoke", "--token-id", "me"], &[]),
    (&["revoke", "--token-id", "x"], &[("JF_URL", "")]),
    (&["revoke", "--token-id", "x"], &[("JF_ACCESS_TOKEN", "")]),
    (&["inspect"], &[("JF_ACCESS_TOKEN", "")]),
    (&["inspect"], &[("JF_ACCESS_TOKEN", "2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b")]),
    (&["inspect", "--online"], &[("JF_URL", "")]),
    (&["inspect", "--session", "none-such"], &[]),
    (&[], &[("JF_URL", "")]),
    (&[], &[("JF_ACCESS_TOKEN", "")]),
];

#[test]
fn every_wrong_input_gets_its_own_clear_message_and_nothing_is_sent() {
    assert!(BAD.len() >= 60);
    let mut told = String::new();
    for (arguments, variables) in BAD {
        // An ordinary name on Windows.
        if cfg!(windows) && arguments.contains(&"/dev/stdout") {
            continue;
        }
        let mut scene = Scene::new();
        scene.write("work/empty", "");
        for (name, value) in *variables {
            scene.set(name, value);
        }
        let long = "x".repeat(1100);
        let given: Vec<_> = arguments.iter().map(|argument| if *argument == "LONG" { long.as_str() } else { argument }).collect();
        let ran = scene.run(&given);
        assert!(matches!(ran.code, 2 | 3), "{arguments:?} {variables:?} ended with code {}: {}", ran.code, ran.story);
        assert!(!ran.story.contains("--- request"), "{arguments:?} sent a request");
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("hunter2") && !ran.stderr.contains("panicked"), "{}", ran.story);
        let left: Vec<_> = scene.files().into_iter().filter(|path| !path.ends_with("empty") && !path.ends_with("ca.pem")).collect();
        assert!(left.is_empty(), "{arguments:?} left {left:?}");
        let variables: String = variables.iter().map(|(name, value)| format!("{name}={value:?} ")).collect();
        told += &format!("$ {variables}jf-token {}\n{}", arguments.join(" ").replace('\u{7}', "^G"), scene.tidy(&ran.stderr));
    }
    // Windows has its own words for what is wrong with a file.
    if !cfg!(windows) {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
    }
}

#[cfg(unix)]
#[test]
fn text_that_is_not_utf8_is_named_and_not_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let scene = Scene::new();
    let odd = OsStr::from_bytes(b"se\xffcret");
    for (name, argument) in [
        ("JF_ACCESS_TOKEN", None),
        ("JF_TOKEN_EXPIRY", None),
        ("INPUT_EXPIRY", None),
        ("UNRELATED", None),
        ("", Some("--expiry")),
        ("", Some("")),
    ] {
        let mut command = std::process::Command::new(crate::support::BINARY);
        command.env_clear();
        if name.starts_with("INPUT_") {
            command.env("GITHUB_ACTIONS", "true").arg("action");
        }
        command.env("JF_URL", scene.sandbox.url()).env("JF_ACCESS_TOKEN", scene.sandbox.admin_token()).arg("create");
        match argument {
            None => command.env(name, odd),
            Some("") => command.arg(odd),
            Some(flag) => command.arg(flag).arg(odd),
        };
        let output = command.output().unwrap();
        let ran = scene.ran(&["create"], output);
        if name == "UNRELATED" {
            assert_eq!(ran.code, 0, "{}", ran.story);
            continue;
        }
        assert!(ran.code == 2 && ran.stderr.contains("is not UTF-8 text"), "{}", ran.story);
        assert!(ran.stderr.contains(name) && !ran.stderr.contains("cret"), "{}", ran.story);
        assert!(!ran.story.contains("--- request"));
    }
}
