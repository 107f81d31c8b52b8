//! One random job, and the verdict on it.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use sandbox::{Fault, Issued};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{BINARY, Scene};

/// Whatever is still running then is killed.
const PATIENCE: Duration = Duration::from_secs(20);
const FOLDERS: [&str; 3] = ["work", "work/a", "work/a/b"];
const NAMES: [&str; 3] = ["default", "one", "two"];

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Where the job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A shell that set `JF_TOKEN_HOME`.
    Shell,
    /// A CI of which nothing is known.
    Ci,
    /// GitHub, with our action, whose post steps are the end.
    Action,
    /// GitLab, with `revoke` in `after_script`.
    GitLab,
}

/// What was done, and what it printed.
struct Done {
    line: String,
    /// For whom it may have asked for a token; of a post step, for whom its main step did.
    username: String,
    printed: String,
}

/// A program that was started.
struct Running {
    at: usize,
    child: Child,
    is_exec: bool,
}

/// A use of our action.
struct Use {
    /// The file that its state is saved in.
    state: String,
    /// For whom its token is.
    user: String,
}

pub struct Job {
    seed: u64,
    random: Random,
    scene: Scene,
    kind: Kind,
    /// Outside the action either processes are killed or folders emptied: nobody can know of both.
    empties: bool,
    /// A folder was emptied. From then on only the action's own steps are killed.
    emptied: bool,
    /// What the programs print, outside the scene's folder, which is searched for secrets.
    printed: TempDir,
    done: Vec<Done>,
    running: Vec<Running>,
    uses: Vec<Use>,
    folder: &'static str,
    /// The process that keepers end with.
    shell: Child,
    paused: bool,
    /// How many users were named. Each token is asked for a user of its own.
    named: usize,
}

