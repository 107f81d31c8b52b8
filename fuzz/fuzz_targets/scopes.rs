//! The parser of scopes against their grammar as regular expressions.
#![no_main]

use std::sync::LazyLock;

use jf_token::fuzzing::unknown_entries;
use libfuzzer_sys::fuzz_target;
use regex::Regex;

struct Grammar {
    word: Regex,
    groups: Regex,
    known: Vec<Regex>,
    unknown: Vec<Regex>,
    never_unknown: Regex,
    /// What is meant to be a permission.
    slip: Regex,
}

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let whole = |pattern: &str| {
        let pattern = pattern
            .replace("LIST", r#"(?:"[^"]+"|[^" ,]+)(?:,(?:"[^"]+"|[^" ,]+))*"#)
            .replace("ROLES", r#"(?:"[^"]+"|[^" ,:]+)(?:,(?:"[^"]+"|[^" ,:]+))*"#)
            .replace("PART", r#"(?:[^" :]|"[^"]*")+"#)
            .replace("REST", r#"(?:[^" ]|"[^"]*")+"#)
            .replace("ACTIONS", r"(?:\*|[rwdamxs](?:,[rwdamxs])*)");
        Regex::new(&format!("(?s)^(?:{pattern})$")).unwrap()
    };
    Grammar {
        word: Regex::new(r#"(?s)^((?:[^" ]|"[^"]*")+)(?: |$)"#).unwrap(),
        groups: whole("applied-permissions/groups:.*"),
        known: [
            "applied-permissions/(?:user|admin)",
            "applied-permissions/groups:LIST",
            "applied-permissions/roles:[a-z][a-z0-9-]{1,31}:ROLES",
            "artifact:PART:ACTIONS",
            "system:(?:metrics|livelogs|identities|permissions|info|storage):ACTIONS",
        ]
        .map(whole)
        .into(),
        unknown: ["system:PART:ACTIONS", "[a-z][a-z-]*:REST"].map(whole).into(),
        never_unknown: whole("(?:artifact|system):.*"),
        slip: whole("(?:groups?|roles?):.*"),
    }
});

/// The entries of an unknown kind; `None` if the scope is wrong.
fn read(scope: &str) -> Option<Vec<&str>> {
    let (mut rest, mut unknown, mut groups) = (scope, Vec::new(), 0);
    loop {
        let found = GRAMMAR.word.captures(rest)?;
        let word = found.get(1)?.as_str();
        groups += usize::from(GRAMMAR.groups.is_match(word));
        if !GRAMMAR.known.iter().any(|entry| entry.is_match(word)) {
            let [system, others] = &GRAMMAR.unknown[..] else { unreachable!() };
            let is_unknown = if GRAMMAR.never_unknown.is_match(word) { system.is_match(word) } else { others.is_match(word) };
            if !is_unknown || GRAMMAR.slip.is_match(word) {
                return None;
            }
            unknown.push(word);
        }
        let end = found.get(0)?.end();
        if end == rest.len() {
            // A space at the very end begins an entry that is empty.
            return (groups < 2 && end == word.len()).then_some(unknown);
        }
        rest = &rest[end..];
    }
}

fuzz_target!(|scope: &str| assert_eq!(unknown_entries(scope), read(scope), "{scope:?}"));
