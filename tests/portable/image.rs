//! The container images, made by the commands of `docs/install.md`, with buildah, and pushed to a real registry.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary;
use crate::peers::{Running, system};
use crate::support::Scene;
use crate::support::documents::blocks_under;

const PUBLISHED: &str = concat!("ghcr.io/acme/jf-token:", env!("CARGO_PKG_VERSION_MAJOR"));
const PAGE: &str = "docs/install.md";
const SECTION: &str = "Container images";

/// The commands that make an image.
fn recipe() -> String {
    blocks_under(PAGE, SECTION, "sh").swap_remove(0)
}

/// A machine with images of its own.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let storage = format!("[storage]\ndriver = \"vfs\"\ngraphroot = \"{path}/images\"\nrunroot = \"{path}/run\"\n");
        fs::write(folder.path().join("storage.conf"), storage).unwrap();
        Self(folder)
    }

    /// One with a checkout of this project, and its static binary.
    fn with_checkout() -> Self {
        let machine = Self::new();
        let built = machine.path("target/x86_64-unknown-linux-musl/release");
        fs::create_dir_all(&built).unwrap();
        fs::copy(binary("JF_TOKEN_MUSL_BINARY"), built.join("jf-token")).unwrap();
        for name in ["Containerfile", "LICENSE"] {
            symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join(name), machine.path(name)).unwrap();
        }
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(system(program));
        command.args(arguments).current_dir(self.0.path());
        command.env("CONTAINERS_STORAGE_CONF", self.path("storage.conf")).env("BUILDAH_ISOLATION", "chroot");
        command.output().unwrap()
    }

    /// What a program prints that succeeds.
    fn run(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.output(program, arguments);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{program} {arguments:?}:\n{stdout}{stderr}");
        stdout.trim().to_owned()
    }

    fn buildah(&self, arguments: &[&str]) -> String {
        self.run("buildah", arguments)
    }

    /// Makes both images as the page says.
    fn build(&self) {
        let mut recipe = recipe();
        for (name, value) in [("VERSION", "1.2.3"), ("REVISION", "abc"), ("SOURCE", "https://example.com/jf-token")] {
            recipe = recipe.replace("--tag", &format!("--build-arg {name}={value} --tag"));
        }
        self.run("sh", &["-ec", &recipe]);
        self.run(
            "sh",
            &["-ec", &recipe.replace("mkdir", "mkdir -p").replace("--target shell", "--target binary").replace(":0-shell", ":0")],
        );
    }

    /// A container of this image.
    fn container<'m>(&'m self, image: &str, scene: &'m Scene) -> Container<'m> {
        Container { machine: self, name: self.buildah(&["from", "--pull-never", image]), scene }
    }
}

struct Container<'m> {
    machine: &'m Machine,
    name: String,
    scene: &'m Scene,
}

impl Container<'_> {
    fn run(&self, user: &str, words: &[&str]) -> String {
        let (url, token) =
            (format!("JF_URL={}", self.scene.sandbox.url()), format!("JF_ACCESS_TOKEN={}", self.scene.sandbox.admin_token()));
        let options = ["run", "--user", user, "--env", &url, "--env", &token, &self.name, "--"];
        self.machine.buildah(&[&options, words].concat())
    }

    /// Issues a token and revokes it.
    fn uses_a_token(&self, user: &str) {
        let issued = self.scene.sandbox.issued().len();
        let program = "/usr/local/bin/jf-token";
        assert!(self.run(user, &[program, "--version"]).starts_with("jf-token "));
        let token = self.run(user, &[program, "create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "token"]);
        assert!(self.scene.sandbox.is_live(&token), "{token}");
        self.run(user, &[program, "revoke", "--session", "s"]);
        assert!(!self.scene.sandbox.is_live(&token) && self.scene.sandbox.issued().len() == issued + 1);
    }
}

#[test]
fn both_images_issue_and_revoke_and_say_what_they_are() {
    let (machine, scene) = (Machine::with_checkout(), Scene::new());
    machine.build();
    for (image, starts) in [("jf-token:0", json!(["/usr/local/bin/jf-token"])), ("jf-token:0-shell", json!(null))] {
        machine.container(image, &scene).uses_a_token("0");
        let told: Value = serde_json::from_str(&machine.buildah(&["inspect", "--type", "image", image])).unwrap();
        let configuration = &told["OCIv1"]["config"];
        assert_eq!(configuration["Entrypoint"], starts);
        for (name, value) in [
            ("title", "jf-token"),
            ("description", env!("CARGO_PKG_DESCRIPTION")),
            ("licenses", "Apache-2.0"),
            ("version", "1.2.3"),
            ("revision", "abc"),
            ("source", "https://example.com/jf-token"),
        ] {
            assert_eq!(configuration["Labels"][format!("org.opencontainers.image.{name}")], value);
        }
    }
}

#[test]
fn a_job_runs_in_the_image_with_a_shell_as_root_and_as_anybody() {
    let (machine, scene) = (Machine::with_checkout(), Scene::new());
    machine.build();
    for user in ["0", "54321:54321"] {
        let container = machine.container("jf-token:0-shell", &scene);
        container.uses_a_token(user);
        let job = r#"jf-token exec --expiry 1h --force-revocable -- sh -c 'echo "it is $JF_ACCESS_TOKEN" | tee /tmp/it | cut -c 1-5; cat /tmp/it'"#;
        assert_eq!(container.run(user, &["/bin/sh", "-ec", job]), "it is\nit is ***");
    }
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
}

#[test]
fn a_binary_that_is_not_static_makes_no_image_with_a_shell() {
    let machine = Machine::with_checkout();
    fs::copy(crate::support::BINARY, machine.path("target/x86_64-unknown-linux-musl/release/jf-token")).unwrap();
    let output = machine.output("sh", &["-ec", &recipe()]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("jf-token: not found"), "{output:?}");
}

#[test]
fn an_image_that_was_pushed_is_copied_from_as_the_page_says() {
    let (machine, other, scene) = (Machine::with_checkout(), Machine::new(), Scene::new());
    machine.build();
    let configuration = machine.path("registry.yml");
    fs::write(&configuration, "version: 0.1\nstorage: {inmemory: {}}\nhttp: {addr: '127.0.0.1:0'}\n").unwrap();
    let mut command = Command::new(system("docker-registry"));
    command.arg("serve").arg(&configuration);
    let mut registry = Running::start(command, &machine.path("registry.log"));
    registry.wait_for_line("listening on ");
    let log = registry.log();
    let port = log.split("listening on 127.0.0.1:").nth(1).unwrap().split('"').next().unwrap();
    let published = format!("127.0.0.1:{port}/acme/jf-token:0");
    machine.buildah(&["push", "--tls-verify=false", "jf-token:0", &format!("docker://{published}")]);

    let line = &blocks_under(PAGE, SECTION, "dockerfile")[0];
    assert!(line.contains(PUBLISHED), "{line}");
    fs::write(other.path("Containerfile"), format!("FROM scratch\n{}", line.replace(PUBLISHED, &published))).unwrap();
    other.buildah(&["build", "--tls-verify=false", "--tag", "ours", other.path("").to_str().unwrap()]);
    other.container("ours", &scene).uses_a_token("0");
}
