//! The action in GitHub workflows, run locally by act.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use sandbox::Fault;

use crate::peers::{Ended, Running, USE, command, commit, search_the_disk, tool, used, write, write_publish_script};
use crate::repository::Repository;
use crate::support::documents::recipe;
use crate::support::{BINARY, Scene};

/// How workflows name the action.
const ACTION: &str = concat!("acme/jf-token@v", env!("CARGO_PKG_VERSION_MAJOR"));

/// A job whose first step is a witness: its post step runs last, and prints what the other steps left behind.
pub fn job(steps: &[String]) -> String {
    format!("on: push\njobs:\n  job:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: acme/witness@v1\n{}", steps.concat())
}

/// A step that uses the action with these inputs and the required ones.
fn action(id: &str, inputs: &str) -> String {
    uses(ACTION, id, inputs)
}

fn uses(action: &str, id: &str, inputs: &str) -> String {
    let expiry = if inputs.contains("expiry") { "" } else { "expiry: 1h, " };
    format!(
        "      - id: {id}\n        uses: {action}\n        with: {{url: '${{{{ vars.JF_URL }}}}', access-token: '${{{{ secrets.JF_ACCESS_TOKEN }}}}', \
         {expiry}force-revocable: true, {inputs}}}\n"
    )
}

/// A step that runs a script with the token of the step `jfrog`.
pub fn run(script: &str) -> String {
    let script = script.replace('\n', "\n          ");
    format!(
        "      - env: {{TOKEN: '${{{{ steps.jfrog.outputs.access-token }}}}', URL: '${{{{ vars.JF_URL }}}}'}}\n        run: |\n          {script}\n"
    )
}

/// The action of a release, with this program: what a runner unpacks of the commit that `.github/release` makes.
fn released() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
        let target = format!("{}-{machine}", if cfg!(target_os = "macos") { "darwin" } else { "linux" });
        let repository = Repository::new(env!("CARGO_PKG_VERSION"));
        repository.place(&target, "");
        let binary = repository.path(&format!("work/target/bin/jf-token-{target}"));
        // Without what is for debuggers, because act copies the action for each job.
        assert!(Command::new("strip").arg("-o").arg(binary).arg(BINARY).status().unwrap().success());
        repository.notice();
        let commit = repository.release(&["commit"]).succeeded();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let unpack = "git archive \"$1\" | tar -x -C \"$2\"";
        repository.run("sh", &["-c", unpack, "sh", &commit, folder.to_str().unwrap()]).succeeded();
        folder
    })
}

/// Writes the files of a checkout of the action, and its binary to this path, if any.
pub fn write_action(scene: &Scene, folder: &str, binary: Option<&str>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["action.yml", "action/main.js", "action/post.js"] {
        write(scene, &format!("{folder}/{name}"), &fs::read_to_string(root.join(name)).unwrap());
    }
    if let Some(binary) = binary {
        let binary = scene.path(folder).join(binary);
        fs::create_dir_all(binary.parent().unwrap()).unwrap();
        symlink(BINARY, binary).unwrap();
    }
}

const WITNESS: &str = r"
const { readdirSync } = require('node:fs');
const { join } = require('node:path');
const below = (folder) => readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.git')).flatMap(
  (entry) => [join(folder, entry.name), ...(entry.isDirectory() ? below(join(folder, entry.name)) : [])]);
console.log(`left behind: ${[process.env.RUNNER_TEMP, process.env.GITHUB_WORKSPACE].flatMap(below).join(' ') || 'nothing'}`);
";

/// A composite action with inputs of the same names. Runners hand them to its `run:` step as well.
const WRAPPER: &str = r#"
name: wrapper
description: wrapper
inputs: {expiry: {description: e}, force-revocable: {description: f}, group: {description: g}}
runs:
  using: composite
  steps:
    - id: jfrog
      uses: ACTION
      with: {url: '${{ env.URL }}', access-token: '${{ env.CREDENTIAL }}', expiry: 1h, force-revocable: '${{ inputs.force-revocable }}'}
    - shell: bash
      env: {JF_URL: '${{ env.URL }}', JF_ACCESS_TOKEN: '${{ env.CREDENTIAL }}'}
      run: |
        jf-token create --session step --expiry 2h --force-revocable
        jf-token revoke --session step
        echo "the step is done"
