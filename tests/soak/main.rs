//! A two-hour job in a minute: tokens live for two seconds, and three programs use them through at least sixty renewals.
// Linux only, because it reads /proc.
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
use sandbox::{Fault, Issuer};
use support::{BINARY, Scene, leaks};

const RENEWALS: usize = 60;
/// The time limit; a renewal is due about every second.
const PATIENCE: Duration = Duration::from_secs(150);

/// The results of a job's programs.
#[derive(Default)]
struct Met {
    /// Requests with a live token, or while the platform was down.
    served: AtomicUsize,
    /// Requests with a dead token.
    refused: AtomicUsize,
    /// Attempts that got no token.
    without: AtomicUsize,
    over: AtomicBool,
}

struct Job {
    scene: Scene,
    met: Met,
    /// What `exec` is asked for.
    exec: &'static str,
    /// Vouches for the job, if it has no stored secret.
    issuer: Option<Issuer>,
}

impl Job {
    fn new(more: &[&str]) -> Self {
        let mut scene = Scene::new();
        scene.asks_for("work/token").asks_for("work/of-exec");
        Self::create(&scene, &[&["--expiry", "2", "--force-revocable"], more].concat());
        Self { scene, met: Met::default(), exec: "--expiry 2 --force-revocable", issuer: None }
    }

    /// A job without a stored secret: somebody rewrites the file with its identity token, and the mapping gives two seconds.
    fn vouched_for() -> Self {
        let (mut scene, issuer) = (Scene::new(), Issuer::start());
        scene.vouched_for(&issuer, serde_json::json!({"username": "deployer", "expires_in": 2})).asks_for("work/id");
        scene.asks_for("work/token").asks_for("work/of-exec");
        let file = scene.path("work/id");
        scene.set("JF_TOKEN_OIDC_PROVIDER", "github").set("JF_TOKEN_OIDC_TOKEN_FILE", file.to_str().unwrap());
        let job = Self { scene, met: Met::default(), exec: "", issuer: Some(issuer) };
        job.vouch();
        Self::create(&job.scene, &[]);
        job
    }

    /// Puts a new identity token into the file, as the kubelet does.
    fn vouch(&self) {
        if let Some(issuer) = &self.issuer {
            fs::rename(self.scene.write("work/id.new", &issuer.github_token("jfrog")), self.scene.path("work/id")).unwrap();
        }
    }

    fn create(scene: &Scene, more: &[&str]) {
        let pid = std::process::id().to_string();
        let arguments = ["create", "--session", "s", "--format", "none", "--token-file", "token"];
        let created = scene.run(&[&arguments[..], &["--keep-fresh", "--until-pid", &pid], more].concat());
        assert_eq!(created.code, 0, "{}", created.stderr);
    }

    fn renewals(&self) -> usize {
        self.scene.sandbox.issued().len() - 1
    }

