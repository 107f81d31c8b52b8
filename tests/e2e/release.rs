//! `release.yml` under act, with stand-ins for cargo and for GitHub's actions: which jobs run where, and that what one makes reaches the next.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::peers::tool;
use crate::repository::Repository;

/// "Builds" a program that says which system it is for.
const CARGO: &str = r#"#!/bin/sh
case $1 in
  tree) echo 'anyhow v1.0.105|MIT OR Apache-2.0' ;;
  build) for target; do :; done; mkdir -p target/$target/release && printf '#!/bin/sh\necho for %s\n' "$target" >target/$target/release/jf-token
         chmod +x target/$target/release/jf-token ;;
esac
"#;

/// Hands files over by a folder, as artifacts do.
const ARTIFACTS: &str = r"
const { execFileSync } = require('node:child_process');
const input = (name) => process.env[`INPUT_${name.toUpperCase()}`];
const store = process.env.E2E_ARTIFACTS;
const from = `${store}/${input('name') || input('pattern')}`;
const script = ACTION === 'upload' ? `mkdir -p ${from} && cp ${input('path')} ${from}` : `mkdir -p ${input('path')} && cp ${from}/* ${input('path')}`;
execFileSync('bash', ['-ec', script], { stdio: 'inherit' });
";

/// The same for attestations.
const ATTEST: &str = "const fs = require('node:fs');
console.log('attests', fs.readdirSync('files').filter((name) => name.startsWith('jf-token-')).join(' '));";

/// The actions of GitHub's that a workflow uses: their names and commits, and what stands in for them.
fn stand_ins(workflow: &str) -> Vec<(String, String)> {
    let uses = workflow.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, action)| action.split(' ').next().unwrap());
    let found: BTreeSet<_> = uses.filter(|action| !action.starts_with("actions/checkout@")).collect();
    let stand_in = |action: &str| {
        let script = match action.split('@').next().unwrap() {
            "actions/upload-artifact" => ARTIFACTS.replace("ACTION", "'upload'"),
            "actions/download-artifact" => ARTIFACTS.replace("ACTION", "'download'"),
            "actions/attest" => ATTEST.into(),
            other => panic!("what stands in for {other}?"),
        };
        (action.to_owned(), script)
    };
    found.into_iter().map(stand_in).collect()
}