"#;

pub fn start(scene: &Scene, workflow: &str, arguments: &[&str]) -> Running {
    let secret = format!("JF_ACCESS_TOKEN={}", scene.sandbox.admin_token());
    start_without_secrets(scene, workflow, &[&["-s", &secret], arguments].concat())
}

/// Starts a job for which nothing is stored.
pub fn start_without_secrets(scene: &Scene, workflow: &str, arguments: &[&str]) -> Running {
    let metadata = "name: witness\ndescription: witness\nruns: {using: node24, main: main.js, post: post.js, post-if: always()}\n";
    for (name, text) in [("action.yml", metadata), ("main.js", ""), ("post.js", WITNESS)] {
        write(scene, &format!("witness/{name}"), text);
    }
    write(scene, "wrapper/action.yml", &WRAPPER.replace("ACTION", ACTION));
    write(scene, "work/.github/workflows/e2e.yml", workflow);
    commit(scene);
    let mut act = command(scene, &tool("act"));
    // Without these, act looks for updates online, and opens a port on an external address.
    act.env("ACT_DISABLE_VERSION_CHECK", "1").args(["push", "--no-cache-server", "-P", "ubuntu-latest=-self-hosted"]);
    let ours = released().to_owned();
    for (name, folder) in [(ACTION, ours), ("acme/witness@v1", scene.path("witness")), ("acme/wrapper@v1", scene.path("wrapper"))] {
        act.arg("--local-repository").arg(format!("{name}={}", folder.display()));
    }
    act.args(["--var", &format!("JF_URL={}", scene.sandbox.url())]).args(arguments);
    Running::start(act, &scene.path("log"))
}

/// Ends a job with no live token left, and checks what must hold then.
pub fn end(scene: &Scene, running: Running) -> Ended {
    let ended = end_alive(scene, running);
    search_the_disk(scene);
    ended
}

/// Ends a job, and checks what must hold after every job.
fn end_alive(scene: &Scene, running: Running) -> Ended {
    let ended = running.end();
    let printed = printed(&ended.log);
    for secret in scene.secrets() {
        let signature = secret.rsplit('.').next().unwrap();
        assert!(!readable(&ended.log, signature, 48) && !readable(&printed, signature, 48), "the log shows a secret:\n{}", ended.log);
    }
    ended
}

fn act(scene: &Scene, steps: &[String]) -> Ended {
    end(scene, start(scene, &job(steps), &[]))
}

/// What the steps printed, without line breaks.
fn printed(log: &str) -> String {
    log.lines().filter_map(|line| line.split_once("]   | ")).map(|(_, text)| text).collect()
}

/// Whether the text contains this many consecutive characters of the secret.
fn readable(text: &str, secret: &str, length: usize) -> bool {
    (0..(secret.len() + 1).saturating_sub(length)).any(|start| text.contains(&secret[start..start + length]))
}

/// The ids of the tokens whose revocation was requested, in order.
fn revoked(scene: &Scene) -> Vec<String> {
    let requests = scene.sandbox.requests().into_iter().filter(|request| request.method == "DELETE");
    requests.map(|request| request.path.rsplit('/').next().unwrap().to_owned()).collect()
}

/// Checks that one token was minted and revoked once, and that nothing is left of it.
fn came_and_went(scene: &Scene, ended: &Ended) {
    let issued = scene.sandbox.issued();
    assert_eq!(issued.iter().map(|issued| issued.token_id.clone()).collect::<Vec<_>>(), revoked(scene), "{}", ended.log);
    assert!(issued.len() == 1 && !issued[0].live, "the token outlived the job:\n{}", ended.log);
    ended.says("left behind: nothing");
}

#[test]
fn a_later_step_uses_the_token_which_is_dead_after_the_job() {
    let scene = Scene::new();
    let ended = act(&scene, &[action("jfrog", ""), run(USE)]);
    ended.succeeded().says("answer 200");
    came_and_went(&scene, &ended);
    assert_eq!(used(&scene), [(scene.sandbox.issued()[0].access_token.clone(), false)]);
}

