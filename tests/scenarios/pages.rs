//! What stands in the README and in `docs/` holds: its commands run, its options, inputs and links exist, and what it quotes is said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jf_token::commands::syntaxes;
use jf_token::options::Syntax;
use jf_token::options::table::{ALL, HOME};
use regex::Regex;

use crate::support::documents::{Block, blocks, documents, files_below, prose, root};

/// Blocks of shell that are not run against the sandbox by `every_shell_block_runs`: the document, what the block contains, and why.
const NOT_RUN_HERE: [(&str, &str, &str); 15] = [
    ("docs/benchmarks.md", "benches/run", "measures for minutes: run by hand, on a quiet machine"),
    ("docs/benchmarks.md", "cargo bench", "the same"),
    ("docs/credentials.md", "--client-cert-path", "needs a platform that asks for a certificate: tests/scenarios/transport.rs has one"),
    ("docs/credentials.md", "--oidc-provider github --mapping", "needs the identity of a CI: tests/scenarios/identity_command.rs has one"),
    ("docs/credentials.md", "ssh-keyscan", "needs an SSH server: tests/e2e/ssh.rs has one"),
    ("docs/install.md", "cargo install", "builds for minutes"),
    ("docs/install.md", "rustup target add x86_64-unknown-linux-musl", "needs a compiler's target and root: a step of .ci/run"),
    ("docs/install.md", "cargo zigbuild", "the same"),
    ("docs/install.md", "cargo run --example completions", "builds: tests/e2e/completions.rs runs what it makes"),
    ("docs/releasing.md", ".github/release build", "builds for minutes, and pushes: tests/scenarios/release.rs runs the script"),
    ("docs/releasing.md", "sha256sum -c", "needs a release: the same"),
    ("docs/try-it.md", "node -p", "needs Node: tests/e2e/pages.rs runs the whole page"),
    ("docs/try-it.md", "act push", "needs act: the same"),
    ("docs/try-it.md", "gitlab-ci-local", "needs it: the same"),
    ("docs/install.md", "buildah build", "needs root and buildah: tests/portable/image.rs runs it"),
];

/// Jobs that no runner runs in `tests/e2e`: the document, what the block contains, and why.
const NO_RUNNER_FOR: [(&str, &str, &str); 3] = [
    ("docs/recipes.md", "tags: [windows]", "there is no PowerShell here"),
    ("docs/coming-from-setup-jfrog-cli.md", "jf rt ping", "it downloads jf"),
    ("docs/credentials.md", "JF_TOKEN_HEADER", "a part of a job: tests/scenarios/transport.rs sends headers"),
];

fn is_listed(list: &[(&str, &str, &str)], block: &Block) -> bool {
    list.iter().any(|(document, part, _)| block.document == *document && block.text.contains(part))
}

#[test]
fn every_block_is_in_a_language_that_is_checked() {
    for block in blocks() {
        let known = ["sh", "yaml", "powershell", "bat", "dockerfile", "mermaid"].contains(&&*block.language);
        assert!(known, "{}: nothing here checks \"{}\"", block.place(), block.language);
    }
    for (document, text) in documents() {
        let text = prose(&text);
        let indented = text.split("\n\n").find(|part| part.starts_with("    "));
        assert!(indented.is_none(), "{document}: a block needs a fence and a language: {}", indented.unwrap());
    }
    for (list, language) in [(&NOT_RUN_HERE[..], "sh"), (&NO_RUNNER_FOR[..], "yaml")] {
        for (document, part, _) in list {
            let found = blocks().into_iter().any(|block| block.language == language && is_listed(&[(document, part, "")], &block));
            assert!(found, "{document} has no block any more with: {part}");
        }
    }
}

/// A command line of jf-token's: its words after the program's name.
fn command_lines(text: &str) -> Vec<String> {
    let call = Regex::new(r#"(?m)(?:^|[ \t(`"'])jf-token((?:[ \t]+[^\s|;&()`<]+)+)"#).unwrap();
    let text: String = text.lines().filter(|line| !line.contains("--package jf-token")).map(|line| format!("{line}\n")).collect();
    call.captures_iter(&text).map(|found| found[1].trim().to_owned()).collect()
}

fn command_of(words: &str) -> Option<&'static Syntax> {
    let first = words.split_whitespace().next().unwrap().trim_end_matches([',', '"']);
    syntaxes().into_iter().find(|syntax| syntax.is_called(first))
}

