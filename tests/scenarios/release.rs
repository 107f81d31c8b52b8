//! What `.github/release` makes, which `release.yml` calls. It runs with this project's own files in a repository of its own.
#![cfg(target_os = "linux")]

use std::fs;

use crate::repository::Repository;

/// One whose binaries for these targets are built, and the notices made.
fn packed(version: &str, targets: &[&str]) -> Repository {
    let repository = Repository::new(version);
    for target in targets {
        repository.place(target, target);
    }
    repository.notice();
    repository
}

fn names(repository: &Repository) -> Vec<String> {
    repository.tags().into_keys().collect()
}

#[test]
fn the_commit_of_a_release_holds_what_an_action_needs_and_no_more() {
    let repository = packed("0.1.0", &["linux-x64", "win32-arm64"]);
    let before = repository.git(&["status", "--porcelain", "--branch"]);
    let commit = repository.release(&["commit"]).succeeded();
    assert_eq!(repository.git(&["status", "--porcelain", "--branch"]), before);
    assert!(repository.git(&["for-each-ref"]).lines().count() == 1, "the branch alone");

    let listed = repository.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", &commit]);
    assert_eq!(
        listed.lines().collect::<Vec<_>>(),
        [
            "100644 LICENSE",
            "100644 README.md",
            "100644 THIRD-PARTY-NOTICES",
            "100644 action.yml",
            "100755 action/bin/linux-x64/jf-token",
            "100755 action/bin/win32-arm64/jf-token.exe",
            "100644 action/main.js",
            "100644 action/post.js",
        ]
    );
    assert_eq!(repository.git(&["cat-file", "blob", &format!("{commit}:action/bin/linux-x64/jf-token")]), "linux-x64");
    // Without a parent, so that cloning a branch downloads no binaries.
    assert_eq!(repository.git(&["log", "--format=%an, %at = %ct, after [%p]", &commit]), {
        let time = repository.git(&["show", "--no-patch", "--format=%ct"]);
        format!("Alice, {time} = {time}, after []")
    });
    let source = repository.git(&["rev-parse", "HEAD"]);
    assert!(repository.git(&["show", "--no-patch", "--format=%B", &commit]).contains(&source));
}

#[test]
fn the_readme_of_a_release_names_this_repository_and_links_to_what_is_there() {
    let repository = packed("0.1.0", &["linux-x64"]);
    let text = "uses: acme/jf-token@v0 # ghcr.io/acme/jf-token:0\n[a](docs/credentials.md) [c](LICENSE) [d](https://d.example) [e](#e) ![f](docs/f.svg) [g](SECURITY.md)\n\
                <img src=\"docs/h.svg\"> <a href=\"docs/identity-tokens.md\">\n";
    repository.write("work/README.md", text);
    repository.commit();
    let commit = repository.release(&["commit"]).succeeded();
    let (blob, raw) = ("https://github.com/other/jf-token/blob/src-v0.1.0", "https://github.com/other/jf-token/raw/src-v0.1.0");
    assert_eq!(
        repository.git(&["cat-file", "blob", &format!("{commit}:README.md")]),
        format!(
            "uses: other/jf-token@v0 # ghcr.io/other/jf-token:0\n[a]({blob}/docs/credentials.md) [c](LICENSE) [d](https://d.example) [e](#e) \
             ![f]({raw}/docs/f.svg) [g]({blob}/SECURITY.md)\n<img src=\"{raw}/docs/h.svg\"> <a href=\"{blob}/docs/identity-tokens.md\">"
        )
    );
}

#[test]
fn the_address_is_the_repositorys_own_however_it_was_cloned() {
    let mut repository = packed("0.1.0", &["linux-x64"]);
    for (remote, address) in [
        ("git@github.com:other/jf-token.git", "https://github.com/other/jf-token"),
        ("https://github.com/other/jf-token", "https://github.com/other/jf-token"),
        ("https://alice:word@git.example:8443/other/jf-token.git", "https://git.example:8443/other/jf-token"),
        ("ssh://git@git.example:2222/other/our-token.git/", "https://git.example/other/our-token"),
    ] {
        repository.git(&["config", "remote.origin.url", remote]);
        repository.release(&["pack"]).succeeded();
        let manifest = fs::read_to_string(repository.path("work/target/dist/Cargo.toml")).unwrap();
        assert!(manifest.contains(&format!("repository = \"{address}\"\n")), "{manifest}");
        assert!(manifest.contains(&format!("pkg-url = \"{address}/releases/download/v0.1.0/jf-token-linux-x64.tar.gz\"")), "{manifest}");
    }
    repository.git(&["config", "remote.origin.url", "/somewhere"]);
    assert!(repository.release(&["pack"]).failed().contains("set GITHUB_SERVER_URL and GITHUB_REPOSITORY"));
    repository.set("GITHUB_SERVER_URL", "https://git.example").set("GITHUB_REPOSITORY", "a/b").release(&["pack"]).succeeded();
}

