use crate::support::Scene;
use crate::tells;

#[test]
fn a_job_writes_its_file_and_after_script_takes_all_away() {
    let mut scene = Scene::gitlab();
    scene.asks_for("work/jf.env");
    tells!("gitlab_script", scene.run(&["create", "--expiry", "1h", "--force-revocable", "--output-file", "jf.env"]));
    tells!("gitlab_after_script", scene.run(&["revoke"]));
    assert!(!scene.sandbox.issued()[0].live);
    assert!(!scene.path("work.tmp").exists(), "the folder next to the project must be removed too");
}

#[test]
fn there_is_no_variable_for_later_steps() {
    tells!(Scene::gitlab().run(&["create", "--env-var", "TOKEN"]));
}

#[test]
fn a_mask_is_never_echoed_where_the_log_would_show_it() {
    let ran = Scene::gitlab().run(&["create"]);
    assert!(!ran.stdout.contains("add-mask") && !ran.stderr.contains("add-mask"), "{}", ran.story);
}

#[test]
fn gitlab_ci_local_counts_as_gitlab() {
    let mut scene = Scene::gitlab();
    scene.set("GITLAB_CI", "false");
    scene.run(&["create"]);
    assert!(scene.path("work.tmp/jf-token-4711/default.json").exists());
}
