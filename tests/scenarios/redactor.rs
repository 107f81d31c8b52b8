//! Compares the redactor with a slow model of what must be hidden.

use std::io::{self, Write};
use std::sync::{Arc, LazyLock};

use proptest::prelude::{any, prop};
use proptest::prop_assert;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use redact::{Patterns, Redactor, Secret};

use crate::redaction::{Model, base64, forms, listings, text_of, utf16};

const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
const BASE64: &str = "cmVmdGtuOjAxOjE3OTU0+jQ4MDA6dkZ0R0/yZ3ZSa1lwQ2hJZ0p5b1FhWk9oUQ==";
const JWT: &str = "eyJ2ZXIiOiIyIiwidHlwIjoiSldUIiwiYWxnIjoiUlMyNTYifQ.eyJzdWIiOiJqZmFjQDAxL3VzZXJzL2phbmUiLCJzY3AiOiJhcHBsaWVkLXBlcm1pc3Npb25zL3VzZXIifQ.\
    Xk3vQZ0aYw7Rj5NcT1uHs9LmB2dEoPfG6iVqKxCzW8yJrA4tSbDnUeMhIgOlF-p_kQvX";
const SPECIAL: &str = "!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~''\"\"\\\\==<<>>&&";

/// Some secrets: the redactor's patterns, the model and the forms for them.
struct Known {
    patterns: Arc<Patterns>,
    model: Model,
    forms: Vec<String>,
}

impl Known {
    fn new(secrets: &[&str]) -> Self {
        let mut forms: Vec<_> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        forms.sort();
        Self { patterns: patterns(secrets), model: Model::new(secrets), forms }
    }

    fn holds(&self, text: &[u8], sizes: impl Iterator<Item = usize>) -> Result<(), TestCaseError> {
        let mut redactor = Redactor::new(self.patterns.clone());
        let (mut shown, mut written) = (Vec::new(), 0);
        for (index, size) in sizes.enumerate() {
            let piece = &text[written..text.len().min(written + size)];
            written += piece.len();
            pass(&mut redactor, piece, &mut shown).unwrap();
            if size > 1 || index % 16 == 0 {
                let least = self.model.least_shown(&text[..written]);
                prop_assert!(shown.len() >= least, "{} of {least}\n{}\nis {}", shown.len(), lossy(&text[..written]), lossy(&shown));
            }
            if written == text.len() {
                break;
            }
        }
        redactor.finish(&mut shown).unwrap();
        prop_assert!(self.model.explains(text, &shown), "{}\nis {}", lossy(text), lossy(&shown));
        Ok(())
    }
}

fn lossy(text: &[u8]) -> String {
    text.escape_ascii().to_string()
}

fn patterns(secrets: &[&str]) -> Arc<Patterns> {
    let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(secret).unwrap()).collect();
    Arc::new(Patterns::new(secrets.iter()))
}

fn pass(redactor: &mut Redactor, piece: &[u8], shown: &mut dyn Write) -> io::Result<()> {
    redactor.room()[..piece.len()].copy_from_slice(piece);
    redactor.pass(piece.len(), shown)
}

fn redacted(secret: &str, text: &str) -> String {
    String::from_utf8(in_pieces(text.len().max(1), secret, text.as_bytes())).unwrap()
}

fn in_pieces(size: usize, secret: &str, text: &[u8]) -> Vec<u8> {
    let mut redactor = Redactor::new(patterns(&[secret]));
    let mut shown = Vec::new();
    text.chunks(size).for_each(|piece| pass(&mut redactor, piece, &mut shown).unwrap());
    redactor.finish(&mut shown).unwrap();
    shown
}

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() })
}

#[test]
fn whatever_is_written_in_whatever_pieces_exactly_that_is_shown_which_may_be() {
    static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
        let secrets: [&[&str]; 5] =
            [&[JWT, UUID, BASE64], &[SPECIAL], &["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], &["hunter2hunter2"], &[]];
        let mut known: Vec<_> = secrets.into_iter().map(Known::new).collect();
        known[4].forms = vec![UUID.to_owned()];
        known
    });
    let script = prop::collection::vec(any::<u8>(), 0..120);
    let sizes = prop::collection::vec(1..80_usize, 1..20);
    runner(400)
        .run(&(0..5_usize, script, sizes), |(known, script, sizes)| {
            let known = &KNOWN[known];
            known.holds(&text_of(&script, &known.forms), sizes.into_iter().cycle())
        })
        .unwrap();
}

