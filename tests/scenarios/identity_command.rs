//! `identity`: who a job is to the platform.

use std::fs;

use sandbox::{Issuer, Signature};
use serde_json::{Value, json};

use crate::support::{Ran, Scene, leaks};
use crate::tells;

/// A GitHub job that may ask for an identity token, and an admin's token beside it.
fn job() -> (Scene, Issuer) {
    let issuer = Issuer::start();
    issuer.set_claims(json!({"jti": "4711"}));
    let mut scene = Scene::github();
    for (name, value) in issuer.github_env() {
        scene.set(name, &value);
    }
    (scene, issuer)
}

/// A job whose identity token is in a file.
fn job_with(token: &str) -> Scene {
    let mut scene = Scene::new();
    let file = scene.write("work/id", token);
    scene.asks_for("work/id").set("JF_TOKEN_OIDC_TOKEN_FILE", file.to_str().unwrap());
    scene
}

/// The run with the issuer's address replaced.
fn tidy(mut ran: Ran, issuer: &Issuer) -> Ran {
    ran.story = ran.story.replace(&issuer.url(), "<issuer>");
    ran
}

fn json_of(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", ran.stdout, ran.stderr))
}

#[test]
fn a_job_sees_what_its_identity_token_says_and_nothing_is_sent_to_the_platform() {
    let (mut scene, issuer) = job();
    scene.unset("JF_URL").unset("JF_ACCESS_TOKEN");
    tells!(tidy(scene.run(&["identity", "--oidc-audience", "jfrog"]), &issuer));
    assert!(issuer.requests()[0].path.ends_with("audience=jfrog"));
    assert!(scene.sandbox.requests().is_empty());
}

#[test]
fn what_an_identity_token_says_is_there_as_json_and_never_the_token() {
    let issuer = Issuer::start();
    let token = issuer.gitlab_token("jfrog");
    let mut scene = Scene::gitlab();
    scene.set("JFROG_ID_TOKEN", &token);
    for format in ["json", "table"] {
        let ran = scene.run(&["identity", "--oidc-token-var", "JFROG_ID_TOKEN", "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let signature = token.rsplit('.').next().unwrap();
        assert!(!leaks(&ran.stdout, &token) && !leaks(&ran.stderr, &token) && !ran.stdout.contains(&signature[..12]));
        if format == "json" {
            let shown = json_of(&ran);
            assert_eq!((&shown["claims"]["project_path"], &shown["from"]), (&json!("octo/app"), &json!("JFROG_ID_TOKEN")));
            assert_eq!((&shown["another"], &shown["problems"]), (&json!(false), &json!([])));
        } else {
            assert!(ran.stdout.contains("can't be asked for"), "{}", ran.stdout);
        }
    }
}

#[test]
fn an_identity_token_that_no_platform_would_take_is_shown_all_the_same() {
    let issuer = Issuer::start();
    for (token, problem) in [
        (issuer.sign(json!({"sub": "me", "exp": 1_000_000_000, "iat": 999_999_000})), "has expired"),
        (issuer.sign(json!({"sub": "me", "nbf": 9_999_999_999_u64})), "is not valid for another"),
        (issuer.sign_with(Signature::Unsigned, json!({"sub": "me"})), "is not signed"),
        (issuer.sign(json!({"sub": "me", "aud": "other"})), "is for the audience 'other', not for 'jfrog'"),
    ] {
        let ran = job_with(&token).run(&["identity", "--oidc-audience", "jfrog"]);
        assert_eq!(ran.code, 3, "{}", ran.stderr);
        assert!(ran.stdout.contains("\nsub             me\n"), "{}", ran.stdout);
        assert!(ran.stderr.contains(problem), "{}", ran.stderr);
    }
    let ran = job_with("not-a-token").run(&["identity"]);
    assert!(ran.code == 3 && ran.stdout.is_empty() && ran.stderr.contains("is not a JWT"), "{}", ran.stderr);
}

#[test]
fn a_mapping_for_the_job_is_written_with_all_that_an_admin_needs() {
    let (scene, issuer) = job();
    tells!(tidy(scene.run(&["identity", "--mapping", "publish", "--groups", "readers,group 2", "--oidc-provider", "github"]), &issuer));
}

#[test]
fn a_mapping_is_written_for_terraform() {
    let (scene, issuer) = job();
    issuer.set_claims(json!({"environment": "prod ${x}"}));
    let terraform =
        ["identity", "--mapping", "1st", "--username", "ci", "--expiry", "10m", "--description", "a \"b\"", "--format", "terraform"];
    tells!(tidy(scene.run(&terraform), &issuer));
}

#[test]
fn a_written_mapping_lets_this_job_in_and_no_fork_branch_or_pull_request() {
    let other = [
        json!({"repository": "fork/app", "repository_id": "75", "repository_owner_id": "66"}),
        json!({"ref": "refs/heads/feature", "ref_protected": "false"}),
        json!({"ref": "refs/pull/7/merge", "event_name": "pull_request"}),
        json!({"event_name": "pull_request_target"}),
    ];
    for other in other {
        let (mut scene, issuer) = job();
        scene.sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url()}));
        let written = scene.run(&["identity", "--mapping", "publish", "--groups", "readers", "--expiry", "10m", "--format", "json"]);
        scene.sandbox.add_mapping("github", json_of(&written));
        scene.unset("JF_ACCESS_TOKEN");
        let create = ["create", "--oidc-provider", "github", "--format", "json"];
        let created = scene.run(&create);
        assert_eq!(created.code, 0, "{}", created.stderr);
        assert_eq!(json_of(&created)["scope"], "applied-permissions/groups:\"readers\"");
        issuer.set_claims(other.clone());
        assert_eq!(scene.run(&create).code, 4, "{other}");
    }
}

