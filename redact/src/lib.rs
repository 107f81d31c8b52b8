//! The forms in which a secret may appear in output, and how to hide them.

#![allow(clippy::cast_possible_truncation, reason = "what is in the buffer has a small index, and what is cut off is not used")]

mod block;
mod forms;
mod gaps;
mod marks;
mod masks;
mod numbers;
mod patterns;
mod secret;
mod stream;
mod text;

pub use masks::masks;
pub use patterns::Patterns;
pub use secret::Secret;
pub use stream::Redactor;
pub use text::{hide, is_uuid, one_line, without, without_tokens};

/// Replaces a secret.
pub const HIDDEN: &str = "***";

/// The shortest piece of a secret to hide, in bytes: a shorter one reveals too little.
const PIECE: usize = 16;
