//! A program for `exec` to run where there is no shell: it does what its arguments say, one after the other. `$NAME` in a text is the
//! variable's value.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::panic,
    reason = "a failed step ends the test"
)]

use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

fn main() {
    let words: Vec<String> = env::args().skip(1).collect();
    let mut words = words.into_iter();
    while let Some(verb) = words.next() {
        let mut next = || expand(&words.next().unwrap());
        match verb.as_str() {
            "say" => println!("{}", next()),
            "complain" => eprintln!("{}", next()),
            "write" => fs::write(next(), next()).unwrap(),
            "cat" => println!("{}", fs::read_to_string(next()).unwrap()),
            "env" => env::vars().for_each(|(name, value)| println!("{name}={value}")),
            "sleep" => thread::sleep(Duration::from_millis(next().parse().unwrap())),
            // Writes a larger number each time, for a minute at most.
            "count" => count(&next()),
            // The rest is for another one, which outlives this one and keeps its output open.
            "start" => drop(Command::new(env::current_exe().unwrap()).args(words.by_ref()).stdin(Stdio::null()).spawn().unwrap()),
            "run" => drop(Command::new(next()).arg(next()).status().unwrap()),
            "exit" => std::process::exit(next().parse().unwrap()),
            other => panic!("no such word: {other}"),
        }
    }
}

fn count(file: &str) {
    for number in 0..3000 {
        fs::write(file, number.to_string()).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
}

fn expand(text: &str) -> String {
    let mut parts = text.split('$');
    let mut expanded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(part.len());
        expanded += &env::var(&part[..end]).unwrap_or_else(|_| "unset".into());
        expanded += &part[end..];
    }
    expanded
}