#[test]
fn a_step_that_prints_the_token_in_every_way_shows_no_usable_part_of_it() {
    let scene = Scene::new();
    let print = "echo \"it is $TOKEN.\"\nfold -w 40 <<< \"$TOKEN\"\nbase64 -w 76 <<< \"$TOKEN\"\nbase64 -w 60 <<< \" $TOKEN\"\n\
                 od -An -v -tx1 <<< \"$TOKEN\" | tr -d ' \\n' | fold -w 60; echo\necho 'that was it'";
    let ended = act(&scene, &[action("jfrog", ""), run(print)]);
    ended.succeeded().says("it is ***.").says("that was it");
    let token = scene.sandbox.issued()[0].access_token.clone();
    let signature = token.rsplit('.').next().unwrap();
    let printed = printed(&ended.log);
    for lead in ["", " "] {
        // act masks no base64 by itself. Ours begin at every 34th character of the signature and are 10 long, and a line's end may cut one:
        // so at most 58 stay readable in a row, which are 80 of base64 at most.
        let start = (lead.len() + token.len() - signature.len()).div_ceil(3) * 4;
        let form = STANDARD.encode(format!("{lead}{token}\n"));
        assert!(printed.contains(&form[..48]), "it was not printed:\n{}", ended.log);
        assert!(!readable(&printed, &form[start..], 81), "{}", ended.log);
    }
    let hex: String =
        signature.bytes().flat_map(|byte| [byte >> 4, byte & 15]).filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
    assert!(!readable(&printed, &hex, 96), "{}", ended.log);
    assert!(printed.matches("***").count() > 30, "{}", ended.log);
    came_and_went(&scene, &ended);
}

#[test]
fn the_recipe_with_a_stored_token_works_as_it_stands_there() {
    let scene = Scene::new();
    write_publish_script(&scene, "");
    let running = start(&scene, &format!("on: push\n{}", recipe("docs/recipes.md", "GitHub Actions with a stored access token")), &[]);
    end(&scene, running).succeeded().says("answer 200");
    assert_eq!(used(&scene), [(scene.sandbox.issued()[0].access_token.clone(), false)]);
    assert_eq!(revoked(&scene), [scene.sandbox.issued()[0].token_id.clone()]);
}

/// Uses the token in the file and the one that `get` prints, for longer than a token's lifetime.
pub const LONG: &str = "for i in 1 2 3 4 5 6 7 8; do\n  TOKEN=$(cat token)\n  USE\n  \
                    TOKEN=$(jf-token get --session ${{ steps.jfrog.outputs.session }})\n  echo \"got $TOKEN\"\n  USE\n  sleep 1\ndone\n\
                    echo \"found $(command -v jf-token)\"";

/// Checks that the revocation of every token was requested, and that no keeper is left.
fn kept_to_the_end(scene: &Scene, ended: &Ended) {
    let (issued, revoked) = (scene.sandbox.issued(), revoked(scene));
    assert!(issued.len() >= 4, "{} tokens\n{}", issued.len(), ended.log);
    assert!(issued.iter().all(|issued| revoked.contains(&issued.token_id) && !issued.live), "{}", ended.log);
    assert_eq!(scene.keepers(), 0, "{}", ended.log);
    ended.says("left behind: nothing");
}

#[test]
fn a_job_that_outlives_its_token_is_kept_fresh_to_its_end_and_nothing_is_left() {
    for more in ["", ", refreshable: true, renew-by: refresh"] {
        let scene = Scene::new();
        let steps = [action("jfrog", &format!("expiry: 3, token-file: token, keep-fresh: true{more}")), run(&LONG.replace("USE", USE))];
        let ended = act(&scene, &steps);
        ended.succeeded().says("got ***").says("/action/bin/");
        // The file may be read just after a refresh has ended the old token; get never prints a dead one.
        let answers = ended.log.matches("answer 200").count();
        assert!(answers == 16 || (!more.is_empty() && answers >= 14), "{answers}\n{}", ended.log);
        kept_to_the_end(&scene, &ended);
    }
}

#[test]
fn a_job_that_is_cancelled_while_its_token_is_kept_fresh_leaves_no_token_and_no_process() {
    let scene = Scene::new();
    let steps = [action("jfrog", "expiry: 3, token-file: token, keep-fresh: true"), run("echo asleep\nsleep 100")];
    let mut running = start(&scene, &job(&steps), &[]);
    running.wait_for_line("| asleep");
    running.wait_for("renewals", |_| scene.sandbox.issued().len() >= 4);
    running.send(Signal::INT);
    let ended = end(&scene, running);
    ended.failed();
    kept_to_the_end(&scene, &ended);
}

