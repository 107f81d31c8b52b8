//! The redactor's speed with an ordinary log and with the worst cases.
//!
//! `cargo bench --bench redactor`; all input is generated from fixed seeds.
#![allow(clippy::unwrap_used, clippy::format_collect, clippy::print_stdout, reason = "a failed step ends the bench")]

use std::hint::black_box;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use criterion::{Criterion, Throughput};
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

/// Those of what is read in another way: lists, dumps, and what no terminal shows.
fn other_inputs(session: &[String]) -> Vec<(&'static str, Vec<u8>)> {
    let mut dice = Dice(4);
    let jwt = session[0].as_str();
    let twice = STANDARD.encode(STANDARD.encode(jwt));
    let random: Vec<u8> = (0..1 << 16).map(|_| dice.text("\0\u{1}\t AZaz09~", 1).as_bytes()[0]).collect();
    let (dumped, others) = (dump(jwt.as_bytes()), dump(&random));
    let between = |what: &str| jwt.chars().map(|c| format!("{c}{what}")).collect::<String>();
    let fifteen = |dice: &mut Dice, text: &str| {
        let start = dice.below(text.len() - 15);
        text[start..start + 15].to_owned()
    };
    let sixteen = |dice: &mut Dice| {
        let start = dice.below(jwt.len() - 16);
        jwt[start..start + 16].to_owned()
    };
    vec![
        ("an ordinary log with dates and blanks", filled(|| dice.log_line().replace(['T', 'Z'], " ") + "\n")),
        ("an ordinary log in colour", filled(|| format!("\x1b[32m{}\x1b[0m\n", dice.log_line()))),
        ("an ordinary log of Windows", filled(|| dice.log_line() + "\r\n")),
        ("checksums", filled(|| dice.text("0123456789abcdef", 64) + "  target/release/file\n")),
        ("tables of numbers", filled(|| format!("{} {} {}\n", dice.below(1000), dice.below(100), dice.below(65536)))),
        ("a dump of the token", filled(|| dumped.clone())),
        ("a dump of other things", filled(|| others.clone())),
        ("nothing but NULs", vec![0; LENGTH]),
        ("base64 in base64", filled(|| twice.clone())),
        ("15 bytes of base64 in base64 and another", filled(|| fifteen(&mut dice, &twice) + "!")),
        ("15 bytes in hex with blanks and another", filled(|| dump(fifteen(&mut dice, jwt).as_bytes()))),
        ("the token in colours", filled(|| between("\x1b[31m"))),
        ("the token with blanks", filled(|| between(" "))),
        ("the token with soft hyphens", filled(|| between("\u{ad}"))),
        ("the token in bold", filled(|| jwt.chars().map(|c| format!("{c}\x08{c}")).collect())),
        ("the token underlined", filled(|| jwt.chars().map(|c| format!("_\x08{c}")).collect())),
        ("16 bytes of the token and backspaces", filled(|| sixteen(&mut dice) + "\x08\x08\x08x")),
        ("soft hyphens, then backspaces", filled(|| "x\u{ad}".repeat(15_000) + &"\x08".repeat(15_000))),
        ("titles with 15 bytes of the token", filled(|| format!("\x1b]0;{}\x07", fifteen(&mut dice, jwt)))),
        ("sequences without an end", filled(|| "\x1b[".to_owned() + &"1;".repeat(200))),
        ("nothing but backspaces", vec![8; LENGTH]),
    ]
}

/// As `hexdump -C` prints it.
fn dump(bytes: &[u8]) -> String {
    let line = |(index, line): (usize, &[u8])| {
        let hex: String = line.iter().map(|byte| format!(" {byte:02x}")).collect();
        let text: String = line.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte) } else { '.' }).collect();
        format!("{:08x} {hex:48}  |{text}|\n", index * 16)
    };
    bytes.chunks(16).enumerate().map(line).collect()
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
    for (name, text) in inputs(&session).into_iter().chain(other_inputs(&session)) {
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

/// The secrets of a session, and so many access tokens more: of one user, whose payloads differ near their ends, or with nothing in common.
fn with_tokens(count: usize, are_alike: bool) -> Vec<Secret> {
    let mut dice = Dice(1);
    let mut texts = dice.session();
    let alike = texts[0][..if are_alike { 340 } else { 0 }].to_owned();
    texts.extend((0..count).map(|_| alike.clone() + &dice.jwt()[alike.len()..]));
    secrets(&texts)
}

/// How many more tokens, and whether they are alike.
const SETS: [(usize, bool); 4] = [(0, true), (60, true), (1000, true), (1000, false)];

fn name_of((count, are_alike): (usize, bool)) -> String {
    format!("a session and {count} more tokens{}", if are_alike { "" } else { " with nothing in common" })
}

fn patterns(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("patterns");
    group.sample_size(10);
    for set in SETS {
        let secrets = with_tokens(set.0, set.1);
        group.bench_function(name_of(set), |bencher| bencher.iter(|| Patterns::new(secrets.iter())));
    }
}

/// The most memory that this process ever had, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Prints what the patterns take, in a process of its own for each number of secrets.
fn memory() {
    for (index, set) in SETS.into_iter().enumerate() {
        let child = std::process::Command::new(std::env::current_exe().unwrap()).env(PEAK, index.to_string()).output().unwrap();
        println!("memory of the patterns of {}: {} KiB", name_of(set), String::from_utf8_lossy(&child.stdout).trim());
    }
}

const PEAK: &str = "REDACTOR_PEAK";

fn main() {
    if let Some((count, are_alike)) = std::env::var(PEAK).ok().and_then(|index| SETS.get(index.parse::<usize>().ok()?).copied()) {
        let (secrets, before) = (with_tokens(count, are_alike), peak());
        black_box(Patterns::new(secrets.iter()));
        println!("{}", peak() - before);
        return;
    }
    memory();
    let mut criterion = Criterion::default().configure_from_args();
    throughput(&mut criterion);
    patterns(&mut criterion);
    criterion.final_summary();
}
