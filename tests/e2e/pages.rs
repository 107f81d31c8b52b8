//! The page that a stranger follows from a checkout to a job of GitHub's and one of GitLab's.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::peers::{Running, command, system, tool};
use crate::support::documents::{blocks, root};
use crate::support::{BINARY, Scene};

#[test]
fn whoever_follows_try_it_gets_to_a_job_of_each_whose_log_hides_the_token() {
    system("rsync");
    let scene = Scene::new();
    let built = Path::new(BINARY).parent().unwrap();
    assert!(built.join("sandbox").exists(), "cargo build --workspace first");
    fs::create_dir_all(scene.path("work/target")).unwrap();
    symlink(built, scene.path("work/target/debug")).unwrap();
    for name in ["action", "action.yml"] {
        symlink(root().join(name), scene.path("work").join(name)).unwrap();
    }
    let page = blocks().into_iter().filter(|block| block.document == "docs/try-it.md");
    let script: String = page.map(|block| block.text).collect();
    let mut shell = command(&scene, &system("bash"));
    // It is built.
    let cargo = scene.write("bin/cargo", "#!/bin/sh\n");
    fs::set_permissions(cargo, fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["act", "gitlab-ci-local"] {
        symlink(tool(name), scene.path("bin").join(name)).unwrap();
    }
    shell.args(["-e", "-c", &format!("trap 'kill $! 2>/dev/null || true' EXIT\n{script}")]).env("ACT_DISABLE_VERSION_CHECK", "1");
    let ended = Running::start(shell, &scene.path("log")).end();
    ended.never_says("warning title");
    ended.succeeded().says("| it is ***").says("| answer 200").says("Job succeeded").says("> it is ***").says("> answer 200");
    assert_eq!(ended.log.matches("jf-token: revoked ").count(), 3, "{}", ended.log);
}

/// Whole jobs, of which the schemas of both platforms know every word. What no runner can run here is checked by this alone.
#[test]
fn every_job_in_the_documents_fits_its_platforms_own_schema() {
    let scene = Scene::new();
    let mut seen = 0;
    for block in blocks().into_iter().filter(|block| block.language == "yaml") {
        let (schema, text) = match () {
            () if block.text.contains("jobs:\n") => (&["vendor.github-workflows"][..], format!("on: push\n{}", block.text)),
            () if block.text.contains("script:\n") => (&["vendor.gitlab-ci", "--data-transform", "gitlab-ci"][..], block.text.clone()),
            () => continue,
        };
        seen += 1;
        let path = scene.write("job.yml", &text);
        let mut check = command(&scene, &tool("../check-jsonschema/bin/check-jsonschema"));
        let output = check.arg("--builtin-schema").args(schema).arg(path).output().unwrap();
        assert!(output.status.success(), "{}: {}", block.place(), String::from_utf8_lossy(&output.stdout));
    }
    assert!(seen >= 8, "{seen}");
}