#[test]
fn the_recipe_for_long_jobs_works_as_it_stands_there() {
    let scene = Scene::new();
    write_publish_script(&scene, "TOKEN=$(jf-token get)\nUSE\nTOKEN=$(cat token)\nUSE".replace("USE", USE).as_str());
    let running = start(&scene, &format!("on: push\n{}", recipe("docs/long-jobs.md", "Under GitHub Actions")), &[]);
    let ended = end(&scene, running);
    ended.says("answer 200");
    let token = scene.sandbox.issued()[0].access_token.clone();
    // The script's first use has no token, because the recipe sets no variable.
    assert_eq!(used(&scene).into_iter().filter(|(used, _)| *used == token).count(), 2, "{}", ended.log);
    assert_eq!(revoked(&scene), [scene.sandbox.issued()[0].token_id.clone()]);
    assert_eq!(scene.keepers(), 0, "{}", ended.log);
}

#[test]
fn each_of_two_uses_revokes_its_own_token() {
    let scene = Scene::new();
    let ended = act(&scene, &[action("jfrog", ""), action("other", "description: other"), run(USE)]);
    ended.succeeded().says("answer 200").says("left behind: nothing");
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 2 && issued.iter().all(|issued| !issued.live));
    // Post steps run in reverse order.
    assert_eq!(revoked(&scene), [issued[1].token_id.clone(), issued[0].token_id.clone()]);
}

#[test]
fn a_variable_and_a_token_file_reach_later_steps_and_the_file_is_gone_after_the_job() {
    let scene = Scene::new();
    let steps = [
        action("jfrog", "env-var: TOKEN_OF_THE_JOB, token-file: token"),
        run(&format!("[ \"$TOKEN_OF_THE_JOB\" = \"$TOKEN\" ]\n[ \"$(cat token)\" = \"$TOKEN\" ]\nstat -c 'mode %a' token\n{USE}")),
    ];
    let ended = act(&scene, &steps);
    ended.succeeded().says("mode 600").says("answer 200");
    came_and_went(&scene, &ended);
}

#[test]
fn a_wrong_credential_fails_the_job_with_one_message_and_no_outputs() {
    let scene = Scene::new();
    let expired = scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/x", "scp": "x", "jti": "x", "aud": "*@*", "exp": 1}));
    let after = run("echo \"outputs [${TOKEN}${{ steps.jfrog.outputs.token-id }}] variable [$JOB_TOKEN]\"")
        .replace("- env", "- if: always()\n        env");
    let steps = [action("jfrog", "env-var: JOB_TOKEN, token-file: token"), after];
    let ended = end(&scene, start(&scene, &job(&steps), &["-s", &format!("JF_ACCESS_TOKEN={expired}")]));
    ended
        .failed()
        .says("outputs [] variable []")
        .says("left behind: nothing")
        .says("put a new access token in its place. It is from the input 'access-token'");
    assert_eq!(ended.log.matches("::error").count(), 1, "{}", ended.log);
    assert_eq!(ended.log.matches("Summary - ### jf-token: refused by the platform").count(), 1, "{}", ended.log);
    assert!(scene.sandbox.issued().is_empty() && scene.sandbox.requests().len() == 1);
}

#[test]
fn the_token_is_revoked_after_a_step_that_failed() {
    let scene = Scene::new();
    let ended = act(&scene, &[action("jfrog", ""), run(&format!("{USE}\nexit 1"))]);
    ended.failed().says("answer 200");
    came_and_went(&scene, &ended);
}

#[test]
fn the_token_is_revoked_after_a_cancel() {
    let scene = Scene::new();
    let mut running = start(&scene, &job(&[action("jfrog", ""), run("echo asleep\nsleep 100")]), &[]);
    running.wait_for_line("| asleep");
    running.send(Signal::INT);
    let started = Instant::now();
    let ended = end(&scene, running);
    assert!(started.elapsed() < Duration::from_secs(20));
    ended.failed();
    came_and_went(&scene, &ended);
}

