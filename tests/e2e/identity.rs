//! The CI's identity token as the credential, with real peers: an OIDC provider that is not ours, GitHub's own client, and the runners.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sandbox::{Issuer, Recorded, Sandbox};
use serde_json::{Value, json};

use crate::act::{LONG, end, job, run, start_without_secrets, write_action};
use crate::gitlab::run_without_secrets;
use crate::peers::{Ended, Running, USE, node, used, write, write_publish_script};
use crate::support::documents::{blocks_under, recipe};
use crate::support::{Ran, Scene};

const EXCHANGE: &str = "POST /access/api/v1/oidc/token";
const MINT: &str = "POST /access/api/v1/tokens";

/// oidc-provider, whose access tokens serve as identity tokens, as those of any issuer may.
struct Provider {
    url: String,
    running: Running,
}

impl Provider {
    fn start(scene: &Scene) -> Self {
        let mut node = node(scene, "oidc-provider", include_str!("oidc-provider.mjs"));
        node.env("CLIENT_SECRET", scene.variable("CLIENT_SECRET"));
        let mut running = Running::start(node, &scene.path("log"));
        running.wait_for_line("listening on http://");
        let url = running.log().lines().find_map(|line| line.strip_prefix("listening on ").map(str::to_owned)).unwrap();
        Self { url, running }
    }

    /// The shell command that asks it for a token for this audience.
    fn command(&self, audience: &str) -> String {
        format!(
            "curl -sS --fail -u \"ci:$CLIENT_SECRET\" -d grant_type=client_credentials -d resource={audience} {}/token \
             | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'",
            self.url
        )
    }

    /// How many tokens it has issued.
    fn issued(&self) -> usize {
        self.running.log().matches("a token").count()
    }
}

/// A scene without a stored secret, whose platform trusts oidc-provider for `urn:jfrog` and for one repository.
fn provided() -> (Scene, Provider) {
    let mut scene = Scene::new();
    scene.unset("JF_ACCESS_TOKEN").set("PATH", &std::env::var("PATH").unwrap());
    scene.set("CLIENT_SECRET", "secret-of-the-client-of-the-test").set("JF_TOKEN_OIDC_PROVIDER", "ours").set("JF_TOKEN_SESSION", "s");
    let provider = Provider::start(&scene);
    for (name, repository) in [("ours", "octo/app"), ("theirs", "octo/other")] {
        scene.sandbox.add_provider(json!({"name": name, "issuer_url": provider.url, "audience": "urn:jfrog", "identity_mappings": [
            {"name": "app", "claims": {"repository": repository}, "token_spec": {"username": "deployer"}}]}));
    }
    (scene, provider)
}

/// The requests to the platform: method and path.
fn sent(ran: &Ran) -> Vec<&str> {
    ran.story.lines().filter_map(|line| line.strip_prefix("--- request ")).collect()
}

#[test]
fn a_token_of_another_issuer_is_exchanged_and_renewed_by_its_command() {
    let (mut scene, provider) = provided();
    scene.set("JF_TOKEN_OIDC_TOKEN_COMMAND", &provider.command("urn:jfrog"));
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
    assert_eq!((scene.sandbox.issued()[0].username.as_str(), scene.last_subject().as_str()), ("deployer", "ci"));
    for number in 2..4 {
        let ran = scene.run_at((number - 1) * 61_000, &["get"]);
        assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
        assert_eq!(ran.stdout.trim(), scene.sandbox.issued().last().unwrap().access_token);
        assert_eq!(provider.issued(), usize::try_from(number).unwrap(), "each renewal asks for a new identity token");
    }
}

#[test]
fn a_token_of_another_issuer_is_taken_from_a_file_whatever_its_type() {
    let (mut scene, provider) = provided();
    scene.asks_for("work/id");
    assert!(scene.shell(&format!("{} > id", provider.command("urn:jfrog"))).status.success());
    let header = scene.read("work/id").split_once('.').unwrap().0.to_owned();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    assert_eq!(header["typ"], "at+jwt");
    let ran = scene.run(&["create", "--oidc-token-file", "id", "--oidc-audience", "urn:jfrog"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE], "{}", ran.story);
    let ran = scene.run(&["create", "--oidc-token-file", "id", "--expiry", "1h", "--force-revocable"]);
    assert!(ran.code == 0 && sent(&ran) == [EXCHANGE, MINT], "{}", ran.story);
    assert_eq!(provider.issued(), 1);
}

