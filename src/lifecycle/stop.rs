use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::os;

/// What can ask a request that is on its way to stop.
#[derive(Clone, Copy)]
pub enum Stop<'s> {
    /// A signal to this process.
    Signal,
    /// A flag that is set when the program that the token is kept fresh for has ended.
    Flag(&'s AtomicBool),
}

impl Stop<'_> {
    /// Waits until it is asked to stop, and returns the number of the signal (0 for a flag). Once a wait for `Signal` is polled, signals no
    /// longer end the process.
    pub async fn requested(self) -> u8 {
        match self {
            Stop::Signal => os::stop_request().await,
            Stop::Flag(flag) => {
                while !flag.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                0
            }
        }
    }
}
