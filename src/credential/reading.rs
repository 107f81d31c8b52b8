//! A secret as it is given: in a file, on standard input, or as a value.

use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::Result;
use crate::io;
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
