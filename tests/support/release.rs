//! A repository of its own that holds what a release is made of, with a bare one in the place of GitHub.
#![allow(dead_code, reason = "each test program uses only part of this")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// What is said of a release, and read by its users.
const FILES: [&str; 6] = ["action.yml", "action/main.js", "action/post.js", "LICENSE", "README.md", ".github/release"];

/// Knows of one crate, and makes one man page.
const CARGO: &str = r#"#!/bin/sh
case $1 in
  tree) echo 'anyhow v1.0.105|MIT OR Apache-2.0' ;;
  run) for folder; do :; done; mkdir "$folder/man1" && echo .TH >"$folder/man1/jf-token.1" ;;
esac
"#;

pub struct Repository {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

pub struct Told {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Repository {
    /// With this version, released today.
    pub fn new(version: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Self { folder, variables: BTreeMap::new() };
        repository.git(&["init", "--quiet", "--bare", "../origin.git"]);
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.git(&["remote", "add", "origin", "git@github.com:other/jf-token.git"]);
        let instead = format!("url.{}.insteadOf", repository.path("origin.git").display());
        repository.git(&["config", &instead, "git@github.com:other/jf-token.git"]);
        for name in FILES {
            let path = repository.path("work").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), path).unwrap();
        }
        repository.write("work/.gitignore", "/target\n");
        repository.program("cargo", CARGO);
        repository.version(version);
        repository
    }

    /// Commits this version, as released today.
    pub fn version(&self, version: &str) {
        let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let now = concat!("version = \"", env!("CARGO_PKG_VERSION"), "\"");
        self.write("work/Cargo.toml", &manifest.replacen(now, &format!("version = \"{version}\""), 1));
        self.write(
            "work/CHANGELOG.md",
            &format!("# Changelog\n\n## {version} (2026-01-02)\n\n- It works.\n\n## 0.0.1 (2026-01-01)\n\n- It is.\n"),
        );
        self.commit();
    }

    pub fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "What is to be released"]);
    }

    /// Puts a binary where `.github/release build` would, with this text in it.
    pub fn place(&self, target: &str, text: &str) {
        let exe = if target.starts_with("win32") { ".exe" } else { "" };
        self.write(&format!("work/target/bin/jf-token-{target}{exe}"), text);
    }

    /// Puts the notices where `.github/release pack` would.
    pub fn notice(&self) {
        self.write("work/target/dist/THIRD-PARTY-NOTICES", "notices\n");
    }

    /// Puts a program on the PATH before the system's.
    pub fn program(&self, name: &str, script: &str) {
        let path = self.write(&format!("bin/{name}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn output(&self, program: &str, arguments: &[&str]) -> Output {
        fs::create_dir_all(self.path("work")).unwrap();
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.path("work")).env_clear();
        command.env("PATH", path).env("HOME", self.folder.path()).env("GIT_CONFIG_NOSYSTEM", "1").env("RELEASE_WITHOUT", "page");
        for (name, value) in [("NAME", "Alice"), ("EMAIL", "alice@example.com")] {
            command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
        }
        // So that a large binary is only copied.
        command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "core.compression").env("GIT_CONFIG_VALUE_0", "0");
        command.envs(&self.variables).output().unwrap()
    }

    pub fn run(&self, program: &str, arguments: &[&str]) -> Told {
        let output = self.output(program, arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(self.folder.path().to_str().unwrap(), "HERE");
        Told { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// What git prints when it succeeds.
    pub fn git(&self, arguments: &[&str]) -> String {
        self.run("git", arguments).succeeded()
    }

    pub fn release(&self, arguments: &[&str]) -> Told {
        self.run(".github/release", arguments)
    }

    /// The tags of the other side, each with its commit.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let told = self.git(&["ls-remote", "--tags", "origin"]);
        told.lines().map(|line| line.split_once("\trefs/tags/").unwrap()).map(|(commit, tag)| (tag.into(), commit.into())).collect()
    }
}

impl Told {
    /// What it printed, without the last line break.
    pub fn succeeded(self) -> String {
        assert!(self.success, "{}{}", self.stdout, self.stderr);
        self.stdout.trim_end().to_owned()
    }

    /// What it said, without having printed anything.
    pub fn failed(self) -> String {
        assert!(!self.success && self.stdout.is_empty(), "{}{}", self.stdout, self.stderr);
        self.stderr
    }
}
