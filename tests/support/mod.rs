//! A scene runs the real binary with its own sandbox, folder and environment. All that the binary prints, writes and sends becomes
//! one text for a snapshot, with tokens, times and paths replaced. Every run is checked for leaks.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "each test program uses only part of this; a failed step ends the test"
)]

pub mod documents;
pub mod processes;
mod signals;

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{Cursor, Write};
#[cfg(unix)]
use std::os::unix::process::ExitStatusExt;
#[cfg(windows)]
use std::os::windows::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use regex::Regex;
use sandbox::{Builder, Sandbox};
use tempfile::TempDir;

thread_local!(static AHEAD: Cell<i64> = const { Cell::new(0) });

/// The system's clock, shifted by `AHEAD` milliseconds.
fn moved_clock() -> SystemTime {
    let ahead = AHEAD.get();
    let by = Duration::from_millis(ahead.unsigned_abs());
    if ahead < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
}

/// The output of a run in this process.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub const BINARY: &str = env!("CARGO_BIN_EXE_jf-token");

pub struct Scene {
    pub sandbox: Sandbox,
    folder: TempDir,
    environment: BTreeMap<String, String>,
    stdin: Vec<u8>,
    /// The ends of the paths of files that may contain a token, because the scenario requests them.
    asked_for: Vec<String>,
    /// Variables that are set a second time, for `run_at`.
    twice: Vec<(String, String)>,
    /// Whether the program is started as by the action's scripts, for the main or post step.
    is_action: bool,
    /// Whether a run within this process prints to a terminal.
    is_terminal: bool,
    /// The identity tokens that were exchanged, and what asks for them.
    identities: Mutex<HashSet<String>>,
    last_subject: Mutex<String>,
    /// The URL of who vouches for the job.
    issuer: String,
}

pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The whole run as one text for a snapshot.
    pub story: String,
}

impl Scene {
    /// Outside a CI, with an admin's token as the credential.
    pub fn new() -> Self {
        Self::with(Sandbox::builder())
    }

