//! The static binary where there is nothing else: in an empty root, on another processor, in a container image. `.ci/run` makes the binaries,
//! and names them by variables. Needs root, for chroot and buildah.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step ends the test")]

#[allow(dead_code, reason = "these tests use only part of it")]
#[path = "../e2e/peers.rs"]
mod peers;
#[path = "../support/mod.rs"]
mod support;

mod arm;
mod image;
mod root;

use std::path::PathBuf;

/// The static binary that this variable names.
fn binary(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: .ci/run makes the binary and sets it"));
    PathBuf::from(&path).canonicalize().unwrap_or_else(|error| panic!("{variable} names {}: {error}", path.display()))
}
