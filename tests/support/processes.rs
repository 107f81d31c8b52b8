//! What the system tells of processes: Linux by `/proc`, other systems by `ps`.

#[cfg(target_os = "linux")]
use std::fs;

/// The command line of one process or of all, the arguments separated by spaces.
#[cfg(target_os = "linux")]
pub fn command_lines(pid: Option<u32>) -> Vec<String> {
    let read = |path: std::path::PathBuf| {
        // It can be read even if the process protects its memory.
        fs::read(path.join("cmdline")).map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).ok()
    };
    match pid {
        Some(pid) => read(format!("/proc/{pid}").into()).into_iter().collect(),
        None => fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| read(entry.path())).collect(),
    }
}

/// What a process was started with: its arguments and its environment, which only root can read of one that protects its memory.
#[cfg(target_os = "linux")]
pub fn started_with(pid: u32) -> String {
    let environment = fs::read(format!("/proc/{pid}/environ"));
    assert!(environment.is_ok() || !rustix::process::geteuid().is_root(), "{environment:?}");
    let environment = environment.unwrap_or_default();
    command_lines(Some(pid)).concat() + &String::from_utf8_lossy(&environment).replace('\0', "\n")
}

#[cfg(not(target_os = "linux"))]
pub fn started_with(pid: u32) -> String {
    command_lines(Some(pid)).concat()
}

/// Whether a process runs. A zombie does not; here nobody may reap an ended keeper.
#[cfg(target_os = "linux")]
pub fn is_running(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[cfg(not(target_os = "linux"))]
pub fn command_lines(pid: Option<u32>) -> Vec<String> {
    ps("command=", pid)
}

#[cfg(not(target_os = "linux"))]
pub fn is_running(pid: u32) -> bool {
    ps("stat=", Some(pid)).iter().any(|state| !state.starts_with('Z'))
}

#[cfg(not(target_os = "linux"))]
fn ps(column: &str, pid: Option<u32>) -> Vec<String> {
    let mut ps = std::process::Command::new("ps");
    ps.args(["-ww", "-o", column]);
    match pid {
        Some(pid) => ps.arg("-p").arg(pid.to_string()),
        None => ps.arg("-A"),
    };
    String::from_utf8_lossy(&ps.output().unwrap().stdout).lines().map(|line| line.trim().to_owned()).collect()
}
