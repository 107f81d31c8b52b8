//! The CI's identity token as the credential.

use sandbox::{Fault, Issuer, Sandbox};
use serde_json::{Value, json};

use crate::support::{Ran, Scene};
#[cfg(unix)]
use crate::support::{encodings, processes::started_with};
use crate::tells;

/// A job of GitHub whose identity tokens the platform's provider `github` accepts, and no stored secret.
fn job(token_spec: Value) -> (Scene, Issuer) {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, token_spec);
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github");
    (scene, issuer)
}

/// How often the CI was asked for an identity token.
fn asked(issuer: &Issuer) -> usize {
    issuer.requests().iter().filter(|request| request.path.starts_with("/github/id")).count()
}

/// The requests to the platform: method and path.
fn sent(ran: &Ran) -> Vec<&str> {
    ran.story.lines().filter_map(|line| line.strip_prefix("--- request ")).collect()
}

const EXCHANGE: &str = "POST /access/api/v1/oidc/token";
const MINT: &str = "POST /access/api/v1/tokens";
const REVOKE_ME: &str = "DELETE /access/api/v1/tokens/me";

#[test]
fn a_job_gets_a_token_without_any_stored_secret() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    scene.unset("JF_TOKEN_OIDC_PROVIDER");
    let ran = scene.run(&["create", "--oidc-provider", "github"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert_eq!((asked(&issuer), issuer.requests()[0].path.as_str()), (1, "/github/id?api-version=2.0"));
    tells!(ran);
    assert!(scene.sandbox.issued()[0].live);
}

#[test]
fn what_only_a_mint_can_give_is_minted_with_the_exchanged_token_and_a_default_never_mints() {
    let (scene, _issuer) = job(json!({"username": "deployer"}));
    // The action's own life of an hour is a default.
    let (action, issuer) = job(json!({"username": "deployer"}));
    let mut action = action;
    action.be_action(&[("oidc-provider", "github")]);
    let ran = action.run(&["create"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
    assert_eq!(asked(&issuer), 1);
    for arguments in
        [&["--expiry", "default"][..], &["--max-life", "1h"], &["--force-revocable=false"], &["--project", "p1"], &["--reference"]]
    {
        let ran = scene.run(&[&["create"], arguments].concat());
        assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{arguments:?}: {}", ran.story);
    }
    for arguments in [
        &["deployer"][..],
        &["--scope", "applied-permissions/user"],
        &["--expiry", "1h"],
        &["--refreshable"],
        &["--description", "d"],
        &["--audience", "jfrt@*"],
        &["--force-revocable"],
    ] {
        let ran = scene.run(&[&["create"], arguments].concat());
        assert!(ran.code == 0 && sent(&ran) == [EXCHANGE, MINT], "{arguments:?}: {}", ran.story);
    }
    let (scene, _issuer) = job(json!({"username": "deployer"}));
    tells!("exchange_then_mint", scene.run(&["create", "--expiry", "1h", "--force-revocable"]));
}

#[test]
fn an_exchanged_token_that_would_live_on_after_the_mint_is_revoked() {
    let (scene, _issuer) = job(json!({"username": "deployer", "expires_in": 86400}));
    let ran = scene.run(&["create", "--expiry", "1h", "--force-revocable"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE, MINT, REVOKE_ME], "{}", ran.story);
    assert_eq!(scene.sandbox.issued().iter().map(|token| token.live).collect::<Vec<_>>(), [false, true]);
    // Also when nothing came of it.
    let ran = scene.run(&["create", "--grant-admin"]);
    assert!(ran.code == 4 && sent(&ran) == [EXCHANGE, MINT, REVOKE_ME], "{}", ran.story);
    assert!(!scene.sandbox.issued().last().unwrap().live);
}

#[test]
fn an_exchanged_token_that_can_not_be_revoked_is_named() {
    let (mut scene, _issuer) = job(json!({"username": "deployer", "expires_in": 86400}));
    scene.sandbox.fault_for("DELETE", Fault::Status { status: 503, retry_after: None, body: None }, 1);
    let ran = scene.run(&["create", "--expiry", "1h", "--force-revocable"]);
    let [exchanged, minted] = &scene.sandbox.issued()[..] else { panic!("{}", ran.story) };
    assert!(ran.code == 0 && exchanged.live && minted.live, "{}", ran.story);
    assert!(ran.stderr.contains(&exchanged.token_id) && ran.stderr.contains("in 24 hours"), "{}", ran.stderr);
    // A platform may not let so short a token be revoked.
    let (short, _issuer) = job(json!({"username": "deployer", "expires_in": 3600}));
    let ran = short.run(&["create", "--expiry", "1h", "--force-revocable"]);
    let exchanged = &short.sandbox.issued()[0];
    assert!(ran.code == 0 && exchanged.live && ran.stderr.contains(&exchanged.token_id), "{}", ran.story);
    // Nor does a revocation by an id leave the exchanged token behind.
    let id = minted.token_id.clone();
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github");
    let ran = scene.run(&["revoke", "--token-id", &id]);
    assert!(ran.code == 0 && sent(&ran).len() == 3 && sent(&ran)[2] == REVOKE_ME, "{}", ran.story);
}

#[test]
fn an_answer_to_an_exchange_that_was_lost_is_no_secret() {
    let (scene, _issuer) = job(json!({"username": "deployer", "expires_in": 86400}));
    scene.sandbox.fault_for("oidc/token", Fault::ResetAfter, 1);
    let ran = scene.run(&["create", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("A token may have been issued"), "{}", ran.story);
}

#[test]
fn an_exchanged_token_is_renewed_by_another_exchange_with_a_new_identity_token() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    assert_eq!(scene.run(&["create"]).code, 0);
    // Even if the later step names neither the provider nor the platform: the session remembers both.
    scene.unset("JF_TOKEN_OIDC_PROVIDER");
    for number in 2..5 {
        let ran = scene.run_at((number - 1) * 61_000, &["get"]);
        assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
        assert_eq!(asked(&issuer), usize::try_from(number).unwrap());
        assert_eq!(ran.stdout.trim(), scene.sandbox.issued().last().unwrap().access_token);
    }
    let ran = scene.run(&["refresh"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
}

#[test]
fn a_minted_token_of_an_exchange_is_renewed_by_both() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    assert_eq!(scene.run(&["create", "--expiry", "1h", "--force-revocable"]).code, 0);
    scene.unset("JF_TOKEN_OIDC_PROVIDER");
    let ran = scene.run(&["refresh"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE, MINT], "{}", ran.story);
    assert_eq!(asked(&issuer), 2);
}

#[test]
fn the_end_of_the_job_asks_nobody_for_an_identity_token() {
    let (scene, issuer) = job(json!({"username": "deployer", "expires_in": 86400}));
    assert_eq!(scene.run(&["create"]).code, 0);
    let ran = scene.run(&["revoke"]);
    assert!(ran.code == 0 && sent(&ran) == [REVOKE_ME] && asked(&issuer) == 1, "{}", ran.story);
    assert!(!scene.sandbox.issued()[0].live);
}

#[cfg(unix)]
#[test]
fn exec_works_by_exchange_and_its_program_gets_neither_the_provider_nor_the_right_to_ask() {
    let (scene, issuer) = job(json!({"username": "deployer"}));
    let ran = scene.run(&["exec", "--", "env"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    for name in ["ACTIONS_ID_TOKEN_REQUEST", "OIDC"] {
        assert!(!ran.stdout.contains(name), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains(issuer.bearer()) && ran.stdout.contains("JF_ACCESS_TOKEN=***"), "{}", ran.stdout);
}

#[cfg(unix)]
#[test]
fn exec_in_a_session_of_an_exchange_takes_the_right_to_ask_away_whatever_the_step_was_given() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    assert_eq!(scene.run(&["create"]).code, 0);
    let token = scene.sandbox.issued()[0].access_token.clone();
    scene.unset("JF_TOKEN_OIDC_PROVIDER").set("JF_TOKEN_SESSION", "default");
    // The session's own token, and a credential that can't be read.
    for credential in [token.as_str(), "$NOT_REPLACED"] {
        scene.set("JF_ACCESS_TOKEN", credential);
        let ran = scene.run(&["exec", "--", "env"]);
        assert!(ran.code == 0 && !ran.stdout.contains("ACTIONS_ID_TOKEN_REQUEST"), "{}", ran.story);
        assert!(!ran.stdout.contains(issuer.bearer()), "{}", ran.stdout);
    }
}

#[cfg(unix)]
#[test]
fn the_variable_of_an_identity_token_that_a_flag_overrides_is_hidden_too() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    let token = scene.sandbox.admin_token().to_owned();
    scene.write("work/credential", &token);
    scene.asks_for("work/credential").set("ID", &issuer.sign(json!({"sub": "me", "aud": "a"})));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_OIDC_TOKEN_VAR", "ID");
    let ran = scene.run(&["exec", "--access-token-file", "credential", "--", "env"]);
    assert!(ran.code == 0 && !ran.stdout.contains("ID="), "{}", ran.story);
}

#[test]
fn a_named_provider_that_fails_is_a_failure_though_another_credential_is_there() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    issuer.refuse(403, 9);
    let ran = scene.run(&["create", "--oidc-provider", "github", "--retry-for", "0"]);
    assert!(ran.code == 4 && sent(&ran).is_empty(), "{}", ran.story);
    // Two variables that give different kinds: neither is used.
    let ran = scene.run(&["create"]);
    assert_eq!((ran.code, sent(&ran).len()), (2, 0), "{}", ran.story);
    assert!(ran.stderr.contains("JF_ACCESS_TOKEN") && ran.stderr.contains("JF_TOKEN_OIDC_PROVIDER"), "{}", ran.stderr);
    // A flag decides.
    scene.write("work/credential", &token);
    scene.asks_for("work/credential");
    let ran = scene.run(&["create", "--access-token-file", "credential"]);
    assert!(ran.code == 0 && sent(&ran) == [MINT], "{}", ran.story);
}

#[test]
fn a_named_credential_that_fails_is_not_replaced_by_the_remembered_exchange_either() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.unset("JF_TOKEN_OIDC_PROVIDER");
    for arguments in
        [&["--access-token-file", "nothing"][..], &["--server-id", "nope"], &["--oidc-provider", "github", "--oidc-token-file", "nothing"]]
    {
        for command in ["refresh", "get"] {
            let ran = scene.run_at(61_000, &[&[command], arguments].concat());
            assert!(
                ran.code != 0 && sent(&ran).is_empty() && ran.stderr.contains(arguments[0].trim_start_matches("--oidc-provider")),
                "{}",
                ran.story
            );
        }
    }
    scene.set("JF_ACCESS_TOKEN", "$NOT_REPLACED");
    let ran = scene.run(&["refresh"]);
    assert!(ran.code == 2 && sent(&ran).is_empty(), "{}", ran.story);
    assert_eq!(asked(&issuer), 1);
}

#[test]
fn what_came_by_an_exchange_is_not_minted_by_another_credential_of_a_later_step() {
    let more: [&[&str]; 2] = [&[], &["--expiry", "1h", "--force-revocable"]];
    for more in more {
        let (mut scene, issuer) = job(json!({"username": "deployer"}));
        assert_eq!(scene.run(&[&["create"], more].concat()).code, 0);
        let admin = scene.sandbox.admin_token().to_owned();
        scene.unset("JF_TOKEN_OIDC_PROVIDER").set("JF_ACCESS_TOKEN", &admin);
        // The CI vouches for the job again.
        let ran = scene.run(&["refresh"]);
        assert!(ran.code == 0 && sent(&ran)[0] == EXCHANGE && asked(&issuer) == 2, "{}", ran.story);
        assert_eq!(scene.sandbox.issued().last().unwrap().username, "deployer");
        // A flag says otherwise, and can't be meant.
        scene.write("work/credential", &admin);
        let ran = scene.asks_for("work/credential").run(&["refresh", "--access-token-file", "credential"]);
        assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("came by an exchange"), "{}", ran.story);
        // Nobody vouches for it.
        scene.unset("ACTIONS_ID_TOKEN_REQUEST_URL");
        let ran = scene.run(&["refresh"]);
        assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("came by an exchange"), "{}", ran.story);
        assert!(ran.stderr.contains("id-token: write") && ran.stderr.contains("--oidc-provider github"), "{}", ran.stderr);
    }
}

#[test]
fn a_name_that_was_not_filled_in_is_told_before_anything_is_sent() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    for (name, code) in [(" ", 3), ("$JF_PROVIDER", 2), ("${{ vars.PROVIDER }}", 2)] {
        scene.set("JF_TOKEN_OIDC_PROVIDER", name);
        let ran = scene.run(&["create"]);
        assert!(ran.code == code && ran.stderr.contains("JF_TOKEN_OIDC_PROVIDER") && sent(&ran).is_empty(), "{}", ran.story);
    }
    let ran = scene.run(&["create", "--oidc-provider", "github", "--oidc-identity-mapping", "$MAPPING"]);
    assert!(ran.code == 2 && ran.stderr.contains("--oidc-identity-mapping") && sent(&ran).is_empty(), "{}", ran.story);
    assert_eq!(asked(&issuer), 0);
}

