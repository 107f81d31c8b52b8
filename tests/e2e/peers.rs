//! Finds and runs the peers, and checks what they leave behind.

use std::env;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::support::{BINARY, Scene, leaks};

/// Longer than any test needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a peer that `.ci/run` installs in its own folder.
pub fn tool(name: &str) -> PathBuf {
    let folder = env::var_os("JF_TOKEN_E2E_TOOLS").expect("JF_TOKEN_E2E_TOOLS is not set: .ci/run installs the peers and sets it");
    let path = Path::new(&folder).join("bin").join(name);
    path.canonicalize().unwrap_or_else(|_| panic!("{name} is not in JF_TOKEN_E2E_TOOLS: .ci/run installs it"))
}

/// A command that runs this JavaScript module, which may import the npm packages among the peers.
pub fn node(scene: &Scene, name: &str, script: &str) -> Command {
    let path = write(scene, &format!("node/{name}.mjs"), script);
    let (node, modules) = (tool("node24"), path.with_file_name("node_modules"));
    if !modules.exists() {
        symlink(node.ancestors().find(|folder| folder.ends_with("node_modules")).unwrap(), modules).unwrap();
    }
    let mut command = command(scene, &node);
    command.arg(path);
    command
}

/// The path of a peer from a system package.
pub fn system(name: &str) -> PathBuf {
    let folders = env::var_os("PATH").unwrap();
    let found = env::split_paths(&folders).chain(["/usr/sbin".into()]).map(|folder| folder.join(name)).find(|path| path.exists());
    found.unwrap_or_else(|| panic!("{name} is not on PATH: install the system's package that has it; .ci/run does"))
}

/// A command in the scene's work folder, with its own environment. Its PATH is the scene's bin followed by the system's.
pub fn command(scene: &Scene, program: &Path) -> Command {
    let bin = scene.path("bin");
    if !bin.exists() {
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(scene.path("home")).unwrap();
        symlink(BINARY, bin.join("jf-token")).unwrap();
        symlink(tool("node24"), bin.join("node")).unwrap();
    }
    let path = env::join_paths([bin].into_iter().chain(env::split_paths(&env::var_os("PATH").unwrap()))).unwrap();
    let mut command = Command::new(program);
    command.env_clear().env("PATH", path).env("HOME", scene.path("home")).env("TMPDIR", scene.path("tmp")).env("GIT_CONFIG_NOSYSTEM", "1");
    command.current_dir(scene.path("work")).stdin(Stdio::null());
    command
}

/// Makes the work folder a git repository with all its files in one commit.
pub fn commit(scene: &Scene) {
    for arguments in
        ["init --quiet --initial-branch main", "add --all", "-c user.name=e2e -c user.email=e2e@localhost commit --quiet -m e2e"]
    {
        assert!(command(scene, &system("git")).args(arguments.split(' ')).status().unwrap().success(), "git {arguments}");
    }
}

/// Writes a file, and creates its folders.
pub fn write(scene: &Scene, path: &str, text: &str) -> PathBuf {
    fs::create_dir_all(scene.path(path).parent().unwrap()).unwrap();
    scene.write(path, text)
}

/// Writes the script that the documents' recipes run. It uses the token, and prints the status of the answer.
pub fn write_publish_script(scene: &Scene, more: &str) {
    use std::os::unix::fs::PermissionsExt;
    let url = scene.sandbox.url();
    let path = write(scene, "work/publish.sh", &format!("#!/bin/sh\nTOKEN=$JF_ACCESS_TOKEN URL={url}\n{USE}\n{more}\n"));
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Uses $TOKEN, and prints the status of the answer.
pub const USE: &str =
    r#"printf 'Authorization: Bearer %s' "$TOKEN" | curl -s -o /dev/null -w 'answer %{http_code}\n' -H @- "$URL/artifactory/generic/app""#;

/// The tokens used to request the protected file, and whether each is live now.
pub fn used(scene: &Scene) -> Vec<(String, bool)> {
    let requests = scene.sandbox.requests().into_iter().filter(|request| request.path.starts_with("/artifactory/"));
    let tokens = requests.flat_map(|request| request.headers).filter(|(name, _)| name == "authorization");
    let tokens = tokens.map(|(_, value)| value.trim_start_matches("Bearer ").to_owned());
    tokens.map(|token| (token.clone(), scene.sandbox.is_live(&token))).collect()
}

/// Checks that no file in the job's folder, its home or the temporary folder contains part of a secret.
pub fn search_the_disk(scene: &Scene) {
    let ours = ["home", "tmp", "work", "work.tmp"].map(|folder| scene.path(folder));
    // act copies the action into its home. The program takes long to search, and was there before any token.
    let is_program =
        |path: &Path| path.is_symlink() || (path.ends_with("jf-token") && path.ancestors().any(|folder| folder.ends_with("action/bin")));
    for path in scene.files().iter().filter(|path| ours.iter().any(|folder| path.starts_with(folder)) && !is_program(path)) {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        assert!(scene.secrets().iter().all(|secret| !leaks(&text, secret)), "{} contains a secret", path.display());
    }
}

/// A running peer. Its output goes to a file, so that a test can wait for it.
pub struct Running {
    child: Child,
    log: PathBuf,
}

/// A peer that has ended.
pub struct Ended {
    pub success: bool,
    pub log: String,
}

impl Running {
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        // In its own process group, so that all its processes can be ended together.
        command.stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    pub fn wait_for(&mut self, what: &str, here: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !here(self) {
            let over = self.child.try_wait().unwrap().is_some() || Instant::now() > deadline;
            assert!(!over || here(self), "timed out waiting for {what}:\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }

    pub fn wait_for_line(&mut self, line: &str) {
        self.wait_for(line, |running| running.log().contains(line));
    }

    pub fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn end(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Ended { success: status.success(), log: self.log() };
            }
            assert!(Instant::now() < deadline, "the peer does not end:\n{}", self.log());
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // On SIGINT, a runner ends its steps, which may be in other process groups.
            self.send(Signal::INT);
            let deadline = Instant::now() + Duration::from_secs(10);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                sleep(Duration::from_millis(50));
            }
        }
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Ended {
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.log.contains(text), "\"{text}\" is not in the log:\n{}", self.log);
        self
    }

    pub fn never_says(&self, text: &str) -> &Self {
        assert!(!self.log.contains(text), "\"{text}\" is in the log:\n{}", self.log);
        self
    }

    pub fn succeeded(&self) -> &Self {
        assert!(self.success, "the peer failed:\n{}", self.log);
        self
    }

    pub fn failed(&self) -> &Self {
        assert!(!self.success, "the peer succeeded:\n{}", self.log);
        self
    }
}
