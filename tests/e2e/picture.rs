//! The picture in the README: the log of a real job, as act shows it. `UPDATE_DOCUMENTS=1 cargo test --test e2e picture` makes it again.

use std::fmt::Write;
use std::fs;

use regex::Regex;

use crate::act::{end, start};
use crate::peers::{used, write_publish_script};
use crate::support::Scene;
use crate::support::documents::{recipes, root};

/// The README's job with a stored token, as its text says.
fn stored() -> String {
    let blocks = recipes("README.md", "GitHub Actions");
    let without = Regex::new(r"(?m)^    permissions:\n(      .*\n)+").unwrap().replace(&blocks[0], "").into_owned();
    let with = without.replace("          oidc-provider: github\n", &blocks[1]);
    assert!(!with.contains("id-token") && with.contains("access-token: "), "{with}");
    with
}

/// What a script does that nobody should: it traces its commands, shows its environment, and prints the part that nobody can guess.
const SLIPS: &str = r#"set -x
curl -sSfo app.tgz -H "Authorization: Bearer $JF_ACCESS_TOKEN" URL/artifactory/generic/app.tgz
printenv JF_ACCESS_TOKEN
echo "its signature alone: ${JF_ACCESS_TOKEN##*.}""#;

/// What the steps of ours print, each under its title.
fn lines(log: &str) -> Vec<String> {
    let title = Regex::new(r"^\[\S+\] \S+ (Run (?:Main|Post) (?:acme/jf-token|\./).*)$").unwrap();
    let other = Regex::new(r"^\[\S+\] \S+ Run ").unwrap();
    let text = Regex::new(r"^\[\S+\]   \| (.*)$").unwrap();
    let (mut lines, mut ours) = (Vec::new(), false);
    for line in log.lines() {
        if let Some(found) = title.captures(line) {
            ours = true;
            lines.push(found[1].to_owned());
        } else if other.is_match(line) {
            ours = false;
        } else if let Some(found) = text.captures(line).filter(|_| ours) {
            lines.push(found[1].to_owned());
        }
    }
    lines
}

/// A dark panel of its own, which is readable on any page.
fn picture(lines: &[String]) -> String {
    let height = 22 * lines.len() + 28;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"960\" height=\"{height}\" viewBox=\"0 0 960 {height}\" role=\"img\">\n\
         <title>The log of a job with jf-token</title>\n\
         <rect width=\"960\" height=\"{height}\" rx=\"8\" fill=\"#161b22\" stroke=\"#444c56\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"13\" fill=\"#d1d7e0\" xml:space=\"preserve\">\n"
    );
    for (index, line) in lines.iter().enumerate() {
        let escaped = line.replace('&', "&amp;").replace('<', "&lt;").replace("***", "<tspan fill=\"#57ab5a\">***</tspan>");
        let title = if line.starts_with("Run ") { " fill=\"#6cb6ff\" font-weight=\"bold\"" } else { "" };
        writeln!(svg, "<text x=\"16\" y=\"{}\"{title}>{escaped}</text>", 22 * index + 28).unwrap();
    }
    svg + "</g>\n</svg>\n"
}

/// A picture without what differs from run to run.
fn without_chance(picture: &str) -> String {
    let mut picture = picture.replace("\r\n", "\n");
    for (pattern, word) in [
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"use-[0-9a-f]{8}", "SESSION"),
        (r"127\.0\.0\.1:\d+", "HOST"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    ] {
        picture = Regex::new(pattern).unwrap().replace_all(&picture, word).into_owned();
    }
    picture
}

#[test]
fn the_picture_in_the_readme_is_the_log_of_its_job_with_a_stored_token() {
    let scene = Scene::new();
    write_publish_script(&scene, &SLIPS.replace("URL", &scene.sandbox.url()));
    let ended = end(&scene, start(&scene, &format!("on: push\n{}", stored()), &[]));
    ended.succeeded();
    let issued = scene.sandbox.issued();
    assert!(issued.len() == 1 && issued[0].scope == "applied-permissions/groups:deployers" && !issued[0].live, "{}", ended.log);
    assert!(used(&scene).iter().all(|(token, _)| *token == issued[0].access_token));
    // The line that every publish.sh of these tests prints first.
    let mut lines = lines(&ended.log);
    lines.retain({
        let mut first = true;
        move |line| line != "answer 200" || !std::mem::take(&mut first)
    });
    let (path, now) = (root().join("docs/job.svg"), picture(&lines));
    let stands = fs::read_to_string(&path).unwrap_or_default();
    let is_so = without_chance(&stands) == without_chance(&now);
    if !is_so && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        return fs::write(&path, &now).unwrap();
    }
    assert!(is_so, "{} differs from the log of a job:\n{}", path.display(), lines.join("\n"));
}