#[test]
fn a_token_of_another_issuer_that_is_not_for_the_platform_is_refused_and_its_claims_are_shown() {
    let (scene, provider) = provided();
    let create = |provider_name: &str, audience: &str| {
        let command = provider.command(audience);
        scene.run(&["create", "--retry-for", "0", "--oidc-provider", provider_name, "--oidc-token-command", &command])
    };
    let ran = create("ours", "urn:other");
    assert!(ran.code == 4 && sent(&ran) == [EXCHANGE], "{}", ran.story);
    for part in ["The provider 'ours' wants another audience", "aud=urn:other", &format!("iss={}", provider.url), "sub=ci"] {
        assert!(ran.stderr.contains(part), "{part}: {}", ran.stderr);
    }
    let ran = create("theirs", "urn:jfrog");
    assert!(ran.code == 4 && ran.stderr.contains("the claims of an identity mapping match"), "{}", ran.story);
    // The audience that was asked for is compared before anything is sent.
    let command = provider.command("urn:other");
    let ran = scene.run(&["create", "--oidc-token-command", &command, "--oidc-audience", "urn:jfrog"]);
    assert!(ran.code == 3 && sent(&ran).is_empty() && ran.stderr.contains("'urn:other', not for 'urn:jfrog'"), "{}", ran.story);
}

/// The requests for an identity token, as far as they are the client's choice.
fn asked(issuer: &Issuer) -> Vec<(String, String, Option<String>)> {
    let header = |request: &Recorded| request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone());
    let asked = issuer.requests().into_iter().filter(|request| request.path.contains("/id?"));
    asked.map(|request| (request.method.clone(), request.path.clone(), header(&request))).collect()
}

/// GitHub's own client. It prints the token by a workflow command.
const GET_ID_TOKEN: &str = "import { getIDToken } from '@actions/core';\nawait getIDToken(process.argv[2]);\n";

#[test]
fn the_ci_is_asked_exactly_as_githubs_own_client_asks() {
    let issuer = Issuer::start();
    for variables in [issuer.github_env(), issuer.forgejo_env()] {
        let mut scene = Scene::github();
        scene.vouched_for(&issuer, json!({"username": "deployer"}));
        for (name, value) in &variables {
            scene.set(name, value);
        }
        for audience in [
            None,
            Some("jfrog"),
            Some("https://acme.jfrog.io/a?b=c&d#e"),
            Some("jf rog & co + %20"),
            Some("it's (all) fine, ~yes!*"),
            Some("grüße/日本語 🐸"),
        ] {
            let mut reference = node(&scene, "get-id-token", GET_ID_TOKEN);
            let output = reference.envs(variables.clone()).args(audience).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let expected = asked(&issuer);
            issuer.clear_requests();
            let arguments = audience.map(|audience| ["--oidc-audience", audience]);
            let ran = scene.run(
                &[&["create", "--oidc-provider", "github"], arguments.iter().flatten().copied().collect::<Vec<_>>().as_slice()].concat(),
            );
            assert_eq!(ran.code, 0, "{}", ran.story);
            assert_eq!((asked(&issuer), expected.len()), (expected.clone(), 1));
            assert_eq!(expected[0].2, Some(format!("Bearer {}", issuer.bearer())));
            issuer.clear_requests();
        }
    }
}

/// A platform that can revoke even a short-lived token, so that its end is a request.
fn revoking() -> Scene {
    Scene::with(Sandbox::builder().revocable_threshold(0))
}

/// Starts a job for which nothing is stored, and which may ask the issuer for an identity token, if there is one.
fn github_job(scene: &Scene, issuer: Option<&Issuer>, inputs: &str, script: &str) -> Ended {
    write_action(scene, "work", Some("target/debug/jf-token"));
    write(scene, "work/.gitignore", "/target\n");
    let step = format!(
        "      - uses: actions/checkout@v4\n      - id: jfrog\n        uses: ./\n        \
         with: {{url: '${{{{ vars.JF_URL }}}}', oidc-provider: github{inputs}}}\n"
    );
    let workflow = job(&[step, run(script)]).replace("    steps:\n", "    permissions: {id-token: write, contents: read}\n    steps:\n");
    let variables: Vec<_> = issuer.into_iter().flat_map(Issuer::github_env).map(|(name, value)| format!("{name}={value}")).collect();
    let given = variables.iter().flat_map(|variable| ["--env", variable]);
    let arguments: Vec<_> = ["--use-gitignore=false"].into_iter().chain(given).collect();
    let ended = end(scene, start_without_secrets(scene, &workflow, &arguments));
    let left = ended.log.lines().find(|line| line.contains("left behind: ")).unwrap();
    // The checkout of the action itself stays.
    let ours =
        |path: &&str| !["/action", ".js", "/action.yml", "/target", "/debug", "/debug/jf-token"].iter().any(|end| path.ends_with(end));
    assert_eq!(left.split(' ').skip_while(|word| *word != "behind:").skip(1).filter(ours).collect::<Vec<_>>(), [""; 0], "{}", ended.log);
    ended
}

