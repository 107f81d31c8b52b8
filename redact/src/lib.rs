//! The forms in which a secret may appear in output, and how to hide them.

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
pub use text::{hide, is_uuid, one_line, without, without_tokens};

/// Replaces a secret.
pub const HIDDEN: &str = "***";

/// The shortest piece of a secret to hide, in bytes: a shorter one reveals too little.
const PIECE: usize = 16;
