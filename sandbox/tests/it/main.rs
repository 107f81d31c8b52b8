//! Tests the sandbox through a client on a raw socket.
#![allow(clippy::unwrap_used, reason = "tests")]

mod around;
mod client;
mod faults;
mod identity;
mod oidc;
mod program;
mod providers;
mod tokens;