#[test]
fn the_action_gets_the_version_and_the_sources_get_a_tag_of_their_own() {
    for (version, tags) in [("0.1.0", ["src-v0.1.0", "v0", "v0.1.0"]), ("1.2.3", ["src-v1.2.3", "v1", "v1.2.3"])] {
        let repository = packed(version, &["linux-x64"]);
        let told = repository.release(&["publish"]).succeeded();
        let (there, commit) = (repository.tags(), repository.release(&["commit"]).succeeded());
        assert_eq!(there.keys().collect::<Vec<_>>(), tags);
        assert_eq!(there[tags[0]], repository.git(&["rev-parse", "HEAD"]));
        assert!(there[tags[1]] == commit && there[tags[2]] == commit, "{there:?}");
        assert_eq!(told, format!("Released. In a workflow: uses: other/jf-token@{}, or @{commit} # v{version}", tags[1]));
    }
}

#[test]
fn a_release_that_was_cut_off_is_finished_and_one_that_is_there_is_left_alone() {
    let repository = packed("0.1.0", &["linux-x64"]);
    repository.release(&["publish"]).succeeded();
    let there = repository.tags();
    repository.git(&["push", "--quiet", "origin", ":refs/tags/v0"]);
    repository.release(&["publish"]).succeeded();
    assert_eq!(repository.tags(), there);

    // The same version, and another binary or another commit.
    repository.place("linux-x64", "another");
    let told = repository.release(&["publish"]).failed();
    assert!(told.contains("The tag v0.1.0 exists already") && !told.contains("src-v0.1.0"), "{told}");
    repository.commit();
    assert!(repository.release(&["publish"]).failed().contains("The tag src-v0.1.0 exists already"));
    assert_eq!(repository.tags(), there);
}

#[test]
fn the_major_versions_tag_never_goes_back() {
    let repository = packed("1.10.0", &["linux-x64"]);
    repository.release(&["publish"]).succeeded();
    let newest = repository.tags()["v1"].clone();
    repository.version("1.9.1");
    let told = repository.release(&["publish"]);
    assert!(told.stderr.contains("v1 stays with 1.10.0, which is newer than 1.9.1."), "{}", told.stderr);
    assert!(told.success && repository.tags()["v1"] == newest);
    repository.version("2.0.0");
    repository.release(&["publish"]).succeeded();
    assert_eq!(names(&repository), ["src-v1.10.0", "src-v1.9.1", "src-v2.0.0", "v1", "v1.10.0", "v1.9.1", "v2", "v2.0.0"]);
    assert_eq!(repository.tags()["v1"], newest);
}

#[test]
fn all_that_is_missing_is_said_at_once_and_nothing_is_pushed() {
    let mut repository = packed("0.1.0", &["linux-x64"]);
    repository.release(&["check"]).succeeded();
    repository.release(&["publish"]).succeeded();
    repository.write("work/CHANGELOG.md", "# Changelog\n\n## 0.1.0 (unreleased)\n\n## 0.1.00\n");
    repository.commit();
    repository.write("work/action.yml", "changed");
    let there = repository.tags();
    repository.set("VERSION", "v0.2.0");
    for command in ["check", "publish"] {
        let told = repository.release(&[command]).failed();
        for sentence in [
            "The version asked for is 'v0.2.0', and Cargo.toml on this commit has '0.1.0'",
            "Files differ from what is committed",
            "CHANGELOG.md still has '## 0.1.0 (unreleased)'",
            "The tag src-v0.1.0 exists already",
        ] {
            assert!(told.contains(sentence), "{sentence}: {told}");
        }
    }
    assert_eq!(repository.tags(), there);

    let repository = packed("0.2.0-rc.1", &["linux-x64"]);
    repository.write("work/CHANGELOG.md", "# Changelog\n");
    repository.commit();
    let told = repository.release(&["check"]).failed();
    assert!(told.contains("has the version '0.2.0-rc.1': a release needs one such as 1.2.3"), "{told}");
    assert!(told.contains("CHANGELOG.md has no heading '## 0.2.0-rc.1'"), "{told}");
}