    pub fn with(builder: Builder) -> Self {
        signals::hear();
        let sandbox = builder.start();
        let folder = tempfile::tempdir_in(temp()).unwrap();
        for name in ["work", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut scene = Self {
            sandbox,
            folder,
            environment: BTreeMap::new(),
            stdin: Vec::new(),
            asked_for: Vec::new(),
            twice: Vec::new(),
            is_action: false,
            is_terminal: false,
            identities: Mutex::default(),
            last_subject: Mutex::default(),
            issuer: String::new(),
        };
        let (url, token, tmp) = (scene.sandbox.url(), scene.sandbox.admin_token().to_owned(), scene.path("tmp"));
        scene.set("JF_URL", &url).set("JF_ACCESS_TOKEN", &token).set("TMPDIR", tmp.to_str().unwrap()).set("TZ", "UTC");
        if !scene.sandbox.ca_pem().is_empty() {
            let ca = scene.write("tmp/ca.pem", scene.sandbox.ca_pem());
            scene.set("SSL_CERT_FILE", ca.to_str().unwrap());
        }
        scene
    }

    /// In a `run:` step of a GitHub job.
    pub fn github() -> Self {
        let mut scene = Self::new();
        scene.in_github();
        scene
    }

    pub fn in_github(&mut self) -> &mut Self {
        fs::create_dir(self.path("runner")).unwrap();
        self.set("GITHUB_ACTIONS", "true").set("CI", "true");
        for (name, file) in [
            ("GITHUB_OUTPUT", "output"),
            ("GITHUB_ENV", "env"),
            ("GITHUB_STATE", "state"),
            ("GITHUB_STEP_SUMMARY", "summary"),
            ("RUNNER_TEMP", "runner"),
        ] {
            let path = self.path(file);
            self.set(name, path.to_str().unwrap());
        }
        self
    }

    /// The GitHub Action's main step. Every input is set, by default to the empty string.
    pub fn action(inputs: &[(&str, &str)]) -> Self {
        let mut scene = Self::github();
        scene.inputs(inputs);
        scene.is_action = true;
        scene
    }

    pub fn inputs(&mut self, inputs: &[(&str, &str)]) -> &mut Self {
        for option in jf_token::options::table::ALL.iter().filter(|option| option.in_action) {
            let value = inputs.iter().find(|(name, _)| *name == option.name).map_or("", |(_, value)| value);
            self.set(&option.input_variable(), value);
        }
        let declared = |name: &str| jf_token::options::table::ALL.iter().any(|option| option.in_action && option.name == name);
        assert!(inputs.iter().all(|(name, _)| declared(name)), "action.yml does not declare this input");
        self
    }

    /// From now on the action's main step.
    pub fn be_action(&mut self, inputs: &[(&str, &str)]) -> &mut Self {
        self.is_action = true;
        self.inputs(inputs)
    }

    /// A secret besides those of the sandbox, which nothing may show.
    pub fn identity(&self, token: &str) {
        self.identities.lock().unwrap().insert(token.to_owned());
    }

    /// The value of a variable of the scene.
    pub fn variable(&self, name: &str) -> String {
        self.environment[name].clone()
    }

    /// Whom the identity token is about that was exchanged last.
    pub fn last_subject(&self) -> String {
        self.last_subject.lock().unwrap().clone()
    }

    /// The action's post step. The state that the main step saved is in its variables.
    pub fn post(&mut self) -> Ran {
        for (name, value) in self.blocks("state") {
            self.set(&format!("STATE_{name}"), &value);
        }
        self.run(&["revoke"])
    }

    /// No stored secret: GitHub's job is vouched for by this issuer, which the platform's provider `github` trusts.
    pub fn vouched_for(&mut self, issuer: &sandbox::Issuer, token_spec: serde_json::Value) -> &mut Self {
        self.sandbox.trust("github", issuer, token_spec);
        self.unset("JF_ACCESS_TOKEN");
        for (name, value) in issuer.github_env() {
            self.set(name, &value);
        }
        self.identities.lock().unwrap().insert(issuer.bearer().to_owned());
        self.issuer = issuer.url();
        self
    }

    /// In a GitLab job.
    pub fn gitlab() -> Self {
        let mut scene = Self::new();
        let project = scene.path("work");
        scene.set("GITLAB_CI", "true").set("CI", "true").set("CI_JOB_ID", "4711").set("CI_PROJECT_DIR", project.to_str().unwrap());
        scene
    }

    pub fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.environment.insert(on_this_system(name).into(), value.into());
        self
    }

    /// Sets a variable that is there already once more.
    pub fn set_twice(&mut self, name: &str, value: &str) -> &mut Self {
        self.twice.push((name.into(), value.into()));
        self
    }

    pub fn unset(&mut self, name: &str) -> &mut Self {
        self.environment.remove(on_this_system(name));
        self
    }

    pub fn stdin(&mut self, text: &(impl AsRef<[u8]> + ?Sized)) -> &mut Self {
        self.stdin = text.as_ref().into();
        self
    }

    pub fn asks_for(&mut self, path: &str) -> &mut Self {
        self.asked_for.push(path.into());
        self
    }

    /// A path in the scene's folder; `work` is the working directory.
    pub fn path(&self, path: &str) -> PathBuf {
        path.split('/').fold(self.folder.path().to_owned(), |folder, name| folder.join(name))
    }

    pub fn write(&self, path: &str, text: &(impl AsRef<[u8]> + ?Sized)) -> PathBuf {
        fs::write(self.path(path), text).unwrap();
        self.path(path)
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The names and values in one of GitHub's files.
    pub fn blocks(&self, path: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.path(path)).unwrap_or_default();
        let mut lines = text.lines();
        let mut blocks = BTreeMap::new();
        while let Some(head) = lines.next() {
            let (name, delimiter) = head.split_once("<<").unwrap();
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            blocks.insert(name.to_owned(), value.join("\n"));
        }
        blocks
    }

    /// Goes on to a later step of the same job, which starts the program itself.
    pub fn leave_action(&mut self) -> &mut Self {
        self.is_action = false;
        self
    }

