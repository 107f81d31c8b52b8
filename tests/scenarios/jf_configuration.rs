//! A server of jf's configuration as the credential.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use serde_json::{Value, json};

use crate::support::{BINARY, Scene, encodings, leaks};
#[cfg(unix)]
use crate::support::{processes::started_with, wait_until};
use crate::tells;

const FILE: &str = "home/.jfrog/jfrog-cli.conf.v6";
/// 32 bytes.
const KEY: &str = "0123456789abcdef0123456789ABCDEF";

/// A scene of someone who has configured no server yet.
fn bare() -> Scene {
    let mut scene = Scene::new();
    let home = scene.path("home");
    fs::create_dir_all(home.join(".jfrog/security")).unwrap();
    scene.set("HOME", home.to_str().unwrap()).unset("JF_URL").unset("JF_ACCESS_TOKEN");
    scene
}

/// A server as jf 2.121 writes it.
fn server(scene: &Scene, id: &str) -> Value {
    let url = format!("{}/", scene.sandbox.url());
    json!({
        "url": url,
        "artifactoryUrl": format!("{url}artifactory/"),
        "user": "admin",
        "accessToken": scene.sandbox.admin_token(),
        "serverId": id,
    })
}

/// One with more, or with other, values; null takes a value away.
#[expect(clippy::needless_pass_by_value, reason = "callers pass json!(…)")]
fn but(mut server: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        server[name] = value.clone();
    }
    server.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    server
}

fn file_of(servers: &[Value]) -> String {
    serde_json::to_string_pretty(&json!({ "servers": servers, "version": "6" })).unwrap()
}

fn default_of(server: Value) -> Value {
    but(server, json!({ "isDefault": true }))
}

/// A scene whose user has configured the default server `acme` and, as another user, `other`.
fn configured() -> Scene {
    let scene = bare();
    let other = but(server(&scene, "other"), json!({ "user": "alice", "accessToken": scene.sandbox.user_token() }));
    scene.write(FILE, &file_of(&[default_of(server(&scene, "acme")), other]));
    scene
}

fn encrypted(text: &str, key: &str) -> String {
    let nonce = *b"only-in-test";
    let mut bytes = text.as_bytes().to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut bytes).unwrap();
    STANDARD.encode([&nonce[..], &bytes].concat())
}

/// A scene whose default server is encrypted.
fn sealed() -> Scene {
    let scene = bare();
    let token = encrypted(scene.sandbox.admin_token(), KEY);
    let file =
        json!({ "servers": [default_of(but(server(&scene, "acme"), json!({ "accessToken": token })))], "version": "6", "enc": true });
    scene.write(FILE, &serde_json::to_string_pretty(&file).unwrap());
    scene
}

/// What `jf c export` prints.
fn export(server: Value) -> String {
    STANDARD.encode(but(server, json!({ "version": 2 })).to_string())
}

/// The users of the tokens that were asked for.
fn users(scene: &Scene) -> Vec<String> {
    let requests = scene.sandbox.requests();
    scene.sandbox.clear_requests();
    let user = |body: &str| serde_json::from_str::<Value>(body).unwrap()["username"].as_str().unwrap_or("nobody").to_owned();
    requests.iter().filter(|request| request.path.ends_with("/tokens")).map(|request| user(&request.body)).collect()
}

fn minted(scene: &Scene) -> usize {
    scene.sandbox.issued().len()
}

