//! Held against a slow model of what has to be hidden.

use std::sync::Arc;

use jf_token::redact::{Patterns, Redactor, Secret};

use crate::redaction::Model;

const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn patterns(secrets: &[&str]) -> Arc<Patterns> {
    let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(secret).unwrap()).collect();
    Arc::new(Patterns::new(secrets.iter()))
}

#[test]
fn after_every_write_exactly_that_is_shown_which_may_be() {
    let patterns = patterns(&[UUID]);
    let model = Model::new(&[UUID]);
    for text in [
        format!("a {UUID} b {UUID}{UUID}\n{UUID}"),
        format!("{}\\\r\n{}\n", &UUID[..15], &UUID[15..]),
        format!("{}=\r\n{}\n", &UUID[..15], &UUID[15..]),
        UUID.chars().map(|c| format!("{c}\n")).collect(),
        UUID.chars().map(|c| format!("{c}\\\r\n")).collect(),
        crate::redaction::base64(&format!("x{UUID}")),
        format!("{}!{}", &UUID[..15], &UUID[..14]),
    ] {
        for size in [1, 2, 3, 7, 16, 100] {
            let mut redactor = Redactor::new(patterns.clone());
            let mut shown = Vec::new();
            let mut passed = 0;
            for piece in text.as_bytes().chunks(size) {
                redactor.room()[..piece.len()].copy_from_slice(piece);
                redactor.pass(piece.len(), &mut shown).unwrap();
                passed += piece.len();
                assert_eq!(
                    String::from_utf8_lossy(&shown),
                    String::from_utf8_lossy(&model.shown_so_far(&text.as_bytes()[..passed])),
                    "{size} {passed} {text}"
                );
            }
            redactor.finish(&mut shown).unwrap();
            assert_eq!(String::from_utf8_lossy(&shown), String::from_utf8_lossy(&model.shown(text.as_bytes())), "{size} {text}");
        }
    }
}