/// What is wrong with the words of a command line.
fn wrong_with(words: &str) -> Option<String> {
    let Some(syntax) = command_of(words) else { return Some("no such command".into()) };
    let own = words.split(" -- ").next().unwrap();
    let flags = own.split_whitespace().filter_map(|word| word.trim_matches(['"', ')', ',', '.', ':']).strip_prefix("--"));
    let names = flags.map(|flag| flag.split('=').next().unwrap()).filter(|name| !name.is_empty() && *name != "help");
    let unknown = |name: &&str| !ALL.iter().any(|option| option.name == *name && syntax.knows(option)) && *name != "env-file";
    names.into_iter().find(unknown).map(|name| format!("{} has no option --{name}", syntax.name))
}

#[test]
fn every_command_line_names_a_command_and_options_that_it_has() {
    let mut seen = 0;
    for block in blocks().into_iter().filter(|block| block.language != "mermaid") {
        for words in command_lines(&block.text) {
            seen += 1;
            assert_eq!(wrong_with(&words), None, "{}: jf-token {words}", block.place());
        }
    }
    let span = Regex::new(r"`([^`]+)`").unwrap();
    for (document, text) in documents() {
        for found in span.captures_iter(&prose(&text)) {
            for words in command_lines(&found[1]).iter().filter(|words| !words.starts_with("COMMAND")) {
                seen += 1;
                assert_eq!(wrong_with(words), None, "{document}: `{}`", &found[1]);
            }
            if let Some(flag) = found[1].strip_prefix("--") {
                let name = flag.split([' ', '=']).next().unwrap();
                let known = ALL.iter().any(|option| option.name == name) || ["switch", "env-file"].contains(&name);
                assert!(known, "{document}: there is no option `{}`", &found[1]);
            }
        }
    }
    assert!(seen > 50, "the test no longer finds the command lines: {seen}");
    assert!(wrong_with("creat").is_some() && wrong_with("revoke --groups a").is_some() && wrong_with("exec -- x --groups").is_none());
}

#[test]
fn every_variable_of_ours_exists() {
    let formats = ["JF_ACCESS_TOKEN_ID", "JF_ACCESS_TOKEN_EXPIRES_AT", "JF_REFERENCE_TOKEN", "JF_REFRESH_TOKEN"];
    // Names that the reader chooses, and what the tests that the documents speak of are told by.
    let others = ["JF_ID_TOKEN", "JF_ENV_1", "JF_ENV_", "JF_TOKEN_", "JF_TOKEN"];
    let name = Regex::new(r"\bJF_[A-Z0-9_]+").unwrap();
    for (document, text) in documents() {
        for found in name.find_iter(&text) {
            let found = found.as_str();
            let ours = ALL.iter().any(|option| option.variable == found) || found == HOME;
            assert!(ours || formats.contains(&found) || others.contains(&found), "{document}: there is no variable {found}");
        }
    }
}

/// The names under a key of `action.yml`.
fn declared(key: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("action.yml")).unwrap();
    let section = text.split_once(&format!("\n{key}:\n")).unwrap().1;
    let lines = section.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with([' ', '#']))?.strip_suffix(':'));
    names.map(str::to_owned).collect()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The inputs of each use of the action in a job, or of a part of a job that is only that.
fn inputs(text: &str) -> Vec<String> {
    let mut inputs = Vec::new();
    let (mut ours, mut with) = (!text.contains("uses:"), None);
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let words = line.trim_start().trim_start_matches("- ");
        if let Some(action) = words.strip_prefix("uses: ") {
            (ours, with) = (action.contains("jf-token"), None);
        } else if words == "with:" {
            with = Some(indent(line));
        } else if with.is_some_and(|with| indent(line) <= with) {
            with = None;
        } else if ours && with.is_some() {
            inputs.extend(words.split_once(':').map(|(name, _)| name.to_owned()));
        }
    }
    inputs
}