#[test]
fn a_remote_that_takes_no_tags_is_named_with_its_words() {
    let refusing = |hook: &str| {
        let repository = packed("0.1.0", &["linux-x64"]);
        repository.program("hook", hook);
        fs::create_dir_all(repository.path("origin.git/hooks")).unwrap();
        fs::rename(repository.path("bin/hook"), repository.path("origin.git/hooks/update")).unwrap();
        (repository.release(&["publish"]).failed(), names(&repository))
    };
    let (told, there) = refusing("#!/bin/sh\ncase $1 in refs/tags/v*) echo 'a ruleset says no'; exit 1 ;; esac\n");
    assert!(told.contains("did not take the tag v0.1.0 and src-v0.1.0") && told.contains("a ruleset says no"), "{told}");
    assert!(there.is_empty(), "{there:?}");
    let (told, there) = refusing("#!/bin/sh\n[ $1 != refs/tags/v0 ]\n");
    assert!(told.contains("did not take the tag v0."), "{told}");
    assert_eq!(there, ["src-v0.1.0", "v0.1.0"]);

    // What GitHub says to who may only read comes before any tag.
    let repository = packed("0.1.0", &["linux-x64"]);
    repository.git(&["config", "remote.origin.receivepack", "echo 'write access not granted' >&2; false"]);
    for command in ["check", "publish"] {
        let told = repository.release(&[command]).failed();
        assert!(told.contains("The right to push tags to 'origin' is missing") && told.contains("write access not granted"), "{told}");
    }

    let repository = packed("0.1.0", &["linux-x64"]);
    fs::remove_dir_all(repository.path("origin.git")).unwrap();
    assert!(repository.release(&["publish"]).failed().contains("The tags of the remote 'origin' can't be read: "));
}

#[test]
fn a_job_may_release_what_ci_has_passed_on_the_default_branch() {
    let mut repository = packed("0.1.0", &["linux-x64"]);
    let commit = repository.git(&["rev-parse", "HEAD"]);
    repository.set("GITHUB_ACTIONS", "true").set("GITHUB_API_URL", "https://git.example/api/v3").set("GH_TOKEN", "secret");
    repository.set("GITHUB_REPOSITORY", "a/b").set("GITHUB_SHA", &commit).set("DEFAULT_BRANCH", "main");
    repository.set("GITHUB_REF", "refs/heads/topic");
    let answers = |repository: &Repository, count: usize| {
        repository
            .program("curl", &format!("#!/bin/sh\nprintf '%s ' \"$@\" >>../curl; cat >>../curl; echo '{{\"total_count\": {count}}}'\n"));
    };
    answers(&repository, 0);
    let told = repository.release(&["check"]).failed();
    assert!(told.contains("::error title=Release::This run is for refs/heads/topic, and releases are made from main: "), "{told}");
    assert!(told.contains("::error title=Release::CI has not passed on commit "), "{told}");

    answers(&repository, 1);
    repository.set("GITHUB_REF", "refs/heads/main").release(&["check"]).succeeded();
    let asked = fs::read_to_string(repository.path("curl")).unwrap();
    let asked = asked.lines().next().unwrap();
    let url = format!("https://git.example/api/v3/repos/a/b/actions/workflows/ci.yml/runs?head_sha={commit}&status=success&per_page=1");
    assert_eq!(asked, format!("-fsS -H @- {url} Authorization: Bearer secret"), "the token is no argument");

    answers(&repository, 0);
    repository.set("RELEASE_WITHOUT", "images ci").release(&["check"]).succeeded();
}

/// What the workflow does in a repository of this visibility, in this enterprise, on this server.
fn planned(repository: &mut Repository, server: &str, visibility: &str, enterprise: &str) -> (Vec<String>, String) {
    repository.set("GITHUB_SERVER_URL", server).set("VISIBILITY", visibility).set("ENTERPRISE", enterprise);
    let told = repository.release(&["plan"]);
    assert!(told.success, "{}", told.stderr);
    (told.stdout.lines().map(ToOwned::to_owned).collect(), told.stderr)
}

