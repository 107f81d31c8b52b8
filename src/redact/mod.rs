//! What a secret looks like wherever it may show up, and how to keep it from being seen.

mod masks;
mod secret;
mod text;

pub use masks::masks;
pub use secret::Secret;
pub use text::{one_line, without, without_tokens};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";
