//! With the real peers, which `.ci/run` installs: a runner of GitHub's workflows, one of GitLab's pipelines, a proxy.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step ends the test")]

#[path = "../support/mod.rs"]
mod support;

mod act;
mod gitlab;
mod peers;
mod proxy;
mod terminal;
