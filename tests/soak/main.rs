//! A job of two hours in a minute: tokens live for two seconds, and three programs use them through sixty renewals and more.
// Which processes are there is read from /proc.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step ends the test")]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use sandbox::Fault;
use support::{BINARY, Scene, leaks};

const RENEWALS: usize = 60;
/// What it may take at the most: a renewal is due every second or so.
const PATIENCE: Duration = Duration::from_secs(150);

/// What the programs of a job met.
#[derive(Default)]
struct Met {
    /// Requests that were answered with 200.
    served: AtomicUsize,
    /// Requests that met a dead token.
    refused: AtomicUsize,
    /// Times that no token could be had.
    without: AtomicUsize,
    over: AtomicBool,
}

struct Job {
    scene: Scene,
    met: Met,
}

impl Job {
    fn new(more: &[&str]) -> Self {
        let mut scene = Scene::new();
        scene.asks_for("work/token").asks_for("work/of-exec");
        let pid = std::process::id().to_string();
        let arguments = ["create", "--session", "s", "--expiry", "2", "--force-revocable", "--format", "none", "--token-file", "token"];
        let created = scene.run(&[&arguments[..], &["--keep-fresh", "--until-pid", &pid], more].concat());
        assert_eq!(created.code, 0, "{}", created.stderr);
        Self { scene, met: Met::default() }
    }

    fn renewals(&self) -> usize {
        self.scene.sandbox.issued().len() - 1
    }

    /// A protected file of the platform, asked for with this token.
    fn request(&self, token: &str) -> bool {
        // Where nobody listens for a while no token is refused.
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.scene.sandbox.port())) else { return true };
        let request = format!(
            "GET /artifactory/generic/app HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200")
    }

    fn get(&self) -> Option<String> {
        let output = self.scene.spawn(&["get", "--session", "s"]).wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(self.scene.secrets().iter().all(|secret| !leaks(&stderr, secret)), "{stderr}");
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    fn file(&self) -> Option<String> {
        fs::read_to_string(self.scene.path("work/token")).ok()
    }

    /// A program that takes the token anew for each request, until the job is over. A dead one is met in `grace` only by a request that was
    /// under way while the token was renewed: then the next is another, and good.
    fn program(&self, take: impl Fn(&Self) -> Option<String>, grace: bool) {
        while !self.met.over.load(Ordering::Relaxed) {
            match take(self) {
                None => drop(self.met.without.fetch_add(1, Ordering::Relaxed)),
                Some(token) if self.request(&token) => drop(self.met.served.fetch_add(1, Ordering::Relaxed)),
                Some(token) => {
                    self.met.refused.fetch_add(1, Ordering::Relaxed);
                    let started = Instant::now();
                    while grace && take(self).is_none_or(|next| next == token) {
                        assert!(started.elapsed() < Duration::from_millis(2500), "a dead token stays where it is");
                        sleep(Duration::from_millis(5));
                    }
                }
            }
            sleep(Duration::from_millis(40));
        }
    }

    /// A program that runs under exec, with a session of its own, and reads the file that exec keeps fresh. Returns what it and exec printed.
    fn under_exec(&self) -> (String, String) {
        let script = "while [ ! -e over ]; do printf 'Authorization: Bearer %s' \"$(cat of-exec)\" | \
                      curl -s -o /dev/null -w '%{http_code}\\n' -H @- \"$JF_URL/artifactory/generic/app\"; cat of-exec; echo; sleep 0.1; done";
        let output = self.scene.shell(&format!(
            "exec \"$JF\" exec --expiry 2 --force-revocable --token-file of-exec -- sh -c '{}'",
            script.replace('\'', r"'\''")
        ));
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{stderr}");
        assert!(self.scene.secrets().iter().all(|secret| !leaks(&stdout, secret) && !leaks(&stderr, secret)), "{stdout}{stderr}");
        (stdout, stderr)
    }

    fn wait_for_renewals(&self, count: usize, mut meanwhile: impl FnMut()) {
        let started = Instant::now();
        while self.renewals() < count {
            assert!(started.elapsed() < PATIENCE, "only {} renewals", self.renewals());
            meanwhile();
            sleep(Duration::from_millis(50));
        }
    }

    fn keeper(&self) -> Option<Pid> {
        let path = self.scene.files().into_iter().find(|path| path.ends_with("s.keeper"))?;
        Pid::from_raw(fs::read_to_string(path).ok()?.parse().ok()?)
    }

    fn log(&self) -> String {
        let file = self.scene.files().into_iter().find(|path| path.ends_with("s.log"));
        file.map(|path| fs::read_to_string(path).unwrap()).unwrap_or_default()
    }

    /// The end of the job: everything is revoked, the keeper is gone, and nothing has shown a secret.
    fn end(&self) {
        let keeper = self.keeper();
        let log = self.log();
        assert!(self.scene.secrets().iter().all(|secret| !leaks(&log, secret)), "{log}");
        let revoked = self.scene.run(&["revoke", "--session", "s"]);
        assert_eq!(revoked.code, 0, "{}", revoked.stderr);
        assert!(self.scene.sandbox.issued().iter().all(|issued| !issued.live));
        let started = Instant::now();
        while keeper.is_some_and(is_alive) {
            assert!(started.elapsed() < Duration::from_secs(5), "the keeper stays");
            sleep(Duration::from_millis(10));
        }
        assert!(!self.scene.path("work/token").exists());
    }
}