/// Runs the workflow in a repository of this visibility, on this server.
fn released(server: &str, visibility: &str, variables: &[&str]) -> (Repository, bool, String) {
    let mut repository = Repository::new("0.1.0");
    let workflow = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml")).unwrap();
    repository.write("work/.github/workflows/release.yml", &workflow);
    repository.commit();
    repository.git(&["push", "--quiet", "origin", "main"]);
    for (name, script) in [("cargo", CARGO), ("rustup", "#!/bin/sh\nexit 0\n"), ("musl-gcc", "#!/bin/sh\n")] {
        repository.program(name, script);
    }
    repository.set("ACT_DISABLE_VERSION_CHECK", "1");
    let event = format!(
        r#"{{"inputs": {{"version": "0.1.0"}}, "repository": {{"default_branch": "main", "visibility": "{visibility}", "owner": {{"type": "Organization"}}}}}}"#
    );
    let event = repository.write("event.json", &event);
    let folder = |path: &str| repository.path(path).display().to_string();
    let path = format!("{}:{}:{}", folder("bin"), tool("node24").parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut arguments: Vec<String> =
        ["workflow_dispatch", "--no-cache-server", "--eventpath", event.to_str().unwrap(), "--github-instance", server]
            .map(ToOwned::to_owned)
            .to_vec();
    for label in ["ubuntu-latest", "own"] {
        arguments.extend(["-P".into(), format!("{label}=-self-hosted")]);
    }
    for pair in [("E2E_ARTIFACTS", folder("artifacts")), ("PATH", path), ("GITHUB_REPOSITORY", "other/jf-token".into())] {
        arguments.extend(["--env".into(), format!("{}={}", pair.0, pair.1)]);
    }
    for (action, script) in stand_ins(&workflow) {
        let at = format!("actions/{}", action.split(['/', '@']).nth(1).unwrap());
        let inputs = "{name: {description: x}, path: {description: x}, pattern: {description: x}, merge-multiple: {description: x}, subject-path: {description: x}, if-no-files-found: {description: x}, retention-days: {description: x}}";
        repository.write(
            &format!("{at}/action.yml"),
            &format!("name: x\ndescription: x\ninputs: {inputs}\nruns: {{using: node24, main: main.js}}\n"),
        );
        repository.write(&format!("{at}/main.js"), &script);
        arguments.extend(["--local-repository".into(), format!("{action}={}", folder(&at))]);
    }
    for variable in variables {
        arguments.extend(["--var".into(), (*variable).into()]);
    }
    arguments.extend(["-s".into(), "GITHUB_TOKEN=throw-away".into()]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let told = repository.run(tool("act").to_str().unwrap(), &arguments);
    (repository, told.success, format!("{}{}", told.stdout, told.stderr))
}

#[test]
fn a_public_repository_gets_tags_and_an_attestation() {
    let without = "RELEASE_WITHOUT=ci images page";
    let (repository, success, log) = released("github.com", "public", &[without, "RELEASE_TARGETS=linux-x64"]);
    assert!(success, "{log}");
    assert!(log.contains("attests jf-token-linux-x64 jf-token-linux-x64.tar.gz"), "{log}");
    assert_eq!(repository.tags().keys().collect::<Vec<_>>(), ["src-v0.1.0", "v0", "v0.1.0"], "{log}");
}

#[test]
fn a_private_repository_is_released_without_an_attestation_and_its_job_says_so() {
    let without = "RELEASE_WITHOUT=ci images page";
    let (repository, success, log) = released("github.com", "private", &[without, "RELEASE_TARGETS=linux-x64=own", "RUNNER=own"]);
    assert!(success && !log.contains("attests jf-token"), "{log}");
    assert!(log.contains("::notice title=Release::Nothing is attested, because this repository is private"), "{log}");
    assert_eq!(repository.tags().keys().collect::<Vec<_>>(), ["src-v0.1.0", "v0", "v0.1.0"], "{log}");
}

#[test]
fn a_server_without_artifacts_releases_in_one_job() {
    let variables = ["RELEASE_WITHOUT=ci page", "RELEASE_TARGETS=linux-x64", "RUNNER=own"];
    let (repository, success, log) = released("git.example", "internal", &variables);
    assert!(success && log.contains("[Release/all in one job]") && !log.contains("upload-artifact@"), "{log}");
    let commit = repository.tags()["v0"].clone();
    repository.git(&["fetch", "--quiet", "origin", "refs/tags/v0"]);
    assert_eq!(
        repository.git(&["cat-file", "blob", &format!("{commit}:action/bin/linux-x64/jf-token")]),
        "#!/bin/sh\necho for x86_64-unknown-linux-musl"
    );
    assert!(repository.git(&["cat-file", "blob", &format!("{commit}:README.md")]).contains("other/jf-token@v0"));
}

#[test]
fn what_is_missing_ends_the_release_before_anything_is_built() {
    let (repository, success, log) = released("git.example", "public", &["RELEASE_TARGETS=linux-x64"]);
    assert!(!success && log.contains("::error title=Release::CI has not passed on commit"), "{log}");
    assert!(!log.contains("for x86_64-unknown-linux-musl") && repository.tags().is_empty(), "{log}");
}

#[test]
fn the_notices_name_every_crate_that_is_part_of_a_binary() {
    let run = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let notices = run(".github/release", &["notices"]);
    let tree = ["tree", "--offline", "--package", "jf-token", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"];
    for target in ["x86_64-unknown-linux-musl", "aarch64-apple-darwin", "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"] {
        for line in run("cargo", &[&tree[..], &["--target", target]].concat()).lines().filter(|line| !line.contains('/')) {
            let (name, version) = line.trim_end_matches(" (*)").split_once(" v").unwrap();
            assert!(notices.contains(&format!("\n  {name} {version}\n")) || notices.contains(&format!("\n{name} {version}: ")), "{line}");
        }
    }
    for text in ["Brian Smith", "Redistributions in binary form must reproduce", "Rich Felker", "Tokio Contributors"] {
        assert!(notices.contains(text), "{text}");
    }
}