#[test]
fn a_run_step_of_a_composite_action_that_wraps_ours_is_no_step_of_ours() {
    let scene = Scene::new();
    let step = "      - uses: acme/wrapper@v1\n        with: {expiry: soon, force-revocable: true, group: x}\n        \
                env: {URL: '${{ vars.JF_URL }}', CREDENTIAL: '${{ secrets.JF_ACCESS_TOKEN }}'}\n";
    let ended = act(&scene, &[step.to_owned()]);
    ended.says("the step is done").says("left behind: nothing");
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 2 && issued.iter().all(|issued| !issued.live), "{}", ended.log);
}

#[test]
fn a_cancel_ends_the_tokens_of_exec_and_of_steps_too() {
    let scene = Scene::new();
    let steps = "export JF_URL=$URL JF_ACCESS_TOKEN=$TOKEN\njf-token create --session step --expiry 1h --force-revocable\n\
                 jf-token exec --expiry 1h --force-revocable -- sh -c 'echo asleep; sleep 100'";
    let mut running = start(&scene, &job(&[action("jfrog", ""), run(steps)]), &[]);
    running.wait_for_line("| asleep");
    running.send(Signal::INT);
    let ended = end(&scene, running);
    ended.failed().says("left behind: nothing");
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 3 && issued.iter().all(|issued| !issued.live), "{issued:?}");
}

/// act kills at once, so a token that is being minted cannot be revoked. Nothing may hang or be left on the disk.
#[test]
fn a_cancel_while_the_token_is_on_its_way_ends_the_job() {
    let scene = Scene::new();
    scene.sandbox.fault_for("POST", Fault::Delay(3000), 1);
    let mut running = start(&scene, &job(&[action("jfrog", ""), run(USE)]), &[]);
    running.wait_for("the request", |_| !scene.sandbox.requests().is_empty());
    running.send(Signal::INT);
    let started = Instant::now();
    let ended = end(&scene, running);
    assert!(started.elapsed() < Duration::from_secs(20));
    ended.failed().never_says("answer").says(&format!("Run Post {ACTION}")).says("left behind: nothing");
}

/// Unlike act, GitHub's runner allows some time: it sends SIGINT to the script alone, after 7.5 s SIGTERM, and then kills it.
#[test]
fn a_cancel_with_time_to_spare_revokes_the_token_that_is_on_its_way() {
    for signal in [Signal::INT, Signal::TERM] {
        let scene = Scene::new();
        write_action(&scene, "work", Some("target/debug/jf-token"));
        scene.sandbox.fault_for("POST", Fault::Delay(1000), 1);
        let mut main = command(&scene, &tool("node24"));
        main.arg("action/main.js").env("GITHUB_ACTIONS", "true").env("RUNNER_TEMP", scene.path("tmp"));
        main.env("GITHUB_OUTPUT", scene.path("output")).env("GITHUB_STATE", scene.path("state"));
        main.env("INPUT_URL", scene.sandbox.url()).env("INPUT_ACCESS-TOKEN", scene.sandbox.admin_token());
        main.env("INPUT_EXPIRY", "1h").env("INPUT_FORCE-REVOCABLE", "true");
        let mut running = Running::start(main, &scene.path("log"));
        running.wait_for("the request", |_| !scene.sandbox.requests().is_empty());
        running.send(signal);
        running.end().failed().says("::error").says("The new token was revoked.");
        let issued = scene.sandbox.issued();
        assert!(issued.len() == 1 && !issued[0].live);
        assert!(scene.blocks("output").is_empty() && !scene.path("tmp/jf-token").exists());
    }
}

#[test]
fn revoke_false_leaves_the_token_and_removes_its_file() {
    let scene = Scene::new();
    let ended = act(&scene, &[action("jfrog", "revoke: false, token-file: token"), run("[ \"$(cat token)\" = \"$TOKEN\" ]")]);
    ended.succeeded().says("left behind: nothing");
    assert!(scene.sandbox.issued()[0].live && revoked(&scene).is_empty());
}

/// Runs a job whose token can't be revoked.
fn revocation_fails(inputs: &str, fault: Fault) -> (Ended, Duration) {
    let scene = Scene::new();
    scene.sandbox.fault_for("DELETE", fault, 100);
    let mut running = start(&scene, &job(&[action("jfrog", inputs), run(USE)]), &[]);
    running.wait_for_line(&format!("Run Post {ACTION}"));
    let started = Instant::now();
    let ended = end_alive(&scene, running);
    ended.says("answer 200").says("could not be revoked, and ends");
    assert!(scene.sandbox.issued()[0].live);
    (ended, started.elapsed())
}