/// A process that has ended may wait for its parent to take note.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
        && fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Runs the three programs until so many renewals were made. Returns what the one under exec was answered, and what exec said.
fn runs(job: &Job, grace: bool, mut meanwhile: impl FnMut(&Job)) -> (Vec<String>, String) {
    let (printed, said) = scope(|scope| {
        let by_get = scope.spawn(|| job.program(Job::get, grace));
        let by_file = scope.spawn(|| job.program(Job::file, grace));
        let by_exec = scope.spawn(|| job.under_exec());
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.wait_for_renewals(2 * RENEWALS, || meanwhile(job))));
        job.met.over.store(true, Ordering::Relaxed);
        job.scene.write("work/over", "");
        by_get.join().unwrap();
        by_file.join().unwrap();
        let printed = by_exec.join().unwrap();
        waited.unwrap();
        printed
    });
    let answers: Vec<_> = printed.lines().filter(|line| *line != "***").map(str::to_owned).collect();
    assert!(answers.len() > RENEWALS && printed.contains("\n***\n"));
    assert!(job.met.served.load(Ordering::Relaxed) > 4 * RENEWALS);
    (answers, said)
}

/// Every answer was 200, and exec had nothing to say.
fn went_well((answers, said): &(Vec<String>, String)) {
    assert!(answers.iter().all(|answer| answer == "200"), "under exec: {answers:?}");
    assert_eq!(said, "");
}

#[test]
fn renewed_by_minting_no_request_ever_meets_a_dead_token() {
    let job = Job::new(&[]);
    went_well(&runs(&job, false, |_| {}));
    assert_eq!((job.met.refused.load(Ordering::Relaxed), job.met.without.load(Ordering::Relaxed)), (0, 0));
    job.end();
}

#[test]
fn renewed_by_refreshing_only_a_request_that_is_under_way_meets_a_dead_token() {
    let job = Job::new(&["--refreshable", "--renew-by", "refresh"]);
    went_well(&runs(&job, true, |_| {}));
    let refused = job.met.refused.load(Ordering::Relaxed);
    assert!(refused <= RENEWALS, "{refused}");
    assert_eq!(job.met.without.load(Ordering::Relaxed), 0);
    job.end();
}

/// One at each renewal. What a program meets meanwhile is a token that is good, or none at all, for as long as the fault lasts.
#[test]
fn through_every_fault_the_job_goes_on_and_nothing_is_shown() {
    let status = |status| Fault::Status { status, retry_after: None, body: None };
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Stall,
        Fault::StallAfter,
        Fault::Delay(150),
        status(429),
        status(503),
        Fault::Status { status: 429, retry_after: Some("0".into()), body: None },
        status(500),
        Fault::StatusAfter { status: 502 },
        Fault::Html(504),
        Fault::Html(200),
        Fault::CutShort,
        Fault::Body("{}".into()),
        Fault::Drip(1),
    ];
    let job = Job::new(&["--refreshable"]);
    let (mut seen, mut next) = (0, 0);
    let (answers, _) = runs(&job, true, |job| {
        if job.renewals() < seen + 2 {
            return;
        }
        seen = job.renewals();
        next += 1;
        match next % (faults.len() + 2) {
            0 => {
                // Refused.
                job.scene.sandbox.pause();
                sleep(Duration::from_millis(300));
                job.scene.sandbox.resume();
            }
            1 => {
                // The keeper is killed, and another one started.
                if let Some(pid) = job.keeper() {
                    assert!(kill_process(pid, Signal::KILL).is_ok(), "the keeper is gone:\n{}", job.log());
                    while is_alive(pid) {
                        sleep(Duration::from_millis(1));
                    }
                }
                let mut keep = std::process::Command::new(BINARY);
                keep.args(["keep", "--session", "s", "--until-pid", &std::process::id().to_string()]).stdin(Stdio::null());
                keep.env("JF_URL", job.scene.sandbox.url())
                    .env("JF_ACCESS_TOKEN", job.scene.sandbox.admin_token())
                    .env("TMPDIR", job.scene.path("tmp"));
                assert!(keep.status().unwrap().success());
            }
            index => job.scene.sandbox.fault_for("POST", faults[index - 2].clone(), 1),
        }
    });
    let (refused, without) = (job.met.refused.load(Ordering::Relaxed), job.met.without.load(Ordering::Relaxed));
    assert!(refused <= RENEWALS && without <= 5, "{refused} refused, {without} without");
    // 000: nobody listened.
    let good = answers.iter().filter(|answer| ["200", "000"].contains(&answer.as_str())).count();
    assert!(good * 100 > answers.len() * 95, "{answers:?}");
    // Never in a loop: each renewal took few requests.
    assert!(job.scene.sandbox.requests().iter().filter(|request| request.method == "POST").count() < 10 * job.renewals());
    job.end();
}
