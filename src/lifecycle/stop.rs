use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::os;

/// What asks a request that is under way to come to an end.
#[derive(Clone, Copy)]
pub enum Stop<'s> {
    /// A signal to this process.
    Signal,
    /// The end of the program that the token is kept fresh for.
    Flag(&'s AtomicBool),
}

impl Stop<'_> {
    /// Returns when it does, with the number of the signal. Signals no longer end the process from the first call on.
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
