//! What GitHub's masker hides with our masks alone, and the redactor without them, of all that tools make of a token: the table in SECURITY.md.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redact::{Patterns, Redactor, Secret, masks};
use sandbox::Sandbox;

use crate::documents::holds;
use crate::tools::{Text, hidden};

/// What a runner of GitHub's looks for besides a mask itself: its base64 from the first, second and third byte on, to its end, and as a part of
/// a URL (actions/runner, `ValueEncoders`; its other forms don't differ for our masks).
fn variants(mask: &str) -> Vec<String> {
    let mut variants: Vec<_> = (0..3).map(|skipped| STANDARD.encode(&mask.as_bytes()[skipped..])).collect();
    variants.push(mask.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
    variants.push(mask.to_owned());
    variants
}

/// Which bytes a runner hides: each part of a line that a mask covers.
fn masked(log: &[u8], masks: &[String]) -> Vec<bool> {
    let mut hidden = vec![false; log.len()];
    for mask in masks {
        let mask = mask.as_bytes();
        for start in 0..(log.len() + 1).saturating_sub(mask.len()) {
            if log[start..].starts_with(mask) {
                hidden[start..start + mask.len()].fill(true);
            }
        }
    }
    hidden
}

/// Masks like simpler runners: one mask after the other, so that one may break the text of a later one, and no variant of them.
fn masked_in_turn(log: &[u8], masks: &[String]) -> Vec<bool> {
    let mut log = log.to_vec();
    let mut hidden = vec![false; log.len()];
    for mask in masks {
        let found = masked(&log, std::slice::from_ref(mask));
        for (index, _) in found.iter().enumerate().filter(|(_, found)| **found) {
            hidden[index] = true;
            log[index] = 1;
        }
    }
    hidden
}

fn redacted(log: &[u8], secret: &Secret) -> Vec<bool> {
    let mut redactor = Redactor::new(Arc::new(Patterns::new(std::iter::once(secret))));
    let mut shown = Vec::new();
    for piece in log.chunks(1 << 12) {
        redactor.room()[..piece.len()].copy_from_slice(piece);
        redactor.pass(piece.len(), &mut shown).unwrap();
    }
    redactor.finish(&mut shown).unwrap();
    hidden(log, &shown)
}

/// How many characters of the signature can be read in a row.
fn in_a_row(log: &Text, hidden: &[bool], token: &str) -> usize {
    let readable = log.readable(hidden, token.len());
    let signature = &readable[token.rfind('.').unwrap() + 1..];
    signature.split(|readable| !readable).map(<[bool]>::len).max().unwrap_or_default()
}

/// What tools print of a token.
fn printed(token: &str) -> Vec<(&'static str, Text)> {
    let text = Text::of(token);
    let (signature, end) = (text.part(token.rfind('.').unwrap() + 1..token.len()), token.len());
    let auth = text.between("bot:", "").base64();
    let secret_of_kubernetes = auth.between(r#"{"auths":{"acme.jfrog.io":{"auth":""#, r#""}}}"#).base64();
    let json = |text: &Text| text.between(r#"{"access_token":""#, r#""}"#);
    vec![
        ("as it is, in JSON, XML or a URL; `curl -v`, `set -x`", json(&text)),
        ("the signature alone", signature.clone()),
        ("its last 100 characters", text.part(end - 100..end)),
        ("`fold -w 80`", text.fold(80)),
        ("`fold -w 40`", text.fold(40)),
        ("`fold -w 20`", text.fold(20)),
        ("`fold -w 19`", text.fold(19)),
        ("`fold -w 16`", text.fold(16)),
        ("`fold -w 10`", text.fold(10)),
        ("folded at 80, each line indented (YAML)", text.parted(80, "\n    ")),
        ("folded at 76 behind `=` (quoted-printable)", text.parted(75, "=\n")),
        ("`base64 -w0`", text.between("", "\n").base64()),
        ("`base64`", text.between("", "\n").base64().fold(76)),
        ("`openssl base64`", text.between("", "\n").base64().fold(64)),
        ("base64url", text.base64url()),
        ("`user:token` in base64 (HTTP, npm, docker)", auth),
        ("`base64 -w0 \\| base64 -w0`", text.between("", "\n").base64().between("", "\n").base64()),
        ("`base64 \\| base64`", text.between("", "\n").base64().fold(76).between("", "\n").base64().fold(76)),
        ("a pull secret of Kubernetes", secret_of_kubernetes),
        ("hex", text.hex()),
        ("hex in capitals", text.upper_hex()),
        ("`xxd -p`", text.hex().fold(60)),
        ("`xxd`", text.xxd()),
        ("`hexdump -C`", text.hexdump_c()),
        ("`od -x`, `hexdump`", text.od_x()),
        ("`od -c`", text.od_c()),
        ("`curl --trace -`", text.curl_trace()),
        ("`xxd -i`", text.xxd_i()),
        ("`\\xNN`", text.spelled(|byte| format!("\\x{byte:02x}"))),
        ("`\\uNNNN`", text.spelled(|byte| format!("\\u{byte:04x}"))),
        ("`%NN`", text.spelled(|byte| format!("%{byte:02X}"))),
        ("`%25NN`", text.spelled(|byte| format!("%25{byte:02X}"))),
        ("`&#NN;`", text.spelled(|byte| format!("&#{byte};"))),
        ("a list of numbers (`[101, 121, …]`)", text.spelled(|byte| format!("{byte}, "))),
        ("a colour code after each 12 characters", text.parted(12, "\x1b[31m")),
        ("each character twice, overprinted (`man`)", text.spelled(|byte| format!("{0}\x08{0}", char::from(byte)))),
        ("a blank after each character", text.parted(1, " ")),
        ("UTF-16", text.utf16()),
        ("UTF-16 in base64 (`powershell -EncodedCommand`)", text.utf16().base64()),
        ("`base32`", text.base32().fold(76)),
        ("`rev`", text.reversed()),
        ("`gzip`, encryption", Text::default()),
    ]
}

fn token(sandbox: &Sandbox, subject: &str) -> String {
    sandbox.token_with(
        serde_json::json!({"sub": format!("jfac@x/users/{subject}"), "scp": "applied-permissions/user", "iat": 1, "exp": 2, "jti": "x"}),
    )
}

/// Tokens of each length modulo three, and one whose signature has pieces without a letter in hex: there a mask in lower case matches in upper
/// case too, and must not break another.
fn tokens() -> Vec<String> {
    let sandbox = Sandbox::start();
    let mut tokens: Vec<_> = ["bob", "bobby", "alice-the-second"].map(|subject| token(&sandbox, subject)).into();
    let without_letters: String = (0..342)
        .map(|index| {
            let varied = index * index % 97 % 10;
            char::from(if index / 19 % 3 == 0 { b"0123456789"[varied] } else { b"JKLMNOJKLM"[varied] })
        })
        .collect();
    tokens.push(format!("{}{without_letters}", &tokens[0][..=tokens[0].rfind('.').unwrap()]));
    tokens
}

/// In words: the most that can be read for any of these tokens.
fn cell(tokens: &[String], name: &str, hide: impl Fn(&[u8], &str) -> Vec<bool>) -> String {
    let mut most = 0;
    for token in tokens {
        let (_, log) = printed(token).into_iter().find(|(other, _)| *other == name).unwrap();
        if log.bytes.is_empty() {
            return "all".into();
        }
        let shown = in_a_row(&log, &hide(&log.bytes, token), token);
        if shown == in_a_row(&log, &vec![false; log.bytes.len()], token) {
            return "all".into();
        }
        most = most.max(shown);
    }
    most.to_string()
}

#[test]
fn the_table_in_security_md_is_what_masks_and_redactor_hide() {
    let tokens = tokens();
    let mut table = String::from("\n| printed by | masks alone | `exec`, `redact` |\n|---|---|---|\n");
    for (name, _) in printed(&tokens[0]) {
        let alone = cell(&tokens, name, |log, token| {
            let masks: Vec<_> = masks(&Secret::new(token).unwrap()).iter().flat_map(|mask| variants(mask)).collect();
            masked(log, &masks)
        });
        let redacted = cell(&tokens, name, |log, token| redacted(log, &Secret::new(token).unwrap()));
        let _ = writeln!(table, "| {name} | {alone} | {redacted} |");
    }
    holds("SECURITY.md", "<!-- <forms> -->", "<!-- </forms> -->", &table);
}

#[test]
fn a_simpler_masker_hides_what_is_plain_or_in_base64_or_hex_in_lines_of_usual_length() {
    for token in tokens() {
        let masks = masks(&Secret::new(&token).unwrap());
        assert!((100..=120).contains(&masks.len()), "{} masks", masks.len());
        for (most, names) in [
            (15, &["as it is, in JSON, XML or a URL; `curl -v`, `set -x`", "`fold -w 80`", "`fold -w 20`", "`fold -w 16`"][..]),
            (60, &["`base64 -w0`", "`base64`", "`openssl base64`", "base64url", "`user:token` in base64 (HTTP, npm, docker)"]),
            (40, &["hex", "hex in capitals", "`xxd -p`"]),
        ] {
            for (name, log) in printed(&token).into_iter().filter(|(name, _)| names.contains(name)) {
                let shown = in_a_row(&log, &masked_in_turn(&log.bytes, &masks), &token);
                assert!(shown <= most, "{name}: {shown}");
            }
        }
        for (width, start) in [(16, 5), (40, 7), (76, 31)] {
            let log = Text::of(&token).part(start..token.len()).fold(width);
            assert!(in_a_row(&log, &masked_in_turn(&log.bytes, &masks), &token) <= 15);
        }
    }
}

#[test]
fn a_refresh_token_and_a_reference_token_are_masked_in_pieces_too() {
    let reference = STANDARD.encode("reftkn:01:0000000000:abcdefghijklmnopqrstuvwxyzA");
    for secret in [reference.as_str(), "2185bcf5-5d3b-4fcc-aacb-3bf63a46fd3b"] {
        let masks = masks(&Secret::new(secret).unwrap());
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(masks[..].iter().filter(|mask| *mask == secret).count(), 1);
        for (name, log) in
            [("base64", STANDARD.encode(secret)), ("hex", hex), ("base64 with a user", STANDARD.encode(format!("bob:{secret}")))]
        {
            assert!(masked(log.as_bytes(), &masks).contains(&true), "{name}");
        }
    }
}

#[test]
fn no_mask_is_so_short_that_it_hits_innocent_text() {
    let token = Sandbox::start().admin_token().to_owned();
    assert!(masks(&Secret::new(&token).unwrap()).iter().all(|mask| mask.len() >= 8));
    assert_eq!(masks(&Secret::new("short").unwrap()), [""; 0]);
    for odd in ["a.b.c", "..", "a.b", "12345678", &"x".repeat(5000), &format!("{}.{}.{}", "h".repeat(90), "p".repeat(300), "s".repeat(683))]
    {
        assert!(masks(&Secret::new(odd).unwrap()).len() <= 120);
    }
}

/// For `benches/maskers`: `JF_TOKEN_MASKERS` names programs, one a line, that get the token as their argument and mask their input.
#[test]
#[ignore = "needs other maskers"]
fn what_other_maskers_hide() {
    let tokens = tokens();
    let programs = std::env::var("JF_TOKEN_MASKERS").unwrap();
    for (name, _) in printed(&tokens[0]) {
        let cells: Vec<_> =
            programs.lines().map(|program| cell(&tokens, name, |log, token| hidden(log, &output(program, token, log)))).collect();
        writeln!(std::io::stdout(), "| {name} | {} |", cells.join(" | ")).unwrap();
    }
}

fn output(program: &str, token: &str, log: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program).arg(token).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, log) = (child.stdin.take().unwrap(), log.to_vec());
    std::thread::spawn(move || stdin.write_all(&log));
    child.wait_with_output().unwrap().stdout
}