#[test]
fn outside_a_ci_jfs_default_server_says_where_and_as_whom_to_mint() {
    let ran = configured().run(&["create", "--session", "s", "--format", "none", "--token-file", "../home/token"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    tells!(ran);
}

#[test]
fn a_server_is_named_by_its_id_in_a_ci_too() {
    for (name, value) in [("", "other"), ("JF_TOKEN_SERVER_ID", "other")] {
        let mut scene = configured();
        scene.set("CI", "true");
        let flag: &[&str] = if name.is_empty() { &["--server-id", value] } else { &[] };
        scene.set(if name.is_empty() { "X" } else { name }, value);
        let ran = scene.run(&[&["create", "--expiry", "1h", "--dry-run"], flag].concat());
        assert!(ran.code == 0 && ran.stdout.contains(r#""username":"alice""#), "{}", ran.story);
        let ran = scene.run(&[&["create", "--expiry", "1h", "--format", "none", "--token-file", "../home/t"], flag].concat());
        assert_eq!(ran.code, 0, "{}", ran.story);
        assert!(ran.story.contains("Bearer <alice's token>") && ran.story.contains(r#""username":"alice""#), "{}", ran.story);
    }
}

#[test]
fn the_actions_input_names_a_server() {
    let mut scene = configured();
    scene.in_github();
    scene.inputs(&[("server-id", "acme")]);
    let ran = scene.run(&["action", "create"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(ran.story.contains("Bearer <admin's token>"), "{}", ran.story);
    assert_eq!(minted(&scene), 1);
}

#[test]
fn in_a_ci_no_default_server_takes_the_place_of_an_empty_secret() {
    for action in [false, true] {
        let mut scene = configured();
        if action {
            scene.in_github();
        } else {
            scene.set("CI", "true");
        }
        let url = scene.sandbox.url();
        scene.set("JF_ACCESS_TOKEN", "").set("JF_URL", &url);
        let ran = scene.run(if action { &["action", "create"] } else { &["create"] });
        assert_eq!(ran.code, 3, "{}", ran.story);
        assert!(ran.stderr.contains("there is no credential"), "{}", ran.stderr);
        assert!(scene.sandbox.requests().is_empty() && minted(&scene) == 0);
    }
}

#[test]
fn any_other_credential_beats_the_default_server() {
    let mut scene = configured();
    let (url, alice) = (scene.sandbox.url(), scene.sandbox.user_token().to_owned());
    scene.set("JF_URL", &url).set("JF_ACCESS_TOKEN", &alice);
    // However broken it is.
    for text in [scene.read(FILE), "{".into()] {
        scene.write(FILE, &text);
        let ran = scene.run(&["create", "--format", "token"]);
        assert!(ran.code == 0 && ran.story.contains("Bearer <alice's token>"), "{}", ran.story);
        assert!(!ran.story.contains(r#""username""#), "{}", ran.story);
    }
    // A password is a credential too, though one that is refused.
    scene.write(FILE, &file_of(&[default_of(server(&scene, "acme"))]));
    scene.set("JF_ACCESS_TOKEN", "").set("JF_USER", "bob").set("JF_PASSWORD", "hunter2");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 3 && ran.stderr.contains("JF_PASSWORD: authenticating with access token"), "{}", ran.stderr);
}

#[test]
fn two_credentials_of_one_precedence_are_an_error() {
    let mut scene = configured();
    scene.set("JF_ACCESS_TOKEN", "x").set("JF_TOKEN_SERVER_ID", "acme");
    let ran = scene.run(&["create"]);
    assert_eq!(ran.code, 2);
    let what =
        "JF_ACCESS_TOKEN gives an access token, and JF_TOKEN_SERVER_ID gives a server of jf's configuration: which one is the credential?";
    assert!(ran.stderr.contains(what), "{}", ran.stderr);
    let ran = scene.run(&["create", "--server-id", "acme", "--format", "token"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
}

#[test]
fn only_a_flag_or_an_input_replaces_the_configured_url() {
    let mut scene = configured();
    let url = scene.sandbox.url();
    // The same, written in other ways.
    for same in [url.clone(), format!("{url}/"), format!("{url}/artifactory/"), url.to_uppercase().replace("HTTP", "http")] {
        scene.set("JF_URL", &same);
        assert_eq!(scene.run(&["create", "--format", "token"]).code, 0, "{same}");
    }
    scene.set("JF_URL", "https://elsewhere.example");
    let sent = scene.sandbox.issued().len();
    for arguments in [&["create"][..], &["create", "--server-id", "acme"], &["create", "--dry-run", "--server-id", "acme"]] {
        let ran = scene.run(arguments);
        assert_eq!(ran.code, 2, "{}", ran.story);
        assert!(ran.stderr.contains("JF_URL: is not the URL of server 'acme' in "), "{}", ran.stderr);
        assert!(ran.stderr.contains("Unset JF_URL, or say which is meant by --url."), "{}", ran.stderr);
    }
    assert_eq!(scene.sandbox.issued().len(), sent);
    assert_eq!(scene.run(&["create", "--format", "token", "--url", &url]).code, 0);
    // And in the file another one, which must not matter then.
    scene.write(FILE, &file_of(&[but(server(&scene, "acme"), json!({ "url": "https://elsewhere.example/" }))]));
    assert_eq!(scene.run(&["create", "--format", "token", "--url", &url]).code, 0);
    scene.in_github();
    scene.inputs(&[("server-id", "acme"), ("url", &url)]);
    let ran = scene.run(&["action", "create"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
}

#[test]
fn a_configured_jwt_is_sent_with_its_user_and_a_reference_token_without() {
    let mut scene = bare();
    let token = |scene: &Scene, changes: Value| scene.write(FILE, &file_of(&[but(server(scene, "acme"), changes)]));
    let create: &[&str] = &["create", "--format", "token"];
    token(&scene, json!({ "user": "Admin" }));
    assert_eq!(
        scene.run(&["create", "--dry-run"]).stdout,
        "{\"refreshable\":false,\"include_reference_token\":false,\"username\":\"admin\"}\n"
    );
    // Without a user beside it, the token's own.
    token(&scene, json!({ "user": null }));
    let ran = scene.run(create);
    assert!(ran.code == 0 && ran.story.contains(r#""username":"admin""#), "{}", ran.story);
    let ran = scene.run(&["create", "bob", "--format", "token"]);
    assert!(ran.code == 0 && ran.story.contains(r#""username":"bob""#), "{}", ran.story);
    // One by OIDC says no user's name.
    let subject = scene.sandbox.token_with(json!({ "sub": "repo:acme/app:ref:refs/heads/main" }));
    token(&scene, json!({ "user": null, "accessToken": subject }));
    assert!(!scene.run(&["create", "--dry-run"]).stdout.contains("username"));

    token(&scene, json!({}));
    scene.run(&["create", "--reference", "--format", "token"]);
    let reference = scene.sandbox.issued().pop().unwrap().reference_token.unwrap();
    token(&scene, json!({ "accessToken": reference }));
    users(&scene);
    assert_eq!(scene.command(BINARY, create).output().unwrap().status.code(), Some(0));
    assert_eq!(users(&scene), ["nobody"]);
    scene.unset("HOME");
}

#[test]
fn an_encrypted_file_is_read_with_the_key_from_wherever_jf_takes_it() {
    let check = |scene: &Scene, why: &str| {
        let ran = scene.run(&["create", "--format", "token"]);
        assert!(ran.code == 0 && ran.story.contains("Bearer <admin's token>"), "{why}: {}", ran.story);
    };
    let mut scene = sealed();
    scene.set("JFROG_CLI_ENCRYPTION_KEY", KEY);
    check(&scene, "the variable");
    for text in encodings(&format!("{KEY}\r\n")) {
        let file = scene.write("home/a.key", &text);
        scene.set("JFROG_CLI_ENCRYPTION_KEY", file.to_str().unwrap());
        check(&scene, "the file that the variable names");
    }
    scene.unset("JFROG_CLI_ENCRYPTION_KEY");
    for yaml in ["version: \"1\"\nmasterKey: {KEY}\n", "masterKey: '{KEY}' # mine\r\n", "# x\r\nmasterkey:   \"{KEY}\"\r\n"] {
        for text in encodings(&yaml.replace("{KEY}", KEY)) {
            scene.write("home/.jfrog/security/security.yaml", &text);
            check(&scene, yaml);
        }
    }
    // The variable comes first.
    scene.set("JFROG_CLI_ENCRYPTION_KEY", &KEY.to_lowercase());
    assert_eq!(scene.run(&["create"]).code, 2);
}

#[test]
fn files_of_version_5_in_another_encoding_or_with_crlf_are_read() {
    let scene = configured();
    let text = scene.read(FILE);
    for text in encodings(&text.replace('\n', "\r\n")) {
        scene.write(FILE, &text);
        assert_eq!(scene.run(&["create", "--format", "token"]).code, 0);
    }
    fs::remove_file(scene.path(FILE)).unwrap();
    scene.write("home/.jfrog/jfrog-cli.conf.v5", &text.replace("\"6\"", "\"5\""));
    assert_eq!(scene.run(&["create", "--server-id", "other", "--format", "token"]).code, 0);
}

#[test]
fn jfs_folder_may_be_elsewhere() {
    let mut scene = configured();
    let elsewhere = scene.path("home/.jfrog");
    scene.set("JFROG_CLI_HOME_DIR", elsewhere.to_str().unwrap()).unset("HOME");
    assert_eq!(scene.run(&["create", "--format", "token"]).code, 0);
}

#[test]
fn jfs_files_are_only_read() {
    let mut scene = sealed();
    scene.set("JFROG_CLI_ENCRYPTION_KEY", KEY).asks_for("work/token");
    let look = |scene: &Scene| (scene.files().len(), fs::metadata(scene.path(FILE)).unwrap().modified().unwrap(), scene.read(FILE));
    let before = look(&scene);
    assert_eq!(scene.run(&["create", "--format", "token"]).code, 0);
    let ran = scene.run(&["create", "--format", "none", "--token-file", "../home/.jfrog/jfrog-cli.conf.v6"]);
    assert!(ran.code == 2 && ran.stderr.contains("is a file of the credential"), "{}", ran.stderr);
    assert!(before == look(&scene));
}

#[test]
fn an_exported_server_counts_in_a_ci_too_and_the_first_is_the_default() {
    let mut scene = configured();
    let of = |scene: &Scene, id: &str| but(server(scene, id), json!({ "user": id }));
    let (first, second) = (export(of(&scene, "first")), export(of(&scene, "second")));
    scene.set("CI", "true").set("JF_ENV_2", &second).set("JF_ENV_0", "");
    // Whatever order the environment has them in: this one comes last.
    scene.set_twice("JF_ENV_1", &first);
    let ran = scene.run_at(0, &["create", "--expiry", "1h", "--dry-run"]);
    assert!(ran.stdout.contains("\"username\":\"first\""), "{}", ran.story);
    scene.set("JF_ENV_1", &first);
    let dry = |scene: &Scene, more: &[&str]| scene.run(&[&["create", "--expiry", "1h", "--dry-run"], more].concat());
    for (more, user) in [(&[][..], "first"), (&["--server-id", "second"], "second"), (&["--server-id", "other"], "alice")] {
        let ran = dry(&scene, more);
        assert!(ran.stdout.contains(&format!("\"username\":\"{user}\"")), "{}", ran.story);
    }
    let ran = dry(&scene, &["--server-id", "nope"]);
    assert!(ran.code == 2 && ran.stderr.contains("Known: first, second, acme, other."), "{}", ran.stderr);
    // An access token comes before it.
    let (url, alice) = (scene.sandbox.url(), scene.sandbox.user_token().to_owned());
    scene.set("JF_ACCESS_TOKEN", &alice).set("JF_URL", &url);
    let ran = scene.run(&["create", "--expiry", "1h", "--format", "none", "--token-file", "../home/t"]);
    assert!(ran.code == 0 && ran.story.contains("Bearer <alice's token>"), "{}", ran.story);
    scene.unset("JF_ACCESS_TOKEN");
    // No command either: what the environment says is enough.
    let ran = scene.unset("JF_URL").run(&[]);
    assert!(ran.code == 0 && ran.story.contains("Bearer <admin's token>"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn a_program_gets_neither_the_servers_name_nor_an_exported_server() {
    let mut scene = bare();
    scene.write(FILE, &file_of(&[server(&scene, "acme")]));
    let alice = export(but(server(&scene, "second"), json!({ "accessToken": scene.sandbox.user_token() })));
    let first = export(server(&scene, "first"));
    scene.set("JF_ENV_1", &first).set("JF_ENV_2", &alice).set("JF_TOKEN_SERVER_ID", "acme");
    scene.set("PATH", &std::env::var("PATH").unwrap());
    let home = scene.path("home").display().to_string();
    scene.set("JFROG_CLI_HOME_DIR", &format!("{home}/.jfrog")).asks_for("work/seen");
    let ran = scene.run(&["exec", "--", "sh", "-c", "env >seen; cat ../home/.jfrog/jfrog-cli.conf.v6"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let seen = scene.read("work/seen");
    assert!(!seen.contains("JF_ENV_") && !seen.contains("JF_TOKEN_SERVER_ID"), "{seen}");
    assert!(seen.contains(&format!("HOME={home}\n")) && seen.contains("JFROG_CLI_HOME_DIR="), "{seen}");
    assert!(seen.contains(&format!("JF_URL={}\n", scene.sandbox.url())), "{seen}");
    assert!(!leaks(&ran.stdout, scene.sandbox.admin_token()) && ran.stdout.contains(r#""accessToken": "***""#), "{}", ran.stdout);
    // Nor when an access token is the credential.
    let (url, token) = (scene.sandbox.url(), scene.sandbox.admin_token().to_owned());
    scene.unset("JF_TOKEN_SERVER_ID").set("JF_ACCESS_TOKEN", &token).set("JF_URL", &url);
    assert_eq!(scene.run(&["exec", "--", "sh", "-c", "env >seen"]).code, 0);
    assert!(!scene.read("work/seen").contains("JF_ENV_"));
}

#[cfg(unix)]
#[test]
fn a_program_can_not_read_the_key_of_the_file_and_an_exported_server_is_hidden() {
    let mut scene = sealed();
    scene.set("JFROG_CLI_ENCRYPTION_KEY", KEY).set("PATH", &std::env::var("PATH").unwrap());
    let ran = scene.run(&["exec", "--", "sh", "-c", &format!("echo \"${{JFROG_CLI_ENCRYPTION_KEY-unset}}\"; echo {KEY}")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "unset\n***\n"), "{}", ran.story);
    let mut scene = bare();
    let text = export(server(&scene, "first"));
    scene.set("JF_ENV_1", &text).set("PATH", &std::env::var("PATH").unwrap());
    let ran = scene.run(&["exec", "--", "echo", &text]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "***\n"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn two_execs_by_a_configured_server_that_ask_for_the_same_share_a_token() {
    let mut scene = configured();
    scene.set("PATH", &std::env::var("PATH").unwrap());
    let exec = ["exec", "--session", "s", "--expiry", "1h", "--force-revocable", "--"];
    let inner = [&["env", "-u", "JF_ACCESS_TOKEN", BINARY], &exec[..], &["echo", "in"]].concat();
    let ran = scene.run(&[&exec[..], &inner].concat());
    assert_eq!((ran.code, ran.stdout.as_str(), minted(&scene)), (0, "in\n", 1), "{}", ran.story);
}

#[test]
fn a_session_lives_by_a_configured_server_as_by_an_access_token() {
    let scene = configured();
    let create = ["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"];
    assert_eq!(scene.run(&create).code, 0);
    assert_eq!(users(&scene), Vec::<String>::new());
    // Due: minted again, for the same user.
    scene.ages("s", 3000);
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 0 && ran.story.contains(r#""username":"admin""#) && minted(&scene) == 2, "{}", ran.story);
    let ran = scene.run(&["refresh", "--session", "s", "--server-id", "acme"]);
    assert!(ran.code == 0 && minted(&scene) == 3, "{}", ran.story);
    let id = scene.sandbox.issued()[2].token_id.clone();
    assert_eq!(scene.run(&["revoke", "--token-id", &id]).code, 0);
    assert!(!scene.sandbox.issued()[2].live);
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert!(ran.code == 0 && scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ran.story);
}

#[test]
fn a_session_of_another_platform_is_not_hindered_by_a_default_server() {
    let mut scene = bare();
    let (url, token) = (scene.sandbox.url(), scene.sandbox.admin_token().to_owned());
    scene.set("JF_URL", &url).set("JF_ACCESS_TOKEN", &token);
    let create = ["create", "--session", "s", "--expiry", "1h", "--refreshable", "--format", "none"];
    assert_eq!(scene.run(&create).code, 0);
    scene.unset("JF_ACCESS_TOKEN");
    // With JF_URL as it was, without, and with a file that is broken.
    let elsewhere = file_of(&[but(server(&scene, "acme"), json!({ "url": "https://elsewhere.example/" }))]);
    for (file, keep_url) in [(elsewhere.clone(), true), (elsewhere, false), ("{".to_owned(), false)] {
        scene.write(FILE, &file);
        if !keep_url {
            scene.unset("JF_URL");
        }
        scene.ages("s", 3000);
        let ran = scene.run(&["get", "--session", "s"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.story);
        assert_eq!(scene.run(&["inspect", "--session", "s"]).code, 0);
    }
    assert_eq!(minted(&scene), 4);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
}

#[test]
fn inspect_shows_the_token_of_a_configured_server() {
    let scene = configured();
    let ran = scene.run(&["inspect", "--server-id", "other", "--online"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(ran.stdout.contains("alice") && ran.story.contains("Bearer <alice's token>"), "{}", ran.story);
}

#[test]
fn a_token_that_jf_would_refresh_is_not_refreshed_here() {
    let scene = bare();
    let dead = scene.sandbox.token_with(json!({ "sub": "jfac@x/users/admin", "exp": 1 }));
    let refresh = "refresh-token-of-jf-0123456789";
    scene.write(FILE, &file_of(&[but(server(&scene, "acme"), json!({ "accessToken": dead, "refreshToken": refresh }))]));
    let ran = scene.run(&["create"]);
    assert_eq!(ran.code, 4, "{}", ran.story);
    assert!(ran.stderr.contains("jf renews the server's token only when it uses it"), "{}", ran.stderr);
    assert!(!ran.story.contains("grant_type"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn a_keeper_gets_the_token_by_its_standard_input_and_not_the_servers_name() {
    for name in ["file", "variable"] {
        let mut scene = configured();
        scene.set("CI", "true").set("JF_TOKEN_SERVER_ID", "acme").asks_for("work/token");
        if name == "variable" {
            let first = export(server(&scene, "first"));
            scene.set("JF_ENV_1", &first).unset("JF_TOKEN_SERVER_ID");
        }
        let options = ["--session", "s", "--expiry", "3", "--force-revocable", "--format", "none", "--token-file", "token", "--keep-fresh"];
        let pid = std::process::id().to_string();
        let ran = scene.run(&[&["create", "--until-pid", &pid], &options[..]].concat());
        assert_eq!(ran.code, 0, "{}", ran.story);
        // From here on the keeper has only what it was given.
        fs::remove_file(scene.path(FILE)).unwrap();
        let started = started_with(scene.wait_for_keeper());
        assert!(!started.contains("JF_TOKEN_SERVER_ID") && !started.contains("JF_ENV_"), "{started}");
        wait_until("a renewal", || minted(&scene) >= 3);
        assert!(users(&scene).iter().all(|user| user == "admin"));
        let ran = scene.run(&["revoke", "--session", "s"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
    }
}

/// What is wrong, the file (`None`: there is none), more variables, and the arguments.
struct Wrong {
    what: &'static str,
    file: Option<String>,
    variables: Vec<(&'static str, String)>,
    arguments: &'static [&'static str],
}

fn wrong(what: &'static str, file: Option<String>) -> Wrong {
    Wrong { what, file, variables: Vec::new(), arguments: &["create"] }
}

fn named(what: &'static str, file: Option<String>) -> Wrong {
    Wrong { arguments: &["create", "--server-id", "acme"], ..wrong(what, file) }
}

fn with_key(what: &'static str, file: &str, key: &str) -> Wrong {
    Wrong { variables: vec![("JFROG_CLI_ENCRYPTION_KEY", key.into())], ..wrong(what, Some(file.into())) }
}

fn with_export(what: &'static str, text: String) -> Wrong {
    Wrong { variables: vec![("JF_ENV_A", text)], ..wrong(what, None) }
}

#[test]
fn every_wrong_configuration_gets_its_own_clear_message_and_nothing_is_sent() {
    let scene = bare();
    let (acme, other) = (server(&scene, "acme"), server(&scene, "other"));
    let of = |servers: &[Value]| Some(file_of(servers));
    let without_token = |changes: Value| of(&[but(but(acme.clone(), json!({ "accessToken": null })), changes)]);
    let whole = file_of(std::slice::from_ref(&acme));
    let encrypted_file = {
        let token = encrypted(scene.sandbox.admin_token(), KEY);
        json!({ "servers": [but(acme.clone(), json!({ "accessToken": token }))], "version": "6", "enc": true }).to_string()
    };
    let many: Vec<_> = (0..12).map(|number| server(&scene, &format!("s{number}"))).collect();
    let cases = [
        wrong("no file", None),
        wrong("no server", of(&[])),
        wrong("no servers", Some(r#"{"servers": null, "version": "6"}"#.into())),
        named("no file, and a server named", None),
        named("an unknown server", of(std::slice::from_ref(&other))),
        named("an unknown server among many", of(&many)),
        named("two servers of one name", of(&[acme.clone(), but(acme.clone(), json!({ "user": "bob" }))])),
        wrong("no default", of(&[acme.clone(), other.clone()])),
        wrong("two defaults", of(&[default_of(acme.clone()), default_of(other)])),
        wrong("cut short", Some(whole[..whole.len() / 2].into())),
        named("cut short, and a server named", Some(whole[..whole.len() / 2].into())),
        wrong("empty", Some(String::new())),
        wrong("not JSON", Some("servers: []".into())),
        wrong("a token as a boolean", Some(whole.replace("\"acme\"", "\"acme\", \"isDefault\": \"secret-in-a-wrong-place\""))),
        wrong("a newer version", Some(whole.replace("\"6\"", "\"7\""))),
        wrong("no version", Some(r#"{"servers": []}"#.into())),
        wrong("10 MB", Some(format!("{whole}{}", " ".repeat(10_000_000)))),
        wrong("a user and a password", without_token(json!({ "password": "hunter2-of-bob" }))),
        wrong("an SSH key", without_token(json!({ "url": "https://acme.example/", "sshKeyPath": "/k" }))),
        wrong("a client certificate", without_token(json!({ "clientCertPath": "/c", "clientCertKeyPath": "/k" }))),
        wrong("no token", without_token(json!({}))),
        wrong("an empty token", without_token(json!({ "accessToken": "" }))),
        wrong("a token with a space", without_token(json!({ "accessToken": "two words" }))),
        wrong("an API key", without_token(json!({ "accessToken": "AKCp0123456789" }))),
        wrong("no URL", of(&[but(acme.clone(), json!({ "url": null }))])),
        wrong("plain http", of(&[but(acme.clone(), json!({ "url": "http://acme.example/" }))])),
        wrong("encrypted, no key", Some(encrypted_file.clone())),
        with_key("encrypted, another key", &encrypted_file, &KEY.to_lowercase()),
        with_key("encrypted, a short key", &encrypted_file, "short"),
        with_key("encrypted, a file of the key that is not there", &encrypted_file, "/nowhere/my.key"),
        with_key("encrypted, damaged", &encrypted_file.replace("b25seS1pbi10ZXN0", "b25seS1pbi10ZXN"), KEY),
        with_export("an export that is not base64", "{}".into()),
        with_export("an export that is not JSON", STANDARD.encode("hello")),
        with_export("an export of another version", STANDARD.encode(r#"{"version": 3}"#)),
        with_export("an export with a password", export(but(acme.clone(), json!({ "accessToken": null, "password": "hunter2-of-bob" })))),
        Wrong { arguments: &["create", "--server-id", "acme"], ..with_export("another export is broken", "{}".into()) },
        Wrong {
            variables: vec![("JF_URL", "https://elsewhere.example".into())],
            ..wrong("JF_URL is another", of(std::slice::from_ref(&acme)))
        },
        Wrong { variables: vec![("HOME", String::new())], ..named("no home", None) },
    ];
    let (mut story, token) = (String::new(), scene.sandbox.admin_token().to_owned());
    for Wrong { what, file, variables, arguments } in cases {
        let mut scene = bare();
        if let Some(text) = &file {
            scene.write(FILE, text);
        }
        for (name, value) in &variables {
            scene.set(name, value);
        }
        // Without the files in the story: one is large.
        let output = scene.command(BINARY, arguments).output().unwrap();
        let (code, said) = (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(matches!(code, 2 | 3), "{what}: {code} {said}");
        assert!(output.stdout.is_empty() && scene.sandbox.requests().is_empty(), "{what}: {said}");
        for secret in [KEY, "hunter2-of-bob", "secret-in-a-wrong-place", "two words", "AKCp0123456789"] {
            assert!(!said.contains(secret), "{what}: {said}");
        }
        assert!(!leaks(&said, &token), "{what}: {said}");
        story += &scene.tidy(&format!("{what}: {code}\n{said}"));
    }
    // The servers in the files are those of another scene.
    tells!(crate::support::Ran { code: 0, stdout: String::new(), stderr: String::new(), story: scene.tidy(&story) });
}

#[cfg(unix)]
#[test]
fn a_file_that_can_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let scene = bare();
    fs::create_dir(scene.path(FILE)).unwrap();
    for arguments in [&["create"][..], &["create", "--server-id", "acme"]] {
        let ran = scene.run(arguments);
        assert!(ran.code == 2 && ran.stderr.contains("jfrog-cli.conf.v6: it is not a file"), "{}", ran.stderr);
    }
    fs::remove_dir(scene.path(FILE)).unwrap();
    let file = scene.write(FILE, &file_of(&[server(&scene, "acme")]));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser can read it all the same.
    if !can_read(&file) {
        let ran = scene.run(&["create"]);
        assert!(ran.code == 2 && ran.stderr.contains("Permission denied"), "{}", ran.stderr);
    }
}

#[cfg(unix)]
fn can_read(path: &std::path::Path) -> bool {
    fs::File::open(path).is_ok()
}
