//! Lets what the tests start have its signals at their defaults, whatever the tests themselves were told to ignore.

use std::sync::Once;

/// A signal that is ignored stays so in whatever a process starts; one that it handles is at its default there. nohup starts its program
/// with SIGHUP ignored, a shell without job control what it runs in the background with SIGINT and SIGQUIT: they get handlers here.
pub fn hear() {
    static HEARING: Once = Once::new();
    HEARING.call_once(handle_the_ignored);
}

#[cfg(target_os = "linux")]
fn handle_the_ignored() {
    use tokio::signal::unix::{SignalKind, signal};

    let ignored = ignored();
    // The handlers outlive it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let kinds = [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
        SignalKind::user_defined1(),
        SignalKind::user_defined2(),
        SignalKind::window_change(),
        SignalKind::child(),
    ];
    // The others keep their default here too: ^C at a terminal ends the tests.
    for kind in kinds.into_iter().filter(|kind| ignored >> (kind.as_raw_value() - 1) & 1 == 1) {
        drop(signal(kind).unwrap());
    }
}

/// Which signals this process ignores, a bit each.
#[cfg(target_os = "linux")]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

/// Which signals are ignored can't be asked for without unsafe code.
#[cfg(not(target_os = "linux"))]
fn handle_the_ignored() {}