#[test]
fn every_use_of_the_action_has_inputs_outputs_and_a_tag_that_exist() {
    let (known, outputs) = (declared("inputs"), declared("outputs"));
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    let used = Regex::new(r"steps\.jfrog\.outputs\.([\w-]+)").unwrap();
    let tag = Regex::new(r"acme/jf-token(@v|:)(\d+)").unwrap();
    let mut seen = 0;
    for block in blocks().iter().filter(|block| block.language == "yaml") {
        // A part of a step in the README continues its `with:`.
        let is_part = !block.text.contains("with:") && block.text.lines().all(|line| line.starts_with("          "));
        let text = if is_part { format!("        with:\n{}", block.text) } else { block.text.clone() };
        for input in inputs(&text) {
            seen += 1;
            assert!(known.contains(&input), "{}: the action has no input {input}", block.place());
        }
        for output in used.captures_iter(&text) {
            assert!(outputs.contains(&output[1]), "{}: the action has no output {}", block.place(), &output[1]);
        }
    }
    assert!(seen > 15 && inputs("- uses: a/jf-token@v0\n  with:\n    nonsense: 1\n") == ["nonsense"], "{seen}");
    for (document, text) in documents() {
        for found in tag.captures_iter(&text) {
            assert_eq!(&found[2], major, "{document}: a release of this version moves another tag");
        }
    }
}

/// The jobs that a runner runs in `tests/e2e` are those that its sources take from the documents.
#[test]
fn every_job_is_run_by_a_runner() {
    let folder = root().join("tests/e2e");
    let sources: String = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    for block in blocks().iter().filter(|block| block.language == "yaml" && !is_listed(&NO_RUNNER_FOR, block)) {
        let taken = format!("\"{}\", \"{}\"", block.document, block.heading);
        assert!(sources.contains(&taken), "{}: no test in tests/e2e runs this job", block.place());
    }
}

#[cfg(unix)]
mod shell {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::Once;

    use super::{BTreeMap, Block, NOT_RUN_HERE, Path, blocks, fs, is_listed};
    use crate::support::{BINARY, Scene};

    /// Pages whose blocks go on where the one before ended.
    const CONTINUED: [&str; 2] = ["docs/identity-tokens.md", "docs/try-it.md"];

