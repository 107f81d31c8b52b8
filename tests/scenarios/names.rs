//! What is wrong has, in each message, the name by which it was given.

use jf_token::options::table::{ALL, Opt, Value};

use crate::support::{Ran, Scene};

/// A wrong value for an option, and the variables that must be set for it to count.
type Wrong = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const WRONG: &[Wrong] = &[
    ("url", "acme.jfrog.io", &[]),
    ("url", "https://acme.jfrog.io?x", &[]),
    ("url", "http://10.0.0.1", &[]),
    ("url", "http://127.0.0.1:1", &[("JF_TOKEN_RETRY_FOR", "0")]),
    ("url", "https://127.0.0.1:1", &[("JF_TOKEN_RETRY_FOR", "0")]),
    ("url", "http://nowhere.invalid", &[("JF_TOKEN_RETRY_FOR", "0"), ("JF_TOKEN_INSECURE_HTTP", "true")]),
    ("access-token", "two words", &[]),
    ("access-token-file", "missing", &[]),
    ("oidc-provider", "$PROVIDER", &[]),
    ("oidc-token-file", "missing", &[("JF_TOKEN_OIDC_PROVIDER", "github")]),
    ("oidc-token-var", "MISSING", &[("JF_TOKEN_OIDC_PROVIDER", "github")]),
    ("server-id", "none", &[]),
    ("client-cert-path", "missing", &[]),
    ("client-cert", "!", &[]),
    ("username", "two words", &[]),
    ("scope", "everything", &[]),
    ("groups", "a,,b", &[]),
    ("grant-admin", "perhaps", &[]),
    ("expiry", "soon", &[]),
    ("max-life", "soon", &[]),
    ("refreshable", "perhaps", &[]),
    ("reference", "perhaps", &[]),
    ("description", "bell\u{7}", &[]),
    ("audience", "everyone", &[]),
    ("project", "P1", &[]),
    ("force-revocable", "perhaps", &[]),
    ("require", "group", &[]),
    ("output-file", "missing/file", &[]),
    ("output-file", "notes", &[]),
    ("token-file", "missing/file", &[]),
    ("token-file", "notes", &[]),
    ("overwrite", "perhaps", &[]),
    ("merge", "perhaps", &[]),
    ("env-var", "1X", &[]),
    ("output-refresh-token", "perhaps", &[]),
    ("renew-by", "hand", &[]),
    ("keep-fresh", "perhaps", &[]),
    ("session", "../s", &[]),
    ("revoke", "later", &[]),
    ("retry-for", "never", &[]),
    ("ca-file", "missing", &[]),
    ("insecure-tls", "perhaps", &[]),
    ("header", "no header", &[]),
    ("insecure-http", "perhaps", &[]),
    ("verbose", "perhaps", &[]),
    ("until-pid", "x", &[("JF_TOKEN_KEEP_FRESH", "true"), ("JF_TOKEN_SESSION", "s")]),
    ("format", "yaml", &[]),
];

fn option(name: &str) -> &'static Opt {
    ALL.iter().find(|option| option.name == name).unwrap()
}

/// The flags in a message, but for those of a list of all and of commands to run.
fn flags(ran: &Ran) -> Vec<&'static str> {
    let text = ran.stderr.replace("%0A", "\n").replace("%25", "%");
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(|c: char| c.is_ascii_digit()));
    let clauses =
        lines.flat_map(|line| line.split([';', ':', ',', '('])).filter(|clause| !clause.contains("jf ") && !clause.contains("jf-token "));
    let words: Vec<_> = clauses.flat_map(|clause| clause.split([' ', '.', ')', '='])).collect();
    ALL.iter().map(|option| option.name).filter(|name| words.contains(&format!("--{name}").as_str())).collect()
}

fn names_variable(ran: &Ran, option: &Opt) -> bool {
    ran.stderr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == option.variable)
}

fn scene(option: &Opt, more: &[(&str, &str)]) -> Scene {
    let mut scene = Scene::new();
    scene.write("work/notes", "notes");
    for (name, value) in more {
        scene.set(name, value);
    }
    if option.names_the_credential() {
        scene.unset("JF_ACCESS_TOKEN");
    }
    if option.name == "url" {
        scene.unset("JF_URL");
    }
    scene
}

#[test]
fn each_wrong_value_is_told_by_the_name_that_gave_it() {
    for (name, value, more) in WRONG {
        let option = option(name);
        let ran = scene(option, more).run(&["create", &format!("--{name}={value}")]);
        assert!(ran.code != 0 && flags(&ran).contains(name), "{}", ran.story);
        // What gives a secret without the argument list is told, too.
        assert!(matches!(option.value, Value::Secret(_)) || !names_variable(&ran, option), "{}", ran.story);

        let ran = scene(option, more).set(option.variable, value).run(&["create"]);
        assert!(ran.code != 0 && ran.stderr.contains(option.variable) && !flags(&ran).contains(name), "{}", ran.story);

        if option.in_action {
            let mut scene = scene(option, more);
            let token = if option.names_the_credential() { String::new() } else { scene.sandbox.admin_token().to_owned() };
            scene.in_github().be_action(&[(name, value)]).set("JF_ACCESS_TOKEN", &token);
            let ran = scene.run(&["create"]);
            let told = ran.stderr.contains(&format!("he input '{name}'"));
            assert!(ran.code != 0 && told && !names_variable(&ran, option), "{}", ran.story);
            let others: Vec<_> = flags(&ran).into_iter().filter(|flag| self::option(flag).in_action).collect();
            assert!(others.is_empty() && ran.stderr.contains("::error"), "{others:?}: {}", ran.story);
            assert!(scene.read("summary").contains(&format!("he input '{name}'")), "{}", scene.read("summary"));
        }
    }
}

#[test]
fn the_env_file_is_not_called_by_its_other_name() {
    let scene = Scene::new();
    scene.write("work/notes", "notes");
    for (given, other) in [("--env-file", "--output-file"), ("--output-file", "--env-file")] {
        for arguments in [&["create", given, "notes"][..], &["create", &format!("{given}=missing/x")]] {
            let ran = scene.run(arguments);
            assert!(ran.code == 2 && ran.stderr.contains(given) && !ran.stderr.contains(other), "{}", ran.stderr);
        }
    }
    let ran = scene.run(&["exec", "--output-file", "notes", "--", "docker", "--env-file", "x"]);
    assert!(ran.stderr.contains("--output-file: "), "{}", ran.stderr);
}

#[test]
fn what_is_missing_is_asked_for_where_the_user_gives_the_rest() {
    let mut scene = Scene::action(&[("token-file", "notes")]);
    scene.write("work/notes", "notes");
    assert!(scene.run(&["create"]).stderr.contains("The input 'overwrite' replaces this one"));
    scene.unset("JF_URL").write("work/notes", "");
    assert!(scene.run(&["create"]).stderr.contains("Set JF_URL or the input 'url'"));
    let ran = Scene::new().unset("JF_URL").run(&["create"]);
    assert!(ran.stderr.contains("Set JF_URL or --url"), "{}", ran.stderr);
}
