//! Makes sure that the programs under test start with default signal handling, even if the tests were started with signals ignored.

use std::sync::Once;

/// A child process inherits ignored signals, but a signal with a handler is reset to its default. nohup ignores SIGHUP, and a shell without
/// job control makes its background jobs ignore SIGINT and SIGQUIT, so this installs handlers for the ignored ones.
pub fn hear() {
    static HEARING: Once = Once::new();
    HEARING.call_once(handle_the_ignored);
}

#[cfg(target_os = "linux")]
fn handle_the_ignored() {
    use tokio::signal::unix::{SignalKind, signal};

    let ignored = ignored();
    // The handlers stay installed after it is dropped.
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
    // Only for ignored signals, so that Ctrl-C still ends the tests.
    for kind in kinds.into_iter().filter(|kind| ignored >> (kind.as_raw_value() - 1) & 1 == 1) {
        drop(signal(kind).unwrap());
    }
}

/// The signals that this process ignores, one bit each.
#[cfg(target_os = "linux")]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap()
}

/// Elsewhere, ignored signals can't be listed without unsafe code.
#[cfg(not(target_os = "linux"))]
fn handle_the_ignored() {}