#[test]
fn each_source_of_the_identity_token_is_used_and_the_first_of_them_wins() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let token = |who: &str| issuer.sign(json!({"sub": who, "aud": "a"}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("MY_ID", &token("var")).set("JFROG_CLI_OIDC_EXCHANGE_TOKEN_ID", &token("left"));
    scene.set("OTHER", &token("command")).write("work/id", &format!("\u{feff}{}\r\n", token("file")));
    scene.asks_for("work/id").stdin(&token("stdin"));
    let last = |scene: &Scene, arguments: &[&str]| {
        let before = scene.sandbox.issued().len();
        let ran = scene.run(&[&["create", "--verbose"], arguments].concat());
        assert_eq!((ran.code, scene.sandbox.issued().len()), (0, before + 1), "{}", ran.story);
        scene.last_subject()
    };
    // Outside a CI nothing vouches for the job but what an earlier step of jf's tools left.
    assert_eq!(last(&scene, &[]), "left");
    let command = if cfg!(windows) { "echo %OTHER%" } else { "echo $OTHER" };
    let all: [&[&str]; 4] =
        [&["--oidc-token-file", "id"], &["--oidc-token-stdin"], &["--oidc-token-command", command], &["--oidc-token-var", "MY_ID"]];
    for (at, name) in ["file", "stdin", "command", "var"].into_iter().enumerate() {
        assert_eq!(last(&scene, all[at]), name);
        assert_eq!(last(&scene, &all[at..].concat()), name);
    }
}

#[cfg(unix)]
#[test]
fn an_identity_token_may_be_in_any_encoding_that_windows_writes() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"})).asks_for("work/id").set("JF_TOKEN_OIDC_PROVIDER", "github");
    let show = if cfg!(windows) { "type id" } else { "cat id" };
    for text in encodings(&format!("{}\r\n", issuer.sign(json!({"sub": "me", "aud": "a"})))) {
        scene.write("work/id", &text);
        scene.stdin(&text);
        for options in [&["--oidc-token-file", "id"][..], &["--oidc-token-stdin"], &["--oidc-token-command", show]] {
            let ran = scene.run(&[&["create"], options].concat());
            assert!(ran.code == 0 && scene.last_subject() == "me", "{}", ran.story);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_program_can_not_print_the_file_with_the_identity_token() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    scene.write("work/id", &issuer.sign(json!({"sub": "me", "aud": "a"})));
    let ran = scene.asks_for("work/id").run(&["exec", "--oidc-provider", "github", "--oidc-token-file", "id", "--", "cat", "id"]);
    assert!(ran.code == 0 && ran.stdout.contains("***"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn a_pipe_with_an_identity_token_is_read_once() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("ID", &issuer.sign(json!({"sub": "me", "aud": "a"})));
    let piped = "mkfifo pipe; printf %s \"$ID\" > pipe & \"$JF\" create --oidc-token-file pipe --session s --format none";
    let ran = scene.shell(piped);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(scene.sandbox.issued().len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_is_read_and_a_command_run_again_at_each_renewal() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_SESSION", "s").asks_for("work/id");
    let token = |who: &str| issuer.sign(json!({"sub": who, "aud": "a"}));
    let file = scene.path("work/id").display().to_string();
    for (option, value) in [("--oidc-token-file", &file), ("--oidc-token-command", &format!("cat {file}"))] {
        scene.write("work/id", &token("first"));
        assert_eq!(scene.run(&["create", option, value]).code, 0);
        scene.write("work/id", &token("second"));
        let ran = scene.run_at(61_000, &["get", option, value]);
        assert!(ran.code == 0 && scene.last_subject() == "second", "{}", ran.story);
    }
}

#[cfg(unix)]
#[test]
fn the_command_gets_no_credential_and_what_it_prints_is_hidden() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let admin = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &admin).set("ID", &issuer.sign(json!({"sub": "me", "aud": "a"})));
    scene.identity(&scene.variable("ID"));
    let create = |command: &str| scene.run(&["create", "--oidc-provider", "github", "--oidc-token-command", command]);
    let ran = create("test -z \"$JF_ACCESS_TOKEN\" && echo $ID");
    assert_eq!(ran.code, 0, "{}", ran.story);
    for (command, says) in [
        ("echo failing with $ID >&2; exit 3", "failing with ***"),
        ("echo $ID; echo $ID", "printed no identity token"),
        ("true", "is empty"),
        ("no-such-program", "not found"),
        ("head -c 10000000 /dev/zero", "failed"),
    ] {
        let ran = create(command);
        assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains(says), "{command}: {}", ran.story);
    }
}

/// What the platform and jf-token say to each identity token that is no good.
#[cfg(unix)]
#[test]
fn every_bad_identity_token_gets_its_own_message() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let claims = json!({"sub": "repo:o/r:ref:refs/heads/main", "aud": "a", "repository": "o/r", "ref": "refs/heads/main"});
    let signed = |more: Value| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        issuer.sign(claims)
    };
    let other = Issuer::start();
    let good = signed(json!({}));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut told = String::new();
    let none = issuer.sign_with(sandbox::Signature::Unsigned, claims.clone());
    for (what, text) in [
        ("empty", String::new()),
        ("blank", " \n".into()),
        ("no JWT", "hello".into()),
        ("two parts", good.rsplit_once('.').unwrap().0.to_owned()),
        ("two tokens", format!("{good}\n{good}")),
        ("a variable's name", "$ID_TOKEN".into()),
        ("not signed", none),
        ("another key", issuer.sign_with(sandbox::Signature::Foreign, claims.clone())),
        ("another issuer", other.sign(claims.clone())),
        ("expired", signed(json!({"exp": now - 3600}))),
        ("not yet valid", signed(json!({"nbf": now + 3600}))),
        ("the platform's own token", scene.sandbox.user_token().to_owned()),
        ("huge", "x".repeat(10 << 20)),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        scene.set("FILE", file.path().to_str().unwrap());
        let ran = scene.run(&["create", "--oidc-provider", "github", "--oidc-token-file", &scene.variable("FILE")]);
        assert!(ran.code != 0 && ran.stdout.is_empty(), "{what}: {}", ran.story);
        let sent = sent(&ran).len();
        let stderr = ran.stderr.replace(&scene.variable("FILE"), "id").replace(&other.url(), "<another issuer>");
        told += &scene.tidy(&format!("== {what}: exit code {}, {sent} requests\n{stderr}", ran.code));
    }
    for path in ["nothing", "."] {
        let ran = scene.run(&["create", "--oidc-provider", "github", "--oidc-token-file", path]);
        told += &scene.tidy(&format!("== {path}: exit code {}\n{}", ran.code, ran.stderr));
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
}

#[test]
fn the_platforms_refusal_says_what_to_mend_and_shows_the_claims() {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let provider = |name: &str, more: Value| {
        let mut provider = json!({"name": name, "issuer_url": issuer.url()});
        provider.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        scene.sandbox.add_provider(provider);
    };
    provider("audience", json!({"audience": "jfrog"}));
    provider(
        "unmapped",
        json!({"identity_mappings": [{"name": "m", "priority": 1, "claims": {"repository": "other/repo"}, "token_spec": {"username": "x"}}]}),
    );
    provider(
        "nobody",
        json!({"identity_mappings": [{"name": "m", "priority": 1, "claims": {}, "token_spec": {"scope": "applied-permissions/user"}}]}),
    );
    let mut told = String::new();
    let mut tell = |scene: &Scene, what: &str, arguments: &[&str]| {
        let ran = scene.run(&[&["create", "--retry-for", "0", "--oidc-provider"], arguments].concat());
        assert_ne!(ran.code, 0, "{}", ran.story);
        told += &scene.tidy(&format!("== {what}: exit code {}\n{}\n", ran.code, ran.stderr));
    };
    tell(&scene, "an unknown provider", &["nope"]);
    tell(&scene, "another audience", &["audience"]);
    tell(&scene, "no mapping", &["unmapped"]);
    tell(&scene, "an unknown mapping", &["github", "--oidc-identity-mapping", "nope"]);
    tell(&scene, "a mapping without a user, and a mint", &["nobody", "--expiry", "1h"]);
    tell(&scene, "more than the mapping's user may", &["github", "--grant-admin"]);
    for (status, what) in [(404, "an old platform"), (405, "an old platform behind a proxy"), (402, "a plan without it")] {
        scene.sandbox.fault(Fault::Html(status));
        tell(&scene, what, &["github"]);
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
}

#[test]
fn a_job_that_gets_no_identity_token_is_told_why() {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let create = |scene: &Scene| scene.run(&["create", "--retry-for", "0", "--oidc-provider", "github"]);
    issuer.refuse(401, 1);
    tells!("the_ci_refuses", create(&scene));
    issuer.fault_for("/id", Fault::Body("{}".into()), 1);
    tells!("the_ci_answers_without_a_token", create(&scene));
    issuer.fault_for("/id", Fault::Html(200), 1);
    tells!("the_ci_answers_with_a_page", create(&scene));
    scene.unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    let ran = create(&scene);
    assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("id-token: write"), "{}", ran.story);
}

#[test]
fn an_exchange_whose_answer_was_lost_is_repeated_and_an_identity_token_asked_for_again() {
    let (scene, issuer) = job(json!({"username": "deployer"}));
    scene.sandbox.fault_for("oidc/token", Fault::ResetAfter, 1);
    issuer.fault_for("/id", Fault::ResetBefore, 1);
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE, EXCHANGE], "{}", ran.story);
    assert!(!ran.stderr.contains("list of tokens"), "{}", ran.stderr);
}