#[test]
fn a_mapping_for_a_gitlab_job_holds_ids_and_protection() {
    let issuer = Issuer::start();
    issuer.set_claims(json!({"environment": "prod", "environment_protected": "true"}));
    let ran = job_with(&issuer.gitlab_token("x")).run(&["identity", "--mapping", "m", "--username", "ci", "--format", "json"]);
    assert_eq!(
        json_of(&ran)["claims"],
        json!({"project_id": "20", "namespace_id": "72", "environment": "prod", "environment_protected": "true", "ref": "main",
            "ref_type": "branch", "ref_protected": "true", "pipeline_source": "push"})
    );
    assert_eq!(
        json_of(&ran)["token_spec"],
        json!({"username": "ci", "scope": "applied-permissions/user", "audience": "*@*", "expires_in": 60})
    );
    assert!(ran.stderr.contains("expires_in is 60 s, the platform's default"), "{}", ran.stderr);
}

#[test]
fn who_may_be_let_in_besides_gets_a_warning() {
    let (mut scene, issuer) = job();
    scene.unset("JF_ACCESS_TOKEN");
    let mapping = || scene.run(&["identity", "--mapping", "m", "--username", "ci"]).stderr;
    assert!(!mapping().contains("warning"));
    issuer.set_claims(json!({"ref_protected": "false"}));
    assert!(mapping().contains("::warning title=jf-token::ref_protected is not 'true'"));
    issuer.set_claims(json!({"event_name": "pull_request", "ref": "refs/pull/7/merge"}));
    assert!(mapping().contains("this job runs for a pull request"));
    issuer.set_ids_in_sub(true);
    assert!(mapping().contains("a mapping that has names in sub does not match"));
}

