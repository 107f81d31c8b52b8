//! Compares the redactor with the slow model. The input is a choice of secrets, the sizes of two writes, and a script for the text.
#![no_main]

#[path = "../../tests/support/redaction.rs"]
mod redaction;

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use redact::{Patterns, Redactor, Secret};

use redaction::{Model, forms, text_of};

struct Known {
    patterns: Arc<Patterns>,
    model: Model,
    forms: Vec<String>,
}

impl Known {
    fn new(secrets: &[&str]) -> Self {
        let mut forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        forms.sort();
        let secrets_of: Vec<_> = secrets.iter().map(|secret| Secret::new(secret).unwrap()).collect();
        Self { patterns: Arc::new(Patterns::new(secrets_of.iter())), model: Model::new(secrets), forms }
    }
}

static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let secrets: [&[&str]; 6] = [
        &["eyJ2ZXIiOiIyIiwidHlwIjoiSldUIn0.eyJzdWIiOiJqZmFjIn0.Xk3vQZ0aYw7Rj5NcT1uHs9LmB2dEoPfG6iVqKxCzW8yJrA4tSbDnUeMhIgOlF-p_kQvX"],
        &["0f8fad5b-d9cb-469f-a165-70867728950e", "cmVmdGtuOjAxOjE3OTU0+jQ4MDA6dkZ0R0/yZ3ZSa1lwQ2hJZ0p5b1FhWk9oUQ=="],
        &["!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~''\"\"\\\\==<<>>&&"],
        &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababababababababababababab"],
        &["hunter2hunter2", "short"],
        &["eyJ2ZXIiOiIyIn0.eyJzdWIiOiJqZmFjIn0", "eyJ2ZXIiOiIyIn0.eyJzdWIiOiJqZmFjIn0.Xk3vQZ0aYw7Rj5NcT1uHs9Lm", "eyJ2ZXIiOiIyIn0.eyJzdWIiOiJqZmFtIn0.B2dEoPfG6iVqKxCzW8yJrA4t"],
    ];
    secrets.into_iter().map(Known::new).collect()
});

fuzz_target!(|input: &[u8]| {
    let [choice, first, second, input @ ..] = input else { return };
    // Takes the secret from the input, if it is long enough.
    if *choice >= 192
        && let Some((secret, script)) = input.split_at_checked(1 + usize::from(*choice % 64))
    {
        let secret: String = secret.iter().map(|byte| char::from(b'!' + byte % 94)).collect();
        return check(&Known::new(&[&secret]), *first, *second, script);
    }
    check(&KNOWN[usize::from(*choice) % KNOWN.len()], *first, *second, input);
});

fn check(known: &Known, first: u8, second: u8, script: &[u8]) {
    let text = text_of(script, &known.forms);
    let mut redactor = Redactor::new(known.patterns.clone());
    let (mut shown, mut written) = (Vec::new(), 0);
    for (index, size) in [first, second].into_iter().cycle().enumerate() {
        let piece = &text[written..text.len().min(written + 1 + usize::from(size))];
        written += piece.len();
        redactor.room()[..piece.len()].copy_from_slice(piece);
        redactor.pass(piece.len(), &mut shown).unwrap();
        // The model is slow.
        if index % 16 == 0 {
            let least = known.model.least_shown(&text[..written]);
            assert!(shown.len() >= least, "{}\nis {}", text[..written].escape_ascii(), shown.escape_ascii());
        }
        if written == text.len() {
            break;
        }
    }
    redactor.finish(&mut shown).unwrap();
    assert!(known.model.explains(&text, &shown), "{}\nis {}", text.escape_ascii(), shown.escape_ascii());
}
