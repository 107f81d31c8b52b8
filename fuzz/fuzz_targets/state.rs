//! Whatever a state file holds: no panic, and what was read is written and read again without a change.
#![no_main]

use jf_token::fuzzing::rewritten;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let Some(once) = rewritten(text) else { return };
    assert_eq!(Some(once.as_str()), rewritten(once.as_bytes()).as_deref().map(String::as_str));
});
