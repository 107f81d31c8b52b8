//! A complete job with the sandbox, from minting to revocation: `cargo run --example demo`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a demo prints, and ends at the first failure")]

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use jf_token::{World, run};
use sandbox::Sandbox;

fn main() -> ExitCode {
    let sandbox = Sandbox::start();
    let folder = tempfile::tempdir().unwrap();
    println!("A stand-in JFrog platform listens on {}.", sandbox.url());

    // The environment that GitHub gives an action's main step.
    let mut job: HashMap<&str, OsString> = HashMap::from([
        ("GITHUB_ACTIONS", "true".into()),
        ("INPUT_URL", sandbox.url().into()),
        ("INPUT_ACCESS-TOKEN", sandbox.admin_token().into()),
        ("INPUT_USERNAME", "build-bot".into()),
        ("INPUT_GROUPS", "deployers".into()),
        ("INPUT_EXPIRY", "1h".into()),
        ("INPUT_REFRESHABLE", "true".into()),
        ("INPUT_FORCE-REVOCABLE", "true".into()),
    ]);
    for (name, file) in [("GITHUB_OUTPUT", "output"), ("GITHUB_STATE", "state"), ("GITHUB_STEP_SUMMARY", "summary"), ("RUNNER_TEMP", "")] {
        job.insert(name, folder.path().join(file).into());
    }

    title("1. The action's step mints a token, masks it, stores it, and passes it on");
    println!("The inputs: username build-bot, groups deployers, expiry 1h, refreshable, force-revocable. The credential is an admin's.");
    let (code, log) = jf_token(&job, "create");
    let masks: Vec<_> = log.lines().filter_map(|line| line.strip_prefix("::add-mask::")).collect();
    println!("\nBefore anything can print a token, it gives the runner {} masks for the access token and the refresh token:", masks.len());
    for mask in masks.iter().take(3).chain(masks.iter().rev().take(3)) {
        println!("  ::add-mask::{}", short(mask));
    }
    println!("\nThen the log shows:");
    log.lines().filter(|line| !line.starts_with("::add-mask::")).for_each(|line| println!("  {line}"));
    if code != 0 {
        return exit_code(code);
    }

    title("2. Later steps get these outputs");
    let outputs = blocks(&folder.path().join("output"));
    for (name, value) in &outputs {
        println!("  {name:<16} {}", short(value));
    }
    println!("The refresh token is not an output unless output-refresh-token is set.");

    title("3. Until the job ends, a file that only this user can read stores the session");
    let state = blocks(&folder.path().join("state"));
    println!("  Session {}, in $RUNNER_TEMP/jf-token:", state[0].1);
    let session = std::fs::read_to_string(folder.path().join(format!("jf-token/{}.json", state[0].1))).unwrap();
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    for (name, value) in session["current"]["token"].as_object().unwrap() {
        let value = value.to_string();
        println!("  {name:<16} {}", if name.ends_with("_token") { format!("{}…", &value[..9]) } else { value });
    }
    println!("The credential that minted the token is never stored.");

    title("4. A later step prints the token, and uses it");
    let token = &outputs.iter().find(|(name, _)| name == "access-token").unwrap().1;
    let line = format!("+ curl -H 'Authorization: Bearer {token}'");
    println!("  printed {}…\n  shown   {}", &line[..64], masked(&line, &masks));
    let halves = [&token[..token.len() - 171], &token[token.len() - 171..]];
    println!("  printed in two parts, shown {} and {}", masked(halves[0], &masks), masked(halves[1], &masks));
    println!("  GET /artifactory/generic/app.tgz: {}", get(&sandbox, token));

    title("5. 45 minutes later, a step gets the token: jf-token get");
    let step = job.iter().filter(|(name, _)| !name.starts_with("INPUT_") && **name != "GITHUB_STATE");
    let mut step: HashMap<_, _> = step.map(|(name, value)| (*name, value.clone())).collect();
    step.insert("JF_TOKEN_SESSION", state[0].1.clone().into());
    let (code, renewed, _) = start(&step, &["get"], later);
    if code != 0 {
        return exit_code(code);
    }
    println!("  It is due for renewal, so a refresh replaces the access token and the refresh token: {}", short(renewed.trim()));
    println!("  GET /artifactory/generic/app.tgz: {}", get(&sandbox, renewed.trim()));
    println!("  The same with the old token: {}", get(&sandbox, token));

    title("6. The job ends: the action's post step revokes the token");
    job.insert("STATE_SESSION", state[0].1.clone().into());
    let (code, log) = jf_token(&job, "revoke");
    log.lines().for_each(|line| println!("  {line}"));
    println!("  GET /artifactory/generic/app.tgz: {}", get(&sandbox, renewed.trim()));
    println!("  Left on disk: {}", if folder.path().join("jf-token").exists() { "a session" } else { "nothing" });
    exit_code(code)
}

fn exit_code(code: i32) -> ExitCode {
    u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn title(text: &str) {
    println!("\n\x1b[1m{text}\x1b[0m");
}

/// Runs the program with the job's environment. Returns what it writes to the log.
fn jf_token(job: &HashMap<&str, OsString>, command: &str) -> (i32, String) {
    let (code, stdout, stderr) = start(job, &["action", command], SystemTime::now);
    assert!(stdout.is_empty(), "the action must print nothing on standard output");
    (code, stderr)
}

/// Returns what the program prints on standard output and standard error.
fn start(job: &HashMap<&str, OsString>, words: &[&str], now: fn() -> SystemTime) -> (i32, String, String) {
    let environment = job.iter().map(|(name, value)| (*name, value)).collect();
    let (stdout, stderr) = (Printed::default(), Printed::default());
    let args = ["jf-token"].iter().chain(words).map(Into::into).collect();
    let (stdin, out, err) = (Box::new(std::io::empty()), Box::new(stdout.clone()), Box::new(stderr.clone()));
    let folder = std::env::current_dir().unwrap();
    let code = run(World { args, environment, folder, stdin, stdout: out, stderr: err, terminal: None, now });
    (code, stdout.text(), stderr.text())
}

#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
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

fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(45 * 60)
}

/// The names and values in one of GitHub's files.
fn blocks(path: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    lines.chunks(3).map(|block| (block[0].split_once("<<").unwrap().0.to_owned(), block[1].to_owned())).collect()
}

/// Masks a line as the runner does: replaces each part that a mask covers with `***`.
fn masked(line: &str, masks: &[&str]) -> String {
    let mut hidden = vec![false; line.len()];
    for mask in masks {
        line.match_indices(mask).for_each(|(start, _)| hidden[start..start + mask.len()].fill(true));
    }
    let mut shown = String::new();
    for (index, c) in line.char_indices() {
        match (hidden[index], index > 0 && hidden[index - 1]) {
            (false, _) => shown.push(c),
            (true, false) => shown.push_str("***"),
            (true, true) => {}
        }
    }
    shown
}

/// Shortens long values, so that nobody who sees the demo thinks it leaks tokens.
fn short(text: &str) -> String {
    if text.len() > 44 && !text.contains(' ') { format!("{}… ({} characters)", &text[..12], text.len()) } else { text.to_owned() }
}

/// Downloads a file with this token, and returns the status line.
fn get(sandbox: &Sandbox, token: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", sandbox.port())).unwrap();
    let request = format!(
        "GET /artifactory/generic/app.tgz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}
