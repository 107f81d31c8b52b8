//! Whatever stands in a variable as a server of jf's configuration, or in the claims of an identity token: no panic, and nothing that is printed
//! moves a terminal's cursor or is a workflow command.
#![no_main]

mod support;

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jf_token::{World, run};
use libfuzzer_sys::fuzz_target;
use support::Printed;

fn printed(arguments: &[&str], variables: &[(&str, String)]) -> String {
    let printed = Printed::default();
    run(World {
        args: ["jf-token"].iter().chain(arguments).map(Into::into).collect(),
        environment: variables.iter().map(|(name, value)| (*name, value.as_str())).collect(),
        folder: "/".into(),
        stdin: Box::new(std::io::empty()),
        stdout: Box::new(printed.clone()),
        stderr: Box::new(printed.clone()),
        terminal: None,
        now: || SystemTime::UNIX_EPOCH,
    });
    printed.text()
}

fuzz_target!(|text: &str| {
    let server = [("JF_ENV_A", STANDARD.encode(text))];
    let encoded = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let token = [("ID", format!("{}.{}.c2lnbmF0dXJl", encoded(r#"{"alg":"RS256"}"#), encoded(text)))];
    let whole = [("ID", text.replace('\0', ""))];
    let identity = ["identity", "--oidc-token-var", "ID"];
    let mapping = [&identity[..], &["--mapping", "m", "--username", "u", "--format", "terraform"]].concat();
    for text in
        [printed(&["create", "--dry-run"], &server), printed(&identity, &token), printed(&identity, &whole), printed(&mapping, &token)]
    {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        let is_command = |line: &str| ["::", "##[", "##vso[", "##teamcity["].iter().any(|start| line.trim_start().starts_with(start));
        assert!(!text.lines().any(is_command), "{text:?}");
    }
});
