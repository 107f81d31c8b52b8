use jf_token::commands::syntaxes;
use regex::Regex;

use crate::support::Scene;

fn help(scene: &Scene, command: &str) -> String {
    let ran = scene.run(&[command, "--help"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{}", ran.story);
    ran.stdout
}

fn without_colours(text: &str) -> String {
    Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(text, "").into_owned()
}

#[test]
fn help_is_as_wide_as_the_terminal() {
    let mut scene = Scene::new();
    for columns in [40, 80, 132] {
        scene.set("COLUMNS", &columns.to_string());
        let pages = syntaxes().map(|syntax| help(&scene, syntax.name));
        for page in pages.iter().chain([&scene.run(&["--help"]).stdout]) {
            // What is to be typed is not wrapped.
            let lines = page.lines().filter(|line| columns >= 80 || !line.contains("jf-token") && !line.contains("[JF"));
            let widest = lines.max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= columns, "{columns}: {widest}");
        }
        let widest = pages[0].lines().map(|line| line.chars().count()).max().unwrap();
        assert!(columns < 80 || widest + 12 > columns, "{columns}: only {widest} are used");
    }
    let mut scene = Scene::new();
    let page = scene.in_terminal().run_at(0, &["create", "--help"]).stdout;
    assert!(without_colours(&page).lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn help_is_in_colour_on_a_terminal_by_the_conventions() {
    let mut scene = Scene::new();
    let plain = help(&scene, "create");
    assert!(!plain.contains('\x1b'));
    let on_terminal = |variable: Option<(&str, &str)>| {
        let mut scene = Scene::new();
        if let Some((name, value)) = variable {
            scene.set(name, value);
        }
        scene.set("COLUMNS", "100").in_terminal().run_at(0, &["create", "--help"]).stdout
    };
    let coloured = on_terminal(None);
    assert!(coloured.contains("\x1b[1m--expiry TIME\x1b[0m") && coloured.contains("\x1b[1;4mThe token:\x1b[0m"), "{coloured}");
    assert_eq!(without_colours(&coloured), plain);
    for off in [("NO_COLOR", "1"), ("CLICOLOR", "0"), ("TERM", "dumb")] {
        assert_eq!(on_terminal(Some(off)), plain, "{off:?}");
    }
    scene.set("CLICOLOR_FORCE", "1");
    assert_eq!(help(&scene, "create"), coloured);
    scene.set("NO_COLOR", "1");
    assert_eq!(help(&scene, "create"), plain);
}

#[test]
fn options_are_in_groups_and_the_exit_codes_stand_once() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["--help"]).stdout.matches("Exit codes:").count(), 1);
    for syntax in syntaxes() {
        let page = help(&scene, syntax.name);
        assert!(!page.contains("Exit codes:") && page.contains("\nExample"), "{page}");
        assert_eq!(scene.run(&["help", syntax.name]).stdout, page);
        assert_eq!(scene.run(&[syntax.name, "-h"]).stdout, page);
    }
    let page = help(&scene, "create");
    let titles = ["The token:", "Where the token goes:", "Renewal:", "The session:", "The platform:", "The credential:", "Messages:"];
    let places: Vec<_> = titles.iter().map(|title| page.find(title).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[cfg(unix)]
#[test]
fn each_example_of_the_help_works() {
    let (mut scene, issuer) = (Scene::github(), sandbox::Issuer::start());
    scene.sandbox.trust("github", &issuer, serde_json::json!({"username": "deployer"}));
    for (name, value) in issuer.github_env() {
        scene.set(name, &value);
    }
    scene.asks_for("work/token.txt");
    scene.write("work/publish.sh", "#!/bin/sh\necho published with $JF_ACCESS_TOKEN\n");
    let _ = scene.shell("chmod +x publish.sh; ln -s \"$JF\" jf-token");
    for syntax in syntaxes() {
        for example in syntax.examples {
            // In a job that has a token.
            assert_eq!(scene.run(&["create", "--format", "none"]).code, 0);
            let ran = scene.shell(&format!("PATH=$PWD:$PATH; {example}"));
            assert!(ran.status.success(), "{example}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        }
    }
}
