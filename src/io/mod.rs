//! The outside world: files, streams, environment variables, time and randomness.

pub mod clock;
mod console;
mod environment;
mod file;
mod first_line;
pub mod random;
mod stream;

pub use console::{Console, Level, LogStyle, without_commands};
pub use environment::Environment;
pub use file::{AtomicFile, remove, remove_all};
pub use first_line::FirstLine;
pub use stream::{SecretSource, SharedRedactor, pass_on};