#[test]
fn a_plan_is_for_what_this_server_and_this_repository_have() {
    let mut repository = Repository::new("0.1.0");
    for (server, visibility, enterprise, hosted, attest, registry, said) in [
        ("https://github.com", "public", "", "true", "true", "ghcr.io", ""),
        ("https://github.com", "internal", "acme", "true", "true", "ghcr.io", ""),
        (
            "https://github.com",
            "private",
            "",
            "true",
            "false",
            "ghcr.io",
            "because this repository is private and belongs to no enterprise",
        ),
        ("https://acme.ghe.com", "private", "acme", "true", "true", "containers.acme.ghe.com", ""),
        ("https://git.example", "public", "acme", "false", "false", "", "git.example has no artifact attestations"),
        ("https://mygithub.com", "public", "", "false", "false", "", "mygithub.com does not have the artifacts"),
    ] {
        let (plan, told) = planned(&mut repository, server, visibility, enterprise);
        assert_eq!(plan[..3], [format!("hosted={hosted}"), format!("attest={attest}"), format!("registry={registry}")], "{server}");
        assert!(told.contains(said) && (told.is_empty() == said.is_empty()), "{told}");
    }
    repository.set("RELEASE_WITHOUT", "attestation images");
    let (plan, _) = planned(&mut repository, "https://github.com", "public", "");
    assert_eq!(plan[..3], ["hosted=true", "attest=false", "registry="]);
}

