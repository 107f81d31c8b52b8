//! Logins by SSH with OpenSSH's client and server.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::peers::{Running, system};
use crate::support::{Ran, Scene};

const PASSPHRASE: &str = "a phrase%that'opens \"the$key";

/// The platform of the scene with an SSH server, which lets in whoever has the key `work/key` or `work/locked`.
struct Server {
    scene: Scene,
    port: u16,
    running: Running,
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn output(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(system(program)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// A new key of this type.
fn keygen(path: &Path, kind: &[&str], passphrase: &str) {
    let _ = fs::remove_file(path);
    output("ssh-keygen", &[kind, &["-q", "-N", passphrase, "-f", path.to_str().unwrap()]].concat());
}

const ED25519: &[&str] = &["-t", "ed25519"];
const PEM: &[&str] = &["-t", "rsa", "-m", "PEM"];

impl Server {
    fn new() -> Self {
        let mut scene = Scene::new();
        for folder in ["bin", "server"] {
            fs::create_dir(scene.path(folder)).unwrap();
        }
        keygen(&scene.path("work/key"), ED25519, "");
        keygen(&scene.path("work/locked"), ED25519, PASSPHRASE);
        keygen(&scene.path("work/old"), PEM, PASSPHRASE);
        keygen(&scene.path("work/stranger"), ED25519, "");
        keygen(&scene.path("server/host"), ED25519, "");
        let public: Vec<_> = ["key", "locked", "old"].iter().map(|key| scene.read(&format!("work/{key}.pub"))).collect();
        scene.write("server/authorized", &public.concat());
        // Without it, the public key can't be read before the passphrase is known.
        fs::remove_file(scene.path("work/old.pub")).unwrap();
        let answer = format!(
            r#"{{"href":"{}/artifactory/","headers":{{"Authorization":"Bearer {}"}}}}"#,
            scene.sandbox.url(),
            scene.sandbox.admin_token()
        );
        scene.write("server/answer", &answer);
        let folder = scene.path("server").display().to_string();
        scene.write("server/command", &format!("echo \"$SSH_ORIGINAL_COMMAND\" >>{folder}/asked; cat {folder}/answer"));
        // OpenSSH takes the home folder from the user's entry, not from HOME.
        let real = system("ssh").display().to_string();
        scene.write("bin/ssh", &format!("#!/bin/sh\nexec {real} -F {folder}/config \"$@\"\n"));
        fs::set_permissions(scene.path("bin/ssh"), fs::Permissions::from_mode(0o755)).unwrap();
        scene.write("server/config", &format!("UserKnownHostsFile {folder}/known\nGlobalKnownHostsFile /dev/null\n"));
        let path = format!("{}:{}", scene.path("bin").display(), std::env::var("PATH").unwrap());
        scene.unset("JF_ACCESS_TOKEN").set("PATH", &path).asks_for("server/answer");
        let (port, running) = start(&scene);
        let mut server = Self { scene, port, running };
        server.is_at(port).knows("server/host.pub");
        server
    }

    fn is_at(&mut self, port: u16) -> &mut Self {
        let user = text(&output("id", &["-un"]));
        self.scene.set("JF_URL", &format!("ssh://{user}@127.0.0.1:{port}"));
        self
    }

    /// Makes this the only host key that the client knows.
    fn knows(&mut self, key: &str) -> &mut Self {
        let line = format!("[127.0.0.1]:{} {}", self.port, self.scene.read(key));
        self.scene.write("server/known", &line);
        self
    }

    fn create(&self, key: &str, more: &[&str]) -> Ran {
        let key = self.scene.path(&format!("work/{key}")).display().to_string();
        self.scene.run(&[&["create", "--ssh-key-path", &key], more].concat())
    }

    #[track_caller]
    fn fails(&self, ran: &Ran, code: i32, what: &str) {
        assert!(ran.code == code && ran.stderr.contains(what), "{what}: {}\n{}", ran.story, self.running.log());
        assert!(self.scene.sandbox.issued().is_empty() && !ran.stderr.contains("phrase%that"), "{}", ran.story);
    }
}

fn start(scene: &Scene) -> (u16, Running) {
    // A server that runs as root needs it.
    let _ = fs::create_dir_all("/run/sshd");
    // Another program may take the free port before the server does.
    for _ in 0..5 {
        let (port, folder) = (free_port(), scene.path("server").display().to_string());
        let configuration = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\nPidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nForceCommand . {folder}/command\n"
        );
        scene.write("server/sshd", &configuration);
        let sshd = ["/usr/sbin/sshd", "/usr/bin/sshd"].into_iter().find(|path| Path::new(path).exists());
        let mut command = Command::new(sshd.expect("sshd is not here: install openssh-server"));
        command.args(["-D", "-e", "-f", &format!("{folder}/sshd")]);
        let running = Running::start(command, &scene.path("server/log"));
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if running.log().contains("Server listening") {
                return (port, running);
            }
            sleep(Duration::from_millis(10));
        }
    }
    panic!("sshd did not start")
}

#[test]
fn a_key_without_a_passphrase_logs_in_and_again_for_a_renewal() {
    let server = Server::new();
    let ran = server.create("key", &["--session", "s", "--format", "none"]);
    assert_eq!((ran.code, server.scene.sandbox.issued().len()), (0, 1), "{}\n{}", ran.story, server.running.log());
    let key = server.scene.path("work/key").display().to_string();
    let ran = server.scene.run(&["refresh", "--session", "s", "--ssh-key-path", &key]);
    assert_eq!((ran.code, server.scene.sandbox.issued().len()), (0, 2), "{}", ran.story);
    assert_eq!(server.scene.read("server/asked"), "jfrog-authenticate\njfrog-authenticate\n");
}

#[test]
fn the_passphrase_opens_a_key_of_either_format() {
    for key in ["locked", "old"] {
        let mut server = Server::new();
        server.scene.set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE);
        let ran = server.create(key, &["--session", "s", "--format", "none"]);
        assert_eq!(ran.code, 0, "{key}: {}\n{}", ran.story, server.running.log());
    }
}

