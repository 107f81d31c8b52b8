//! Tests in a real terminal, tmux: a program must not notice that it runs under `exec`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::peers::system;
use crate::support::{BINARY, Scene};

/// A terminal with a shell.
struct Terminal {
    scene: Scene,
    folder: TempDir,
}

impl Terminal {
    fn open() -> Self {
        let mut scene = Scene::new();
        scene.set("PATH", &std::env::var("PATH").unwrap()).set("LC_ALL", "C.UTF-8").set("PS1", "shell> ");
        let terminal = Self { scene, folder: tempfile::tempdir().unwrap() };
        // Drops a capability that root may have in a container: with it, a process can open a terminal even in exclusive mode.
        let less = if rustix::process::geteuid().is_root() { "setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin" } else { "" };
        let script = format!("exec ${{WITH-{less}}} {BINARY} exec --expiry 1h --force-revocable -- \"$@\"\n");
        terminal.scene.write("work/jf", &script);
        let shell = system("bash").display().to_string();
        terminal.tmux(&["new-session", "-d", "-x", "100", "-y", "40", &shell, "--noprofile", "--norc"]);
        terminal.tmux(&["set-option", "-g", "status", "off"]);
        terminal.wait_for("shell>");
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = self.scene.command(&system("tmux").display().to_string(), &["-f", "/dev/null", "-S"]);
        let output = tmux.arg(self.folder.path().join("socket")).args(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a shell script under `exec`.
    fn exec(&self, script: &str) {
        self.scene.write("work/script", script);
        // What ends by the signal itself, as it may when its program has just ended, must not end the shell's line.
        self.enter("trap : INT; clear; sh jf sh script; echo \"code $?\"");
    }

    fn enter(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn wait_for(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(Instant::now() < deadline, "{what} did not come:\n{screen}");
            sleep(Duration::from_millis(20));
        }
    }

    fn wait_for_file(&self, path: &Path, text: &str) -> String {
        self.wait_until(text, |_| fs::read_to_string(path).is_ok_and(|found| found.contains(text)));
        fs::read_to_string(path).unwrap()
    }

    /// The whole screen, once the program has ended with this code.
    fn end(&self, code: u8) -> Vec<String> {
        let screen = self.wait_for(&format!("code {code}\n"));
        for secret in self.scene.secrets() {
            assert!(!screen.contains(&secret[..16]) && !screen.contains(&secret[secret.len() - 16..]), "{screen}");
        }
        assert!(self.scene.sandbox.issued().iter().all(|issued| !issued.live), "a token is still live");
        screen.lines().take_while(|line| !line.starts_with("code ")).map(str::to_owned).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new(system("tmux")).arg("-S").arg(self.folder.path().join("socket")).arg("kill-server").output();
    }
}

#[test]
fn the_program_sees_a_terminal_where_there_is_one_and_colours_appear() {
    let terminal = Terminal::open();
    fs::create_dir(terminal.scene.path("work/folder")).unwrap();
    terminal.exec("test -t 0 && test -t 1 && test -t 2 && echo all; ls -d --color=auto folder");
    assert_eq!(terminal.end(0), ["all", "folder"]);
    let coloured = terminal.tmux(&["capture-pane", "-p", "-e"]);
    assert!(coloured.contains("\u{1b}[01;34mfolder") || coloured.contains("\u{1b}[1m\u{1b}[34mfolder"), "{coloured:?}");
    terminal.scene.write("work/script", "test -t 1 || echo pipe; test -t 2 && echo terminal >&2");
    terminal.enter("clear; sh jf sh script | cat; echo 'code' 9");
    let mut lines = terminal.end(9);
    lines.sort();
    assert_eq!(lines, ["pipe", "terminal"]);
}

#[test]
fn the_name_alone_shows_the_help_and_mints_nothing() {
    let terminal = Terminal::open();
    terminal.enter(&format!("clear; {BINARY} | head -n 3"));
    terminal.wait_for("access_token");
    let minted = terminal.scene.sandbox.issued().len();
    terminal.enter(&format!("clear; {BINARY}; echo \"code $?\""));
    terminal.wait_for("code 0");
    assert!(terminal.screen().contains("Exit codes:"), "{}", terminal.screen());
    assert_eq!((minted, terminal.scene.sandbox.issued().len()), (1, 1));
}

#[test]
fn both_streams_keep_their_order_and_every_byte() {
    let terminal = Terminal::open();
    let raw = terminal.scene.path("raw");
    terminal.tmux(&["pipe-pane", &format!("cat >{}", raw.display())]);
    terminal.exec("for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done; printf 'a\\tb\\rc\\n'; printf 'x\\ny\\n'; exit 3");
    let lines = terminal.end(3);
    let counted: Vec<String> = (1..=9).flat_map(|i| [format!("out {i}"), format!("err {i}")]).collect();
    assert_eq!(lines[..18], counted[..]);
    assert_eq!(lines[18..], ["c       b", "x", "y"]);
    // Only the real terminal turns \n into \r\n.
    let raw = terminal.wait_for_file(&raw, "y\r\n");
    assert!(raw.contains("a\tb\rc\r\nx\r\ny\r\n"), "{raw:?}");
}

#[test]
fn a_prompt_appears_what_is_typed_arrives_and_the_token_is_hidden() {
    let terminal = Terminal::open();
    terminal
        .exec("printf 'Name: '; read name; echo \"hello $name, $JF_ACCESS_TOKEN\"; printf 'More: '; read more </dev/tty; echo \"$more\"");
    terminal.wait_for("Name:");
    terminal.enter("bob");
    terminal.wait_for("More:");
    terminal.enter("less");
    assert_eq!(terminal.end(0), ["Name: bob", "hello bob, ***", "More: less", "less"]);
}

#[test]
fn a_key_that_interrupts_does_so_once() {
    for (key, signal) in [("C-c", "INT"), ("C-\\", "QUIT")] {
        let terminal = Terminal::open();
        // In Perl, because a shell would merge two signals in quick succession.
        let script = "$SIG{SIGNAL} = sub { $n++ }; $| = 1; print qq(ready\n); select undef, undef, undef, 0.05 until -e q(stop); print qq(count $n\n);";
        terminal.exec(&format!("exec perl -e '{}'", script.replace("SIGNAL", signal)));
        terminal.wait_for("ready");
        terminal.press(key);
        sleep(Duration::from_millis(400));
        terminal.scene.write("work/stop", "");
        let screen = terminal.end(0).join("\n");
        assert!(screen.contains("count 1"), "{screen}");
    }
}

#[test]
fn a_program_that_is_interrupted_ends_and_its_token_with_it() {
    let terminal = Terminal::open();
    terminal.exec("echo ready; exec sleep 30");
    terminal.wait_for("ready");
    sleep(Duration::from_millis(50));
    terminal.press("C-c");
    terminal.end(130);
}

#[test]
fn it_can_be_stopped_and_goes_on_in_the_foreground() {
    let terminal = Terminal::open();
    terminal.exec("echo $PPID $$ >pids; echo ready; read answer; echo \"got $answer\"; exit 6");
    terminal.wait_for("ready");
    terminal.press("C-z");
    terminal.wait_for("Stopped");
    let pids = terminal.scene.read("work/pids");
    for pid in pids.split_whitespace() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("State:\tT"), "{status}");
    }
    terminal.enter("fg; echo \"code $?\"");
    // On `fg`, the shell prints the command again.
    terminal.wait_until("fg", |screen| screen.matches("sh jf sh script").count() >= 2);
    terminal.enter("it");
    let screen = terminal.wait_for("code 6\n");
    assert!(screen.contains("got it\n"), "{screen}");
}