#[test]
fn a_mapping_gives_one_thing_and_a_wrong_one_is_told_before_anything_is_asked_for() {
    let (mut scene, issuer) = job();
    scene.set("JF_USER", "somebody");
    for (arguments, told) in [
        (&["--mapping", "m"][..], "Give one of --username, --groups and --scope"),
        (&["--mapping", "m", "--username", "a", "--groups", "b"], "--username: excludes --groups"),
        (&["--mapping", "m", "--username", "a", "--scope", "applied-permissions/groups:b"], "--username: excludes --scope"),
        (&["--mapping", "m", "--scope", "applied-permissions/roles:p1:Developer"], "need a user"),
        (&["--mapping", "m", "--username", "a", "--expiry", "0"], "has an end"),
        (&["--mapping", "a/b", "--username", "a"], "is not a name that the platform takes"),
        (&["--format", "terraform"], "Give its name: --mapping NAME"),
        (&["--oidc-provider", "a/b"], "is not a name that the platform takes"),
    ] {
        let ran = scene.run(&[&["identity"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(told) && ran.stdout.is_empty(), "{arguments:?}: {}", ran.stderr);
    }
    assert!(issuer.requests().is_empty() || issuer.requests().len() == 1);
    let groups = scene.run(&["identity", "--mapping", "m", "--groups", "g", "--format", "json"]);
    assert_eq!(json_of(&groups)["token_spec"]["username"], Value::Null);
}

/// A provider with mappings of which the last matches.
fn with_mappings(scene: &mut Scene, issuer: &Issuer) {
    scene.sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "audience": "jfrog", "identity_mappings": [
        {"name": "anything", "claims": {"repository": "octo/app"}, "token_spec": {"username": "alice"}},
        {"name": "production", "priority": 1, "claims": {"repository": "octo/app", "environment": "prod"},
            "token_spec": {"scope": "applied-permissions/admin"}},
        {"name": "release", "priority": 2, "claims": {"repository_id": "74", "ref": "refs/tags/*"}, "token_spec": {"username": "alice"}},
        {"name": "main", "priority": 3, "claims": {"repository_id": "74", "ref": "refs/heads/main"},
            "token_spec": {"scope": "applied-permissions/groups:readers", "expires_in": 600}}
    ]}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_OIDC_AUDIENCE", "jfrog");
}

#[test]
fn an_admin_sees_which_identity_mapping_a_job_matches_and_why_not_the_others() {
    let (mut scene, issuer) = job();
    with_mappings(&mut scene, &issuer);
    tells!(tidy(scene.run(&["identity"]), &issuer));
    let shown = json_of(&scene.run(&["identity", "--format", "json"]));
    let mappings = shown["mappings"].as_array().unwrap();
    let of = |field: &str| mappings.iter().map(|mapping| mapping[field].clone()).collect::<Vec<_>>();
    assert_eq!(of("name"), ["production", "release", "main", "anything"]);
    assert_eq!(
        (of("matches"), of("used")),
        (vec![json!(false), json!(false), json!(true), json!(true)], vec![json!(false), json!(false), json!(true), json!(false)])
    );
    assert_eq!(mappings[1]["differs"], json!([{"claim": "ref", "wanted": "refs/tags/*", "has": "refs/heads/main"}]));
    assert_eq!(mappings[0]["differs"], json!([{"claim": "environment", "wanted": "prod", "has": null}]));
    assert_eq!((&shown["provider"]["audience"], &shown["provider"]["problems"]), (&json!("jfrog"), &json!([])));
}

#[test]
fn the_mapping_that_is_told_is_the_one_that_the_platform_uses() {
    let (mut scene, issuer) = job();
    with_mappings(&mut scene, &issuer);
    for (claims, mapping) in [(json!({}), 600), (json!({"ref": "refs/tags/v1"}), 60), (json!({"environment": "prod"}), 60)] {
        issuer.set_claims(claims.clone());
        let shown = json_of(&scene.run(&["identity", "--format", "json"]));
        let used = shown["mappings"].as_array().unwrap().iter().find(|mapping| mapping["used"] == true).unwrap();
        let admin = scene.sandbox.admin_token().to_owned();
        let created = json_of(&scene.unset("JF_ACCESS_TOKEN").run(&["create", "--format", "json"]));
        scene.set("JF_ACCESS_TOKEN", &admin);
        assert_eq!(created["expires_in"], mapping, "{claims}");
        let scope = used["token_spec"]["scope"].as_str().unwrap_or("applied-permissions/user");
        assert_eq!(created["scope"], scope, "{claims}");
    }
}

#[test]
fn what_keeps_a_provider_from_taking_a_job_is_told_apart() {
    let (mut scene, issuer) = job();
    with_mappings(&mut scene, &issuer);
    scene.sandbox.add_provider(json!({"name": "other", "issuer_url": "https://other.example"}));
    let told = |scene: &Scene, arguments: &[&str]| {
        let ran = scene.run(&[&["identity"], arguments].concat());
        assert_eq!(ran.code, 4, "{}", ran.stderr);
        ran.stderr
    };
    assert!(told(&scene, &["--oidc-provider", "other"]).contains("not 'https://other.example'"));
    assert!(told(&scene, &["--oidc-provider", "absent"]).contains("The platform has no OIDC provider of that name"));
    assert!(told(&scene, &["--oidc-audience", "x"]).contains("the audience is 'x', not 'jfrog': --oidc-audience asks for another"));
    scene.set("GIVEN", &issuer.gitlab_token("x")).unset("JF_TOKEN_OIDC_AUDIENCE");
    assert!(told(&scene, &["--oidc-token-var", "GIVEN"]).contains("the audience is 'x', not 'jfrog': set it where the token is made"));
    scene.set("JF_TOKEN_OIDC_AUDIENCE", "jfrog");
    issuer.set_claims(json!({"repository": "a/b", "repository_id": "1"}));
    assert!(told(&scene, &[]).contains("has no identity mapping that it matches"));
    let alice = scene.sandbox.user_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &alice);
    assert!(told(&scene, &[]).contains("Only an admin's access token may read OIDC providers"));
}

#[test]
fn a_mapping_that_waits_for_names_in_sub_is_told_of_the_ids() {
    let (mut scene, issuer) = job();
    issuer.set_ids_in_sub(true);
    scene.sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "identity_mappings": [
        {"name": "old", "claims": {"sub": "repo:octo/app:ref:refs/heads/main"}, "token_spec": {"username": "alice"}}
    ]}));
    let ran = scene.set("JF_TOKEN_OIDC_PROVIDER", "github").run(&["identity"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stdout.contains("not 'repo:octo/app:ref:refs/heads/main' (GitHub's sub holds ids"), "{}", ran.stdout);
}