#[test]
fn targets_can_be_left_out_and_built_on_other_runners() {
    let mut repository = Repository::new("0.1.0");
    let (plan, _) = planned(&mut repository, "https://github.com", "public", "");
    let all = r#"targets={"include":[{"target":"linux-x64","arch":"x64","runner":["ubuntu-latest"]},{"target":"linux-arm64","arch":"arm64","runner":["ubuntu-24.04-arm"]},{"target":"darwin-x64","arch":"x64","runner":["macos-latest"]},{"target":"darwin-arm64","arch":"arm64","runner":["macos-latest"]},{"target":"win32-x64","arch":"x64","runner":["windows-latest"]},{"target":"win32-arm64","arch":"arm64","runner":["windows-latest"]}]}"#;
    assert_eq!(plan[4], all);
    assert_eq!(plan[5], "names=linux-x64 linux-arm64 darwin-x64 darwin-arm64 win32-x64 win32-arm64");

    repository.set("RELEASE_TARGETS", "win32-x64 linux-arm64=self-hosted,arm_pool linux-x64").set("RUNNER", "pool");
    let (plan, _) = planned(&mut repository, "https://github.com", "public", "");
    let linux = r#"{"target":"linux-arm64","arch":"arm64","runner":["self-hosted","arm_pool"]},{"target":"linux-x64","arch":"x64","runner":["pool"]}"#;
    let windows = r#"{"target":"win32-x64","arch":"x64","runner":["windows-latest"]}"#;
    assert_eq!(
        plan[3..],
        [
            format!(r#"images={{"include":[{linux}]}}"#),
            format!(r#"targets={{"include":[{windows},{linux}]}}"#),
            "names=win32-x64 linux-arm64 linux-x64".into()
        ]
    );

    repository.set("RELEASE_TARGETS", "win32-x64");
    assert!(planned(&mut repository, "https://github.com", "public", "").0.contains(&"registry=".into()), "no image without Linux");
    for (wrong, told) in
        [("linux-x46", "has 'linux-x46', which is none of: linux-x64"), ("linux-x64=a\"b", "write TARGET or TARGET=RUNNER")]
    {
        assert!(repository.set("RELEASE_TARGETS", wrong).release(&["plan"]).failed().contains(told));
    }
}

#[test]
fn an_archive_has_the_binary_on_top_and_the_checksums_hold() {
    let repository = Repository::new("0.1.0");
    assert!(repository.release(&["pack"]).failed().contains("has no binary: build one (.github/release build linux-x64), or put it there"));
    repository.place("linux-x64", "linux");
    repository.place("win32-x64", "windows");
    assert!(repository.release(&["commit"]).failed().contains("run .github/release pack first"));
    repository.write("work/examples/completions.rs", "");
    repository.commit();
    repository.release(&["pack"]).succeeded();
    let sums = fs::read(repository.path("work/target/dist/SHA256SUMS")).unwrap();
    let checked = repository.run("sh", &["-c", "cd target/dist && sha256sum -c SHA256SUMS"]).succeeded();
    let files = ["Cargo.toml", "THIRD-PARTY-NOTICES", "jf-token-linux-x64.tar.gz", "jf-token-win32-x64.tar.gz"];
    assert_eq!(checked.lines().collect::<Vec<_>>(), files.map(|file| format!("{file}: OK")));

    let listed = repository.run("tar", &["-tzf", "target/dist/jf-token-linux-x64.tar.gz"]).succeeded();
    assert_eq!(listed.replace('\n', " "), "LICENSE README.md THIRD-PARTY-NOTICES jf-token man1/ man1/jf-token.1");
    assert_eq!(repository.run("tar", &["-xzOf", "target/dist/jf-token-win32-x64.tar.gz", "jf-token.exe"]).succeeded(), "windows");
    let mode =
        repository.run("sh", &["-c", "tar -xzf target/dist/jf-token-linux-x64.tar.gz jf-token && stat -c %a jf-token && rm jf-token"]);
    assert_eq!(mode.succeeded(), "755");
    repository.release(&["pack"]).succeeded();
    assert_eq!(fs::read(repository.path("work/target/dist/SHA256SUMS")).unwrap(), sums, "the same files make the same archives");
}

#[test]
fn the_page_is_a_draft_until_the_tags_are_there() {
    let mut repository = packed("0.1.0", &["linux-x64"]);
    repository.release(&["pack"]).succeeded();
    // It notes how it was called, what the notes were, and which tags were there.
    let gh = "#!/bin/sh\n{ echo \"$GH_REPO: $*\"; [ $2 != create ] || cat; git ls-remote --tags origin | sed 's/.*\\t/  /'; } >>../gh\n\
              [ $2 != view ] || [ ! -e ../state ] || cat ../state\n";
    repository.program("gh", gh);
    let called = |repository: &mut Repository| {
        let _ = fs::remove_file(repository.path("gh"));
        repository.set("RELEASE_WITHOUT", "").release(&["publish"]).succeeded();
        fs::read_to_string(repository.path("gh")).unwrap()
    };
    let files = ["Cargo.toml", "SHA256SUMS", "THIRD-PARTY-NOTICES", "jf-token-linux-x64.tar.gz"]
        .map(|file| format!("target/dist/{file}"))
        .join(" ");
    let (here, there) = ("github.com/other/jf-token: release", "  refs/tags/src-v0.1.0\n  refs/tags/v0.1.0\n");
    let ask = format!("{here} view v0.1.0 --json isDraft --jq .isDraft\n");
    assert_eq!(
        called(&mut repository),
        format!(
            "{ask}{here} create v0.1.0 --draft --title jf-token 0.1.0 --notes-file - {files}\n\n- It works.\n\n{here} edit v0.1.0 --draft=false\n{there}"
        )
    );
    repository.write("state", "true\n");
    let there = "  refs/tags/src-v0.1.0\n  refs/tags/v0\n  refs/tags/v0.1.0\n";
    assert_eq!(
        called(&mut repository),
        format!("{ask}{there}{here} upload v0.1.0 --clobber {files}\n{there}{here} edit v0.1.0 --draft=false\n{there}")
    );
    repository.write("state", "false\n");
    assert_eq!(called(&mut repository), format!("{ask}{there}{here} edit v0.1.0 --draft=false\n{there}"));
}

#[test]
fn a_release_without_the_program_for_its_page_still_has_its_tags() {
    let mut repository = packed("0.1.0", &["linux-x64"]);
    let path = "git sed grep awk mktemp rm cat dirname basename bash env ls sort cut".split(' ');
    for name in path {
        let found = repository.run("sh", &["-c", &format!("command -v {name}")]).succeeded();
        std::os::unix::fs::symlink(found, repository.path("bin").join(name)).unwrap();
    }
    let bin = repository.path("bin").display().to_string();
    let told = repository.set("PATH", &bin).set("RELEASE_WITHOUT", "").release(&["publish"]);
    assert!(
        told.success && told.stderr.contains("There is no page with downloads, because gh is missing on this machine"),
        "{}",
        told.stderr
    );
    assert_eq!(names(&repository), ["src-v0.1.0", "v0", "v0.1.0"]);
}
