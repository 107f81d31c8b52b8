//! What is printed for shells, for PowerShell and for GitHub's files is read back exactly, by readers that share nothing with what printed it.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jf_token::fuzzing::{printed, printed_for_github};
use jf_token::options::Format;
use libfuzzer_sys::fuzz_target;
use serde_json::json;

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let parts: Vec<&str> = text.split('\0').collect();
    for_a_shell(&parts, Format::Shell, exports);
    for_a_shell(&parts, Format::PowerShell, assignments);
    for_github(&parts);
});

/// A user, an id, a refresh token and a path: any text.
fn for_a_shell(parts: &[&str], format: Format, read: fn(&str) -> Vec<(String, String)>) {
    let [user, id, refresh_token, path, ..] = parts else { return };
    let claims = json!({"sub": user}).to_string();
    let access_token = format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(claims));
    let url = format!("https://x.io/{path}");
    let token = json!({"access_token": access_token, "token_id": id, "refresh_token": refresh_token});
    let Some((script, url)) = printed(format, &token.to_string(), &url) else { return };
    assert!(url.starts_with("https://x.io"), "{url}");
    let name = match user.rsplit_once('/') {
        Some((_, name)) if user.starts_with("jfrt@") || user.contains("/users/") => name,
        _ => user,
    };
    let wanted = [("JF_URL", url.as_str()), ("JF_USER", name), ("JF_ACCESS_TOKEN", &access_token), ("JF_ACCESS_TOKEN_ID", id)];
    let mut wanted: Vec<_> = wanted.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    let refresh_token = refresh_token.trim();
    wanted.push(("JF_REFRESH_TOKEN", refresh_token));
    let found = read(&script);
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, wanted, "{script}");
}

/// The variables that a script of nothing but exports sets (POSIX, "Shell Command Language", 2.2).
fn exports(script: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = script.chars().peekable();
    while rest.peek().is_some() {
        assert!("export ".chars().all(|c| rest.next() == Some(c)), "another command: {script}");
        let name: String = rest.by_ref().take_while(|c| *c != '=').collect();
        let (mut value, mut in_quotes) = (String::new(), false);
        loop {
            match rest.next() {
                Some('\'') => in_quotes = !in_quotes,
                Some(c) if in_quotes => value.push(c),
                Some('\\') => value.push(rest.next().expect("something behind a backslash")),
                Some('\n') => break,
                other => panic!("{other:?} means something to a shell: {script}"),
            }
        }
        found.push((name, value));
    }
    found
}

/// The variables that a script of nothing but assignments sets, whatever code page it is read in (PowerShell's language specification,
/// 2.3.5.2: each of five characters ends a string, unless it is doubled).
fn assignments(script: &str) -> Vec<(String, String)> {
    assert!(script.is_ascii(), "not the same in each code page: {script}");
    let is_apostrophe = |c: &char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
    let mut found = Vec::new();
    let mut rest = script.chars().peekable();
    while rest.peek().is_some() {
        assert!("$env:".chars().all(|c| rest.next() == Some(c)), "another statement: {script}");
        let name: String = rest.by_ref().take_while(|c| *c != ' ').collect();
        assert!("= ".chars().all(|c| rest.next() == Some(c)), "no assignment: {script}");
        let mut value: Vec<u16> = Vec::new();
        loop {
            match rest.next() {
                Some(c) if is_apostrophe(&c) => loop {
                    let c = rest.next().expect("an end of the string");
                    if is_apostrophe(&c) && rest.next_if(is_apostrophe).is_none() {
                        break;
                    }
                    value.extend(c.encode_utf16(&mut [0; 2]).iter());
                },
                Some('[') => {
                    assert!("char]".chars().all(|c| rest.next() == Some(c)), "another type: {script}");
                    let digits: String = std::iter::from_fn(|| rest.next_if(char::is_ascii_digit)).collect();
                    value.push(digits.parse().expect("a character"));
                }
                other => panic!("{other:?} means something to PowerShell: {script}"),
            }
            match rest.next() {
                Some('+') => {}
                Some('\n') => break,
                other => panic!("{other:?} behind a string: {script}"),
            }
        }
        found.push((name, String::from_utf16(&value).expect("whole characters")));
    }
    found
}

/// Where a value holds this, it may become the end that is chosen.
const NUMBER: u64 = 0x6a66;

fn for_github(parts: &[&str]) {
    let pairs: Vec<_> = parts.iter().map(|value| ("name", value.replace("END", &format!("jf-token-{NUMBER:016x}")))).collect();
    let Some(text) = printed_for_github(&pairs, NUMBER) else {
        assert!(text_of(&pairs).contains(&format!("jf-token-{NUMBER:016x}")));
        return;
    };
    let wanted: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    assert_eq!(pairs_of(&text), wanted, "{text}");
}

fn text_of(pairs: &[(&str, String)]) -> String {
    pairs.iter().map(|(_, value)| value.as_str()).collect()
}

/// As the runner reads them (actions/runner, FileCommandManager.cs).
fn pairs_of(text: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), text);
    while let Some((head, behind)) = rest.split_once('\n') {
        rest = behind;
        if head.is_empty() {
            continue;
        }
        let (equals, heredoc) = (head.find('='), head.find("<<"));
        let at = heredoc.filter(|at| equals.is_none_or(|equals| *at < equals)).expect("a block");
        let (name, delimiter) = (&head[..at], &head[at + 2..]);
        let mut value: Option<String> = None;
        loop {
            let (line, behind) = rest.split_once('\n').expect("an end of the block");
            rest = behind;
            if line == delimiter {
                break;
            }
            value = Some(value.map_or_else(|| line.to_owned(), |value| format!("{value}\n{line}")));
        }
        found.push((name.to_owned(), value.unwrap_or_default()));
    }
    assert!(rest.is_empty(), "half a line: {text}");
    found
}
