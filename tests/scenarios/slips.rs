//! A slip in what is given never gives more rights.

use crate::support::{Ran, Scene, refused};
use crate::tells;

fn body(ran: &Ran) -> serde_json::Value {
    assert_eq!(ran.code, 0, "{}", ran.story);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn an_unknown_input_of_the_action_fails_with_the_nearest_name_and_the_way_to_blank_it() {
    let mut scene = Scene::action(&[]);
    scene.set("INPUT_EXPIRES", "1h");
    tells!(scene.run(&["create"]));
    for (given, meant) in [
        ("EXPIRES", "expiry"),
        ("TTL", "expiry"),
        ("LIFETIME", "expiry"),
        ("EXPIRES-IN", "expiry"),
        ("GROUP", "groups"),
        ("FORCE-REVOKABLE", "force-revocable"),
        ("FORCE_REVOCABLE", "force-revocable"),
    ] {
        let mut scene = Scene::action(&[]);
        scene.set(&format!("INPUT_{given}"), "x");
        let name = given.to_lowercase();
        refused(&scene.run(&["create"]), &[&format!("'{name}'"), &format!("Did you mean {meant}?"), &format!("INPUT_{given}: ''")]);
    }
    let mut scene = Scene::action(&[]);
    scene.set("INPUT_FORMAT", "json");
    refused(&scene.run(&["create"]), &["'format'"]);
    // Blanked, or in a step that is not the action.
    assert_eq!(scene.set("INPUT_FORMAT", " ").run(&["create"]).code, 0);
    scene.leave_action().set("INPUT_FORMAT", "json");
    assert_eq!(scene.run(&["create", "--session", "other"]).code, 0);
}

#[test]
fn an_unknown_input_does_not_keep_the_post_step_from_revoking() {
    let mut scene = Scene::action(&[("force-revocable", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.set("INPUT_EXPIRES", "1h");
    assert_eq!(scene.post().code, 0);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn an_empty_flag_that_would_limit_the_token_is_an_error() {
    let scene = Scene::new();
    for command in ["create", "atc"] {
        for option in ["expiry", "scope", "groups", "audience", "project", "username", "user"] {
            let flag = format!("--{option}");
            refused(&scene.run(&[command, &flag, ""]), &[&flag, "empty"]);
            refused(&scene.run(&[command, &format!("{flag}=")]), &[&flag, "empty"]);
        }
        refused(&scene.run(&[command, ""]), &["USERNAME", "empty"]);
    }
    let ran = scene.run(&["exec", "--groups", "", "--", "true"]);
    assert!(ran.code == 125 && ran.stderr.contains("--groups: is empty"), "{}", ran.story);
    for absent in [&["--description", ""][..], &["--session", ""], &["--format="], &["--refreshable="]] {
        assert_eq!(scene.run(&[&["create"], absent].concat()).code, 0, "{absent:?}");
    }
}

#[test]
fn an_empty_flag_that_would_name_the_credential_is_an_error_and_no_other_is_used() {
    let scene = Scene::new();
    for option in [
        "access-token",
        "access-token-file",
        "oidc-provider",
        "oidc-token-file",
        "oidc-token-var",
        "server-id",
        "ssh-key-path",
        "client-cert-path",
    ] {
        let flag = format!("--{option}");
        refused(&scene.run(&["create", &flag, ""]), &[&flag, "empty"]);
        refused(&scene.run(&["refresh", &format!("{flag}=")]), &[&flag, "empty"]);
    }
    refused(&scene.run(&["eot", "github", ""]), &["TOKEN", "empty"]);
    assert_eq!(scene.run(&["create", "--session", "s"]).code, 0);
    assert_eq!(scene.run(&["revoke", "--session", "s", "--access-token-file", ""]).code, 0);
    assert!(!scene.sandbox.issued()[0].live, "it is ended all the same");
}

#[test]
fn a_part_of_a_credential_that_nothing_names_is_an_error() {
    let mut scene = Scene::new();
    for part in ["oidc-token-file", "oidc-identity-mapping", "repository", "ssh-passphrase-file"] {
        let flag = format!("--{part}");
        refused(&scene.run(&["create", &flag, "x"]), &[&flag, "nothing names one"]);
    }
    // Set for all jobs of an organisation, it is no slip.
    scene.set("JF_TOKEN_OIDC_IDENTITY_MAPPING", "x");
    assert_eq!(scene.run(&["create"]).code, 0);
    let mut scene = Scene::action(&[("oidc-identity-mapping", "x"), ("oidc-provider", "")]);
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    refused(&scene.run(&["create"]), &["oidc-identity-mapping", "oidc-provider"]);
}

#[test]
fn an_empty_variable_or_input_is_absent_unless_it_is_required() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_GROUPS", "").set("JF_TOKEN_EXPIRY", "");
    assert_eq!(scene.run(&["create"]).code, 0);
    refused(&scene.run(&["create", "--require", "groups,expiry"]), &["--require", "groups"]);
    scene.set("JF_TOKEN_REQUIRE", "groups, expiry");
    refused(&scene.run(&["create", "--groups", "readers"]), &["JF_TOKEN_REQUIRE", "expiry"]);
    assert_eq!(scene.run(&["create", "--groups", "readers", "--expiry", "1h"]).code, 0);
    let ran = scene.run(&["exec", "--groups", "a", "--", "true"]);
    assert!(ran.code == 125 && ran.stderr.contains("expiry"), "{}", ran.story);
    assert_eq!(scene.run(&["revoke"]).code, 0, "it says what a token needs, and nothing of its end");
    scene.set("JF_TOKEN_REQUIRE", "username");
    assert_eq!(scene.run(&["create", "--user", "bob"]).code, 0);
    scene.set("JF_TOKEN_REQUIRE", "force-revocable");
    refused(&scene.run(&["create", "--force-revocable=false"]), &["force-revocable"]);
    for (unknown, hint) in [("group", "Did you mean groups?"), ("ttl", "Did you mean expiry?"), ("url", "expiry"), ("groups,,expiry", "''")]
    {
        refused(&scene.run(&["create", "--require", unknown, "--groups", "a"]), &["--require", hint]);
    }
    let mut scene = Scene::action(&[("require", "expiry"), ("groups", "readers")]);
    refused(&scene.run(&["create"]), &["the input 'require'", "expiry"]);
    scene.set("INPUT_EXPIRY", "1h");
    assert_eq!(scene.run(&["create"]).code, 0);
}

#[test]
fn an_option_never_becomes_the_value_of_another() {
    let scene = Scene::new();
    for (arguments, option, value) in [
        (&["create", "--description", "--scope=applied-permissions/groups:readers"][..], "--description", "--scope"),
        (&["create", "--description", "--help"], "--description", "--help"),
        (&["create", "--description", "--version"], "--description", "--version"),
        (&["create", "--description", "-h"], "--description", "-h"),
        (&["create", "--description", "-scope", "x"], "--description", "-scope"),
        (&["create", "--description", "-scope=x"], "--description", "-scope"),
        (&["create", "-description", "--scope", "x"], "--description", "--scope"),
        (&["create", "--token-file", "--env-file", "x"], "--token-file", "--env-file"),
        (&["create", "--env-file", "--token-file", "x"], "--env-file", "--token-file"),
        (&["create", "--description", "--server-id=x"], "--description", "--server-id"),
        (&["create", "--description", "--token-id", "x"], "--description", "--token-id"),
        (&["create", "--description", "--", "bob"], "--description", "--"),
        (&["revoke", "--session", "--token-id=x"], "--session", "--token-id"),
    ] {
        refused(&scene.run(arguments), &[&format!("{option} needs a value, but {value} follows it")]);
    }
    let said = body(&scene.run(&["create", "--dry-run", "--description=--scope=x"]));
    assert_eq!(said["description"], "--scope=x");
    for plain in ["-1", "- a list", "--not-an-option", "--scoped"] {
        assert_eq!(body(&scene.run(&["create", "--dry-run", "--description", plain]))["description"], plain);
    }
}

#[test]
fn quotes_stand_around_a_whole_group_name_and_keep_its_blanks() {
    let scene = Scene::new();
    for groups in ["\"a\"b", "a\"b,c\"d", "a\"\"", "\"a\" \"b\"", "\"\"", "a,\"\""] {
        refused(&scene.run(&["create", "--groups", groups]), &["--groups"]);
    }
    for (groups, scope) in [
        ("\"group \"", "applied-permissions/groups:\"group \""),
        (" a , \"b,c\" ", "applied-permissions/groups:a,\"b,c\""),
        ("\"plain\"", "applied-permissions/groups:plain"),
    ] {
        assert_eq!(body(&scene.run(&["create", "--dry-run", "--groups", groups]))["scope"], scope);
    }
}

#[test]
fn a_switch_takes_every_usual_word_and_no_word_of_it_becomes_the_user() {
    let mut scene = Scene::new();
    for (word, on) in [("t", true), ("F", false), ("on", true), ("OFF", false), ("y", true), ("n", false), ("Yes", true), ("No", false)] {
        let given = body(&scene.run(&["create", "--dry-run", &format!("--refreshable={word}")]));
        assert_eq!(given["refreshable"], on, "{word}");
        refused(&scene.run(&["create", "--refreshable", word]), &["USERNAME", "equals sign", "--username"]);
        assert_eq!(body(&scene.run(&["create", "--dry-run", "--username", word]))["username"], word.to_lowercase());
    }
    for (word, lives) in [("off", true), ("on", false)] {
        let session = format!("revoke-{word}");
        assert_eq!(scene.run(&["create", "--force-revocable", "--session", &session, "--revoke", word]).code, 0);
        assert_eq!(scene.run(&["revoke", "--session", &session, "--revoke", word]).code, 0);
        assert_eq!(scene.sandbox.issued().last().unwrap().live, lives, "{word}");
    }
    scene.set("JF_TOKEN_GRANT_ADMIN", "n");
    assert!(body(&scene.run(&["create", "--dry-run"])).get("scope").is_none());
}

#[test]
fn limits_hold_for_what_is_sent() {
    let scene = Scene::new();
    let long = |text: &str, times: usize| text.repeat(times);
    refused(&scene.run(&["create", &long("İ", 255)]), &["510 characters", "255"]);
    assert_eq!(scene.run(&["create", "--dry-run", &long("I", 255)]).code, 0);
    // 500 characters of groups alone fit; with admin they do not.
    let groups = long("g", 500 - "applied-permissions/groups:".len());
    assert_eq!(scene.run(&["create", "--dry-run", "--groups", &groups]).code, 0);
    refused(&scene.run(&["create", "--groups", &groups, "--grant-admin"]), &["--groups", "500"]);
    refused(&scene.run(&["create", "--groups", &format!("{}, b", &groups[1..])]), &["--groups", "500"]);
}

#[test]
fn nothing_that_a_message_repeats_is_a_command_of_a_ci() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_X\n::add-mask::x", "1");
    for text in [
        "::add-mask::x",
        "::error::x",
        " ::warning::x",
        "##[group]x",
        "##vso[task.setvariable variable=x]y",
        "##teamcity[message text='x']",
        "###[group]x",
        "x\n::add-mask::y",
        "x\r::add-mask::y",
        "x\n  ##vso[task.debug]y",
    ] {
        let texts = [
            scene.run(&["create", "--scope", text]),
            scene.run(&["create", "--groups", &format!("{text}\"")]),
            scene.run(&["create", "--audience", text]),
            scene.run(&["create", "--project", text]),
            scene.run(&["create", "--expiry", text]),
            scene.run(&["create", "--format", text]),
            scene.run(&["create", "--url", text]),
            scene.run(&["create", &format!("--{text}")]),
            scene.run(&["create", "--require", text]),
            scene.run(&["create", "--token-file", &format!("missing/{text}/token")]),
            scene.run(&["create", "--access-token-file", text]),
            scene.run(&["exec", "--", text]),
            scene.run(&[text]),
        ];
        for ran in texts {
            assert_ne!(ran.code, 0, "{}", ran.story);
            for line in ran.stderr.split(['\n', '\r']) {
                assert!(!line.trim_start().starts_with("::"), "{}", ran.stderr);
                assert!(!["##[", "##vso[", "##teamcity["].iter().any(|command| line.contains(command)), "{}", ran.stderr);
            }
        }
    }
}

#[test]
fn alone_in_a_terminal_outside_a_ci_it_shows_the_help_and_mints_nothing() {
    let mut scene = Scene::new();
    scene.in_terminal();
    let ran = scene.run_at(0, &[]);
    assert!(ran.code == 0 && ran.stdout.contains("Usage:") && ran.stderr.is_empty(), "{}", ran.story);
    assert!(scene.sandbox.issued().is_empty());
    assert_eq!(scene.run_at(0, &["create"]).code, 0);
    scene.set("CI", "true");
    assert_eq!(scene.run_at(0, &[]).code, 0);
    assert_eq!(scene.sandbox.issued().len(), 2);
}

#[test]
fn an_empty_id_revokes_nothing() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_SESSION", "s");
    assert_eq!(scene.run(&["create", "--format", "none", "--expiry", "1h", "--force-revocable"]).code, 0);
    let ran = scene.run(&["revoke", "--token-id", ""]);
    assert!(ran.code == 2 && ran.stderr.contains("--token-id: is empty") && scene.sandbox.issued()[0].live, "{}", ran.story);
}

#[test]
fn each_secret_on_the_argument_list_is_told_with_what_gives_it_without() {
    let mut scene = Scene::new();
    let token = scene.sandbox.admin_token().to_owned();
    scene.unset("JF_ACCESS_TOKEN");
    let ran = scene.run(&["create", "--access-token", &token, "--header", "X-Key=0123456789abcdef0"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    for told in ["use JF_ACCESS_TOKEN or --access-token-file or --access-token-stdin\n", "--header is on", "use JF_TOKEN_HEADER\n"] {
        assert!(ran.stderr.contains(told), "{told}: {}", ran.stderr);
    }
}

#[test]
fn a_variable_of_another_tool_that_was_set_instead_of_ours_is_named_with_ours() {
    let other = |unset: &str, name: &str, value: &str| {
        let mut scene = Scene::new();
        scene.unset(unset).set(name, value);
        scene.run(&["create"])
    };
    for name in ["JFROG_URL", "ARTIFACTORY_URL", "JFROG_PLATFORM_URL", "RT_URL", "JF_HOST", "JF_URLS"] {
        let ran = other("JF_URL", name, "https://acme.jfrog.io");
        refused(&ran, &[&format!("You set {name}; jf-token reads JF_URL.")]);
    }
    for name in ["JFROG_ACCESS_TOKEN", "JF_TOKEN", "ARTIFACTORY_TOKEN", "JFROG_TOKEN", "ARTIFACTORY_API_KEY", "JF_ACESS_TOKEN"] {
        let ran = other("JF_ACCESS_TOKEN", name, "0123456789abcdefghij");
        let told = format!("You set {name}; jf-token reads JF_ACCESS_TOKEN.");
        assert!(ran.code == 3 && ran.stderr.contains(&told) && !ran.stderr.contains("56789abcdef"), "{}", ran.story);
    }
    for name in ["JF_GIT_TOKEN", "NPM_TOKEN", "GITHUB_TOKEN", "JFROG_CLI_LOG_LEVEL"] {
        assert!(!other("JF_ACCESS_TOKEN", name, "x").stderr.contains("You set"), "{name}");
    }
    assert!(!other("JF_URL", "JFROG_URL", " ").stderr.contains("You set"));
    let mut scene = Scene::new();
    scene.unset("JF_URL").unset("JF_ACCESS_TOKEN").set("JFROG_URL", "https://acme.jfrog.io").set("JF_TOKEN", "x");
    refused(&scene.run(&[]), &["JFROG_URL", "JF_URL", "JF_TOKEN", "JF_ACCESS_TOKEN"]);
    // Who has ours has set the other for another tool.
    assert!(!Scene::new().set("JFROG_URL", "x").run(&["create"]).stderr.contains("You set"));
}

#[test]
fn a_hint_names_what_is_near_and_nothing_else() {
    let scene = Scene::new();
    for (word, hint) in [("creat", "create"), ("craete", "create"), ("revok", "revoke"), ("geet", "get"), ("statsu", "status")] {
        refused(&scene.run(&[word]), &[&format!("Did you mean {hint}?")]);
    }
    for word in ["foo", "ls", "rm", "mint", "login", "x"] {
        let ran = scene.run(&[word]);
        assert!(ran.code == 2 && !ran.stderr.contains("Did you mean"), "{word}: {}", ran.stderr);
    }
    for (option, hint) in
        [("--expirey", "--expiry"), ("--tokne-file", "--token-file"), ("--gruops", "--groups"), ("--verbsoe", "--verbose")]
    {
        refused(&scene.run(&["create", option, "x"]), &[&format!("Did you mean {hint}?")]);
    }
    for option in ["--foo", "--silent", "--json", "--out"] {
        let ran = scene.run(&["create", option]);
        assert!(ran.code == 2 && !ran.stderr.contains("Did you mean"), "{option}: {}", ran.stderr);
    }
    let mut scene = Scene::new();
    for (name, hint) in [("JF_TOKEN_EXPIRYY", Some("JF_TOKEN_EXPIRY")), ("JF_TOKEN_TTL", Some("JF_TOKEN_EXPIRY")), ("JF_TOKEN_VALUE", None)]
    {
        let ran = scene.set(name, "x").run(&["create", "--dry-run"]);
        let told =
            hint.map_or_else(|| format!("unknown variable {name}\n"), |hint| format!("unknown variable {name}; did you mean {hint}?"));
        assert!(ran.code == 0 && ran.stderr.contains(&told), "{told}: {}", ran.stderr);
        scene.unset(name);
    }
    for (scope, hint) in [
        ("admin", "applied-permissions/admin"),
        ("user", "applied-permissions/user"),
        ("applied-permissions/usr", "applied-permissions/user"),
        ("applied-permission/admin", "applied-permissions/admin"),
        ("groups:readers", "applied-permissions/groups:readers"),
    ] {
        refused(&scene.run(&["create", "--scope", scope]), &[&format!("Did you mean {hint}?")]);
    }
    refused(&scene.run(&["create", "--scope", "everything"]), &["An entry is applied-permissions/user"]);
}

#[test]
fn a_time_may_have_several_units_wherever_one_is_given() {
    let scene = Scene::new();
    for (text, seconds) in [("1h30m", 5400), ("1d12h", 129_600), ("2h5s", 7205)] {
        assert_eq!(body(&scene.run(&["create", "--dry-run", "--expiry", text]))["expires_in"], seconds);
        assert_eq!(scene.run(&["create", "--max-life", text, "--expiry", "10", "--retry-for", text]).code, 0);
    }
    for text in ["30m1h", "1h1h", "1h30", "1h 30m", "1h,30m"] {
        refused(&scene.run(&["create", "--expiry", text]), &["--expiry", "1h30m"]);
        refused(&scene.run(&["get", "--min-ttl", text]), &["--min-ttl", "1h30m"]);
    }
}
