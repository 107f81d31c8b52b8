//! Random jobs. Whatever happens in one, after its end each token that was issued is dead, remembered on disk, or named in what was
//! printed. `JF_LIFE_SEED` runs one job again: the same operations, though not at the same moments. `JF_LIFE_FIRST` is the seed of the first job.
// Linux only, because it reads /proc.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step ends the test")]
#![allow(clippy::print_stdout, clippy::format_push_string, reason = "the story of a job")]

mod job;
#[path = "../support/mod.rs"]
mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use job::Job;

/// For how long jobs are begun.
const TIME: Duration = Duration::from_secs(50);
/// How many jobs run at once. They mostly wait.
const AT_ONCE: usize = 6;

/// How many violations are enough.
const MOST: usize = 5;

#[test]
fn whatever_happens_in_a_job_no_token_is_forgotten_while_it_lives() {
    if let Ok(seed) = std::env::var("JF_LIFE_SEED") {
        let job = Job::run(seed.parse().unwrap());
        println!("{}", job.story());
        job.verdict().unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let began = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let first = std::env::var("JF_LIFE_FIRST").map_or_else(|_| u64::try_from(now).unwrap(), |seed| seed.parse().unwrap());
    let (next, violations) = (AtomicU64::new(first), Mutex::new(Vec::new()));
    scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while began.elapsed() < TIME && violations.lock().unwrap().len() < MOST {
                    let job = Job::run(next.fetch_add(1, Ordering::Relaxed));
                    if let Err(violation) = job.verdict() {
                        violations.lock().unwrap().push(format!("{}\n{violation}", job.story()));
                    }
                }
            });
        }
    });
    let violations = violations.into_inner().unwrap();
    println!("{} jobs", next.into_inner() - first);
    assert!(violations.is_empty(), "{}", violations.join("\n\n"));
}
