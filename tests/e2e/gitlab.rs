//! The documents' recipes for GitLab, run by gitlab-ci-local.

use crate::peers::{Ended, Running, USE, command, commit, search_the_disk, system, tool, used, write, write_publish_script};
use crate::support::documents::{recipe, recipes};
use crate::support::{Scene, leaks};

/// Runs the recipe, and checks that nothing is left. `last` is the end of publish.sh, after it has used the token.
fn run(scene: &Scene, recipe: &str, last: &str, arguments: &[&str]) -> Ended {
    let secret = format!("JF_ACCESS_TOKEN={}", scene.sandbox.admin_token());
    run_without_secrets(scene, recipe, last, &[&["--variable", &secret], arguments].concat())
}

/// The same for a recipe for which nothing is stored.
pub fn run_without_secrets(scene: &Scene, recipe: &str, last: &str, arguments: &[&str]) -> Ended {
    // gitlab-ci-local needs it to copy the files.
    system("rsync");
    write(scene, "work/.gitlab-ci.yml", recipe);
    write_publish_script(scene, last);
    commit(scene);
    let mut runner = command(scene, &tool("gitlab-ci-local"));
    runner.args(["--force-shell-executor", "--variable", &format!("JF_URL={}", scene.sandbox.url())]).args(arguments);
    let ended = Running::start(runner, &scene.path("log")).end();

    ended.says("answer 200");
    assert!(scene.secrets().iter().all(|secret| !leaks(&ended.log, secret)), "the log shows a secret:\n{}", ended.log);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live), "{}", ended.log);
    let left = || ["work/jf.env", "work/token", "work.tmp"].into_iter().filter(|file| scene.path(file).exists()).collect::<Vec<_>>();
    // The runner may still be copying.
    crate::support::wait_until(&format!("the end of {:?}", left()), || left().is_empty());
    assert_eq!(scene.path("tmp").read_dir().unwrap().count(), 0);
    search_the_disk(scene);
    ended
}

fn pipeline(recipe: &str, last: &str, arguments: &[&str]) -> bool {
    let scene = Scene::new();
    let ended = run(&scene, recipe, last, arguments);
    let issued = scene.sandbox.issued();
    assert_eq!(issued.len(), 1);
    assert_eq!(used(&scene), [(issued[0].access_token.clone(), false)], "the job's token must be used, and dead now");
    ended.success
}

/// In one line, and in a script's own variables.
fn stored() -> Vec<String> {
    recipes("docs/recipes.md", "GitLab CI with a stored access token")
}

#[test]
fn the_recipe_publishes_and_leaves_nothing() {
    assert!(pipeline(&stored()[1], "", &[]));
}

#[test]
fn the_recipe_leaves_nothing_when_publishing_fails() {
    assert!(!pipeline(&stored()[1], "exit 1", &[]));
}

/// A real runner sets GITLAB_CI to true, gitlab-ci-local to false.
#[test]
fn the_recipe_leaves_nothing_where_gitlab_says_so_itself() {
    let really = ["--variable", "GITLAB_CI=true", "--ignore-predefined-vars", "GITLAB_CI"];
    assert!(pipeline(&stored()[1], "", &really));
    assert!(!pipeline(&stored()[1], "exit 1", &really));
}

#[test]
fn the_one_line_recipe_publishes_hides_the_token_and_leaves_nothing() {
    // As the text below it says.
    let readme = recipe("README.md", "GitLab CI").replace("  id_tokens:\n    JF_ID_TOKEN:\n      aud: https://acme.jfrog.io\n", "");
    let readme = readme.replace(" --oidc-provider gitlab", "");
    assert!(!readme.contains("id_token") && !readme.contains("oidc"), "{readme}");
    for recipe in [&readme, &stored()[0]] {
        assert!(pipeline(recipe, "echo \"it is $JF_ACCESS_TOKEN\"", &[]));
        assert!(!pipeline(recipe, "exit 1", &[]));
    }
}

/// The recipe for long jobs, with a token for three seconds.
#[test]
fn the_recipe_for_long_jobs_outlives_its_token_and_leaves_nothing() {
    let recipe = recipes("docs/long-jobs.md", "Under GitLab")[0].replace("--expiry 1h", "--expiry 3");
    let uses = "for i in 1 2 3 4 5 6 7 8; do TOKEN=$(cat token); USE; TOKEN=$(jf-token get); USE; sleep 1; done".replace("USE", USE);
    for (last, publishes) in [("", true), ("\nexit 1", false)] {
        let scene = Scene::new();
        let ended = run(&scene, &recipe, &format!("{uses}{last}"), &[]);
        assert_eq!(ended.success, publishes, "{}", ended.log);
        assert!(scene.sandbox.issued().len() >= 4, "{}", ended.log);
        // The script's first use has no token, because the credential was removed from its environment.
        assert_eq!((used(&scene).len(), ended.log.matches("answer 401").count()), (17, 1), "{}", ended.log);
        assert_eq!(scene.keepers(), 0, "{}", ended.log);
    }
}