#[test]
fn so_it_is_byte_by_byte() {
    let known = Known::new(&[JWT, BASE64]);
    let script = prop::collection::vec(any::<u8>(), 0..60);
    runner(60).run(&script, |script| known.holds(&text_of(&script, &known.forms), std::iter::repeat(1))).unwrap();
}

#[test]
fn so_it_is_with_any_secret() {
    let script = prop::collection::vec(any::<u8>(), 0..60);
    let sizes = prop::collection::vec(1..80_usize, 1..20);
    runner(60)
        .run(&("[!-~]{1,40}", script, sizes), |(secret, script, sizes)| {
            let known = Known::new(&[&secret]);
            known.holds(&text_of(&script, &known.forms), sizes.into_iter().cycle())
        })
        .unwrap();
}

/// With many secrets not all of each is in the filter.
#[test]
fn so_it_is_beside_many_other_tokens() {
    let alphabet: Vec<char> = ('a'..='z').chain('A'..='Z').chain('0'..='9').collect();
    let others: Vec<String> = (1..200_u64)
        .map(|seed| {
            let numbers = std::iter::successors(Some(seed), |last| Some(last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1)));
            numbers.skip(1).map(|number| alphabet[(number >> 40) as usize % alphabet.len()]).take(800).collect()
        })
        .collect();
    let known = [12, 199].map(|count| {
        let all: Vec<_> = [JWT, BASE64].into_iter().chain(others.iter().take(count).map(String::as_str)).collect();
        Known { patterns: patterns(&all), ..Known::new(&[JWT, BASE64]) }
    });
    for (at, from) in (0..200).flat_map(|at| (0..8).map(move |from| (at, from))) {
        let text = "~".repeat(at) + &JWT[from..from + 16] + "~";
        for known in &known {
            known.holds(text.as_bytes(), std::iter::repeat(text.len())).unwrap();
        }
    }
    let script = prop::collection::vec(any::<u8>(), 0..120);
    let sizes = prop::collection::vec(1..80_usize, 1..20);
    runner(200)
        .run(&(0..2_usize, script, sizes), |(known_at, script, sizes)| {
            known[known_at].holds(&text_of(&script, &known[known_at].forms), sizes.into_iter().cycle())
        })
        .unwrap();
}