    fn write_program(scene: &Scene, path: &str, text: &str) {
        let path = scene.write(path, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What cargo has built beside the binary.
    fn built(path: &str) -> PathBuf {
        static BUILD: Once = Once::new();
        let path = Path::new(BINARY).with_file_name(path);
        BUILD.call_once(|| {
            if !path.exists() {
                let done = Command::new(env!("CARGO")).args(["build", "--workspace", "--bins", "--examples", "--locked"]).status();
                assert!(done.unwrap().success());
            }
        });
        path
    }

    /// A machine with what the blocks speak of.
    fn scene() -> Scene {
        let mut scene = Scene::new();
        fs::create_dir_all(scene.path("bin")).unwrap();
        fs::create_dir_all(scene.path("work/target")).unwrap();
        symlink(BINARY, scene.path("bin/jf-token")).unwrap();
        symlink(Path::new(BINARY).parent().unwrap(), scene.path("work/target/debug")).unwrap();
        // What jf is asked for, jf-token takes too.
        write_program(&scene, "bin/jf", "#!/bin/sh\nexec jf-token \"$@\"\n");
        let (_, demo) = (built("sandbox"), built("examples/demo"));
        let cargo = format!(
            "#!/bin/sh\ncase \"$*\" in 'run --example demo') exec '{}';; 'build --workspace') ;; *) exit 1;; esac\n",
            demo.display()
        );
        write_program(&scene, "bin/cargo", &cargo);
        write_program(&scene, "work/publish.sh", "#!/bin/sh\n[ -n \"$JF_ACCESS_TOKEN\" ] && echo \"it is $JF_ACCESS_TOKEN\"\n");
        scene.write("work/app.tgz", "app");
        let (path, token) = (std::env::var("PATH").unwrap(), scene.sandbox.admin_token().to_owned());
        scene.set("PATH", &format!("{}:{path}", scene.path("bin").display())).set("ADMIN_TOKEN", &token);
        scene
    }

    fn run(name: &str, script: &str) {
        let scene = scene();
        let (url, token) = (scene.sandbox.url(), scene.sandbox.admin_token().to_owned());
        let script = script.replace("https://acme.jfrog.io", &url).replace("JF_ACCESS_TOKEN=…", &format!("JF_ACCESS_TOKEN={token}"));
        let shell = if script.contains("pipefail") { "bash" } else { "sh" };
        let output = scene.command(shell, &["-e", "-c", &script]).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{name} fails:\n{script}\n{}{}", text(&output.stdout), text(&output.stderr));
        let ends = ["revoke", "jf-token exec"].iter().any(|command| script.contains(command)) && !script.contains(" atc ");
        let alive = scene.sandbox.issued().iter().filter(|issued| issued.live).count();
        assert!(!ends || alive == 0, "{name} leaves {alive} tokens behind");
    }

    #[test]
    fn every_shell_block_runs() {
        let shell = blocks().into_iter().filter(|block| block.language == "sh" && !is_listed(&NOT_RUN_HERE, block));
        let (continued, alone): (Vec<Block>, Vec<_>) = shell.partition(|block| CONTINUED.contains(&&*block.document));
        let mut pages: BTreeMap<&str, String> = BTreeMap::new();
        for block in &continued {
            *pages.entry(&block.document).or_insert_with(|| "trap 'kill $! 2>/dev/null || true' EXIT\n".into()) += &block.text;
        }
        assert!(alone.len() > 6 && pages.len() == CONTINUED.len());
        std::thread::scope(|threads| {
            for block in &alone {
                threads.spawn(|| run(&block.place(), &block.text));
            }
            for (page, script) in &pages {
                threads.spawn(move || run(page, script));
            }
        });
    }
}

/// The anchors of a document, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let text = prose(text);
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let anchors = headings.map(|heading| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let times = seen.entry(anchor.clone()).or_default();
        *times += 1;
        if *times == 1 { anchor } else { format!("{anchor}-{}", *times - 1) }
    });
    anchors.collect()
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut all = documents();
    for name in ["ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "sandbox/README.md"] {
        all.push((name.into(), fs::read_to_string(root().join(name)).unwrap()));
    }
    let mut seen = 0;
    for (document, text) in &all {
        for found in link.captures_iter(&prose(text)) {
            let target = &found[1];
            if target.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = root().join(document).parent().unwrap().join(file);
            let path = if file.is_empty() { root().join(document) } else { path };
            let linked = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {target}: {error}"));
            assert!(anchor.is_empty() || anchors(&linked).contains(anchor), "{document}: {target}: there is no such heading");
        }
    }
    assert!(seen > 40, "the test no longer finds the links: {seen}");
    // Every page can be found from the README.
    for (document, _) in all.iter().filter(|(document, _)| document.starts_with("docs/")) {
        assert!(all[0].1.contains(document.as_str()), "the README does not lead to {document}");
    }
}