#[test]
fn the_audience_is_the_identity_tokens_and_the_providers() {
    let (scene, issuer) = job(json!({"username": "deployer"}));
    let ran = scene.run(&["create", "--oidc-audience", "jfrog & co", "--oidc-provider-type", "GitHub", "--oidc-identity-mapping", "any"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(issuer.requests()[0].path.ends_with("&audience=jfrog%20%26%20co"), "{}", issuer.requests()[0].path);
    for part in [r#""audience":"jfrog & co""#, r#""provider_type":"GitHub""#, r#""identity_mapping_name":"any""#] {
        assert!(ran.story.contains(part), "{}", ran.story);
    }
    let ran = scene.run(&["create", "--oidc-provider-type", "gitlab"]);
    assert!(ran.code == 2 && sent(&ran).is_empty() && ran.stderr.contains("Use GitHub, Azure or GenericOidc"), "{}", ran.story);
    assert!(scene.run(&["create", "--oidc-provider-type", "github"]).story.contains(r#""provider_type":"GitHub""#));
    // Where it can't be chosen, the identity token must have it.
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    scene.set("ID", &issuer.sign(json!({"aud": ["x", "jfrog"]})));
    scene.identity(&scene.variable("ID"));
    let create =
        |audience: &str| scene.run(&["create", "--oidc-provider", "github", "--oidc-token-var", "ID", "--oidc-audience", audience]);
    assert_eq!(create("jfrog").code, 0);
    let ran = create("y");
    assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("'x jfrog'") && ran.stderr.contains("set it"), "{}", ran.story);
}

#[test]
fn eot_takes_jfs_arguments_and_prints_what_jf_prints() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let url = scene.sandbox.url();
    for (name, value) in
        [("JOB_ID", "job1"), ("RUN_ID", "run1"), ("VCS_URL", "https://x/y.git"), ("VCS_REVISION", "rev1"), ("VCS_BRANCH", "main")]
    {
        scene.set(&format!("JFROG_CLI_CI_{name}"), value);
    }
    scene.unset("JF_URL").set("JF_TOKEN_EXPIRY", "1h").set("JF_TOKEN_OUTPUT_FILE", "out");
    let token = issuer.sign(json!({"sub": "me", "aud": "a"}));
    let ran = scene.run(&["eot", "github", &token, "--url", &url, "--oidc-provider-type", "GitHub", "--oidc-audience", "a"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let story = ran.story.replace(&token, "<identity token>");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!("eot", story) });
    // As jf, it takes the token from its variable too.
    scene.set("JFROG_CLI_OIDC_EXCHANGE_TOKEN_ID", &token);
    let ran = scene.run(&["exchange-oidc-token", "github", "--url", &url]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let ran = scene.run(&["eot"]);
    assert!(ran.code == 2 && ran.stderr.contains("PROVIDER"), "{}", ran.story);
}

#[test]
fn a_slow_or_lost_exchange_that_is_interrupted_is_named_at_the_end() {
    let (scene, _issuer) = job(json!({"username": "deployer"}));
    scene.sandbox.fault_for("oidc/token", Fault::ResetAfter, 9);
    let ran = scene.run(&["create", "--retry-for", "0"]);
    assert_eq!(ran.code, 5, "{}", ran.story);
    let ran = scene.run(&["revoke"]);
    assert!(ran.code == 0, "{}", ran.story);
}

#[test]
fn the_platform_may_be_another_sandbox_with_its_own_ca() {
    let issuer = Issuer::builder().tls(sandbox::Tls::Valid).start();
    let mut scene = Scene::with(Sandbox::builder().tls(sandbox::Tls::Valid));
    scene.in_github().vouched_for(&issuer, json!({"username": "deployer"}));
    let both = format!("{}\n{}", scene.sandbox.ca_pem(), issuer.ca_pem());
    scene.write("tmp/ca.pem", &both);
    let ran = scene.run(&["create", "--oidc-provider", "github"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
}

/// A pipe can be read only once: whoever opens it again waits for ever.
#[cfg(unix)]
#[test]
fn the_certificates_are_read_once_for_the_ci_and_the_platform() {
    let issuer = Issuer::builder().tls(sandbox::Tls::Valid).start();
    let mut scene = Scene::with(Sandbox::builder().tls(sandbox::Tls::Valid));
    scene.in_github().vouched_for(&issuer, json!({"username": "deployer"}));
    scene.write("tmp/ca.pem", &format!("{}\n{}", scene.sandbox.ca_pem(), issuer.ca_pem()));
    let pipe = scene.path("tmp/pipe").display().to_string();
    scene.unset("SSL_CERT_FILE").set("JF_TOKEN_CA_FILE", &pipe);
    let mut writer = scene.spawn_shell("mkfifo $JF_TOKEN_CA_FILE && cat ../tmp/ca.pem >$JF_TOKEN_CA_FILE");
    crate::support::wait_until("the pipe is there", || scene.path("tmp/pipe").exists());
    let ran = scene.run(&["create", "--oidc-provider", "github"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    writer.wait().unwrap();
}

/// A job whose identity token is in a variable and can't be asked for again, as GitLab's.
fn gitlab(token_spec: Value, life: i64) -> (Scene, Issuer) {
    let issuer = Issuer::start();
    let mut scene = Scene::gitlab();
    scene.vouched_for(&issuer, token_spec);
    scene.unset("ACTIONS_ID_TOKEN_REQUEST_URL").unset("ACTIONS_ID_TOKEN_REQUEST_TOKEN");
    issuer.set_life(life);
    let token = issuer.gitlab_token("jfrog");
    scene.identity(&token);
    scene.set("JF_ID_TOKEN", &token).set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_OIDC_TOKEN_VAR", "JF_ID_TOKEN");
    (scene, issuer)
}

#[test]
fn where_the_ci_gives_one_identity_token_only_it_says_until_when_renewal_works() {
    let (scene, _issuer) = gitlab(json!({"username": "deployer"}), 600);
    let ran = scene.run(&["create", "--verbose"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(ran.stderr.contains("the identity token in JF_ID_TOKEN ends") && ran.stderr.contains("until then"), "{}", ran.stderr);
    assert_eq!(scene.run_at(61_000, &["get"]).code, 0);
    let ran = scene.run_at(700_000, &["get"]);
    assert!(ran.code != 0 && sent(&ran).is_empty(), "{}", ran.story);
    assert!(ran.stderr.contains("can't be asked for again") && ran.stderr.contains("--refreshable"), "{}", ran.stderr);
}

#[test]
fn a_variable_for_the_identity_token_that_holds_none_is_named() {
    let (mut scene, _issuer) = gitlab(json!({"username": "deployer"}), 600);
    scene.unset("JF_TOKEN_OIDC_TOKEN_VAR").set("JF_ID_TOKEN", "$JF_ID_TOKEN");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("JF_ID_TOKEN holds something"), "{}", ran.story);
}

#[test]
fn a_refresh_token_outlives_the_identity_token() {
    let (scene, _issuer) = gitlab(json!({"username": "deployer"}), 600);
    let ran = scene.run(&["create", "--expiry", "10m", "--refreshable"]);
    assert!(ran.code == 0 && ran.stderr.contains("after that by its refresh token"), "{}", ran.story);
    let ran = scene.run_at(700_000, &["get"]);
    assert!(ran.code == 0 && sent(&ran) == [MINT] && ran.story.contains(r#""grant_type":"refresh_token""#), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn a_program_in_the_job_does_not_get_the_variable_with_the_identity_token() {
    let (scene, _issuer) = gitlab(json!({"username": "deployer"}), 600);
    let ran = scene.run(&["exec", "--", "env"]);
    assert!(ran.code == 0 && !ran.stdout.contains("JF_ID_TOKEN"), "{}", ran.stdout);
}

#[test]
fn strict_counts_a_token_that_ends_within_ten_minutes_as_ended() {
    for (life, code) in [(60, 0), (500, 0), (1200, 4)] {
        let (scene, _issuer) = job(json!({"username": "deployer", "expires_in": life}));
        assert_eq!(scene.run(&["create"]).code, 0);
        let ran = scene.run(&["revoke", "--revoke", "strict"]);
        assert_eq!(ran.code, code, "{life}: {}", ran.story);
        assert!(
            ran.stderr.contains("too short-lived for the platform to revoke") && !ran.stderr.contains("force-revocable"),
            "{}",
            ran.stderr
        );
    }
}

#[test]
fn a_dry_run_says_which_credential_it_would_be_and_why_and_sends_nothing() {
    let (mut scene, issuer) = job(json!({"username": "deployer"}));
    tells!("dry_run_of_an_exchange", scene.run(&["create", "--dry-run"]));
    tells!("dry_run_of_an_exchange_and_a_mint", scene.run(&["create", "--dry-run", "--expiry", "1h"]));
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &token);
    let ran = scene.run(&["create", "--dry-run", "--oidc-provider", "github"]);
    assert!(ran.stderr.contains("--oidc-provider gives, which comes before JF_ACCESS_TOKEN"), "{}", ran.story);
    assert_eq!(asked(&issuer), 0);
}

#[cfg(unix)]
#[test]
fn a_keeper_gets_the_only_identity_token_by_its_standard_input() {
    let issuer = Issuer::start();
    let mut scene = Scene::new();
    scene.vouched_for(&issuer, json!({"username": "deployer", "expires_in": 3}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("ID", &issuer.sign(json!({"sub": "me", "aud": "a"})));
    let pid = std::process::id().to_string();
    let keep = ["--session", "s", "--format", "none", "--keep-fresh", "--until-pid", &pid];
    let ran = scene.run(&[&["create", "--oidc-token-var", "ID"], &keep[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(!started_with(scene.wait_for_keeper()).contains(&scene.variable("ID")));
    crate::support::wait_until("a renewal", || scene.sandbox.issued().len() >= 3);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
}

#[cfg(unix)]
#[test]
fn a_keeper_exchanges_again_and_again() {
    let (mut scene, issuer) = job(json!({"username": "deployer", "expires_in": 2}));
    scene.asks_for("work/token");
    let ran = scene.run(&["create", "--keep-fresh", "--token-file", "token", "--until-pid", &std::process::id().to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(!started_with(scene.wait_for_keeper()).contains(issuer.bearer()));
    let first = scene.read("work/token");
    crate::support::wait_until("the token is renewed", || scene.sandbox.issued().len() >= 4 && scene.read("work/token") != first);
    let ran = scene.run(&["revoke"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(asked(&issuer) >= 4 && scene.keepers() == 0);
}

#[test]
fn status_shows_how_the_token_was_issued_and_is_renewed() {
    let (scene, _issuer) = job(json!({"username": "deployer"}));
    let ran = scene.run(&["status"]);
    assert!(ran.code == 3 && ran.stderr.contains("holds a token"), "{}", ran.story);
    assert_eq!(scene.run(&["create"]).code, 0);
    let shown = || serde_json::from_str::<Value>(&scene.run(&["status", "--format", "json"]).stdout).unwrap()["sessions"][0].clone();
    let token = &shown()["token"];
    assert_eq!([&token["issued_by"], &token["oidc_provider"], &token["renewed_by"]], ["exchange", "github", "exchange"]);
    assert_eq!(scene.run(&["create", "--expiry", "1h", "--force-revocable", "--refreshable"]).code, 0);
    let session = shown();
    let token = &session["token"];
    assert_eq!([&token["issued_by"], &token["renewed_by"]], ["exchange and mint", "refresh"]);
    assert_eq!(session["earlier_tokens"], 1);
}