/// The requests to the platform's token API, method and path.
fn sent_by(scene: &Scene) -> Vec<String> {
    let requests = scene.sandbox.requests().into_iter().filter(|request| request.path.starts_with("/access/"));
    requests.map(|request| format!("{} {}", request.method, request.path)).collect()
}

/// The tokens with which a revocation was requested, in order.
fn ended_with(scene: &Scene) -> Vec<String> {
    let requests = scene.sandbox.requests().into_iter().filter(|request| request.method == "DELETE");
    let headers = requests.flat_map(|request| request.headers).filter(|(name, _)| name == "authorization");
    headers.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned()).collect()
}

#[test]
fn a_github_job_without_a_stored_secret_gets_a_token_that_its_end_revokes() {
    let (mut scene, issuer) = (revoking(), Issuer::start());
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let ended = github_job(&scene, Some(&issuer), "", &format!("{USE}\necho \"it is $TOKEN.\""));
    ended.succeeded().says("answer 200").says("it is ***.");
    let token = scene.sandbox.issued()[0].access_token.clone();
    assert_eq!((used(&scene), ended_with(&scene)), (vec![(token.clone(), false)], vec![token]), "{}", ended.log);
    assert_eq!((sent_by(&scene)[0].as_str(), asked(&issuer).len()), (EXCHANGE, 1));
}

#[test]
fn the_recipes_for_github_without_a_stored_secret_work_as_they_stand_there() {
    for recipe in [recipe("README.md", "GitHub Actions"), recipe("docs/coming-from-setup-jfrog-cli.md", "Only for a token")] {
        let (mut scene, issuer) = (revoking(), Issuer::start());
        scene.vouched_for(&issuer, json!({"username": "deployer"}));
        write_publish_script(&scene, "");
        let variables = issuer.github_env().map(|(name, value)| format!("{name}={value}"));
        let arguments: Vec<_> = variables.iter().flat_map(|variable| ["--env", variable]).collect();
        let workflow = format!("on: push\n{recipe}");
        end(&scene, start_without_secrets(&scene, &workflow, &arguments)).succeeded().says("answer 200");
        let token = scene.sandbox.issued()[0].access_token.clone();
        assert_eq!((used(&scene), ended_with(&scene)), (vec![(token.clone(), false)], vec![token]));
    }
}

#[test]
fn the_commands_for_an_admin_let_the_right_job_in_and_no_other() {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    let commands = blocks_under("docs/identity-tokens.md", "What the platform must be told", "sh").concat();
    let script = format!("set -e\n{commands}\n").replace("https://token.actions.githubusercontent.com", &issuer.url());
    let script = script.replace("https://gitlab.com", &issuer.url());
    let token = scene.sandbox.admin_token().to_owned();
    scene.set("ADMIN_TOKEN", &token);
    let done = scene.shell(&script);
    assert!(done.status.success(), "{done:?}");
    scene.unset("ADMIN_TOKEN").unset("JF_ACCESS_TOKEN");
    for (name, value) in issuer.github_env() {
        scene.set(name, &value);
    }
    let create = |scene: &Scene, provider: &str| scene.run(&["create", "--retry-for", "0", "--oidc-provider", provider]).code;
    issuer.set_claims(json!({"repository": "acme/app", "ref": "refs/heads/main", "event_name": "push"}));
    assert_eq!(create(&scene, "github"), 0);
    issuer.set_claims(json!({"ref": "refs/heads/feature"}));
    assert_eq!(create(&scene, "github"), 4);
    for (project, code) in [("acme/app", 0), ("fork/app", 4)] {
        issuer.set_claims(json!({"project_path": project, "ref": "main", "ref_type": "branch", "ref_protected": "true"}));
        scene.set("ID", &issuer.gitlab_token("https://acme.jfrog.io"));
        let ran = scene.run(&["create", "--oidc-provider", "gitlab", "--oidc-token-var", "ID"]);
        assert_eq!(ran.code, code, "{project}: {}", ran.story);
    }
}

