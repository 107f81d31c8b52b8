//! Tests with real peers, which `.ci/run` installs: a runner for GitHub workflows, one for GitLab pipelines, an OIDC provider, GitHub's own
//! client for identity tokens, a proxy, an SSH server, shells and a terminal.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::format_collect, reason = "a failed step ends the test")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/release.rs"]
mod repository;

mod act;
mod completions;
mod gitlab;
mod identity;
mod pages;
mod peers;
mod picture;
mod proxy;
mod release;
mod ssh;
mod terminal;
mod transport;