#[test]
fn documents_that_code_and_messages_name_exist() {
    let name = Regex::new(r"\b(?:docs|sandbox)/[\w-]+\.md(?:#[\w-]+)?").unwrap();
    let mut files: Vec<_> = ["action.yml", "Containerfile", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
        .map(|name| root().join(name))
        .into();
    files.extend(["src", "tests", "sandbox", "benches", "examples", ".github"].iter().flat_map(|folder| files_below(&root().join(folder))));
    for path in files {
        for found in name.find_iter(&fs::read_to_string(&path).unwrap_or_default()) {
            let (file, anchor) = found.as_str().split_once('#').unwrap_or((found.as_str(), ""));
            let text = fs::read_to_string(root().join(file)).unwrap_or_else(|_| panic!("{}: there is no {file}", path.display()));
            assert!(anchor.is_empty() || anchors(&text).contains(anchor), "{}: {}", path.display(), found.as_str());
        }
    }
}

#[test]
fn the_readme_is_short_and_its_lines_too() {
    let text = &documents()[0].1;
    assert!(text.lines().count() <= 125, "the README has {} lines: what is for later belongs in docs/", text.lines().count());
    for (document, text) in documents() {
        for line in prose(&text).lines().filter(|line| !line.starts_with(['|', '<']) && !line.contains("](")) {
            assert!(line.chars().count() <= 100, "{document}: a line of more than 100 characters: {line}");
        }
    }
}

/// Each end of the picture in `docs/long-jobs.md` is a row of the table below it.
#[test]
fn the_picture_of_long_jobs_leads_to_what_its_table_explains() {
    let page = documents().into_iter().find(|(document, _)| document == "docs/long-jobs.md").unwrap().1;
    let picture = blocks().into_iter().find(|block| block.language == "mermaid" && block.document == "docs/long-jobs.md").unwrap().text;
    let node = Regex::new(r#"(\w+)\["([^"]+)"\]"#).unwrap();
    let ends: Vec<_> = node.captures_iter(&picture).collect();
    assert!(ends.len() >= 4);
    for end in ends {
        let leads_on = Regex::new(&format!(r"(?m)^\s*{} -->", &end[1])).unwrap();
        assert!(!leads_on.is_match(&picture), "{} is no end", &end[1]);
        let use_of_it =
            ["expiry: 3h", "jf-token get", "keep-fresh: true", "jf-token exec -- PROGRAM"].into_iter().find(|text| end[2].contains(text));
        let row = format!("| `{}`", use_of_it.unwrap_or_else(|| panic!("{} is not explained", &end[2])));
        assert!(page.contains(&row), "there is no row {row}");
    }
}

mod messages {
    use super::{Path, Regex, documents, files_below, fs, root};

    /// The lines of all snapshots: what people were shown in the scenarios.
    fn shown() -> Vec<String> {
        lines_below("tests/scenarios/snapshots")
    }

    /// The lines of the sources, where what has no snapshot stands.
    fn sources() -> Vec<String> {
        lines_below("src")
    }

    fn lines_below(folder: &str) -> Vec<String> {
        let texts = files_below(&root().join(folder)).into_iter().map(|path| fs::read_to_string(path).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// The messages in the first column of the page's tables, with `…` for what differs.
    fn entries() -> Vec<Regex> {
        let page = documents().into_iter().find(|(document, _)| Path::new(document).ends_with("troubleshooting.md")).unwrap().1;
        let messages = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).map(|(message, _)| message.to_owned());
        messages.map(|message| Regex::new(&regex::escape(&message).replace('…', ".*")).unwrap()).collect()
    }

    /// The failures among the lines, without what was asked of which host.
    fn failures(lines: &[String]) -> Vec<String> {
        let message = Regex::new(r"^(?:jf-token: |::error title=[^:]*::)(?:(?:GET|POST|PUT|DELETE) \S+: )?(.*?)(?:%0A.*)?$").unwrap();
        // Not a failure, or an input, which the message begins with and says what is wrong with.
        let other = Regex::new(
            r"^(?:warning|an access|an? (?:access|identity) token|a token for|revoked|removed|renewed|would (?:ask|end)|ended \d|the session '\w+':$|hidden|the token is neither|--|-|[A-Z][A-Z_]+: |the input |https?_proxy|the url of server|options |unknown command|redact does not|not a token id|event_name|expires_in|environment is|identity mapping)",
        )
        .unwrap();
        let found = lines.iter().filter_map(|line| Some(message.captures(line)?[1].to_owned()));
        found.filter(|text| !other.is_match(text)).collect()
    }

    #[test]
    fn every_message_in_troubleshooting_is_one_that_people_get() {
        let lines = [shown(), sources()].concat();
        for entry in entries() {
            assert!(lines.iter().any(|line| entry.is_match(line)), "docs/troubleshooting.md quotes what nobody is told: {entry}");
        }
    }

    #[test]
    fn every_failure_that_is_not_a_wrong_input_has_its_entry_in_troubleshooting() {
        let (shown, entries) = (shown(), entries());
        let failures = failures(&shown);
        assert!(failures.len() > 60, "the test no longer finds the failures: {}", failures.len());
        let missing: Vec<_> = failures.iter().filter(|text| !entries.iter().any(|entry| entry.is_match(text))).collect();
        assert!(missing.is_empty(), "docs/troubleshooting.md has no entry for:\n{missing:#?}");
    }
}