    /// Requests a protected file with this token. Returns whether the token was accepted.
    fn request(&self, token: &str) -> bool {
        // While the platform is down, it refuses no token.
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

    /// A program that gets the token again for each request until the job ends. With `grace`, a request may have a dead token if a renewal
    /// replaced it in the meantime: then a new one must follow soon.
    fn program(&self, take: impl Fn(&Self) -> Option<String>, grace: bool) {
        while !self.met.over.load(Ordering::Relaxed) {
            match take(self) {
                None => drop(self.met.without.fetch_add(1, Ordering::Relaxed)),
                Some(token) if self.request(&token) => drop(self.met.served.fetch_add(1, Ordering::Relaxed)),
                Some(token) => {
                    self.met.refused.fetch_add(1, Ordering::Relaxed);
                    let started = Instant::now();
                    while grace && take(self).is_none_or(|next| next == token) {
                        assert!(started.elapsed() < Duration::from_millis(2500), "the dead token was not replaced");
                        sleep(Duration::from_millis(5));
                    }
                }
            }
            sleep(Duration::from_millis(40));
        }
    }

    /// A program under exec, with its own session, that reads the file that exec keeps fresh. Returns what the program and exec printed.
    fn under_exec(&self) -> (String, String) {
        let script = "while [ ! -e over ]; do printf 'Authorization: Bearer %s' \"$(cat of-exec)\" | \
                      curl -s -o /dev/null -w '%{http_code}\\n' -H @- \"$JF_URL/artifactory/generic/app\"; cat of-exec; echo; sleep 0.1; done";
        let output =
            self.scene.shell(&format!("exec \"$JF\" exec {} --token-file of-exec -- sh -c '{}'", self.exec, script.replace('\'', r"'\''")));
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
        Pid::from_raw(self.scene.keeper()?.cast_signed())
    }

    fn log(&self) -> String {
        let file = self.scene.files().into_iter().find(|path| path.ends_with("s.log"));
        file.map(|path| fs::read_to_string(path).unwrap()).unwrap_or_default()
    }

    /// Ends the job, and checks that every token is revoked, the keeper has ended, and no secret was shown.
    fn end(&self) {
        let keeper = self.keeper();
        let log = self.log();
        assert!(self.scene.secrets().iter().all(|secret| !leaks(&log, secret)), "{log}");
        let revoked = self.scene.run(&["revoke", "--session", "s"]);
        assert_eq!(revoked.code, 0, "{}", revoked.stderr);
        let started = Instant::now();
        // What lives for seconds only can't be revoked.
        while self.issuer.is_some() && self.scene.sandbox.issued().iter().any(|issued| issued.live) {
            assert!(started.elapsed() < Duration::from_secs(3), "a token lives on");
            sleep(Duration::from_millis(10));
        }
        assert!(self.scene.sandbox.issued().iter().all(|issued| !issued.live));
        while keeper.is_some_and(is_alive) {
            assert!(started.elapsed() < Duration::from_secs(5), "the keeper did not end");
            sleep(Duration::from_millis(10));
        }
        assert!(!self.scene.path("work/token").exists());
    }
}

/// Whether a process runs. A zombie does not.
fn is_alive(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
        && fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Runs the three programs through all renewals. Returns the answers that the program under exec got, and what exec printed.
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

/// Checks that every answer was 200, and that exec printed nothing but what the end did.
fn went_well((answers, said): &(Vec<String>, String)) {
    assert!(answers.iter().all(|answer| answer == "200"), "under exec: {answers:?}");
    assert!(said.starts_with("jf-token: renewed ") && said.lines().count() == 1, "{said}");
}

#[test]
fn renewed_by_minting_no_request_ever_meets_a_dead_token() {
    let job = Job::new(&[]);
    went_well(&runs(&job, false, |_| {}));
    assert_eq!((job.met.refused.load(Ordering::Relaxed), job.met.without.load(Ordering::Relaxed)), (0, 0));
    job.end();
}

#[test]
fn renewed_by_exchange_no_request_ever_meets_a_dead_token_and_each_has_an_identity_token_of_its_own() {
    let job = Job::vouched_for();
    went_well(&runs(&job, false, Job::vouch));
    assert_eq!((job.met.refused.load(Ordering::Relaxed), job.met.without.load(Ordering::Relaxed)), (0, 0));
    let exchanges = job.scene.sandbox.requests().into_iter().filter(|request| request.path.ends_with("/oidc/token"));
    let identities: std::collections::HashSet<_> = exchanges.map(|request| request.body).collect();
    assert!(identities.len() > RENEWALS, "{}", identities.len());
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

/// Injects a fault at each renewal. Until it is over, a program gets a good token or none.
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
        Fault::EndsEarly(90),
        Fault::Shape('A', 401),
        Fault::Shape('A', 403),
        Fault::RedirectTo("https://maintenance.example".into()),
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
                // Connections are refused for a while.
                job.scene.sandbox.pause();
                sleep(Duration::from_millis(300));
                job.scene.sandbox.resume();
            }
            1 => {
                // The keeper is killed, and another one is started.
                if let Some(pid) = job.keeper() {
                    assert!(kill_process(pid, Signal::KILL).is_ok(), "the keeper had already ended:\n{}", job.log());
                    while is_alive(pid) {
                        sleep(Duration::from_millis(1));
                    }
                }
                let mut keep = std::process::Command::new(BINARY);
                keep.args(["keep", "--session", "s", "--until-pid", &std::process::id().to_string()]).stdin(Stdio::null());
                // Where no CI names the job, its sessions are those of the folder.
                keep.current_dir(job.scene.path("work"));
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
    // curl prints 000 if it cannot connect.
    let good = answers.iter().filter(|answer| ["200", "000"].contains(&answer.as_str())).count();
    assert!(good * 100 > answers.len() * 95, "{answers:?}");
    // No renewal sent requests in a loop.
    assert!(job.scene.sandbox.requests().iter().filter(|request| request.method == "POST").count() < 10 * job.renewals());
    job.end();
}
