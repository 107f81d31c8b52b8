//! The README's recipe in GitLab pipelines, as gitlab-ci-local runs them.

use crate::peers::{Running, command, commit, recipe, search_the_disk, system, tool, used, write, write_publish_script};
use crate::support::{Scene, leaks};

/// Runs the recipe to its end. `last` ends publish.sh, after it has used the token.
fn pipeline(recipe: &str, last: &str, arguments: &[&str]) -> bool {
    // gitlab-ci-local copies the tree with it.
    system("rsync");
    let scene = Scene::new();
    write(&scene, "work/.gitlab-ci.yml", recipe);
    write_publish_script(&scene, last);
    commit(&scene);
    let mut runner = command(&scene, &tool("gitlab-ci-local"));
    runner.args(["--force-shell-executor", "--variable", &format!("JF_URL={}", scene.sandbox.url())]);
    runner.args(["--variable", &format!("JF_ACCESS_TOKEN={}", scene.sandbox.admin_token())]).args(arguments);
    let ended = Running::start(runner, &scene.path("log")).end();

    ended.says("answer 200");
    let issued = scene.sandbox.issued();
    assert_eq!(issued.len(), 1);
    assert_eq!(used(&scene), [(issued[0].access_token.clone(), false)], "the small token was used, and is dead now");
    assert!(scene.secrets().iter().all(|secret| !leaks(&ended.log, secret)), "the log shows a secret:\n{}", ended.log);
    assert!(!scene.path("work/jf.env").exists() && !scene.path("work.tmp").exists());
    assert_eq!(scene.path("tmp").read_dir().unwrap().count(), 0);
    search_the_disk(&scene);
    ended.success
}

#[test]
fn the_recipe_publishes_and_leaves_nothing() {
    assert!(pipeline(recipe("GitLab CI"), "", &[]));
}

#[test]
fn the_recipe_leaves_nothing_when_publishing_fails() {
    assert!(!pipeline(recipe("GitLab CI"), "exit 1", &[]));
}

/// gitlab-ci-local sets GITLAB_CI to false; a real runner, to true.
#[test]
fn the_recipe_leaves_nothing_where_gitlab_says_so_itself() {
    let really = ["--variable", "GITLAB_CI=true", "--ignore-predefined-vars", "GITLAB_CI"];
    assert!(pipeline(recipe("GitLab CI"), "", &really));
    assert!(!pipeline(recipe("GitLab CI"), "exit 1", &really));
}

/// The README's one line for a job.
#[test]
fn the_one_line_recipe_publishes_hides_the_token_and_leaves_nothing() {
    let line = include_str!("../../README.md").lines().find(|line| line.starts_with("    - jf-token exec ")).unwrap();
    let recipe = format!("publish:\n  script:\n{line}\n");
    assert!(pipeline(&recipe, "echo \"it is $JF_ACCESS_TOKEN\"", &[]));
    assert!(!pipeline(&recipe, "exit 1", &[]));
}
