//! Whatever a server answers: no panic, and no 16 bytes of the request's secrets in a message. The input is a choice of secrets, a status
//! in two bytes, and four texts separated by line breaks. In them a byte 1 stands for the bearer, a byte 2 for the refresh token.
#![no_main]

use std::collections::HashSet;

use jf_token::fuzzing::{Answer, messages};
use libfuzzer_sys::fuzz_target;
use redact::Secret;

const SECRETS: [(&str, &str); 3] = [
    (
        "eyJ2ZXIiOiIyIiwidHlwIjoiSldUIn0.eyJzdWIiOiJqZmFjIn0.Xk3vQZ0aYw7Rj5NcT1uHs9LmB2dEoPfG6iVqKxCzW8yJrA4tSbDnUeMhIgOlF-p_kQvX",
        "0f8fad5b-d9cb-469f-a165-70867728950e",
    ),
    ("lettersonlywithoutanydigit", "cmVmdGtuOjAxOjE3OTU0+jQ4MDA6dkZ0R0/yZ3ZSa1lwQ2hJZ0p5b1FhWk9oUQ=="),
    ("!#$%&'()*+,-./09:;<=>?@AZ[]^_`az{|}~", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
];

fuzz_target!(|input: &[u8]| {
    let [choice, high, low, texts @ ..] = input else { return };
    let (bearer, refresh_token) = SECRETS[usize::from(*choice) % SECRETS.len()];
    let texts = String::from_utf8_lossy(texts).replace('\u{1}', bearer).replace('\u{2}', refresh_token);
    let mut texts = texts.splitn(4, '\n');
    let mut next = || texts.next().unwrap_or_default();
    let status = 100 + u16::from_be_bytes([*high, *low]) % 500;
    let answer = Answer { status, content_type: next(), retry_after: next(), location: next(), body: next() };
    let pieces: HashSet<&[u8]> = [bearer, refresh_token].into_iter().flat_map(|secret| secret.as_bytes().windows(16)).collect();
    for text in messages(&answer, &Secret::new(bearer).unwrap(), &Secret::new(refresh_token).unwrap()) {
        assert!(!text.as_bytes().windows(16).any(|piece| pieces.contains(piece)), "{text}");
    }
});
