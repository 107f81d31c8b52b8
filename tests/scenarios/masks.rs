//! Checks the masks with the runner's own algorithm: it replaces the literal text of each mask in every line, and no other forms of it.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use redact::{Secret, masks};
use sandbox::Sandbox;

/// Masks like a runner: hides each part of a line that a mask covers.
fn masked(log: &str, masks: &[String]) -> String {
    let lines = log.split('\n').map(|line| {
        let mut hidden = vec![false; line.len()];
        for mask in masks {
            for (start, _) in line.match_indices(mask.as_str()) {
                hidden[start..start + mask.len()].fill(true);
            }
        }
        line.char_indices().map(|(index, c)| if hidden[index] { '\u{1}' } else { c }).collect::<String>()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Masks like simpler runners: one mask after the other, so that one may break the text of a later one.
fn masked_in_turn(log: &str, masks: &[String]) -> String {
    masks.iter().fold(log.to_owned(), |log, mask| {
        let lines: Vec<_> = log.split('\n').map(|line| line.replace(mask.as_str(), "\u{1}")).collect();
        lines.join("\n")
    })
}

fn wrapped(text: &str, width: usize, offset: usize) -> String {
    let offset = offset.min(text.len());
    let mut lines = vec![text[..offset].to_owned()];
    lines.extend(text.as_bytes()[offset..].chunks(width).map(|line| String::from_utf8_lossy(line).into_owned()));
    lines.join("\n")
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The forms from which part of the signature could be decoded.
fn readable_forms(signature: &str) -> Vec<String> {
    let mut forms = vec![signature.to_owned(), hex(signature), hex(signature).to_uppercase()];
    for shift in 0..3 {
        let encoded = STANDARD.encode(format!("{}{signature}", &"xxx"[..shift]));
        // Without the characters that also depend on the bytes before or after.
        forms.push(encoded[2 * shift..encoded.len() - 4].to_owned());
    }
    forms
}

/// Every run of 48 characters in each form of the signature.
fn stretches(signature: &str) -> HashSet<Vec<u8>> {
    readable_forms(signature).iter().flat_map(|form| form.as_bytes().windows(48)).map(<[u8]>::to_vec).collect()
}

/// The first of `stretches` that the log shows, ignoring line breaks.
fn readable(log: &str, stretches: &HashSet<Vec<u8>>) -> Option<String> {
    let log = log.replace(['\n', '\r'], "");
    let found = log.as_bytes().windows(48).find(|window| stretches.contains(*window))?;
    Some(String::from_utf8_lossy(found).into_owned())
}

/// Logs with a token in every form seen in practice.
fn logs(token: &str) -> Vec<(String, String)> {
    let mut logs: Vec<(String, String)> = vec![("plain".into(), token.to_owned())];
    for (index, part) in token.split('.').enumerate() {
        logs.push((format!("part {index}"), part.to_owned()));
    }
    for width in [40, 48, 64, 76, 100] {
        for offset in 0..width {
            logs.push((format!("wrapped at {width} from {offset}"), wrapped(token, width, offset)));
        }
    }
    let mut encoded = vec![("token".to_owned(), token.to_owned()), ("token and newline".to_owned(), format!("{token}\n"))];
    for length in 1..=6 {
        encoded.push((format!("user of {length} and token"), format!("{}:{token}", &"abcdef"[..length])));
        let auth = STANDARD.encode(format!("{}:{token}", &"abcdef"[..length]));
        encoded.push((format!("docker config, user of {length}"), format!(r#"{{"auths":{{"acme.jfrog.io":{{"auth":"{auth}"}}}}}}"#)));
        encoded.push((format!("json with user of {length}"), serde_json::json!({"user": &"abcdef"[..length], "token": token}).to_string()));
    }
    for (name, text) in encoded {
        let base64 = STANDARD.encode(&text);
        for width in [60, 64, 76] {
            logs.push((format!("base64 of {name}, wrapped at {width}"), wrapped(&base64, width, 0)));
        }
        logs.push((format!("base64url of {name}"), URL_SAFE_NO_PAD.encode(&text)));
        logs.push((format!("base64 of {name}"), base64));
        logs.push((name, text));
    }
    for (name, text) in [("hex", hex(token)), ("HEX", hex(token).to_uppercase())] {
        logs.push((name.into(), text));
    }
    for offset in (0..60).step_by(2) {
        logs.push((format!("hex wrapped at 60 from {offset}, as by xxd -p"), wrapped(&hex(token), 60, offset)));
        logs.push((format!("HEX wrapped at 60 from {offset}, as by xxd -u -p"), wrapped(&hex(token).to_uppercase(), 60, offset)));
    }
    let json = serde_json::json!({"access_token": token}).to_string();
    logs.push(("json in json".into(), serde_json::json!({ "body": json }).to_string()));
    logs.push(("in a URL".into(), format!("https://acme.jfrog.io/?access_token={}", token.replace('.', "%2E"))));
    logs.push(("the first 200".into(), token[..200].to_owned()));
    logs.push(("the last 200".into(), token[token.len() - 200..].to_owned()));
    logs
}

#[test]
fn whatever_a_tool_does_to_a_token_48_characters_of_its_signature_are_never_readable() {
    let sandbox = Sandbox::start();
    let mut tokens: Vec<_> = ["admin", "bob", "someone-with-a-longer-name"]
        .map(|subject| {
            let claims = serde_json::json!({"sub": format!("jfac@x/users/{subject}"), "scp": "applied-permissions/user", "iat": 1, "exp": 2, "jti": "x"});
            sandbox.token_with(claims)
        })
        .into();
    // The hex of digits has no letters, so a mask in lower case also matches in upper case, and must not break another mask there.
    let some_without_letters: String = (0..342)
        .map(|index| {
            let varied = index * index % 97 % 10;
            char::from(if index / 19 % 3 == 0 { b"0123456789"[varied] } else { b"JKLMNOJKLM"[varied] })
        })
        .collect();
    tokens.push(format!("{}{some_without_letters}", &tokens[0][..=tokens[0].rfind('.').unwrap()]));
    for token in tokens {
        let masks = masks(&Secret::new(&token).unwrap());
        assert!(masks.len() <= 120, "{} masks", masks.len());
        let stretches = stretches(token.rsplit('.').next().unwrap());
        for (name, log) in logs(&token) {
            for (masker, shown) in [("at once", masked(&log, &masks)), ("in turn", masked_in_turn(&log, &masks))] {
                assert_eq!(readable(&shown, &stretches), None, "{name}, masked {masker}");
            }
        }
    }
}

#[test]
fn the_test_of_the_masks_can_fail() {
    let token = Sandbox::start().admin_token().to_owned();
    let stretches = stretches(token.rsplit('.').next().unwrap());
    let whole = [token.clone()];
    let failing = logs(&token).into_iter().filter(|(_, log)| readable(&masked(log, &whole), &stretches).is_some()).count();
    assert!(failing > 100, "with the whole token as the only mask, most logs must stay readable, but only {failing} do");
}

#[test]
fn a_refresh_token_and_a_reference_token_are_masked_in_pieces_too() {
    let reference = STANDARD.encode("reftkn:01:0000000000:abcdefghijklmnopqrstuvwxyzA");
    for secret in [reference.as_str(), "2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b"] {
        let masks = masks(&Secret::new(secret).unwrap());
        assert_eq!(masks[..].iter().filter(|mask| *mask == secret).count(), 1);
        for (name, log) in
            [("base64", STANDARD.encode(secret)), ("hex", hex(secret)), ("base64 with a user", STANDARD.encode(format!("bob:{secret}")))]
        {
            assert!(masked(&log, &masks).contains('\u{1}'), "{name}");
        }
    }
}

#[test]
fn no_mask_is_so_short_that_it_hits_innocent_text() {
    let token = Sandbox::start().admin_token().to_owned();
    assert!(masks(&Secret::new(&token).unwrap()).iter().all(|mask| mask.len() >= 15));
    assert_eq!(masks(&Secret::new("short").unwrap()), [""; 0]);
    for odd in ["a.b.c", "..", "a.b", "12345678", &"x".repeat(5000), &format!("{}.{}.{}", "h".repeat(90), "p".repeat(300), "s".repeat(683))]
    {
        assert!(masks(&Secret::new(odd).unwrap()).len() <= 120);
    }
}
