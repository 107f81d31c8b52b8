use std::fs;

use jf_token::commands::syntaxes;
use jf_token::options::command_line::tree;
use jf_token::options::table::{ALL, Opt, Value};

use crate::support::Scene;
use crate::tells;

/// Checks that the part of a document between its markers matches what the code says. `UPDATE_DOCUMENTS=1 cargo test` updates it.
pub fn holds(path: &str, start: &str, end: &str, expected: &str) {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(start).unwrap();
    let (found, after) = rest.split_once(end).unwrap();
    if found != expected && std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        return fs::write(&path, format!("{before}{start}{expected}{end}{after}")).unwrap();
    }
    assert_eq!(found, expected, "{path} differs from the code; to update it, run UPDATE_DOCUMENTS=1 cargo test");
}

fn knows(command: &str, option: &Opt) -> bool {
    syntaxes().iter().any(|syntax| syntax.name == command && syntax.knows(option))
}

#[test]
fn the_documents_table_is_the_table_of_options() {
    let mut table = String::from("\n| option | input | variable | meaning |\n|---|---|---|---|\n");
    for option in ALL {
        let flag = match option.value {
            _ if option.name == "username" => "`USERNAME` or `--username`".into(),
            Value::Switch => format!("`--{}`", option.name),
            Value::Text(value) | Value::Secret(value) => format!("`--{} {value}`", option.name),
        };
        let input = if option.in_action { format!("`{}`", option.name) } else { "–".into() };
        let commands: Vec<_> = syntaxes().iter().map(|syntax| syntax.name).filter(|name| knows(name, option)).collect();
        let only = if commands.contains(&"create") { String::new() } else { format!(" ({})", commands.join(", ")) };
        table += &format!("| {flag} | {input} | `{}` | {}{only} |\n", option.variable, option.help);
    }
    holds("docs/options.md", "<!-- <options> -->", "<!-- </options> -->", &table);
}

#[test]
fn the_documents_credentials_are_those_of_the_code() {
    let mut table = String::from("\n| the credential | named by |\n|---|---|\n");
    for (name, options) in jf_token::credentials() {
        let options: Vec<_> = options.into_iter().map(|option| format!("`--{}` (`{}`)", option.name, option.variable)).collect();
        table += &format!("| {name} | {} |\n", options.join(", "));
    }
    holds("docs/credentials.md", "<!-- <credentials> -->", "<!-- </credentials> -->", &table);
}

#[test]
fn the_actions_inputs_are_the_table_of_options() {
    let inputs = ALL.iter().filter(|option| option.in_action);
    let block: String = inputs.map(|option| format!("  {}:\n    description: {:?}\n", option.name, option.help)).collect();
    holds("action.yml", "  # <options>\n", "  # </options>", &block);
}

#[test]
fn the_help_shows_every_option_of_the_table_and_no_other() {
    let mut tree = tree(&syntaxes(), |_| true);
    tree.build();
    for command in tree.get_subcommands() {
        let mut shown: Vec<_> = command
            .get_arguments()
            .map(|argument| argument.get_id().as_str())
            .filter(|name| !matches!(*name, "help" | "program" | "USERNAME" | "PROVIDER" | "TOKEN"))
            .collect();
        let mut known: Vec<_> = ALL.iter().filter(|option| knows(command.get_name(), option)).collect();
        shown.sort_unstable();
        known.sort_unstable_by_key(|option| option.name);
        assert_eq!(shown, known.iter().map(|option| option.name).collect::<Vec<_>>());
        let mut scene = Scene::new();
        let help = scene.set("JF_PASSWORD", "not-to-be-shown").set("COLUMNS", "1000").run(&[command.get_name(), "--help"]).stdout;
        for option in known {
            assert!(help.contains(option.help) && help.contains(option.variable), "{}: {help}", option.name);
        }
        assert!(!help.contains("not-to-be-shown"), "help shows a variable's value");
    }
}

#[test]
fn the_exit_codes_are_documented() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/options.md")).unwrap();
    let help = Scene::new().run(&["--help"]).stdout;
    for code in 0..=6 {
        assert!(page.contains(&format!("| {code} |")), "{code}");
        assert!(help.contains(&format!("{code} ")), "{code}");
    }
}

#[test]
fn the_help_of_each_command_reads_well() {
    let scene = Scene::new();
    for (name, arguments) in [
        ("help", &["--help"][..]),
        ("help_create", &["create", "--help"]),
        ("help_get", &["get", "--help"]),
        ("help_exec", &["exec", "--help"]),
        ("help_keep", &["keep", "--help"]),
        ("help_refresh", &["refresh", "--help"]),
        ("help_redact", &["redact", "--help"]),
        ("help_revoke", &["revoke", "--help"]),
        ("help_status", &["status", "--help"]),
        ("help_inspect", &["inspect", "--help"]),
        ("help_exchange", &["exchange-oidc-token", "--help"]),
        ("help_identity", &["identity", "--help"]),
    ] {
        tells!(name, scene.run(arguments));
    }
    assert!(scene.run(&["--version"]).stdout.starts_with("jf-token "));
}

#[test]
fn the_actions_two_scripts_have_no_logic() {
    let lines = |path: &str| {
        let text = fs::read_to_string(format!("{}/action/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).count()
    };
    assert!(lines("main.js") + lines("post.js") < 40);
    let main = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/action/main.js")).unwrap();
    assert!(main.contains("spawn(binary, ['action', command], "), "the binary must get only the command as an argument");
}