#[test]
fn its_size_is_the_terminals_and_follows_it() {
    let terminal = Terminal::open();
    terminal.exec("stty size </dev/tty; stty size <&1; tput cols; trap 'stty size <&1; stty size <&2' WINCH; echo ready; until [ -e stop ]; do sleep 0.05; done");
    assert!(terminal.wait_for("ready").starts_with("40 100\n40 100\n100\nready\n"), "{}", terminal.screen());
    terminal.tmux(&["resize-window", "-x", "70", "-y", "20"]);
    terminal.wait_until("the new size", |screen| screen.matches("20 70\n").count() >= 2);
    terminal.scene.write("work/stop", "");
    let lines = terminal.end(0);
    assert!(lines[4..].iter().all(|line| line == "20 70"), "{lines:?}");
}

#[test]
fn a_child_in_the_background_does_not_hold_the_terminal() {
    let terminal = Terminal::open();
    let started = Instant::now();
    terminal.exec("sleep 30 & (sleep 0.4; echo late) & echo early; exit 5");
    assert_eq!(terminal.end(5), ["early", "late"]);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_pager_that_can_not_get_its_keys_ends() {
    let terminal = Terminal::open();
    terminal.scene.write("work/text", &(1..200).map(|line| format!("line {line}\n")).collect::<String>());
    terminal.exec("less text; echo over");
    assert_eq!(terminal.end(0).last().unwrap(), "over");
}

#[test]
fn a_pager_of_the_systems_administrator_gets_its_keys() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let terminal = Terminal::open();
    terminal.scene.write("work/text", &(1..200).map(|line| format!("line {line}\n")).collect::<String>());
    terminal.scene.write("work/script", "less text");
    terminal.enter("clear; WITH= sh jf sh script; echo \"code $?\"");
    terminal.wait_for("line 39");
    terminal.press("Space");
    terminal.wait_for("line 78");
    terminal.press("q");
    terminal.end(0);
}

#[test]
fn a_program_that_sets_its_keyboard_where_it_prints_sets_the_real_one() {
    let terminal = Terminal::open();
    let real = "stty -a </dev/tty | grep -Eo -e '-?(icanon|echo) ' | tr '\\n' ' '; echo";
    terminal.exec(&format!("{real}; stty -echo -icanon <&1; sleep 0.3; {real}; stty echo icanon <&1"));
    assert_eq!(terminal.end(0), ["icanon  echo", "-icanon  -echo"]);
    terminal.enter(&format!("clear; {real}; echo 'code' 9"));
    assert_eq!(terminal.end(9).last().unwrap(), "icanon  echo");
}
