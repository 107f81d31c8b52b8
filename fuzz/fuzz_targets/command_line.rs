//! The whole program, as a dry run. Each line is an argument. No option may become the value of another, and every limit that was given
//! must be in the request.
#![no_main]

mod support;

use std::time::SystemTime;

use jf_token::World;
use jf_token::options::table::ALL;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use support::Printed;

/// Options that limit a token, and where they are in the request.
const LIMITS: [(&str, &str); 6] = [
    ("scope", "scope"),
    ("groups", "scope"),
    ("expiry", "expires_in"),
    ("audience", "audience"),
    ("project", "project_key"),
    ("username", "username"),
];

/// The name of the option that a word begins like.
fn option_of(word: &str) -> Option<&str> {
    let name = word.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    let name = name.split('=').next().unwrap_or_default();
    ALL.iter().any(|option| option.name == name).then_some(name)
}

fuzz_target!(|text: &str| {
    let words: Vec<&str> = text.split('\n').collect();
    // Nothing is to be sent.
    if words.iter().any(|word| word.contains("dry-run")) {
        return;
    }
    let (stdout, stderr) = (Printed::default(), Printed::default());
    let code = jf_token::run(World {
        args: ["jf-token", "create", "--dry-run"].iter().chain(&words).map(Into::into).collect(),
        folder: "/nonexistent".into(),
        environment: [("JF_URL", "https://acme.invalid"), ("TZ", "UTC")].into_iter().collect(),
        stdin: Box::new(std::io::empty()),
        stdout: Box::new(stdout.clone()),
        stderr: Box::new(stderr.clone()),
        terminal: None,
        now: SystemTime::now,
    });
    let (stdout, stderr) = (stdout.text(), stderr.text());
    for line in stderr.split(['\n', '\r']) {
        assert!(!line.trim_start().starts_with("::") && !["##[", "##vso["].iter().any(|command| line.contains(command)), "{line}");
    }
    if code != 0 {
        assert!(stdout.is_empty() && !stderr.is_empty(), "{words:?}: {stdout}");
        return;
    }
    let Ok(body) = serde_json::from_str::<Value>(&stdout) else {
        assert!(stdout.contains("Usage:"), "{words:?}: {stdout}");
        return;
    };
    let end = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    for (field, value) in body.as_object().unwrap().iter().filter_map(|(field, value)| Some((field, value.as_str()?))) {
        let on_purpose = |word: &&str| word.to_lowercase().ends_with(&format!("={}", value.to_lowercase()));
        let behind = words[end..].iter().any(|word| field == "username" && word.to_lowercase() == value);
        assert!(option_of(value).is_none() || behind || words.iter().any(on_purpose), "{words:?}: {field} is {value}");
    }
    for word in &words[..end] {
        let Some(name) = option_of(word) else { continue };
        if let Some((_, field)) = LIMITS.iter().find(|(option, _)| *option == name) {
            assert!(body.get(field).is_some(), "{words:?}: {name} is lost in {stdout}");
        }
    }
});
