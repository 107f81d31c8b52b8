//! A secret as it is given: in a file, on standard input, or as a value.

use std::io::Read;
use std::path::Path;

use redact::Secret;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::io::{self, trimmed};
use crate::options::{InputValue, shown};

/// Longer than any token, in bytes.
pub const LONGEST: u64 = 1 << 16;

/// Reads a file that holds a secret and nothing else. `what` is its name in a message.
///
/// # Errors
/// Fails if it can't be read, or holds no text.
pub fn read_file(given: &InputValue, what: &str) -> Result<Zeroizing<String>> {
    let place = shown(&given.text);
    text(given, &place, what, io::read_file(Path::new(&given.text), LONGEST))
        .map_err(|error| error.with_help(&format!("Name a file that holds the {what} and nothing else.")))
}

/// Reads standard input, which holds a secret and nothing else. `what` is its name in a message.
///
/// # Errors
/// Fails if it can't be read, or holds no text.
pub fn read_stdin(given: &InputValue, stdin: &mut dyn Read, what: &str) -> Result<Zeroizing<String>> {
    text(given, "standard input", what, io::read(stdin, LONGEST))
}

fn text(given: &InputValue, place: &str, what: &str, read: std::io::Result<Zeroizing<Vec<u8>>>) -> Result<Zeroizing<String>> {
    let wrong = |why: String| given.wrong(why, format!("It must hold the {what} and nothing else."));
    let bytes = read.map_err(|error| wrong(format!("can't read {place}: {error}")))?;
    let text = io::text_of(&bytes).ok_or_else(|| wrong(format!("{place} holds no text")))?;
    if text.trim().is_empty() {
        return Err(wrong(format!("{place} is empty")));
    }
    Ok(text)
}

/// Whether it can be read again: a pipe, such as the shell's `<(…)`, can't.
pub fn is_lasting_file(given: &InputValue) -> bool {
    std::fs::metadata(&given.text).is_ok_and(|found| found.is_file())
}

/// Refuses the name of a variable that stands where its value should.
///
/// # Errors
/// Fails if it does.
pub fn check_replaced(given: &InputValue, text: &str) -> Result<()> {
    if text.trim_start().starts_with('$') {
        let help = "Is it set for this job, branch and environment?";
        return Err(given.wrong("this is the name of a variable that was not replaced by its value", help));
    }
    Ok(())
}

/// Makes the text a token, `name` in a message. What is certainly no token is refused here, where the reason can be told: the platform
/// would only answer that it is not valid.
///
/// # Errors
/// Fails if it can't be one. `right` says what would be, unless the reason tells.
pub fn token(given: &InputValue, text: &str, name: &str, right: &str) -> Result<Secret> {
    check_replaced(given, text)?;
    let text = trimmed(text);
    if let Some((why, right)) = why_no_token(text) {
        return Err(given.wrong(format!("{name} {why}"), right));
    }
    let secret = Secret::new(text).and_then(|secret| match secret.expose().trim_end_matches('=') {
        // What may follow `Bearer` in a header (RFC 6750, section 2.1).
        bare if bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b)) => Ok(secret),
        _ => Err("has a character that no token has"),
    });
    secret.map_err(|why| given.wrong(format!("{name} {why}"), right))
}

/// Why a text is no token, and what to do, where the text tells what happened.
fn why_no_token(text: &str) -> Option<(&'static str, &'static str)> {
    let is_between = |begin, end| text.starts_with(begin) && text.ends_with(end);
    let first_line = text.lines().next().unwrap_or_default();
    let first_line = first_line.strip_prefix("export ").unwrap_or(first_line);
    let is_assignment = first_line.split_once('=').is_some_and(|(name, value)| {
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        is_name && !value.trim_start_matches('=').is_empty()
    });
    let word = text.split_ascii_whitespace().next().unwrap_or_default();
    let looks_like_a_path =
        ["/", "./", "../", "~/", ".\\", "..\\"].iter().any(|begin| text.starts_with(begin)) || text.get(1..3) == Some(":\\");
    let parts = text.split('.').count();
    let reasons = [
        (
            text.contains("***") || is_between('[', ']'),
            "is what stands in a log in place of a secret",
            "Give the secret itself: copy it from where it was made, not from a log.",
        ),
        (
            text.starts_with(['"', '\'', '`']) || text.ends_with(['"', '\'', '`']),
            "has quotes around it",
            "Take them off: what is not a shell reads them as a part of the value.",
        ),
        (is_between('<', '>') || is_between('{', '}') && text.starts_with("{{"), "is a placeholder", "Put the token in its place."),
        (text.starts_with('{'), "is JSON", "Give the value of its access_token alone."),
        (
            is_assignment,
            "is a line NAME=VALUE",
            "Give the value alone; a shell reads such a file: . FILE, and jf-token get --format token prints a bare token.",
        ),
        (
            matches!(word, "Bearer" | "bearer" | "Authorization:" | "authorization:"),
            "has the name of a header, or Bearer, before it",
            "Give the token alone.",
        ),
        (text.contains("://"), "is a URL", "The platform's URL is given by --url, the token by this."),
        (
            looks_like_a_path || text.len() < 256 && Path::new(text).is_file(),
            "is the path of a file",
            "Give what the file holds, or the path by --access-token-file.",
        ),
        (
            text.starts_with("eyJ") && (parts < 3 || parts == 4),
            "is only a part of one: a JWT has three, with dots between them",
            "Copy all of it.",
        ),
    ];
    reasons.into_iter().find(|(is_so, ..)| *is_so).map(|(_, why, right)| (why, right))
}