#[test]
fn a_mapping_that_makes_the_user_of_an_absent_claim_is_told_to_fail() {
    let (mut scene, issuer) = job();
    scene.sandbox.add_provider(json!({"name": "github", "issuer_url": issuer.url(), "identity_mappings": [
        {"name": "people", "claims": {"repository_id": "74", "ref": "refs/heads/main"}, "token_spec": {"username_pattern": "{{ email }}"}}
    ]}));
    let ran = scene.set("JF_TOKEN_OIDC_PROVIDER", "github").run(&["identity"]);
    assert_eq!(ran.code, 4);
    assert!(ran.stdout.contains("the exchange fails, for the token has no email"), "{}", ran.stdout);
    assert_eq!(scene.unset("JF_ACCESS_TOKEN").run(&["create", "--format", "json"]).code, 4);
    issuer.set_claims(json!({"email": "ci@example.com"}));
    assert_eq!(scene.run(&["create", "--format", "json"]).code, 0);
}

#[test]
fn a_projects_mappings_come_before_those_of_none_and_no_other_projects_count() {
    let (mut scene, issuer) = job();
    let mapping = |name: &str, project: &str| {
        json!({"name": name, "claims": {"repository_id": "74", "ref": "refs/heads/main"},
        "project_key": project, "token_spec": {"username": "alice"}})
    };
    scene
        .sandbox
        .add_provider(json!({"name": "github", "issuer_url": issuer.url(), "identity_mappings": [mapping("a", "p1"), mapping("b", "proj-1"), json!({"name": "c", "claims": {}, "token_spec": {"username": "alice"}})]}));
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github");
    let shown = json_of(&scene.run(&["identity", "--format", "json", "--project", "proj-1"]));
    assert_eq!((&shown["mappings"][0]["name"], &shown["mappings"][0]["used"]), (&json!("b"), &json!(true)));
    assert_eq!((&shown["mappings"][1]["name"], &shown["mappings"][1]["matches"]), (&json!("c"), &json!(true)));
    assert_eq!(shown["mappings"].as_array().unwrap().len(), 2);
    let ran = scene.run(&["identity"]);
    assert!(ran.code == 0 && ran.stdout.contains("no: --project is absent, not 'p1'"), "{}", ran.stdout);
}

#[test]
fn an_answer_that_describes_no_provider_is_no_panic_and_no_page() {
    let (mut scene, _issuer) = job();
    scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_RETRY_FOR", "0");
    for body in ["[]", "7", "null", "{\"issuer_url\":7}", "<html>login</html>", ""] {
        let answer = sandbox::Fault::Status { status: 200, retry_after: None, body: Some(body.into()) };
        scene.sandbox.fault(answer);
        let ran = scene.run(&["identity"]);
        assert!(ran.code == 6 && ran.stdout.is_empty() && !ran.stderr.contains("login<"), "{body}: {} {}", ran.code, ran.stderr);
    }
}

#[test]
fn both_tokens_cant_come_by_standard_input_and_without_an_admins_only_the_claims_are_shown() {
    let (mut scene, issuer) = job();
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_OIDC_PROVIDER", "github");
    let ran = scene.run(&["identity"]);
    assert!(ran.code == 0 && ran.stderr.contains("with an admin's access token"), "{}", ran.stderr);
    scene.stdin(&issuer.github_token("x"));
    let ran = scene.run(&["identity", "--oidc-token-stdin", "--access-token-stdin"]);
    assert!(ran.code == 2 && ran.stderr.contains("reads standard input too"), "{}", ran.stderr);
    let folder = scene.path("");
    assert!(fs::read_dir(folder.join("runner")).unwrap().next().is_none(), "nothing is remembered");
}

#[test]
fn a_branch_whose_name_is_a_command_to_a_ci_is_none_in_any_format() {
    let issuer = Issuer::start();
    let branch = "refs/heads/##vso[task.setvariable variable=PATH]/evil";
    let scene = job_with(&issuer.sign(json!({"sub": branch, "aud": "a", "repository_id": "7", "ref": branch})));
    for arguments in [&[][..], &["--format", "json"], &["--mapping", "m", "--groups", "readers"]] {
        let ran = scene.run(&[&["identity"], arguments].concat());
        assert!(ran.code == 0 && !ran.stdout.contains("##vso") && ran.stdout.contains("vso[task"), "{}", ran.story);
        if arguments.contains(&"json") {
            assert_eq!(json_of(&ran)["claims"]["sub"], branch);
        }
    }
}
