//! What a secret looks like wherever it may show up, and how to keep it from being seen.

mod forms;
mod masks;
mod patterns;
mod secret;
mod stream;
mod text;

pub use masks::masks;
pub use patterns::Patterns;
pub use secret::Secret;
pub use stream::Redactor;
pub use text::{one_line, without, without_tokens};

/// What stands in the place of a secret.
pub const HIDDEN: &str = "***";

/// A shorter piece of a secret tells nothing.
const PIECE: usize = 16;