impl Job {
    /// Runs a job to its end.
    pub fn run(seed: u64) -> Self {
        let mut job = Self::new(seed);
        for _ in 0..5 + job.random.below(12) {
            job.step();
        }
        job.end();
        job
    }

    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let kind = random.pick(&[Kind::Shell, Kind::Ci, Kind::Action, Kind::GitLab]);
        let mut scene = match kind {
            Kind::Shell | Kind::Ci => Scene::new(),
            Kind::Action => Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]),
            Kind::GitLab => Scene::gitlab(),
        };
        match kind {
            Kind::Shell => drop(scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap())),
            Kind::Ci => drop(scene.set("CI", "true")),
            _ => {}
        }
        scene.set("JF_TOKEN_RETRY_FOR", "1").set("PATH", &std::env::var("PATH").unwrap());
        fs::create_dir_all(scene.path(FOLDERS[2])).unwrap();
        let empties = kind == Kind::Action || random.chance(40);
        let shell = Command::new("sleep").arg("600").spawn().unwrap();
        Self {
            seed,
            random,
            scene,
            kind,
            empties,
            emptied: false,
            printed: tempfile::tempdir().unwrap(),
            done: Vec::new(),
            running: Vec::new(),
            uses: Vec::new(),
            folder: FOLDERS[0],
            shell,
            paused: false,
            named: 0,
        }
    }

    /// Whether a process may be killed.
    fn kills(&self) -> bool {
        self.kind == Kind::Action || !self.empties
    }

    // The operations.

    fn step(&mut self) {
        let resumes = self.paused;
        match self.random.below(22) {
            0..=3 => self.create(),
            4..=6 => self.exec(),
            7 | 8 => self.renew("get"),
            9 | 10 => self.renew("refresh"),
            11 | 12 => self.keep(),
            13 => self.revoke(),
            14 => self.kill(),
            15 => self.stall_and_kill(),
            16 => self.chmod(),
            17 => self.empty(),
            18 => self.change_folder(),
            19 => self.age(),
            20 => self.fault(),
            _ => self.pause(),
        }
        if resumes && self.paused {
            self.resume();
        }
        if self.random.chance(30) {
            sleep(Duration::from_millis(u64::try_from(self.random.below(400)).unwrap()));
        }
    }

    fn user(&mut self) -> String {
        self.named += 1;
        format!("life{}x", self.named)
    }

    fn note(&mut self, line: &str) -> usize {
        self.done.push(Done { line: line.to_owned(), username: String::new(), printed: String::new() });
        self.done.len() - 1
    }

    /// Starts the program, and may wait for it.
    fn launch(&mut self, arguments: &[String], user: &str, more: &[(&str, String)], waits: bool) {
        let at = self.note(&format!("[{}] jf-token {}", self.folder, arguments.join(" ")));
        user.clone_into(&mut self.done[at].username);
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let mut command = self.scene.command(BINARY, &arguments);
        command.current_dir(self.scene.path(self.folder)).envs(more.iter().map(|(name, value)| (*name, value.as_str())));
        let file = |stream| File::create(self.printed.path().join(format!("{at}.{stream}"))).unwrap();
        command.stdout(file("stdout")).stderr(file("stderr"));
        let is_exec = arguments.contains(&"exec");
        self.running.push(Running { at, child: command.spawn().unwrap(), is_exec });
        if waits {
            self.wait_for(self.running.len() - 1);
        }
    }

    /// Waits for a program. One that takes too long is killed.
    fn wait_for(&mut self, which: usize) {
        let mut running = self.running.remove(which);
        let began = Instant::now();
        let status = loop {
            match running.child.try_wait().unwrap() {
                Some(status) => break status.to_string(),
                None if began.elapsed() > PATIENCE => {
                    running.child.kill().unwrap();
                    break format!("killed: it took too long; {}", running.child.wait().unwrap());
                }
                None => sleep(Duration::from_millis(5)),
            }
        };
        self.has_ended(running.at, &status);
    }

    fn has_ended(&mut self, at: usize, status: &str) {
        let stderr = fs::read_to_string(self.printed.path().join(format!("{at}.stderr"))).unwrap_or_default();
        let done = &mut self.done[at];
        done.printed = stderr.lines().filter(|line| !line.starts_with("::add-mask::")).fold(String::new(), |text, line| text + line + "\n");
        let _ = write!(done.line, " -> {status}");
    }

    fn strings(arguments: &[&str]) -> Vec<String> {
        arguments.iter().map(ToString::to_string).collect()
    }

    fn create(&mut self) {
        let (session, waits) = (self.random.pick(&NAMES), self.random.chance(75) || self.empties);
        let user = self.user();
        if self.kind == Kind::Action && self.random.chance(70) {
            return self.main_step(&user, waits);
        }
        let mut arguments = Self::strings(&["create", &user, "--force-revocable", "--format", "none", "--expiry"]);
        arguments.push(self.random.pick(&["3600", "3601", "7200"]).to_owned());
        if session != "default" {
            arguments.extend(Self::strings(&["--session", session]));
        }
        if self.random.chance(40) {
            arguments.push("--refreshable".into());
        }
        if self.random.chance(30) {
            arguments.extend(["--token-file".into(), format!("jf-token-{}", self.named)]);
        }
        if self.empties || self.random.chance(20) {
            arguments.extend(["--keep-fresh".into(), format!("--until-pid={}", self.shell.id())]);
        }
        self.launch(&arguments, &user, &[], waits);
    }

    /// The action's main step.
    fn main_step(&mut self, user: &str, waits: bool) {
        let state = format!("state-{}", self.uses.len());
        let refreshable = if self.random.chance(30) { "true" } else { "" };
        let more = [
            ("GITHUB_STATE", self.scene.path(&state).display().to_string()),
            ("INPUT_USERNAME", user.to_owned()),
            ("INPUT_REFRESHABLE", refreshable.to_owned()),
        ];
        self.uses.push(Use { state, user: user.to_owned() });
        self.launch(&Self::strings(&["action", "create"]), user, &more, waits);
    }

    fn exec(&mut self) {
        let session = self.random.pick(&["", "", "", "one", "three"]);
        let user = self.user();
        let mut arguments = Self::strings(&["exec", "--username", &user]);
        if !session.is_empty() {
            arguments.extend(Self::strings(&["--session", session]));
        }
        if self.random.chance(30) {
            arguments.push("--refreshable".into());
        }
        let started = self.printed.path().join(format!("started-{user}"));
        let seconds = self.random.pick(&["0.1", "0.5", "1", "2"]);
        let script = format!("touch {}; sleep {seconds}", started.display());
        arguments.extend(Self::strings(&["--", "sh", "-c", &script]));
        self.launch(&arguments, &user, &[], false);
        if self.empties || self.random.chance(50) {
            self.wait_until_started(&started);
        }
        if self.random.chance(20) {
            self.wait_for(self.running.len() - 1);
        }
    }

    /// Waits until an exec's program has started, or the exec has ended.
    fn wait_until_started(&mut self, started: &Path) {
        let (began, which) = (Instant::now(), self.running.len() - 1);
        while !started.exists() && self.running[which].child.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(5));
        }
    }

    /// `get` or `refresh`, sometimes with another clock.
    fn renew(&mut self, command: &str) {
        if self.empties && self.kind != Kind::Action {
            // The token that it may bring is seen by those who would write it back half a second later.
            return;
        }
        let Some((session, _)) = self.a_session() else { return };
        let arguments = Self::strings(&[command, "--session", &session]);
        if self.folder == FOLDERS[0] && self.random.chance(30) {
            let ahead = self.random.pick(&[-3_600_000, 2_400_000, 7_200_000]);
            let at = self.note(&format!("[{}] jf-token {} at {ahead} ms", self.folder, arguments.join(" ")));
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let action = self.kind == Kind::Action;
            if action {
                self.scene.leave_action();
            }
            let ran = self.scene.run_at(ahead, &arguments);
            self.done[at].printed = ran.stderr;
            let _ = write!(self.done[at].line, " -> {}", ran.code);
        } else {
            let waits = self.random.chance(70);
            self.launch(&arguments, "", &[], waits);
        }
    }

    fn keep(&mut self) {
        let Some((session, _)) = self.a_session() else { return };
        let until = format!("--until-pid={}", self.shell.id());
        self.launch(&Self::strings(&["keep", "--session", &session, &until]), "", &[], true);
    }

    fn revoke(&mut self) {
        let Some((session, _)) = self.a_session() else { return };
        let waits = self.empties || self.random.chance(80);
        self.launch(&Self::strings(&["revoke", "--session", &session]), "", &[], waits);
    }

    fn kill(&mut self) {
        if !self.kills() {
            return;
        }
        let keepers = self.keepers();
        if self.emptied {
            let steps = self.running.iter().position(|running| self.done[running.at].line.contains("action create"));
            if let Some(which) = steps {
                self.kill_one(which);
            }
        } else if !keepers.is_empty() && self.random.chance(50) {
            let pid = self.random.pick(&keepers);
            self.note(&format!("kill -9 {} (a keeper)", pid.as_raw_nonzero()));
            let _ = kill_process(pid, Signal::KILL);
        } else if !self.running.is_empty() {
            let which = self.random.below(self.running.len());
            self.kill_one(which);
        }
    }

    fn kill_one(&mut self, which: usize) {
        let line = self.done[self.running[which].at].line.clone();
        self.note(&format!("kill -9 of {line}"));
        let _ = self.running[which].child.kill();
        self.wait_for(which);
    }

    /// The platform does what it is asked and does not answer; then whoever waits is killed.
    fn stall_and_kill(&mut self) {
        if !self.kills() {
            return;
        }
        let fault = self.random.pick(&[Fault::StallAfter, Fault::Stall, Fault::Delay(60)]);
        let part = if self.emptied { "POST" } else { self.random.pick(&["POST", "POST", "DELETE"]) };
        self.note(&format!("{fault:?} for {part}, then kill -9"));
        let before = self.running.len();
        self.scene.sandbox.fault_for(part, fault, 1);
        match part {
            "DELETE" => self.revoke(),
            _ if self.emptied => {
                let user = self.user();
                self.main_step(&user, false);
            }
            _ if self.random.chance(50) => self.create(),
            _ => self.exec(),
        }
        if self.running.len() > before {
            sleep(Duration::from_millis(u64::try_from(20 + self.random.below(250)).unwrap()));
            self.kill_one(self.running.len() - 1);
        }
    }

    fn chmod(&mut self) {
        let how = self.random.pick(&["777", "g+rwXs"]);
        for home in self.homes() {
            self.note(&format!("chmod -R {how} {}", home.display()));
            let _ = Command::new("chmod").args(["-R", how]).arg(home).stderr(Stdio::null()).status();
        }
    }

    /// Empties the temporary folder.
    fn empty(&mut self) {
        if !self.empties {
            return;
        }
        self.wait_for_all_but_exec();
        // Those that keep a session in mind look every half second.
        sleep(Duration::from_millis(900));
        if !self.files().iter().filter(|file| is_state(file)).all(|file| has_witness(file) || is_saved(file)) {
            return;
        }
        self.emptied = true;
        for home in self.homes() {
            self.note(&format!("rm -rf {}", home.display()));
            let _ = fs::remove_dir_all(home);
        }
    }

    fn wait_for_all_but_exec(&mut self) {
        while let Some(which) = self.running.iter().position(|running| !running.is_exec) {
            self.wait_for(which);
        }
    }

    fn change_folder(&mut self) {
        self.folder = self.random.pick(&FOLDERS);
        self.note(&format!("cd {}", self.folder));
    }

    /// Makes the tokens of a session due.
    fn age(&mut self) {
        let Some((session, file)) = self.a_session() else { return };
        self.note(&format!("three quarters of the life of {session} are over"));
        let _ = make_due(&file);
    }

    fn fault(&mut self) {
        let status = |status| Fault::Status { status, retry_after: None, body: None };
        let fault = self.random.pick(&[
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::StatusAfter { status: 502 },
            Fault::StatusAfter { status: 500 },
            status(503),
            Fault::CutShort,
            Fault::Body("{}".into()),
            Fault::EndsEarly(90),
            Fault::Html(200),
            // Not shape A, whose 401 says that the token has expired.
            Fault::Shape('C', 401),
            Fault::Shape('C', 403),
        ]);
        let (part, times) = (self.random.pick(&["POST", "DELETE", ""]), self.random.pick(&[1, 1, 2, 4]));
        // What answers a revocation like that says that it is done.
        let part = if matches!(fault, Fault::Body(_) | Fault::Html(200)) { "POST" } else { part };
        self.note(&format!("{times} x {fault:?} for {part:?}"));
        self.scene.sandbox.fault_for(part, fault, times);
    }

    fn pause(&mut self) {
        self.note("the port is closed");
        self.scene.sandbox.pause();
        self.paused = true;
    }

    fn resume(&mut self) {
        self.note("the port is open");
        self.scene.sandbox.resume();
        self.paused = false;
    }

    // The end.

    fn end(&mut self) {
        self.resume();
        if self.random.chance(50) {
            for running in &self.running {
                let _ = kill_process(Pid::from_child(&running.child), Signal::TERM);
            }
        }
        // In the action, the post steps come while programs still run.
        if self.kind != Kind::Action || self.random.chance(70) {
            self.wait_for_all();
        }
        self.note("the end of the job");
        self.last_steps();
        self.wait_for_all();
        self.shell.kill().unwrap();
        self.shell.wait().unwrap();
        let began = Instant::now();
        while self.scene.keepers() > 0 && began.elapsed() < PATIENCE {
            sleep(Duration::from_millis(20));
        }
        let left = self.keepers();
        assert!(left.is_empty(), "a keeper did not end\n{}", self.story());
    }

    fn wait_for_all(&mut self) {
        while !self.running.is_empty() {
            self.wait_for(0);
        }
    }

    fn last_steps(&mut self) {
        for number in 0..self.uses.len() {
            let blocks = self.scene.blocks(&self.uses[number].state);
            let saved: Vec<_> = blocks.into_iter().map(|(name, value)| (format!("STATE_{name}"), value)).collect();
            let saved: Vec<_> = saved.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            let user = self.uses[number].user.clone();
            self.launch(&Self::strings(&["action", "revoke"]), &user, &saved, true);
        }
        if self.kind != Kind::Action {
            self.revoke_all();
        }
    }

    /// `revoke` by hand for each session, where it was begun.
    fn revoke_all(&mut self) {
        for folder in FOLDERS {
            self.folder = folder;
            self.launch(&Self::strings(&["revoke"]), "", &[], true);
            let names: BTreeSet<_> = self.sessions().into_iter().map(|(name, _)| name).collect();
            for name in names {
                self.launch(&Self::strings(&["revoke", "--session", &name]), "", &[], true);
            }
            if self.kind != Kind::Ci {
                break;
            }
        }
    }

    // The verdict.

    /// What is wrong, if anything is.
    ///
    /// # Errors
    /// Names the token that was forgotten.
    pub fn verdict(&self) -> Result<(), String> {
        let (tokens, lost) = self.remembered();
        for issued in self.scene.sandbox.issued() {
            let is_known = !issued.live || tokens.contains(&issued.token_id) || lost.contains(&issued.username) || self.is_named(&issued);
            if !is_known {
                return Err(format!("forgotten while it lives: {} for {} (JF_LIFE_SEED={})", issued.token_id, issued.username, self.seed));
            }
        }
        Ok(())
    }

    /// Whether a message says that this token is not ended, or may be alive.
    fn is_named(&self, issued: &Issued) -> bool {
        let says = |line: &str| {
            (line.contains(&issued.token_id)
                && ["could not be revoked", "can't be revoked", "may be alive", "not revoked", "to revoke", "not revocable"]
                    .iter()
                    .any(|words| line.contains(words)))
                || (line.contains("may be alive") && line.contains(&format!("for {} ", issued.username)))
        };
        self.done.iter().any(|done| {
            let asked_for_it = done.username == issued.username;
            let says_so = ["A token may have been created anyway", "Each try may leave a token behind", "the main step was killed"];
            let of_its_own = asked_for_it && says_so.iter().any(|words| done.printed.contains(words));
            of_its_own || done.printed.lines().any(says)
        })
    }

    /// The ids of the tokens in the session files, and for whom others are noted there that may be alive.
    fn remembered(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut tokens, mut lost) = (BTreeSet::new(), BTreeSet::new());
        for file in self.files().into_iter().filter(|file| is_state(file)) {
            let text = fs::read_to_string(&file).unwrap_or_default();
            let Some(Ok(state)) = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next() else { continue };
            let lists = ["others", "replaced"].map(|name| state[name].as_array().cloned().unwrap_or_default());
            let all = lists.into_iter().flatten().chain([state["current"].clone()]);
            tokens.extend(all.filter_map(|stored| Some(stored["token"]["token_id"].as_str()?.to_owned())));
            let noted = state["lost"].as_array().cloned().unwrap_or_default().into_iter().chain([state]);
            lost.extend(noted.filter_map(|lost| Some(lost["username"].as_str()?.to_owned())));
        }
        (tokens, lost)
    }

    /// All that happened.
    pub fn story(&self) -> String {
        let empties = if self.empties { ", folders are emptied" } else { "" };
        let mut story = format!("JF_LIFE_SEED={} ({:?}{empties})\n", self.seed, self.kind);
        for done in &self.done {
            let _ = writeln!(story, "$ {}", done.line);
            done.printed.lines().for_each(|line| story.push_str(&format!("    {line}\n")));
        }
        for issued in self.scene.sandbox.issued() {
            let _ = writeln!(story, "issued {} for {}{}", issued.token_id, issued.username, if issued.live { ", alive" } else { "" });
        }
        for file in self.files() {
            let _ = writeln!(story, "left {}", file.display());
        }
        story.replace(self.scene.path("").to_str().unwrap(), "")
    }

    // What is there.

    /// The folders of sessions.
    fn homes(&self) -> Vec<PathBuf> {
        let at = |path: &str| vec![self.scene.path(path)];
        match self.kind {
            Kind::Shell => at("home"),
            Kind::Action => at("runner/jf-token"),
            Kind::GitLab => at("work.tmp/jf-token-4711"),
            Kind::Ci => {
                let above = fs::read_dir(self.scene.path("tmp")).into_iter().flatten().flatten();
                let above = above.filter(|entry| entry.file_name().to_string_lossy().starts_with("jf-token-"));
                above.flat_map(|above| fs::read_dir(above.path()).into_iter().flatten().flatten()).map(|entry| entry.path()).collect()
            }
        }
    }

    /// What is in them.
    fn files(&self) -> Vec<PathBuf> {
        let files = self.homes().into_iter().flat_map(|home| fs::read_dir(home).into_iter().flatten().flatten());
        files.map(|entry| entry.path()).collect()
    }

    /// The sessions on disk, each with its file.
    fn sessions(&self) -> Vec<(String, PathBuf)> {
        let files = self.files().into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "json"));
        let mut sessions: Vec<_> = files.filter_map(|file| Some((file.file_stem()?.to_str()?.to_owned(), file))).collect();
        sessions.sort();
        sessions
    }

    fn a_session(&mut self) -> Option<(String, PathBuf)> {
        let sessions = self.sessions();
        (!sessions.is_empty()).then(|| self.random.pick(&sessions))
    }

    fn keepers(&self) -> Vec<Pid> {
        let folder = self.scene.path("").display().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let keepers = processes.filter(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("keep\0--foreground") && line.contains(&folder)
        });
        keepers.filter_map(|process| Pid::from_raw(process.file_name().to_str()?.parse().ok()?)).collect()
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Whether it is a state file, or the draft of one.
fn is_state(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".json") || (name.starts_with('.') && name.contains('~'))
}

/// Whether a process lives beside the session.
fn has_witness(file: &Path) -> bool {
    let held = |extension| File::open(file.with_extension(extension)).is_ok_and(|file| file.try_lock().is_err());
    held("keeper") || held("users")
}

/// Whether the post step knows the session's token: that of a use of the action, which was not renewed.
fn is_saved(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches('.').starts_with("use-") && !fs::read_to_string(file).is_ok_and(|text| text.contains("\"replaced\""))
}

/// Sets back when the current token was issued, under the session's lock.
fn make_due(file: &Path) -> Option<()> {
    let path = file.with_extension("lock");
    let lock = File::open(&path).ok()?;
    lock.lock().ok()?;
    if path.metadata().ok()?.ino() != lock.metadata().ok()?.ino() {
        return None;
    }
    let mut state: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
    let token = &mut state["current"]["token"];
    let life = token["expires_in"].as_u64()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_millis();
    token["issued_at"] = (u64::try_from(now).ok()? - life * 750).into();
    let next = file.with_extension("next");
    fs::write(&next, state.to_string()).ok()?;
    fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).ok()?;
    fs::rename(next, file).ok()
}
