use crate::support::{Scene, encodings};
use crate::tells;

/// The request body for each set of options, as recorded from the real jf.
const AS_JF_SENDS: [(&[&str], &str); 10] = [
    (&[], r#"{"refreshable":false,"include_reference_token":false}"#),
    (&["MixedCase.User"], r#"{"refreshable":false,"include_reference_token":false,"username":"mixedcase.user"}"#),
    (&["--user", "Bob"], r#"{"refreshable":false,"include_reference_token":false,"username":"bob"}"#),
    (
        &["--groups", "readers,deployers"],
        r#"{"scope":"applied-permissions/groups:readers,deployers","refreshable":false,"include_reference_token":false}"#,
    ),
    (&["--grant-admin"], r#"{"scope":"applied-permissions/admin","refreshable":false,"include_reference_token":false}"#),
    (
        &["--groups", "readers", "--grant-admin"],
        r#"{"scope":"applied-permissions/groups:readers applied-permissions/admin","refreshable":false,"include_reference_token":false}"#,
    ),
    (&["--expiry", "0"], r#"{"expires_in":0,"refreshable":false,"include_reference_token":false}"#),
    (&["--refreshable"], r#"{"refreshable":true,"include_reference_token":false}"#),
    (&["--reference"], r#"{"refreshable":false,"include_reference_token":true}"#),
    (
        &[
            "bob",
            "--scope",
            "applied-permissions/user",
            "--expiry",
            "60",
            "--refreshable",
            "--audience",
            "*@*",
            "--reference",
            "--project",
            "p1",
            "--description",
            "d",
        ],
        r#"{"scope":"applied-permissions/user","expires_in":60,"refreshable":true,"audience":"*@*","include_reference_token":true,"username":"bob","project_key":"p1","description":"d"}"#,
    ),
];

#[test]
fn sends_what_jf_sends() {
    let scene = Scene::new();
    for (options, body) in AS_JF_SENDS {
        for command in ["create", "atc", "access-token-create"] {
            let ran = scene.run(&[&[command, "--dry-run"], options].concat());
            assert_eq!((ran.code, ran.stdout.trim_end()), (0, body), "{options:?}");
        }
        assert!(scene.sandbox.requests().is_empty(), "--dry-run sent a request");
        let sent = scene.run(&[&["create"], options].concat());
        assert_eq!(sent.code, 0, "{options:?}: {}", sent.stderr);
        assert!(
            sent.story.ends_with(&format!("authorization: Bearer <admin's token>\ncontent-type: application/json\n{body}\n")),
            "{}",
            sent.story
        );
    }
}

#[test]
fn prints_the_answer_as_jf_does_with_the_user_and_the_end_added() {
    tells!(Scene::new().run(&["create", "bob", "--refreshable", "--reference", "--expiry", "90m"]));
}

#[test]
fn a_token_without_an_end_has_no_end_in_the_answer() {
    tells!(Scene::new().run(&["create", "--expiry", "0"]));
}

#[test]
fn group_names_with_spaces_and_commas_are_quoted_for_the_platform() {
    tells!(Scene::new().run(&["create", "--groups", "readers,group 2,\"group,3\""]));
}

#[test]
fn force_revocable_makes_a_short_token_revocable() {
    let scene = Scene::new();
    let made = scene.run(&["create", "--force-revocable", "--expiry", "60", "--session", "s"]);
    assert!(made.story.contains(r#"{"expires_in":60,"refreshable":false,"include_reference_token":false,"force_revocable":true}"#));
    let revoked = scene.run(&["revoke", "--session", "s"]);
    assert_eq!(revoked.code, 0);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn with_no_command_the_environment_says_it_all() {
    let mut scene = Scene::new();
    scene
        .set("JF_TOKEN_USERNAME", "Bob")
        .set("JF_TOKEN_EXPIRY", "1h")
        .set("JF_TOKEN_REFRESHABLE", "yes")
        .set("JF_PROJECT", "p1")
        .set("JF_TOKEN_SCOPE", "");
    tells!(scene.run(&[]));
}

#[test]
fn a_flag_beats_an_input_beats_a_variable_and_empty_is_unset() {
    let mut scene = Scene::action(&[(
        "description",
        " input
",
    )]);
    scene.set("JF_TOKEN_DESCRIPTION", "variable").set("JF_TOKEN_AUDIENCE", "jfrt@*");
    let body = |scene: &Scene, arguments: &[&str]| scene.run(&[&["create", "--dry-run"], arguments].concat()).stdout;
    assert!(body(&scene, &["--description", "flag"]).contains(r#""description":"flag""#));
    assert!(body(&scene, &["--description", ""]).contains(r#""description":"input""#));
    assert!(body(&scene, &[]).contains(r#""audience":"jfrt@*""#));
    scene.unset("INPUT_DESCRIPTION");
    assert!(body(&scene, &[]).contains(r#""description":"variable""#));
    for (value, sent) in [("true", true), ("1", true), ("YES", true), ("false", false), ("0", false), ("no", false)] {
        scene.set("JF_TOKEN_REFRESHABLE", value);
        assert!(body(&scene, &[]).contains(&format!(r#""refreshable":{sent}"#)), "{value}");
    }
    assert!(body(&scene, &["--refreshable"]).contains(r#""refreshable":true"#));
    assert!(body(&scene, &["--refreshable=false"]).contains(r#""refreshable":false"#));
}

#[test]
fn the_credential_comes_from_a_file_or_standard_input_too() {
    let mut scene = Scene::new();
    let token = format!("{}\r\n", scene.sandbox.user_token());
    scene.unset("JF_ACCESS_TOKEN").asks_for("work/credential");
    for token in encodings(&token) {
        scene.write("work/credential", &token);
        let from_file = scene.run(&["create", "--access-token-file", "credential"]);
        assert!(from_file.story.contains("authorization: Bearer <alice's token>"), "{}", from_file.story);
        let from_stdin = scene.stdin(&token).run(&["create", "--access-token-stdin"]);
        assert!(from_stdin.story.contains("authorization: Bearer <alice's token>"), "{}", from_stdin.story);
    }
}

#[test]
fn a_credential_that_is_no_text_is_refused_in_one_way_whatever_its_encoding() {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN");
    let [plain, _, little, big] = encodings("a-token");
    for bytes in [
        &b"\xe9"[..],
        b"a-\0token",
        // UTF-16 without its mark, cut in the middle of a character, with half a pair of surrogates, and with a NUL
        &little[2..],
        &big[2..],
        &little[..little.len() - 1],
        b"\xff\xfea\0\x3d\xd8",
        b"\xfe\xff\0a\0\0",
        &[&b"\xff\xfe"[..], &plain].concat(),
    ] {
        scene.write("work/credential", bytes);
        for (options, place) in [(&["--access-token-file", "credential"][..], "credential"), (&["--access-token-stdin"], "standard input")]
        {
            let ran = scene.stdin(bytes).run(&[&["create"], options].concat());
            assert!(ran.code == 2 && ran.stderr.contains(&format!(": {place} holds no text\n")), "{bytes:?}: {}", ran.story);
        }
    }
}

#[test]
fn a_credential_on_the_argument_list_works_with_a_warning() {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN");
    let token = scene.sandbox.admin_token().to_owned();
    let ran = scene.run(&["create", "--access-token", &token]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("warning: --access-token is on the argument list"), "{}", ran.stderr);
}

#[test]
fn a_reference_token_is_a_credential_as_well() {
    let mut scene = Scene::new();
    scene.run(&["create", "--reference"]);
    let reference = scene.sandbox.issued()[0].reference_token.clone().unwrap();
    assert_eq!(scene.set("JF_ACCESS_TOKEN", &reference).run(&["create"]).code, 0);
}

#[test]
fn every_way_to_write_the_platforms_url_reaches_it() {
    let mut scene = Scene::new();
    for ending in ["", "/", "//", "/artifactory", "/artifactory/", "/access/", "/ui/"] {
        let url = format!("{}{ending}", scene.sandbox.url());
        let ran = scene.set("JF_URL", &url).run(&["create"]);
        assert!(ran.story.contains("--- request POST /access/api/v1/tokens\n"), "{ending}: {}", ran.story);
    }
}

#[test]
fn a_server_whose_clock_is_off_does_no_harm_to_the_end() {
    let scene = Scene::with(sandbox::Sandbox::builder().clock_skew(-7200));
    let printed = scene.run(&["create", "--expiry", "3600"]).stdout;
    let end = printed.split("\"expires_at\": \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let end = seconds_of(&end);
    assert!((now + 3590..=now + 3600).contains(&end), "{end} against {now}");
}

/// Converts an RFC 3339 time in UTC to seconds since 1970.
fn seconds_of(time: &str) -> u64 {
    let number = |at: std::ops::Range<usize>| time[at].parse::<u32>().unwrap();
    let date = tz::UtcDateTime::new(
        number(0..4).try_into().unwrap(),
        number(5..7).try_into().unwrap(),
        number(8..10).try_into().unwrap(),
        number(11..13).try_into().unwrap(),
        number(14..16).try_into().unwrap(),
        number(17..19).try_into().unwrap(),
        0,
    );
    date.unwrap().unix_time().try_into().unwrap()
}
