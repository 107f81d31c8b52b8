//! Who vouches for a job: what each CI gives, and what is said where it gives nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::{Ran, Scene};
use crate::tells;

/// A job in which an identity token is the only credential there could be.
fn job(environment: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN").set("CI", "true");
    for (name, value) in environment {
        scene.set(name, value);
    }
    scene
}

fn create(scene: &Scene, more: &[&str]) -> Ran {
    scene.run(&[&["create", "--oidc-provider", "p"], more].concat())
}

/// An identity token for this audience, which nobody signed: no platform exchanges it.
fn identity_token(audience: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let claims = format!(r#"{{"iss":"https://ci.example","sub":"job","aud":"{audience}"}}"#);
    [part(r#"{"alg":"RS256"}"#), part(&claims), part("signature")].join(".")
}

/// What several runs printed, as one text.
fn together(runs: impl IntoIterator<Item = (String, Ran)>) -> Ran {
    let mut all = Ran { code: 0, stdout: String::new(), stderr: String::new(), story: String::new() };
    for (title, ran) in runs {
        assert_eq!(ran.code, 3, "{title}: {}", ran.story);
        all.story += &format!("# {title}\n{}{}\n", ran.stdout, ran.stderr);
    }
    all
}

#[test]
fn where_a_job_has_no_identity_token_the_message_says_what_to_change_in_the_job() {
    let jobs: &[(&str, &[(&str, &str)])] = &[
        ("GitHub", &[("GITHUB_ACTIONS", "true")]),
        ("GitHub, Dependabot", &[("GITHUB_ACTIONS", "true"), ("GITHUB_ACTOR", "dependabot[bot]")]),
        ("Forgejo", &[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("FORGEJO_ACTIONS", "true")]),
        ("Gitea", &[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true")]),
        ("GitLab", &[("GITLAB_CI", "true")]),
        ("Azure Pipelines", &[("TF_BUILD", "True"), ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.com/o/p/oidctoken")]),
        ("Azure Pipelines, an old server", &[("TF_BUILD", "True")]),
        ("CircleCI", &[("CIRCLECI", "true")]),
        ("Buildkite", &[("BUILDKITE", "true")]),
        ("Bitbucket", &[("BITBUCKET_BUILD_NUMBER", "1")]),
        ("Jenkins", &[("JENKINS_URL", "https://ci.example/")]),
        ("Harness", &[("HARNESS_BUILD_ID", "1"), ("DRONE", "true")]),
        ("Drone", &[("DRONE", "true")]),
        ("Semaphore", &[("SEMAPHORE", "true")]),
        ("Spacelift", &[("TF_VAR_spacelift_run_id", "1")]),
        ("HCP Terraform", &[("TFC_RUN_ID", "run-1")]),
        ("Codefresh", &[("CF_BUILD_ID", "1")]),
        ("Woodpecker", &[("CI", "woodpecker")]),
        ("TeamCity", &[("TEAMCITY_VERSION", "2026.1")]),
        ("Travis", &[("TRAVIS", "true")]),
        ("AppVeyor", &[("APPVEYOR", "True")]),
        ("AWS CodeBuild", &[("CODEBUILD_BUILD_ID", "b:1")]),
        ("Google Cloud Build", &[("BUILDER_OUTPUT", "/builder/outputs")]),
        ("another CI", &[]),
    ];
    tells!(together(jobs.iter().map(|(title, environment)| ((*title).to_owned(), create(&job(environment), &[])))));
}

#[test]
fn the_audience_that_was_asked_for_is_in_the_lines_to_add() {
    for (environment, line) in [
        (("GITLAB_CI", "true"), "id_tokens: { JF_ID_TOKEN: { aud: our-ci } }"),
        (("BITBUCKET_BUILD_NUMBER", "1"), "oidc: { audiences: [our-ci] }"),
        (("TFC_RUN_ID", "1"), "TFC_WORKLOAD_IDENTITY_AUDIENCE=our-ci"),
        (("TF_BUILD", "True"), "leave --oidc-audience out, and let the platform's provider take api://AzureADTokenExchange"),
    ] {
        let ran = create(&job(&[environment]), &["--oidc-audience", "our-ci"]);
        assert!(ran.code == 3 && ran.stderr.contains(line), "{}", ran.story);
    }
}

#[test]
fn only_a_run_for_a_pull_request_of_a_fork_is_told_that_it_never_gets_one() {
    let event = |base: &str, head: &str| format!(r#"{{"pull_request": {{"base": {{"repo": {base}}}, "head": {{"repo": {head}}}}}}}"#);
    let mut scene = job(&[("GITHUB_ACTIONS", "true")]);
    let path = scene.path("event.json");
    scene.set("GITHUB_EVENT_PATH", path.to_str().unwrap());
    for (name, event, is_fork) in [
        ("pull_request", event(r#"{"id": 1}"#, r#"{"id": 2}"#), true),
        ("pull_request_review", event(r#"{"id": 1}"#, "null"), true),
        ("pull_request", event(r#"{"id": 1}"#, r#"{"id": 1}"#), false),
        ("pull_request_target", event(r#"{"id": 1}"#, r#"{"id": 2}"#), false),
        ("push", "{}".into(), false),
        ("pull_request", "no JSON".into(), false),
    ] {
        scene.set("GITHUB_EVENT_NAME", name).write("event.json", &event);
        let ran = create(&scene, &[]);
        assert_eq!(ran.stderr.contains("pull request from a fork"), is_fork, "{name} {event}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("id-token: write"), !is_fork, "{name} {event}: {}", ran.stderr);
    }
}

#[test]
fn the_variable_of_the_ci_is_used_and_the_message_says_where_its_audience_is_set() {
    let jobs: &[(&[(&str, &str)], &str)] = &[
        (&[("GITLAB_CI", "true")], "ANY_ID_TOKEN"),
        (&[("BITBUCKET_BUILD_NUMBER", "1")], "BITBUCKET_STEP_OIDC_TOKEN"),
        (&[("HARNESS_BUILD_ID", "1")], "PLUGIN_OIDC_TOKEN_ID"),
        (&[("DRONE", "true")], "PLUGIN_OIDC_TOKEN_ID"),
        (&[("SEMAPHORE", "true")], "SEMAPHORE_OIDC_TOKEN"),
        (&[("TF_VAR_spacelift_run_id", "1")], "SPACELIFT_OIDC_TOKEN"),
        (&[("TFC_RUN_ID", "run-1")], "TFC_WORKLOAD_IDENTITY_TOKEN_JFROG"),
        (&[("CF_BUILD_ID", "1")], "ID_TOKEN"),
    ];
    let runs = jobs.iter().map(|(environment, variable)| {
        let mut scene = job(environment);
        scene.set(variable, &identity_token("theirs"));
        ((*variable).to_owned(), create(&scene, &["--oidc-audience", "ours"]))
    });
    tells!(together(runs));
}

#[test]
fn several_id_tokens_of_a_gitlab_job_are_named_and_none_is_guessed() {
    let mut scene = job(&[("GITLAB_CI", "true")]);
    let token = identity_token("ours");
    scene.set("VAULT_ID_TOKEN", &token).set("SIGSTORE_ID_TOKEN", &token);
    tells!(create(&scene, &[]));
    scene.set("JF_ID_TOKEN", &token);
    assert!(!create(&scene, &[]).stderr.contains("several"));
}

#[test]
fn the_ci_is_asked_by_its_own_request() {
    // The sandbox has no such page, and keeps the request.
    let given = |environment: &[(&str, &str)]| {
        let mut scene = job(environment);
        for (name, value) in environment {
            let here = value.replace("https://here", &scene.sandbox.url());
            scene.set(name, &here);
        }
        scene
    };
    let requests = [
        (
            &[("GITHUB_ACTIONS", "true"), ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://here/github?api-version=2.0")][..],
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        ),
        (
            &[("FORGEJO_ACTIONS", "true"), ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://here/forgejo?placeholder=true")],
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        ),
        (&[("TF_BUILD", "True"), ("SYSTEM_OIDCREQUESTURI", "https://here/azure/oidctoken")], "SYSTEM_ACCESSTOKEN"),
        (&[("CF_BUILD_ID", "1"), ("CF_OIDC_REQUEST_URL", "https://here/codefresh")], "CF_OIDC_REQUEST_TOKEN"),
    ];
    let mut all = String::new();
    for (environment, bearer) in requests {
        let mut scene = given(environment);
        scene.set(bearer, "the-job-s-own-right");
        let audience: &[&str] = if bearer.starts_with("SYSTEM") { &[] } else { &["--oidc-audience", "our ci"] };
        let ran = create(&scene, audience);
        let is_mask = |line: &&str| line.starts_with("::add-mask::");
        assert!(ran.stderr.lines().filter(|line| !is_mask(line)).all(|line| !line.contains("the-job-s-own-right")), "{}", ran.stderr);
        all += &ran.story[ran.story.find("--- request").unwrap()..];
    }
    tells!(Ran { code: 0, stdout: String::new(), stderr: String::new(), story: all });
}

/// A job in which these programs of a CI note their arguments and print an identity token.
#[cfg(unix)]
fn with_programs(environment: &[(&str, &str)], token: &str) -> Scene {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = job(environment);
    std::fs::create_dir(scene.path("bin")).unwrap();
    let notes = scene.path("notes");
    for name in ["buildkite-agent", "circleci", "hcli"] {
        let script = format!("#!/bin/sh\nprintf '%s|' {name} \"$@\" >> '{}'\necho '{token}'\n", notes.display());
        let path = scene.write(&format!("bin/{name}"), &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        scene.asks_for(&format!("bin/{name}"));
    }
    let bin = scene.path("bin");
    scene.set("PATH", bin.to_str().unwrap());
    scene
}

#[test]
#[cfg(unix)]
fn the_ci_s_own_program_is_run_with_the_audience() {
    let token = identity_token("our ci");
    for (environment, ran) in [
        (&[("BUILDKITE", "true"), ("BUILDKITE_AGENT_ACCESS_TOKEN", "x")][..], "buildkite-agent|oidc|request-token|--audience|our ci|"),
        (&[("CIRCLECI", "true"), ("CIRCLE_OIDC_TOKEN_V2", "a.b.c")], r#"circleci|run|oidc|get|--claims|{"aud":"our ci"}|"#),
        (&[("HARNESS_WI_HANDLE", "h"), ("HARNESS_WI_MINT_URL", "unix:///s")], "hcli|identity|token|--name|jfrog|--audience|our ci|"),
    ] {
        let scene = with_programs(environment, &token);
        create(&scene, &["--oidc-audience", "our ci"]);
        assert_eq!(scene.read("notes"), ran);
    }
}

#[test]
#[cfg(unix)]
fn a_program_of_the_ci_that_fails_is_quoted_with_what_else_could_be_done() {
    let jobs: &[&[(&str, &str)]] = &[
        &[("BUILDKITE", "true"), ("BUILDKITE_AGENT_ACCESS_TOKEN", "x")],
        &[("CIRCLECI", "true"), ("CIRCLE_OIDC_TOKEN_V2", "a.b.c")],
        &[("HARNESS_WI_HANDLE", "h"), ("HARNESS_WI_MINT_URL", "unix:///s")],
    ];
    let runs = jobs.iter().map(|environment| {
        let scene = with_programs(environment, "");
        for name in ["buildkite-agent", "circleci", "hcli"] {
            scene.write(&format!("bin/{name}"), "#!/bin/sh\necho 'unknown identity' >&2\nexit 1\n");
        }
        (environment[0].0.to_owned(), create(&scene, &["--oidc-audience", "ours"]))
    });
    tells!(together(runs));
}

#[test]
#[cfg(unix)]
fn the_way_of_each_ci_ends_with_an_access_token() {
    let issuer = sandbox::Issuer::start();
    let token = issuer.gitlab_token("ours");
    let asked = |environment: [(&'static str, String); 2]| environment.to_vec();
    let given = |name: &'static str| vec![(name, token.clone())];
    let program = |environment: &[(&'static str, &str)]| environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let jobs: [(_, Vec<_>); 12] = [
        ("FORGEJO_ACTIONS", asked(issuer.forgejo_env())),
        ("TF_BUILD", asked(issuer.azure_env())),
        ("BUILDKITE", program(&[("BUILDKITE_AGENT_ACCESS_TOKEN", "x")])),
        ("HARNESS_BUILD_ID", program(&[("HARNESS_WI_HANDLE", "h"), ("HARNESS_WI_MINT_URL", "unix:///s")])),
        ("CIRCLECI", given("CIRCLE_OIDC_TOKEN_V2")),
        ("GITLAB_CI", given("ANY_ID_TOKEN")),
        ("BITBUCKET_BUILD_NUMBER", given("BITBUCKET_STEP_OIDC_TOKEN")),
        ("DRONE", given("PLUGIN_OIDC_TOKEN_ID")),
        ("SEMAPHORE", given("SEMAPHORE_OIDC_TOKEN")),
        ("TF_VAR_spacelift_run_id", given("SPACELIFT_OIDC_TOKEN")),
        ("TFC_RUN_ID", given("TFC_WORKLOAD_IDENTITY_TOKEN")),
        ("CF_BUILD_ID", given("ID_TOKEN")),
    ];
    for (sign, environment) in jobs {
        let mut scene = with_programs(&[(sign, "true")], &token);
        scene.sandbox.trust("p", &issuer, serde_json::json!({"username": "deployer"}));
        scene.identity(issuer.bearer());
        for (name, value) in environment {
            scene.set(name, &value);
        }
        let ran = create(&scene, &[]);
        assert!(ran.code == 0 && scene.sandbox.issued()[0].live, "{sign}: {}", ran.story);
    }
}

#[test]
fn the_exchange_says_which_job_asks_as_jfrog_s_own_tools_do() {
    let mut scene = job(&[
        ("GITLAB_CI", "true"),
        ("CI_JOB_NAME", "publish"),
        ("CI_PIPELINE_ID", "12"),
        ("CI_PROJECT_URL", "https://gitlab.example/o/r"),
        ("CI_COMMIT_SHA", "ab12"),
        ("CI_COMMIT_REF_NAME", "main"),
        ("JFROG_CLI_CI_RUN_ID", "13"),
    ]);
    scene.set("JF_ID_TOKEN", &identity_token("ours"));
    let ran = create(&scene, &[]);
    for pair in [
        r#""job_id":"publish""#,
        // jf's own variable comes first.
        r#""run_id":"13""#,
        r#""repo":"https://gitlab.example/o/r""#,
        r#""revision":"ab12""#,
        r#""branch":"main""#,
    ] {
        assert!(ran.story.contains(pair), "{pair}: {}", ran.story);
    }
}

#[test]
fn two_jobs_of_a_known_ci_on_one_machine_have_two_sessions() {
    for (sign, apart) in [
        ("TF_BUILD", "SYSTEM_PLANID"),
        ("CIRCLECI", "CIRCLE_WORKFLOW_JOB_ID"),
        ("BUILDKITE", "BUILDKITE_JOB_ID"),
        ("JENKINS_URL", "BUILD_TAG"),
        ("DRONE", "DRONE_BUILD_NUMBER"),
        ("SEMAPHORE", "SEMAPHORE_JOB_ID"),
        ("TRAVIS", "TRAVIS_JOB_ID"),
    ] {
        let mut scene = Scene::new();
        for number in ["41", "42"] {
            scene.set("CI", "true").set(sign, "true").set(apart, number);
            assert_eq!(scene.run(&["create", "--expiry", "1h", "--force-revocable"]).code, 0);
        }
        assert_eq!(scene.run(&["revoke"]).code, 0);
        let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
        assert_eq!(live, [true, false], "{sign}");
    }
}

#[test]
fn an_address_for_identity_tokens_that_the_ci_never_set_is_named_and_its_password_is_not_shown() {
    let github = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", ("GITHUB_ACTIONS", "true"));
    let azure = ("SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN", ("TF_BUILD", "True"));
    for (variable, bearer, sign) in [github, azure] {
        for url in ["relative/path", "ftp://x.example/y", "https://user:a-password@127.0.0.1:1/x", "http://x.example/", "data:text/plain,x"]
        {
            let ran = create(&job(&[sign, (variable, url), (bearer, "bearer")]), &["--retry-for", "0", "--verbose"]);
            assert!(ran.code == 3 && ran.stderr.contains(variable), "{url}: {}", ran.story);
            assert!(!ran.stderr.contains("a-password") && !ran.stderr.contains("acme.jfrog.io"), "{url}: {}", ran.stderr);
        }
    }
}
