//! In a root that holds nothing but `/tmp` and the binary: no libc, no CA certificates, no `/etc`, no `/dev`, no `/proc`.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sandbox::{Issuer, Sandbox, Tls};

use crate::binary;
use crate::peers::system;
use crate::support::{Ran, Scene};

const CREATE: [&str; 6] = ["create", "--session", "s", "--force-revocable", "--token-file", "/tmp/token"];

struct Root {
    scene: Scene,
    /// Without `/etc/passwd` every user is one that no file names.
    user: &'static str,
}

impl Root {
    fn new() -> Self {
        Self::of(Scene::new())
    }

    fn of(mut scene: Scene) -> Self {
        fs::create_dir_all(scene.path("root/tmp")).unwrap();
        fs::set_permissions(scene.path("root/tmp"), Permissions::from_mode(0o1777)).unwrap();
        fs::copy(binary("JF_TOKEN_MUSL_BINARY"), scene.path("root/jf-token")).unwrap();
        for name in ["TMPDIR", "TZ", "SSL_CERT_FILE"] {
            scene.unset(name);
        }
        scene.asks_for("root/tmp/token").asks_for("root/tmp/jf.env").asks_for("input");
        Self { scene, user: "0" }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_as("/jf-token", arguments)
    }

    /// Starts the program by this name, as a shell would: the working directory is `/`. It reads the scene's file `input`.
    fn run_as(&self, name: &str, arguments: &[&str]) -> Ran {
        let (root, user) = (self.scene.path("root"), format!("--userspec={0}:{0}", self.user));
        let chroot = [&[&user, root.to_str().unwrap(), name], arguments].concat();
        let mut command = self.scene.command(system("chroot").to_str().unwrap(), &chroot);
        let input = File::open(self.scene.path("input")).map_or_else(|_| Stdio::null(), Stdio::from);
        self.scene.ran(arguments, command.stdin(input).output().unwrap())
    }

    fn succeeds(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{}", ran.story);
        ran
    }

    /// How many processes run in this root.
    fn processes(&self) -> usize {
        let roots = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| fs::read_link(entry.path().join("root")).ok());
        roots.filter(|root| *root == self.scene.path("root")).count()
    }

    /// Ends the session, after which nothing may be left.
    fn revoke(&self) {
        self.succeeds(&["revoke", "--session", "s"]);
        wait_until("the keeper's end", || self.processes() == 0);
        assert!(self.scene.sandbox.issued().iter().all(|issued| !issued.live));
        assert_eq!(fs::read_dir(self.scene.path("root/tmp")).unwrap().count(), 0);
    }

    fn last(&self) -> String {
        self.scene.sandbox.issued().pop().unwrap().access_token
    }
}

fn wait_until(what: &str, here: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !here() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_token_is_minted_used_renewed_hidden_and_revoked_with_and_without_a_home() {
    for (home, user) in [(None, "0"), (Some("/root"), "0"), (None, "54321"), (Some("/tmp"), "54321")] {
        let mut root = Root { user, ..Root::new() };
        home.map(|home| root.scene.set("HOME", home));
        let issuer = Issuer::start();
        root.scene.set("A_JOBS", &issuer.gitlab_token("jfrog"));
        let more = ["--expiry", "1h", "--refreshable", "--output-file", "/tmp/jf.env", "--format", "json"];
        let ran = root.succeeds(&[&CREATE[..], &more].concat());
        let first = root.last();
        assert!(ran.stdout.contains(&first) && root.scene.read("root/tmp/token") == first, "{}", ran.story);
        assert!(root.scene.read("root/tmp/jf.env").contains(&format!("JF_ACCESS_TOKEN={first}\n")));
        assert_eq!(root.succeeds(&["get", "--session", "s"]).stdout.trim(), first);
        assert!(root.succeeds(&["status", "--session", "s"]).stdout.contains("/tmp/token"));
        assert!(root.succeeds(&["inspect", "--session", "s", "--online"]).stdout.contains("admin"));
        assert!(root.succeeds(&["identity", "--oidc-token-var", "A_JOBS"]).stdout.contains("octo/app"));
        assert_eq!(root.succeeds(&["exec", "--session", "s", "--", "/jf-token", "get"]).stdout, "***\n");
        let ran = root.succeeds(&["exec", "--", "/jf-token", "inspect"]);
        assert!(ran.story.contains("token id   <token id 2>"), "{}", ran.story);
        root.succeeds(&["refresh", "--session", "s"]);
        assert!(root.last() != first && root.scene.read("root/tmp/token") == root.last());
        root.scene.write("input", &format!("before {} behind\n", root.last()));
        assert_eq!(root.succeeds(&["redact"]).stdout, "before *** behind\n");
        root.revoke();
    }
}

#[test]
fn a_keeper_is_started_by_the_path_that_was_given_or_found_in_path() {
    for (name, path, renew_by) in [("/jf-token", None, "mint"), ("./jf-token", None, "refresh"), ("jf-token", Some("/nowhere:/"), "auto")] {
        let mut root = Root::new();
        path.map(|path| root.scene.set("PATH", path));
        let more = ["--expiry", "2", "--refreshable", "--keep-fresh", "--format", "none", "--renew-by", renew_by];
        let ran = root.run_as(name, &[&CREATE[..], &more].concat());
        assert!(ran.code == 0 && ran.stderr.contains("is kept fresh"), "{name}: {}", ran.story);
        wait_until("two renewals", || root.scene.sandbox.issued().len() >= 3);
        assert_eq!(root.processes(), 1, "{name}");
        wait_until("the last one in its file", || root.scene.read("root/tmp/token") == root.last());
        root.revoke();
    }
}

#[test]
fn a_program_that_can_not_find_itself_says_so_before_there_is_a_token() {
    let root = Root::new();
    fs::create_dir(root.scene.path("root/bin")).unwrap();
    fs::rename(root.scene.path("root/jf-token"), root.scene.path("root/bin/jf-token")).unwrap();
    // Without PATH chroot looks in /bin, which the program can't know.
    let ran = root.run_as("jf-token", &[&CREATE[..], &["--keep-fresh"]].concat());
    assert!(ran.code == 1 && ran.stderr.contains("start it by its path"), "{}", ran.story);
    assert!(root.scene.sandbox.issued().is_empty());
}

#[test]
fn https_takes_the_ca_certificates_from_a_file_and_without_one_says_how() {
    let mut root = Root::of(Scene::with(Sandbox::builder().tls(Tls::Valid)));
    let ran = root.run(&["create"]);
    assert!(ran.code == 5 && ran.stderr.contains("has no CA certificates") && ran.stderr.contains("--ca-file"), "{}", ran.story);
    fs::write(root.scene.path("root/tmp/ca.pem"), root.scene.sandbox.ca_pem()).unwrap();
    root.succeeds(&["create", "--ca-file", "/tmp/ca.pem"]);
    root.succeeds(&["create", "--insecure-tls"]);
    root.scene.set("SSL_CERT_FILE", "/tmp/ca.pem");
    root.succeeds(&["create"]);
}