fn status_500() -> Fault {
    Fault::Status { status: 500, retry_after: None, body: None }
}

#[test]
fn a_token_that_can_not_be_revoked_is_a_warning() {
    let (ended, _) = revocation_fails("retry-for: 0", status_500());
    ended.succeeded().says("::warning").never_says("::error");
}

#[test]
fn a_token_that_can_not_be_revoked_fails_the_job_with_revoke_strict() {
    let (ended, _) = revocation_fails("retry-for: 0, revoke: strict", status_500());
    ended.failed().says("::error");
}

/// When a job is cancelled, the real runner kills the step after 7.5 s.
#[test]
fn the_end_of_a_job_never_waits_long_for_a_platform_that_does_not_answer() {
    let (ended, elapsed) = revocation_fails("", Fault::Stall);
    ended.succeeded();
    assert!(elapsed < Duration::from_secs(7), "{elapsed:?}");
    let (ended, elapsed) = revocation_fails("", status_500());
    ended.succeeded();
    assert!(elapsed < Duration::from_secs(7), "{elapsed:?}");
}

/// Runs a job that checks out the action's own repository and uses it as `./`. git ignores its target folder, and by default act does not
/// copy ignored files.
fn checkout(binary: Option<&str>) -> (Scene, Ended) {
    let scene = Scene::new();
    write_action(&scene, "work", binary);
    write(&scene, "work/.gitignore", "/target\n");
    let workflow = job(&["      - uses: actions/checkout@v4\n".into(), uses("./", "jfrog", ""), run(USE)]);
    let running = start(&scene, &workflow, &["--use-gitignore=false"]);
    let ended = end(&scene, running);
    (scene, ended)
}

#[test]
fn a_checkout_uses_the_binary_that_was_built_in_it() {
    for binary in ["target/debug/jf-token", "target/release/jf-token"] {
        let (scene, ended) = checkout(Some(binary));
        ended.succeeded().says("answer 200");
        assert!(!scene.sandbox.issued()[0].live, "{}", ended.log);
    }
}

#[test]
fn a_checkout_without_a_binary_says_what_to_do() {
    let (scene, ended) = checkout(None);
    ended.failed().says("use a release tag, or run \"cargo build\" first").never_says("answer");
    assert!(scene.sandbox.requests().is_empty());
}

/// Runs the action's main script as on another system, with these binaries of a release.
fn elsewhere(system: &str, machine: &str, targets: &[&str]) -> Ended {
    let scene = Scene::new();
    write_action(&scene, "work", None);
    for target in targets {
        let exe = if target.starts_with("win32") { ".exe" } else { "" };
        write(&scene, &format!("work/action/bin/{target}/jf-token{exe}"), "");
        let binary = scene.path(&format!("work/action/bin/{target}/jf-token{exe}"));
        fs::remove_file(&binary).unwrap();
        symlink(BINARY, binary).unwrap();
    }
    let script = format!(
        "Object.defineProperty(process, 'platform', {{value: '{system}'}}); Object.defineProperty(process, 'arch', {{value: '{machine}'}}); \
         require('./action/main.js').run('create');"
    );
    let mut main = command(&scene, &tool("node24"));
    main.args(["-e", &script]).env("GITHUB_ACTIONS", "true");
    Running::start(main, &scene.path("log")).end()
}

#[test]
fn the_action_takes_the_binary_of_its_system() {
    // With no inputs, that it complains of the URL shows that it runs.
    elsewhere("win32", "arm64", &["linux-x64", "win32-x64", "win32-arm64"]).failed().says("url");
    // Windows on arm64 runs programs for x64 too; macOS does only where that was installed.
    elsewhere("win32", "arm64", &["linux-x64", "win32-x64"]).failed().says("url").never_says("has no binary");
    let sentence =
        "This release of the action runs on linux-arm64, linux-x64, and this runner is darwin-arm64: whoever released it left that out.";
    elsewhere("darwin", "arm64", &["linux-x64", "linux-arm64"]).failed().says("::error title=jf-token has no binary::").says(sentence);
}
