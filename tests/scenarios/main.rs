//! What users can rely on: each test is one statement about the real binary, checked with the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a failed step ends the test"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/redaction.rs"]
mod redaction;

#[cfg(target_os = "linux")]
#[path = "../support/release.rs"]
mod repository;

#[path = "../support/tools.rs"]
mod tools;

mod addresses;
mod architecture;
mod as_jf;
mod bad_inputs;
mod documents;
mod exec;
mod failures;
mod github;
mod gitlab;
mod handover;
mod help;
mod identities;
mod identity_command;
mod jf_configuration;
mod keeping;
mod life;
mod log_commands;
mod masks;
mod messages;
mod minting;
mod names;
mod occupied;
mod oidc;
mod overview;
mod pages;
mod precedence;
mod printing;
mod redact_command;
mod redactor;
mod release;
mod renewing;
mod server_texts;
mod sessions;
mod shells;
mod signals;
mod slips;
mod ssh;
mod state_file;
mod transport;
mod unreadable;
mod values;
mod windows;