#[test]
fn a_github_job_that_outlives_its_exchanged_token_is_kept_fresh_by_exchanges() {
    let (mut scene, issuer) = (revoking(), Issuer::start());
    scene.vouched_for(&issuer, json!({"username": "deployer", "expires_in": 3}));
    let ended = github_job(&scene, Some(&issuer), ", token-file: token, keep-fresh: true", &LONG.replace("USE", USE));
    ended.succeeded().says("got ***");
    assert_eq!(ended.log.matches("answer 200").count(), 16, "{}", ended.log);
    let (tokens, sent) = (scene.sandbox.issued(), sent_by(&scene));
    assert!(tokens.len() >= 4, "{} tokens\n{}", tokens.len(), ended.log);
    assert_eq!((sent.iter().filter(|sent| *sent == EXCHANGE).count(), asked(&issuer).len()), (tokens.len(), tokens.len()));
    assert!(!sent.iter().any(|sent| sent == MINT), "{sent:?}");
    assert!(ended_with(&scene).contains(&tokens.last().unwrap().access_token), "{}", ended.log);
    assert_eq!(scene.keepers(), 0, "{}", ended.log);
}

#[test]
fn a_github_job_that_wants_what_only_a_mint_gives_mints_with_the_exchanged_token() {
    let (mut scene, issuer) = (Scene::new(), Issuer::start());
    scene.vouched_for(&issuer, json!({"username": "deployer"}));
    let ended = github_job(&scene, Some(&issuer), ", expiry: 1h, force-revocable: true", USE);
    ended.succeeded().says("answer 200");
    let minted = scene.sandbox.issued()[1].clone();
    assert_eq!((used(&scene), minted.expires_in), (vec![(minted.access_token.clone(), false)], Some(3600)));
    assert_eq!(sent_by(&scene), [EXCHANGE, MINT, "DELETE /access/api/v1/tokens/me"]);
    assert_eq!(ended_with(&scene), [minted.access_token]);
}

#[test]
fn a_github_job_that_may_not_ask_for_an_identity_token_is_told_which_permission_it_lacks() {
    let mut scene = Scene::new();
    scene.vouched_for(&Issuer::start(), json!({"username": "deployer"}));
    let ended = github_job(&scene, None, "", USE);
    ended.failed().says("id-token: write").never_says("answer");
    assert_eq!(ended.log.matches("::error").count(), 1, "{}", ended.log);
    assert!(sent_by(&scene).is_empty());
}

/// Runs a job of GitLab whose identity token is in a variable: gitlab-ci-local takes `id_tokens`, but sets none.
fn gitlab_job(recipe: &str, last: &str) -> Ended {
    let (scene, issuer) = (revoking(), Issuer::start());
    scene.sandbox.add_provider(json!({"name": "gitlab", "issuer_url": issuer.url(), "audience": "jfrog", "identity_mappings": [
        {"name": "app", "claims": {"project_path": "octo/app"}, "token_spec": {"username": "deployer"}}]}));
    let token = issuer.gitlab_token("jfrog");
    scene.identity(&token);
    let ended = run_without_secrets(&scene, recipe, last, &["--variable", &format!("JF_ID_TOKEN={token}")]);
    let [token] = scene.sandbox.issued().try_into().unwrap();
    assert_eq!((token.username.as_str(), &sent_by(&scene)[0][..]), ("deployer", EXCHANGE));
    assert_eq!(used(&scene), [(token.access_token.clone(), false)]);
    assert_eq!(ended_with(&scene), [token.access_token], "{}", ended.log);
    ended
}

#[test]
fn a_gitlab_job_exchanges_its_identity_token_and_its_after_script_revokes_what_came() {
    let recipe = "publish:
  id_tokens:
    JF_ID_TOKEN:
      aud: jfrog
  script:
    - jf-token create --oidc-provider gitlab --oidc-token-var JF_ID_TOKEN --output-file jf.env
    - set -a; . ./jf.env; set +a
    - ./publish.sh
  after_script:
    - jf-token revoke
";
    gitlab_job(recipe, "").succeeded();
    gitlab_job(recipe, "exit 1").failed();
}

#[test]
fn the_readmes_recipe_for_gitlab_runs_its_program_by_exec_without_the_identity_token() {
    let recipe = &recipe("README.md", "GitLab CI");
    let print = "echo \"identity [$JF_ID_TOKEN] token [$JF_ACCESS_TOKEN]\"";
    gitlab_job(recipe, print).succeeded().says("identity [] token [***]");
    gitlab_job(recipe, "exit 1").failed();
}