#[test]
fn a_wrong_passphrase_and_a_missing_one_are_told_apart() {
    for (key, may_be_refused) in [("locked", false), ("old", true)] {
        let mut server = Server::new();
        server.fails(&server.create(key, &[]), 3, "has a passphrase, and none was given");
        server.scene.set("JF_TOKEN_SSH_PASSPHRASE", "phrase%that opens no door");
        let ran = server.create(key, &[]);
        server.fails(&ran, 2, "JF_TOKEN_SSH_PASSPHRASE: is not the passphrase of");
        assert_eq!(ran.stderr.contains("If it is right"), may_be_refused, "{}", ran.story);
    }
}

#[test]
fn a_passphrase_that_is_not_needed_does_no_harm() {
    let mut server = Server::new();
    server.scene.set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE);
    assert_eq!(server.create("key", &["--session", "s", "--format", "none"]).code, 0);
}

#[test]
fn an_agent_has_the_key() {
    let mut server = Server::new();
    let socket = server.scene.path("tmp/agent").display().to_string();
    let mut command = Command::new(system("ssh-agent"));
    command.args(["-D", "-a", &socket]);
    let _agent = Running::start(command, &server.scene.path("tmp/agent.log"));
    let deadline = Instant::now() + Duration::from_secs(5);
    while !Path::new(&socket).exists() && Instant::now() < deadline {
        sleep(Duration::from_millis(10));
    }
    let key = server.scene.path("work/key").display().to_string();
    let added = Command::new(system("ssh-add")).args(["-q", &key]).env("SSH_AUTH_SOCK", &socket).status().unwrap();
    assert!(added.success());
    server.scene.set("SSH_AUTH_SOCK", &socket);
    let ran = server.scene.run(&["create", "--session", "s", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.story, server.running.log());
}

#[test]
fn an_unknown_host_key_is_refused_unless_a_new_one_is_accepted() {
    let mut server = Server::new();
    server.scene.write("server/known", "");
    let ran = server.create("key", &[]);
    server.fails(&ran, 5, "the host key is not known");
    assert!(ran.stderr.contains(&format!("ssh-keyscan -p {} 127.0.0.1", server.port)), "{}", ran.story);
    assert!(!server.scene.path("server/asked").exists() && server.scene.read("server/known").is_empty());
    let more = ["--session", "s", "--format", "none"];
    assert_eq!(server.create("key", &[&more[..], &["--ssh-accept-new"]].concat()).code, 0);
    // It is remembered.
    assert_eq!(server.create("key", &more).code, 0);
    keygen(&server.scene.path("server/other"), ED25519, "");
    server.knows("server/other.pub");
    let ran = server.create("key", &["--ssh-accept-new"]);
    assert!(ran.code == 5 && ran.stderr.contains("the host key is not the one that is known"), "{}", ran.story);
}

#[test]
fn a_changed_host_key_is_refused() {
    for flags in [&[][..], &["--ssh-accept-new"]] {
        let mut server = Server::new();
        keygen(&server.scene.path("server/other"), ED25519, "");
        server.knows("server/other.pub");
        let ran = server.create("key", flags);
        server.fails(&ran, 5, "the host key is not the one that is known");
        assert!(ran.stderr.contains(&format!("ssh-keygen -R '[127.0.0.1]:{}'", server.port)), "{}", ran.story);
    }
}

#[test]
fn a_key_that_the_server_does_not_know_is_refused() {
    let server = Server::new();
    server.fails(&server.create("stranger", &[]), 4, "does not let");
}

#[test]
fn a_key_file_of_no_use_is_named() {
    let server = Server::new();
    server.scene.write("work/text", "no key\n");
    fs::set_permissions(server.scene.path("work/text"), fs::Permissions::from_mode(0o600)).unwrap();
    server.fails(&server.create("text", &[]), 2, "is not a private key that ssh can read");
    fs::set_permissions(server.scene.path("work/key"), fs::Permissions::from_mode(0o644)).unwrap();
    server.fails(&server.create("key", &[]), 2, "others can read");
}

#[test]
fn a_server_that_says_nothing_or_is_not_there_is_unreachable() {
    let mut server = Server::new();
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server.is_at(silent.local_addr().unwrap().port());
    server.fails(&server.create("key", &[]), 5, "no answer came in time");
    server.is_at(free_port());
    server.fails(&server.create("key", &[]), 5, "connection refused");
    server.scene.set("JF_URL", "ssh://nobody.invalid");
    server.fails(&server.create("key", &[]), 5, "not known to the name service");
}

#[test]
fn an_answer_that_is_no_json_and_a_command_that_fails_are_not_shown() {
    let server = Server::new();
    server.scene.write("server/answer", "Welcome to this server");
    let ran = server.create("key", &[]);
    server.fails(&ran, 6, "is not the JSON");
    assert!(!ran.stderr.contains("Welcome"), "{}", ran.story);
    server.scene.write("server/command", "echo unknown command >&2; exit 7");
    server.fails(&server.create("key", &[]), 6, "exit status: 7");
}

#[test]
fn without_ssh_nothing_is_tried() {
    let mut server = Server::new();
    server.scene.set("PATH", "/nowhere");
    server.fails(&server.create("key", &[]), 1, "there is no ssh on the PATH");
}

#[test]
fn exec_runs_its_program_after_a_login_with_a_passphrase() {
    let mut server = Server::new();
    let key = server.scene.path("work/locked").display().to_string();
    server.scene.set("JF_TOKEN_SSH_PASSPHRASE", PASSPHRASE).set("JF_TOKEN_SSH_KEY_PATH", &key);
    let ran = server.scene.run(&["exec", "--", "env"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(ran.stdout.contains(&format!("JF_URL={}", server.scene.sandbox.url())) && !ran.stdout.contains("SSH"), "{}", ran.story);
    assert!(server.scene.sandbox.issued().iter().all(|token| !token.live));
}
