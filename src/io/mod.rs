//! The outside world: files, streams, environment variables, time and randomness.

pub mod clock;
mod console;
mod environment;
mod file;
mod first_line;
mod mask_lines;
pub mod random;
mod stream;

pub use console::{Console, Level, LogFormat, LogStyle, harmless_json, printable, without_commands};
pub use environment::{Environment, HOME_OF_JF, trimmed};
pub use file::{AtomicFile, read, read_file, read_regular_file, remove, remove_all, text_of};
pub use first_line::FirstLine;
pub use mask_lines::MaskCommand;
pub use stream::{Masks, SecretSource, SharedRedactor, pass_on};

/// These names in order, each once.
pub fn sorted(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    names
}
