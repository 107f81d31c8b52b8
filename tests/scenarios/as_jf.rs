//! What `jf access-token-create` takes is taken.

use crate::support::Scene;
use crate::tells;

fn body(scene: &Scene, arguments: &[&str]) -> serde_json::Value {
    let ran = scene.run(&[&["atc", "--dry-run"], arguments].concat());
    assert_eq!(ran.code, 0, "{}", ran.story);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[cfg(unix)]
#[test]
fn one_dash_works_for_every_long_option() {
    let scene = Scene::new();
    let given = body(&scene, &["-expiry", "60", "-refreshable", "-groups=a", "--", "bob"]);
    assert_eq!((&given["expires_in"], &given["refreshable"], &given["username"]), (&60.into(), &true.into(), &"bob".into()));
    assert_eq!(given["scope"], "applied-permissions/groups:a");
    for arguments in [&["-help"][..], &["-h"], &["create", "-help"], &["create", "-h"]] {
        assert!(scene.run(arguments).stdout.contains("Usage:"), "{arguments:?}");
    }
    let ran = scene.run(&["create", "-expiri", "60"]);
    assert!(ran.code == 2 && ran.stderr.contains("Did you mean --expiry?"), "{}", ran.story);
    // What stands behind -- is the program's.
    let ran = scene.run(&["exec", "-expiry", "1h", "--", "echo", "-expiry", "--url=x"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "-expiry --url=x\n"), "{}", ran.story);
}

#[test]
fn the_version_has_every_usual_name() {
    let scene = Scene::new();
    for name in ["-v", "-V", "--version", "-version"] {
        assert!(scene.run(&[name]).stdout.starts_with("jf-token "), "{name}");
    }
}

#[test]
fn numbers_switches_and_audiences_are_read_as_jf_reads_them() {
    let scene = Scene::new();
    assert_eq!(body(&scene, &["--expiry=+60"])["expires_in"], 60);
    assert_eq!(body(&scene, &["--refreshable=t"])["refreshable"], true);
    assert_eq!(body(&scene, &["--refreshable=F"])["refreshable"], false);
    assert_eq!(body(&scene, &["--audience", "jfrt@* "])["audience"], "jfrt@*");
    let ran = scene.run(&["atc", "--expiry", "+-60"]);
    assert_eq!(ran.code, 2);
    assert_eq!(scene.run(&["atc", "--audience", " "]).code, 2);
}

#[test]
fn a_scope_of_an_unknown_kind_is_sent_with_a_warning() {
    let scene = Scene::new();
    for scope in ["member-of-groups:x", "member-of-groups:\"a b\",c", "api:*", "system:federation:r", "applied-permissions/user api:*"] {
        let ran = scene.run(&["create", "--session", "s", "--scope", scope]);
        // The sandbox does not know them either.
        assert_eq!(ran.code, 4, "{}", ran.story);
        assert!(ran.stderr.contains("warning: ") && ran.stderr.contains("unknown"), "{}", ran.story);
        assert!(ran.story.contains(&format!(r#"{{"scope":{},"#, serde_json::Value::from(scope))), "{}", ran.story);
    }
    let ran = scene.run(&["exec", "--scope", "api:*", "--", "true"]);
    assert!(ran.stderr.contains("warning: --scope: 'api:*' is unknown"), "{}", ran.story);
    let ran = scene.run(&["create", "--dry-run", "--scope", "api:*"]);
    assert!(ran.code == 0 && ran.stderr.contains("warning: --scope: 'api:*' is unknown"), "{}", ran.story);
    for (known_and_wrong, word) in [("system:federation:q", "action"), ("api:* applied-permissions/usr", "permission"), ("api:", "entry")] {
        let ran = scene.run(&["create", "--scope", known_and_wrong]);
        assert!(ran.code == 2 && ran.stderr.contains(word) && !ran.story.contains("--- request"), "{}", ran.story);
    }
    assert_eq!(scene.run(&["create", "--scope", "applied-permissions/user"]).stderr, "");
}

#[test]
fn the_summary_says_when_the_environments_user_and_project_were_used() {
    let mut scene = Scene::github();
    scene.set("JF_USER", "Bob").set("JF_PROJECT", "p1");
    let ran = scene.run(&["create"]);
    assert!(ran.code == 0 && ran.story.contains(r#""username":"bob","project_key":"p1""#), "{}", ran.story);
    assert!(ran.stderr.contains("JF_USER, JF_PROJECT"), "{}", ran.story);
    assert!(scene.read("summary").contains("JF_USER, JF_PROJECT"), "{}", ran.story);
    let ran = scene.run(&["create", "--user", "carol", "--project", "p1"]);
    assert!(!ran.stderr.contains("JF_USER") && !ran.stderr.contains("JF_PROJECT"), "{}", ran.story);
}

#[test]
fn create_takes_the_user_by_a_flag_as_exec_does() {
    let scene = Scene::new();
    assert_eq!(body(&scene, &["--username", "Bob"])["username"], "bob");
    let ran = scene.run(&["create", "bob", "--username", "carol"]);
    assert!(ran.code == 2 && ran.stderr.contains("USERNAME") && ran.stderr.contains("--username"), "{}", ran.story);
    let ran = scene.run(&["exec", "--username", "two words", "--", "true"]);
    assert!(ran.code == 125 && ran.stderr.contains("--username: "), "{}", ran.story);
    tells!(scene.run(&["create", "--username", "bob"]));
}