    /// The platform by an address that may go through a proxy: on Unix 0.0.0.0 is this machine too, and yet no loopback address.
    pub fn leaves_the_machine(&mut self) -> &mut Self {
        let url = self.sandbox.url();
        let (scheme, _) = url.split_once("://").unwrap();
        let url = format!("{scheme}://0.0.0.0:{}", self.sandbox.port());
        self.set("JF_URL", &url).set("JF_TOKEN_INSECURE_HTTP", "true")
    }

    /// From now on what a run within this process prints goes to a terminal.
    pub fn in_terminal(&mut self) -> &mut Self {
        self.is_terminal = true;
        self
    }

    /// The full arguments: the action's scripts put `action` first.
    fn given<'t>(&self, arguments: &[&'t str]) -> Vec<&'t str> {
        [&["action"][..usize::from(self.is_action)], arguments].concat()
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = assert_cmd::Command::new(BINARY);
        command.args(self.given(arguments)).env_clear().envs(&self.environment).current_dir(self.path("work"));
        command.write_stdin(self.stdin.clone()).timeout(Duration::from_secs(90));
        let output = match command.output() {
            // Wine starts no process now and then: "Internal error".
            Err(error) if cfg!(windows) && error.raw_os_error() == Some(1359) => command.output(),
            output => output,
        };
        self.ran(arguments, output.unwrap())
    }

    /// Runs the program in this process and thread, with a clock that is this many milliseconds ahead.
    pub fn run_at(&self, ahead: i64, arguments: &[&str]) -> Ran {
        AHEAD.set(ahead);
        let (stdout, stderr) = (Printed::default(), Printed::default());
        let code = jf_token::run(jf_token::World {
            args: ["jf-token"].iter().chain(&self.given(arguments)).map(Into::into).collect(),
            environment: self.environment.iter().chain(self.twice.iter().map(|(name, value)| (name, value))).collect(),
            folder: self.path("work"),
            stdin: Box::new(Cursor::new(self.stdin.clone())),
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
            terminal: self.is_terminal.then_some(80),
            now: moved_clock,
        });
        let (stdout, stderr) = (stdout.take(), stderr.take());
        let status = exit_status(code);
        self.ran(arguments, std::process::Output { status, stdout, stderr })
    }

    /// For scripts: the programs of the system, and this one as `$JF`.
    pub fn for_scripts(&mut self) -> &mut Self {
        self.set("PATH", &std::env::var("PATH").unwrap()).set("JF", BINARY)
    }

    /// A shell script in which `$JF` is the program.
    fn script(&self, script: &str) -> std::process::Command {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).env_clear().envs(&self.environment).env("PATH", std::env::var_os("PATH").unwrap()).env("JF", BINARY);
        command.current_dir(self.path("work")).stdin(Stdio::null());
        command
    }

    /// Runs a shell script to its end.
    pub fn shell(&self, script: &str) -> std::process::Output {
        self.script(script).output().unwrap()
    }

    /// Starts a shell script.
    pub fn spawn_shell(&self, script: &str) -> std::process::Child {
        self.script(script).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The state of a session outside a CI.
    pub fn state(&self, session: &str) -> serde_json::Value {
        serde_json::from_str(&fs::read_to_string(self.state_file(session)).unwrap()).unwrap()
    }

    pub fn state_file(&self, session: &str) -> PathBuf {
        let name = format!("/{session}.json");
        self.files().into_iter().find(|path| slashed(path).ends_with(&name)).unwrap()
    }

    /// Makes the current token of a session appear this many seconds older.
    pub fn ages(&self, session: &str, seconds: u64) {
        let mut state = self.state(session);
        let issued_at = &mut state["current"]["token"]["issued_at"];
        *issued_at = (issued_at.as_u64().unwrap() - seconds * 1000).into();
        fs::write(self.state_file(session), state.to_string()).unwrap();
    }

    /// Starts the program, to send signals to it.
    pub fn spawn(&self, arguments: &[&str]) -> std::process::Child {
        self.command(BINARY, &self.given(arguments)).spawn().unwrap()
    }

    /// A command for any program in the scene's folder and environment, with its output captured.
    pub fn command(&self, program: &str, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.args(arguments).env_clear().envs(&self.environment).current_dir(self.path("work"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn ran(&self, arguments: &[&str], output: std::process::Output) -> Ran {
        let text = |bytes| String::from_utf8(bytes).expect("the output is text");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        let exchanged: Vec<_> = self.sandbox.requests().iter().filter_map(|request| identity_in(&request.body)).collect();
        if let Some(token) = exchanged.last() {
            *self.last_subject.lock().unwrap() = subject(token);
        }
        self.identities.lock().unwrap().extend(exchanged);
        self.search_for_leaks(arguments, &stdout, &stderr);
        // A process that a signal ended has no code.
        let code = output.status.code().unwrap_or(1000);
        let mut story = format!("$ jf-token {}\nexit code {code}\n", arguments.join(" "));
        for (name, text) in [("standard output", &stdout), ("standard error", &stderr)] {
            if !text.is_empty() {
                story += &format!("--- {name}\n{}\n", text.trim_end_matches('\n'));
            }
        }
        for path in self.files() {
            let name = slashed(path.strip_prefix(self.folder.path()).unwrap());
            // A running keeper may have removed a temporary file by now.
            if !["ca.pem", ".lock", ".keeper", ".log", ".users"].iter().any(|end| name.ends_with(end))
                && let (Some(mode), Ok(text)) = (mode(&path), fs::read_to_string(&path))
            {
                story += &format!("--- file {name} ({mode})\n{}\n", text.trim_end_matches('\n'));
            }
        }
        let (mut requests, issued) = (self.sandbox.requests(), self.sandbox.issued());
        // Several tokens are revoked at the same time.
        let of_token = |request: &sandbox::Recorded| issued.iter().position(|issued| request.path.ends_with(&issued.token_id));
        for together in requests.chunk_by_mut(|one, other| of_token(one).is_some() && of_token(other).is_some()) {
            together.sort_by_key(of_token);
        }
        for request in requests {
            story += &format!("--- request {} {}\n", request.method, request.path);
            for (name, value) in request.headers.iter().filter(|(name, _)| name == "authorization" || name == "content-type") {
                story += &format!("{name}: {value}\n");
            }
            if !request.body.is_empty() {
                story += &format!("{}\n", request.body);
            }
        }
        self.sandbox.clear_requests();
        Ran { code, stdout, stderr, story: self.tidy(&story) }
    }

    /// How many processes of this scene are keepers, or are starting one.
    pub fn keepers(&self) -> usize {
        let folder = self.folder.path().display().to_string();
        processes::command_lines(None).iter().filter(|line| line.contains(" keep ") && line.contains(&folder)).count()
    }

    /// The process id of the session's keeper.
    pub fn keeper(&self) -> Option<u32> {
        let file = self.files().into_iter().find(|path| path.extension().is_some_and(|extension| extension == "keeper"))?;
        fs::read_to_string(file).ok()?.parse().ok()
    }

    /// The same, which it writes a moment after it has begun.
    pub fn wait_for_keeper(&self) -> u32 {
        let mut found = None;
        wait_until("the keeper", || {
            found = self.keeper();
            found.is_some()
        });
        found.unwrap()
    }

    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            // A folder that is just being removed can't be listed.
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_symlink() && path.is_dir() {
                    // It holds what is listed elsewhere, or none of ours.
                } else if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() {
                    files.push(path);
                }
            }
        }
        files.sort();
        files
    }

    pub fn secrets(&self) -> Vec<String> {
        let mut secrets = vec![self.sandbox.admin_token().to_owned(), self.sandbox.user_token().to_owned()];
        secrets.extend(self.identities.lock().unwrap().iter().cloned());
        secrets.extend(self.sandbox.requests().iter().filter_map(|request| identity_in(&request.body)));
        for issued in self.sandbox.issued() {
            secrets.push(issued.access_token);
            secrets.extend(issued.refresh_token);
            secrets.extend(issued.reference_token);
        }
        secrets
    }

    /// Checks that 16 characters of a secret appear only where the scenario requests them.
    fn search_for_leaks(&self, arguments: &[&str], stdout: &str, stderr: &str) {
        let talk: String = stderr.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
        let get = arguments.first() == Some(&"get");
        let printed = get
            || ["json", "token", "env", "shell", "powershell", "header", "reference"].iter().any(|format| {
                arguments.windows(2).any(|pair| pair == ["--format", *format])
                    || self.environment.get("JF_TOKEN_FORMAT").is_some_and(|value| value == format)
            }) && arguments.first() != Some(&"inspect");
        let as_jf = matches!(arguments.first(), Some(&("atc" | "access-token-create" | "eot" | "exchange-oidc-token")));
        let outside = as_jf || !self.environment.contains_key("CI") && matches!(arguments.first(), None | Some(&"create"));
        let secrets = self.secrets();
        let pieces: HashSet<&[u8]> = secrets.iter().flat_map(|secret| secret.as_bytes().windows(16)).collect();
        let leaks = |text: &str| text.as_bytes().windows(16).any(|window| pieces.contains(window));
        assert!(!leaks(&talk), "standard error shows a secret:\n{stderr}");
        assert!(printed || outside || !leaks(stdout), "standard output shows a secret that was not requested:\n{stdout}");
        for path in self.files() {
            let name = slashed(&path);
            let ours = name.contains("jf-token") || name.contains("home/") || ["/output", "/env"].iter().any(|end| name.ends_with(end));
            let asked = ours || self.asked_for.iter().any(|end| name.ends_with(end));
            assert!(asked || !leaks(&fs::read_to_string(&path).unwrap_or_default()), "{name} contains a secret");
        }
    }

    /// The paths in the scene's folder without it, and as they are written on most systems.
    fn tidy_paths(&self, story: &str) -> String {
        let folder = self.folder.path().to_str().unwrap();
        let story = story.replace(BINARY, "<program>").replace(folder, "<folder>");
        if !cfg!(windows) {
            return story;
        }
        // In JSON, a backslash is two.
        let story = story.replace(&folder.replace('\\', r"\\"), "<folder>");
        let story = story.replace("USERPROFILE", "HOME");
        let paths = Regex::new(r"<folder>(\\{1,2}[\w.~-]+)+").unwrap();
        paths.replace_all(&story, |path: &regex::Captures| path[0].replace(r"\\", "/").replace('\\', "/")).into_owned()
    }

    /// Replaces everything that differs from run to run.
    pub fn tidy(&self, story: &str) -> String {
        let mut story = story.to_owned();
        for (index, issued) in self.sandbox.issued().into_iter().enumerate() {
            let number = index + 1;
            let names = [
                (Some(issued.access_token), "access token"),
                (issued.refresh_token, "refresh token"),
                (issued.reference_token, "reference token"),
                (Some(issued.token_id), "token id"),
            ];
            for (value, name) in names {
                if let Some(value) = value {
                    story = story.replace(&value, &format!("<{name} {number}>"));
                }
            }
        }
        for identity in self.identities.lock().unwrap().iter() {
            story = story.replace(identity, "<identity token>");
        }
        story = story.replace(self.sandbox.admin_token(), "<admin's token>").replace(self.sandbox.user_token(), "<alice's token>");
        if !self.issuer.is_empty() {
            story = story.replace(&self.issuer, "<issuer>");
        }
        story = story.replace(&self.sandbox.url(), "<url>").replace(&self.sandbox.port().to_string(), "<port>");
        story = self.tidy_paths(&story);
        for (pattern, replacement) in [
            (r"(?m)((^::debug::jf-token masks.*\n)?(^::add-mask::.*\n)+)+", "(masks)\n"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>"),
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "<time>"),
            (r#"("(?:issued_at|expiry)": ?)\d+"#, "${1}<time>"),
            (r#"("?(?:iat|exp|nbf)"?: ?)\d{10}"#, "${1}<time>"),
            (r#"("(?:not_before|pause|since)": ?)\d+"#, "${1}<time>"),
            // A few seconds of an hour may have passed.
            (r#"("(?:expires_in|seconds_left)": )359\d"#, "${1}3600"),
            (r"\(in \d+ seconds?\)", "(in <n> seconds)"),
            (r"\(\d+ seconds? ago\)", "(just now)"),
            (r"use-[0-9a-f]{8}", "use-<random>"),
            (r"jf-token-[0-9a-f]{16}", "<delimiter>"),
            (r"jf-token(-\d+)?/[0-9a-f]{16}/", "jf-token-<user>/<here>/"),
            (r"again in \d+\.\d s", "again in <pause>"),
            (r"\(\d+ ms\)", "(<n> ms)"),
            (r"jfac@[0-9a-z]+", "jfac@<instance>"),
            (r"sandbox CA [0-9A-Za-z]{8}", "sandbox CA <random>"),
        ] {
            story = Regex::new(pattern).unwrap().replace_all(&story, replacement).into_owned();
        }
        story
    }
}

/// The variable that stands for this one here.
fn on_this_system(name: &str) -> &str {
    if cfg!(windows) && name == "HOME" { "USERPROFILE" } else { name }
}

/// A path as it is written on most systems.
pub fn slashed(path: &Path) -> String {
    let path = path.to_str().unwrap();
    if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() }
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The temporary folder without links on the way to it, as the program sees it: on macOS there is one.
pub fn temp() -> PathBuf {
    let temp = std::env::temp_dir();
    // Windows would spell it in a way that not all programs understand.
    if cfg!(windows) { temp } else { temp.canonicalize().unwrap() }
}

/// The claim `sub` of a token.
fn subject(token: &str) -> String {
    use base64::Engine;
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default()).unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap_or_default();
    claims["sub"].as_str().unwrap_or_default().to_owned()
}

/// The identity token in the body of an exchange.
fn identity_in(body: &str) -> Option<String> {
    let body: serde_json::Value = serde_json::from_str(body).ok()?;
    body["subject_token"].as_str().map(str::to_owned)
}

/// A text as the tools of Windows may write it: plain, in UTF-8 with a byte order mark, and in UTF-16 in both orders.
pub fn encodings(text: &str) -> [Vec<u8>; 4] {
    let marked = format!("\u{feff}{text}");
    let utf16 = |bytes: fn(u16) -> [u8; 2]| marked.encode_utf16().flat_map(bytes).collect();
    [text.into(), marked.clone().into(), utf16(u16::to_le_bytes), utf16(u16::to_be_bytes)]
}

/// Fails unless the input was refused with these words, and nothing was sent or printed.
#[track_caller]
pub fn refused(ran: &Ran, words: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.story);
    assert!(words.iter().all(|word| ran.stderr.contains(word)), "{words:?}: {}", ran.stderr);
    assert!(!ran.story.contains("--- request") && ran.stdout.is_empty(), "{}", ran.story);
}

pub fn leaks(text: &str, secret: &str) -> bool {
    (0..secret.len().saturating_sub(15)).any(|start| text.contains(&secret[start..start + 16]))
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    Some(format!("{:o}", fs::metadata(path).ok()?.permissions().mode() & 0o777))
}

/// There are no modes: what others' files have elsewhere, and ours.
#[cfg(windows)]
fn mode(path: &Path) -> Option<String> {
    let is_ours = !["output", "env", "state", "summary", "jfrog-cli.conf.v6"].iter().any(|name| path.ends_with(name));
    path.exists().then(|| if is_ours { "600".into() } else { "644".into() })
}

#[cfg(unix)]
fn exit_status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code << 8)
}

#[cfg(windows)]
fn exit_status(code: i32) -> ExitStatus {
    ExitStatus::from_raw(code.cast_unsigned())
}

/// Compares a run with its snapshot.
#[macro_export]
macro_rules! tells {
    ($ran:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "../scenarios/snapshots" }, {
            insta::assert_snapshot!($ran.story)
        })
    };
    ($name:expr, $ran:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true, snapshot_path => "../scenarios/snapshots" }, {
            insta::assert_snapshot!($name, $ran.story)
        })
    };
}