fn folded(text: &str, width: usize, fold: &str) -> String {
    let lines: Vec<_> = text.as_bytes().chunks(width).map(String::from_utf8_lossy).collect();
    lines.join(fold)
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn nothing_is_left(shown: &str) -> bool {
    !shown.contains(|c: char| c.is_ascii_alphanumeric())
}

#[test]
fn the_way_a_tool_writes_a_token_does_not_matter() {
    let percent = |text: &str| text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for (tool, secret, written) in [
        ("echo", JWT, JWT.to_owned()),
        ("base64", JWT, folded(&base64(JWT), 76, "\n")),
        ("base64, on Windows", JWT, folded(&base64(JWT), 64, "\r\n")),
        ("base64 of a UUID", UUID, base64(UUID)),
        ("xxd -p", JWT, folded(&hex(JWT), 60, "\n")),
        ("xxd -p -u", UUID, folded(&hex(UUID).to_uppercase(), 60, "\n")),
        ("fold -w 40", JWT, folded(JWT, 40, "\n")),
        ("a shell's script", JWT, folded(JWT, 78, "\\\n")),
        ("mail", JWT, folded(JWT, 75, "=\r\n")),
        ("mail", BASE64, folded(&BASE64.replace('=', "=3D"), 75, "=\r\n")),
        ("powershell -EncodedCommand", JWT, base64(utf16(JWT, u16::to_le_bytes))),
        ("a form", BASE64, percent(BASE64)),
        ("a form, in lower case", BASE64, percent(BASE64).replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")),
        ("JSON", SPECIAL, serde_json::to_string(SPECIAL).unwrap()),
        ("PHP's JSON", BASE64, BASE64.replace('/', r"\/")),
        ("Gson", BASE64, BASE64.replace('=', r"\u003d")),
        (".NET's JSON", BASE64, BASE64.replace('+', r"\u002B")),
        ("set -x", "it's-a-secret's-own-quote", r"'it'\''s-a-secret'\''s-own-quote'".to_owned()),
        ("printf %q", SPECIAL, forms(SPECIAL).into_iter().find(|form| form.starts_with(r#"\!\"\#\$%\&"#)).unwrap()),
    ] {
        let shown = redacted(secret, &format!("{written}\n"));
        assert!(nothing_is_left(&shown), "{tool}: {written} is shown as {shown}");
    }
}

#[track_caller]
fn every_stretch_of_every_form_is_hidden(secrets: &[String]) {
    let known: Vec<_> = secrets.iter().filter(|secret| !secret.is_empty()).map(String::as_str).collect();
    let patterns = patterns(&known);
    for form in known.iter().flat_map(|secret| forms(secret)) {
        let stretches: Vec<_> = form.as_bytes().windows(16).map(String::from_utf8_lossy).collect();
        let (mut redactor, mut shown) = (Redactor::new(patterns.clone()), Vec::new());
        pass(&mut redactor, stretches.join("|").as_bytes(), &mut shown).unwrap();
        redactor.finish(&mut shown).unwrap();
        assert!(nothing_is_left(&lossy(&shown)), "{form} is shown as {}", lossy(&shown));
    }
}

#[test]
fn of_tokens_that_begin_alike_every_stretch_of_every_form_is_hidden() {
    let (one, other) = ("Xk3vQZ0aYw7Rj5NcT1uHs9LmB2dEoPfG6iVqKxCz", "p8Jr_4tSbDnUeMhIgOlF-W8yAq0ZdKfRcV2sXwTu");
    for common in 0..50 {
        let alike = &JWT[..common];
        every_stretch_of_every_form_is_hidden(&[alike.to_owned() + one, alike.to_owned() + other, alike.to_owned(), JWT.to_owned()]);
    }
}

#[test]
fn so_it_is_of_many_tokens_of_one_user() {
    for common in 30..38 {
        let own = (0..20).map(|at| JWT[60 + 5 * at..100 + 5 * at].to_owned());
        every_stretch_of_every_form_is_hidden(&own.map(|own| JWT[..common].to_owned() + &own + &JWT[180..]).collect::<Vec<_>>());
    }
}

const ORDERS: [fn(u16) -> [u8; 2]; 2] = [u16::to_le_bytes, u16::to_be_bytes];

#[test]
fn in_utf_16_every_form_is_hidden_and_what_replaces_it_is_utf_16_too() {
    let mut written: Vec<_> = forms(UUID).into_iter().map(|form| (UUID, form, "***")).collect();
    written.push((UUID, folded(&base64(UUID), 30, "\r\n"), "***\r\n***"));
    written.push((JWT, JWT[100..116].to_owned(), "***"));
    for (secret, form, stars) in written {
        for (before, after) in
            [("", ""), ("\u{feff}", "\r\n"), ("\u{2018}", "\u{2019}"), ("the token: ", " \u{e9}\n"), ("\u{e9}\n", "\n"), ("'", "'")]
        {
            for order in ORDERS {
                let wide = |middle: &str| utf16(&format!("{before}{middle}{after}"), order);
                for size in [1, 2, 17, 1000] {
                    assert_eq!(lossy(&in_pieces(size, secret, &wide(&form))), lossy(&wide(stars)), "{before:?} {form}");
                }
            }
        }
    }
}

#[test]
fn lines_in_utf_16_and_others_may_take_turns() {
    let wide = |text: &str, order| utf16(&format!("{text}\r\n"), order);
    for order in ORDERS {
        let text = |token: &str| {
            [token.as_bytes(), b"\n", &wide(token, order), b"$ ", &wide(token, order), token.as_bytes(), b"\r\n", &wide("x", order)]
                .concat()
        };
        for size in [1, 2, 17, 1000] {
            assert_eq!(lossy(&in_pieces(size, JWT, &text(JWT))), lossy(&text("***")));
        }
    }
}

#[test]
fn nuls_between_texts_stay_and_hold_nothing_back() {
    let list = |token: &str| format!("find\0-print0\0{token}\0{token}\0./e\0");
    assert_eq!(redacted(JWT, &list(JWT)), list("***"));
    let mut redactor = Redactor::new(patterns(&[JWT]));
    for name in ["name\0", "e\0ey\0", "\0"] {
        let mut shown = Vec::new();
        pass(&mut redactor, name.as_bytes(), &mut shown).unwrap();
        assert_eq!(lossy(&shown), lossy(name.as_bytes()));
    }
}

#[test]
fn of_a_token_that_is_folded_narrowly_at_most_15_bytes_are_shown() {
    for width in 1..16 {
        for fold in ["\n", "\r\n", "\\\n", "=\r\n"] {
            let shown = redacted(JWT, &folded(JWT, width, fold));
            let left: String = shown.split(fold).filter(|line| *line != "***").collect();
            assert!(left.len() <= 15 && JWT.starts_with(&left), "{width} {fold:?}: {shown}");
            let wide = in_pieces(1000, JWT, &utf16(&folded(JWT, width, fold), u16::to_le_bytes));
            assert_eq!(lossy(&wide), lossy(&utf16(&shown, u16::to_le_bytes)));
        }
    }
}

#[test]
fn what_a_token_is_part_of_is_untouched() {
    let log = |token: &str| format!("\x1b[32m+ curl\x1b[0m -H 'Authorization: Bearer {token}'\r\n\0 {} \u{e9}\r 50%\r100%\n", &JWT[..15]);
    assert_eq!(redacted(JWT, &log(JWT)), log("***"));
}

#[test]
fn what_stands_before_the_first_byte_is_no_part_of_the_text() {
    for secret in (1..300_u64).map(|index| format!("{:x}", index.wrapping_mul(0x9e37_79b9_7f4a_7c15))) {
        assert_eq!(redacted(&secret, "\0\0a\0\n\0"), "\0\0a\0\n\0", "{secret}");
    }
}

/// The letters and digits that are shown but for the first number of each line, an offset.
fn shown_behind_offsets(shown: &str) -> String {
    let line = |line: &str| line.trim_start_matches(|c: char| c.is_ascii_hexdigit()).to_owned();
    shown.lines().map(line).collect::<String>().replace(|c: char| !c.is_ascii_alphanumeric(), "")
}

#[test]
fn a_token_in_a_list_of_numbers_or_a_dump_is_hidden() {
    // The text beside the numbers of xxd -b is too short.
    for (tool, listed) in listings().into_iter().filter(|(tool, _)| *tool != "xxd -b") {
        for secret in [JWT, UUID, BASE64] {
            for before in ["", "Authorization: Bearer ", "x"] {
                let whole = format!("{before}{secret}\n");
                let [shown, beside] = [whole.as_str(), before]
                    .map(|text| shown_behind_offsets(&redacted(secret, &format!("$ {tool}\n{}", listed(text.as_bytes())))));
                // The text beside the numbers is shown where it is too short, and the rest of a word.
                assert!(shown.len() <= beside.len() + 100, "{tool}, {before}: {shown}");
                assert!(shown_behind_offsets(&listed(whole.as_bytes())).len() > shown.len() + secret.len() / 2, "{tool}");
            }
        }
    }
}

#[test]
fn so_it_is_in_utf_16_and_for_its_base64() {
    // The text beside the numbers of xxd -b is too short.
    for (tool, listed) in listings().into_iter().filter(|(tool, _)| *tool != "xxd -b") {
        let mut texts = vec![base64(JWT).into_bytes()];
        // In the text beside the numbers, or in that of od -c, UTF-16 has a character between any two.
        texts.extend((!listed(b"zzzzzz").contains('z')).then(|| utf16(JWT, u16::to_le_bytes)));
        for bytes in texts {
            let shown = shown_behind_offsets(&redacted(JWT, &listed(&bytes))).replace('0', "");
            assert!(shown.len() <= 60, "{tool}: {shown}");
        }
    }
}

#[test]
fn of_a_dump_that_comes_line_by_line_at_most_15_characters_are_shown() {
    for (tool, listed) in listings() {
        let dump = listed(format!("Authorization: Bearer {JWT}\n").as_bytes());
        let mut redactor = Redactor::new(patterns(&[JWT]));
        let mut shown = Vec::new();
        dump.split_inclusive('\n').for_each(|line| pass(&mut redactor, line.as_bytes(), &mut shown).unwrap());
        redactor.finish(&mut shown).unwrap();
        let left = shown_behind_offsets(&String::from_utf8(shown).unwrap()).len();
        let whole = shown_behind_offsets(&dump).len();
        assert!(left < whole / 4 + 110, "{tool}: {left} of {whole}");
    }
}

#[test]
fn behind_the_start_of_a_list_a_long_line_is_hidden_to_its_end_byte_by_byte_too() {
    let start: String = "\"'\"''\"'\"'\"\"\\\\==<<>>&".chars().map(|c| format!("{c}\n\n")).collect();
    let backwards: String = SPECIAL.chars().rev().collect();
    let text = format!("Password: \n\n{start}&{}", backwards.repeat(6));
    Known::new(&[SPECIAL]).holds(text.as_bytes(), std::iter::repeat(1)).unwrap();
}

#[test]
fn of_numbers_far_apart_in_a_line_at_most_15_are_shown_once_it_is_known_as_a_list() {
    let number = |byte: u8| format!("0x{byte:02x},");
    let (head, tail) = JWT.as_bytes().split_at(40);
    let apart: String = tail.iter().map(|byte| " ".repeat(300) + &number(*byte)).collect();
    let text = head.iter().map(|byte| number(*byte)).collect::<String>() + &apart;
    for size in [1, 100, 500, text.len()] {
        let shown = String::from_utf8(in_pieces(size, JWT, text.as_bytes())).unwrap();
        assert!(shown.matches("0x").count() <= 15, "{size}: {shown}");
    }
}

#[test]
fn what_no_terminal_shows_does_not_wait_for_ever() {
    let patterns = patterns(&[JWT]);
    for unit in ["\u{ad}", "\u{8}", "x\u{8}"] {
        let (mut redactor, mut shown) = (Redactor::new(patterns.clone()), Vec::new());
        pass(&mut redactor, JWT.as_bytes(), &mut shown).unwrap();
        for _ in 0..8 {
            pass(&mut redactor, unit.repeat(60_000 / unit.len()).as_bytes(), &mut shown).unwrap();
        }
        assert!(shown.len() > 200_000, "{unit:?}: {}", shown.len());
        assert!(shown.starts_with(b"***"));
    }
}

#[test]
fn dumps_lists_and_binaries_of_other_things_are_untouched() {
    let mut data: Vec<u8> = (0..4000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]).collect();
    data.extend(JWT.as_bytes()[40..47].repeat(40));
    for (tool, listed) in listings() {
        let text = listed(&data);
        assert_eq!(lossy(&in_pieces(1000, JWT, text.as_bytes())), lossy(text.as_bytes()), "{tool}");
    }
    for text in [
        data.clone(),
        base64(&data[..4000]).into_bytes(),
        base64(base64(&data[..4000])).into_bytes(),
        vec![0; 300],
        vec![8; 300],
        vec![0x1b; 300],
    ] {
        assert_eq!(lossy(&in_pieces(1000, JWT, &text)), lossy(&text));
    }
}

#[test]
fn what_a_terminal_does_not_show_breaks_no_token() {
    let between = |what: &str| JWT.chars().map(|c| format!("{c}{what}")).collect::<String>();
    for sequence in [
        "\x1b[31m",
        "\x1b[38;2;1;2;3m",
        "\x1b[0m\x1b[K",
        "\x1b]0;title\x07",
        "\x1b]8;;https://example.org/a/long/path\x1b\\",
        "\x1b(B",
        "\x1b7",
        "\x1bP1$r\x1b\\",
    ] {
        for size in [1, 7, 100_000] {
            let shown = in_pieces(size, JWT, format!("a {}b", between(sequence)).as_bytes());
            assert_eq!(lossy(&shown), lossy(format!("a ***{}b", sequence.repeat(JWT.len())).as_bytes()));
        }
    }
    for soft in ["\u{ad}", "\u{200b}", "\u{2060}", "\u{feff}"] {
        assert_eq!(redacted(JWT, &between(soft)), format!("***{soft}"));
    }
    let bold: String = JWT.chars().map(|c| format!("{c}\x08{c}")).collect();
    let underlined: String = JWT.chars().map(|c| format!("_\x08{c}")).collect();
    assert_eq!(redacted(JWT, &format!("a {bold} b")), "a *** b");
    assert_eq!(redacted(JWT, &format!("a {underlined} b")), "a *** b");
    assert_eq!(redacted(JWT, &folded(JWT, 20, "\r")).replace(['*', '\r'], ""), "");
}

#[test]
fn backspaces_and_sequences_of_another_text_stay_in_their_places() {
    const UNITS: [&str; 14] =
        ["\u{8}", "\u{8}\u{8}", "a", "b", "_", "4 ", "\u{ad}", "\u{200b}", "\u{1b}[1m", "\u{1b}", "\u{1b}]0;x\u{7}", "\0", "\n", "0x41,"];
    let patterns = patterns(&[JWT]);
    let pieces = prop::collection::vec(prop::sample::select(&UNITS), 0..80);
    let result = runner(2000).run(&(pieces, 1..100_usize), |(pieces, size)| {
        let text = pieces.concat().into_bytes();
        let (mut redactor, mut shown) = (Redactor::new(patterns.clone()), Vec::new());
        text.chunks(size).for_each(|piece| pass(&mut redactor, piece, &mut shown).unwrap());
        redactor.finish(&mut shown).unwrap();
        prop_assert!(shown == text, "{}\n{}", lossy(&text), lossy(&shown));
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[test]
fn a_sequence_that_holds_a_token_itself_or_has_no_end_is_text() {
    assert_eq!(redacted(JWT, &format!("\x1b]8;;https://host/{JWT}\x1b\\link")), "\x1b]8;;https://host/***\x1b\\link");
    assert_eq!(redacted(JWT, &format!("\x1b]0;{JWT}\n{JWT}")), "\x1b]0;***\n***");
    assert_eq!(redacted(JWT, &format!("{JWT}\x1b[3")), "***\x1b[3");
    let open = format!("\x1b]0;{}", "x".repeat(600));
    assert_eq!(redacted(JWT, &format!("{open}{JWT}")), format!("{open}***"));
}

#[test]
fn base64_of_what_holds_base64_of_a_token_is_hidden_in_all_alignments() {
    for secret in [JWT, UUID, BASE64] {
        for (inner, outer) in (0..9).map(|index| (index % 3, index / 3)) {
            let auth = base64(format!("{}{secret}", &"user:"[..inner + 2]));
            let config = format!("{}{auth}\"}}", &"{\"auth\":\""[..outer + 6]);
            for text in [base64(&config), folded(&base64(&config), 76, "\n"), folded(&base64(&config), 76, "\r\n")] {
                let shown = redacted(secret, &text);
                assert!(shown.len() <= 50 && shown.contains("***"), "{inner} {outer}: {shown}");
            }
        }
        let twice = base64(folded(&base64(secret), 76, "\n") + "\n");
        let shown = redacted(secret, &folded(&twice, 76, "\n"));
        assert!(shown.replace(['*', '\n', '='], "").len() <= 24, "{shown}");
    }
}

#[test]
fn written_backwards_or_escaped_for_markup_a_token_is_hidden() {
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    assert_eq!(redacted(JWT, &reversed(JWT)), "***");
    assert_eq!(redacted(SPECIAL, &SPECIAL.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")), "***");
    assert_eq!(redacted(BASE64, &BASE64.replace('=', "&#x3D;")), "***");
    assert_eq!(redacted(BASE64, &BASE64.replace('+', "%252B").replace('/', "%252F").replace('=', "%253D")), "***");
}

#[test]
fn in_the_middle_of_a_larger_base64_text_a_token_is_hidden_at_each_place() {
    for before in ["", "u", "us", "user:"] {
        let text = format!("{before}{UUID}\n");
        let shown = redacted(UUID, &base64(&text));
        assert!(shown.contains("***") && shown.len() <= "***".len() + before.len() * 4 / 3 + 6, "{before} {shown}");
        for order in ORDERS {
            let shown = redacted(UUID, &base64(utf16(&text, order)));
            assert!(shown.contains("***") && shown.len() <= "***".len() + before.len() * 8 / 3 + 9, "{before} {shown}");
        }
    }
}

#[test]
fn a_prompt_is_shown_at_once() {
    let mut redactor = Redactor::new(patterns(&[JWT, UUID, SPECIAL]));
    for prompt in ["Password: ", "\r 50%\r", "Continue? [y/N] ", "\n", "token: "] {
        let mut shown = Vec::new();
        pass(&mut redactor, prompt.as_bytes(), &mut shown).unwrap();
        assert_eq!(lossy(&shown), lossy(prompt.as_bytes()));
    }
}

#[test]
fn what_it_learns_is_hidden_from_then_on() {
    let mut redactor = Redactor::new(patterns(&[UUID]));
    let mut shown = Vec::new();
    pass(&mut redactor, format!("{JWT} {UUID} {}", &UUID[..8]).as_bytes(), &mut shown).unwrap();
    redactor.learn(patterns(&[UUID, JWT]));
    pass(&mut redactor, format!("{} {JWT} {UUID}", &UUID[8..]).as_bytes(), &mut shown).unwrap();
    redactor.finish(&mut shown).unwrap();
    assert_eq!(lossy(&shown), format!("{JWT} *** *** *** ***"));
}

#[test]
fn what_is_held_back_is_judged_by_what_was_learnt_meanwhile() {
    let renewed = format!("{}{}", &UUID[..12], &JWT[..20]);
    let mut redactor = Redactor::new(patterns(&[UUID]));
    let mut shown = Vec::new();
    pass(&mut redactor, format!("token {}", &UUID[..12]).as_bytes(), &mut shown).unwrap();
    assert_eq!(lossy(&shown), "token ");
    redactor.learn(patterns(&[UUID, &renewed]));
    pass(&mut redactor, &renewed.as_bytes()[12..], &mut shown).unwrap();
    redactor.finish(&mut shown).unwrap();
    assert_eq!(lossy(&shown), "token ***");
}

#[test]
fn of_a_long_stream_too_that_is_shown_which_may_be_in_large_reads_and_in_small_ones() {
    let known = Known::new(&[JWT, UUID, BASE64]);
    let script: Vec<u8> = (0..200_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect();
    let text = text_of(&script, &known.forms);
    assert!(text.len() > 300_000);
    for size in [64 * 1024, 1009] {
        let mut redactor = Redactor::new(known.patterns.clone());
        let mut shown = Vec::new();
        text.chunks(size).for_each(|piece| pass(&mut redactor, piece, &mut shown).unwrap());
        redactor.finish(&mut shown).unwrap();
        assert!(shown.len() < text.len() && known.model.explains(&text, &shown));
    }
}

#[test]
fn nothing_is_written_where_nothing_may_be_shown_and_all_of_it_at_once_where_it_may() {
    struct Counted(Vec<usize>);
    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut redactor = Redactor::new(patterns(&[UUID]));
    let mut writes = Counted(Vec::new());
    for piece in [&UUID[..10], "", &UUID[10..], &format!("\n{UUID} and {UUID}\n"), "no secret\n"] {
        pass(&mut redactor, piece.as_bytes(), &mut writes).unwrap();
    }
    redactor.finish(&mut writes).unwrap();
    assert_eq!(writes.0, [3, 13, 10]);
}

#[test]
fn a_reader_that_is_gone_is_an_error_and_no_more() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut redactor = Redactor::new(patterns(&[UUID]));
    for piece in ["some text", UUID, &UUID[..9]] {
        let passed = pass(&mut redactor, piece.as_bytes(), &mut Gone);
        assert!(passed.err().is_none_or(|error| error.kind() == io::ErrorKind::BrokenPipe));
    }
    assert_eq!(redactor.finish(&mut Gone).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
