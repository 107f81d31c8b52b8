//! The redactor's speed with an ordinary log and with the worst cases.
//!
//! `cargo bench --bench redactor`; all input is generated from fixed seeds.
#![allow(clippy::unwrap_used, clippy::format_collect, reason = "a failed step ends the bench")]

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use redact::{Patterns, Redactor, Secret};

const LENGTH: usize = 8 << 20;
const ROOM: usize = 64 * 1024;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((value ^ value >> 31) % limit as u64).unwrap()
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length).map(|_| char::from(alphabet.as_bytes()[self.below(alphabet.len())])).collect()
    }

    fn jwt(&mut self) -> String {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        format!("eyJ{}.eyJ{}.{}", self.text(alphabet, 130), self.text(alphabet, 300), self.text(alphabet, 342))
    }

    /// The secrets of a session: an access token, a refresh token, a reference token, and the credential.
    fn session(&mut self) -> Vec<String> {
        let hex = "0123456789abcdef";
        let uuid = [8, 4, 4, 4, 12].map(|length| self.text(hex, length)).join("-");
        let reference = format!("cmVmdGtu{}", self.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 56));
        vec![self.jwt(), uuid, reference, self.jwt()]
    }

    fn log_line(&mut self) -> String {
        let words = [
            "Downloading",
            "Resolved",
            "compiled",
            "package",
            "artifactory",
            "cache",
            "layer",
            "https://",
            "checksum",
            "warning:",
            "in",
            "ms",
        ];
        let mut line = format!("2026-11-25T08:{:02}:{:02}.{:03}Z INFO  ", self.below(60), self.below(60), self.below(1000));
        let length = 60 + self.below(80);
        while line.len() < length {
            line += words[self.below(words.len())];
            line += if self.below(4) == 0 { "/" } else { " " };
            if self.below(6) == 0 {
                line += &self.text("0123456789abcdef", 7);
            }
        }
        line
    }
}

fn secrets(texts: &[String]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(text).unwrap()).collect()
}

/// Repeats `next` up to `LENGTH` bytes.
fn filled(mut next: impl FnMut() -> String) -> Vec<u8> {
    let mut text = Vec::with_capacity(LENGTH + ROOM);
    while text.len() < LENGTH {
        text.extend(next().as_bytes());
    }
    text.truncate(LENGTH);
    text
}

/// The inputs and their names.
fn inputs(session: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let mut dice = Dice(2);
    let jwt = session[0].as_str();
    let encoded = STANDARD.encode(jwt);
    let hex: String = jwt.bytes().map(|byte| format!("{byte:02x}")).collect();
    let spread = |form: &str, length: usize, between: &str| {
        let pieces: Vec<_> = form.as_bytes().chunks(length).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
        pieces.join(between) + between
    };
    let sliding = |dice: &mut Dice, form: &str, length: usize, between: &str| {
        let start = dice.below(form.len() - length);
        form[start..start + length].to_owned() + between
    };
    vec![
        ("an ordinary log", filled(|| dice.log_line() + "\n")),
        ("an ordinary log of short lines", filled(|| dice.log_line()[24..44].to_owned() + "\n")),
        ("an ordinary log in UTF-16", filled(|| dice.log_line().chars().flat_map(|c| [c, '\0']).collect::<String>() + "\n\0")),
        ("one line of random base64", {
            let random = dice.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", LENGTH);
            filled(|| random.clone())
        }),
        ("nothing but line breaks", filled(|| "\n".to_owned())),
        ("the token over and over", filled(|| jwt.to_owned())),
        ("the token in hex", filled(|| hex.clone())),
        ("15 bytes of the token and another", filled(|| sliding(&mut dice, jwt, 15, " "))),
        ("15 bytes of its base64 and another", filled(|| sliding(&mut dice, &encoded, 15, "!"))),
        ("14 bytes of its hex and another", filled(|| sliding(&mut dice, &hex, 14, "!"))),
        ("8 bytes of the token and another", filled(|| sliding(&mut dice, jwt, 8, " "))),
        ("16 bytes of the token and another", filled(|| sliding(&mut dice, jwt, 16, " "))),
        ("the token folded at 1", filled(|| spread(jwt, 1, "\n"))),
        ("the token folded at 1 and continued", filled(|| spread(jwt, 1, "\\\r\n"))),
        ("the token folded at 2", filled(|| spread(jwt, 2, "\n"))),
        ("the token folded at 8 and continued", filled(|| spread(jwt, 8, "\\\n"))),
        ("the token folded at 15", filled(|| spread(jwt, 15, "\n"))),
        ("the token folded at 15 and continued", filled(|| spread(jwt, 15, "=\n"))),
        ("lines of 15 bytes of the token, no two in order", filled(|| sliding(&mut dice, jwt, 15, "=\n"))),
        ("lines of 8 bytes of the token, no two in order", filled(|| sliding(&mut dice, jwt, 8, "=\n"))),
    ]
}

/// The redactor's time, without reading the input.
fn redact(patterns: &Arc<Patterns>, text: &[u8], size: usize) -> Duration {
    let mut redactor = Redactor::new(patterns.clone());
    let mut time = Duration::ZERO;
    for piece in text.chunks(size) {
        redactor.room()[..piece.len()].copy_from_slice(piece);
        let start = Instant::now();
        redactor.pass(black_box(piece.len()), &mut io::sink()).unwrap();
        time += start.elapsed();
    }
    redactor.finish(&mut io::sink()).unwrap();
    time
}

fn throughput(criterion: &mut Criterion) {
    let session = Dice(1).session();
    let patterns = Arc::new(Patterns::new(secrets(&session).iter()));
    let mut group = criterion.benchmark_group("redact");
    group.sample_size(20);
    for (name, text) in inputs(&session) {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter_custom(|times| (0..times).map(|_| redact(&patterns, &text, ROOM)).sum()));
    }
    let text = filled(|| Dice(3).log_line() + "\n");
    for (name, size) in [("an ordinary log, 100 bytes a read", 100), ("an ordinary log, a byte a read", 1)] {
        let text = &text[..LENGTH.min(size << 18)];
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter_custom(|times| (0..times).map(|_| redact(&patterns, text, size)).sum()));
    }
}

fn patterns(criterion: &mut Criterion) {
    let mut dice = Dice(1);
    let few = secrets(&dice.session());
    let many: Vec<_> = few.iter().cloned().chain(secrets(&(0..20).map(|_| dice.jwt()).collect::<Vec<_>>())).collect();
    for (name, secrets) in [("patterns of a session", few), ("patterns of a session and 20 tokens", many)] {
        criterion.bench_function(name, |bencher| bencher.iter(|| Patterns::new(secrets.iter())));
    }
}

criterion_group!(benches, throughput, patterns);
criterion_main!(benches);
