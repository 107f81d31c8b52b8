use sandbox::{Fault, Sandbox};

use crate::support::Scene;
use crate::tells;

const LONG: [&str; 4] = ["--expiry", "1h", "--force-revocable", "--format"];

fn create(scene: &Scene, more: &[&str]) -> crate::support::Ran {
    let ran = scene.run(&[&["create"], &LONG[..], &["none"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

#[test]
fn outside_a_ci_a_plain_create_leaves_nothing_on_disk() {
    let scene = Scene::new();
    assert_eq!(scene.run(&["create"]).code, 0);
    assert!(scene.files().is_empty());
}

#[cfg(not(windows))]
#[test]
fn revoke_ends_every_token_of_the_session_and_leaves_nothing_on_disk() {
    let mut scene = Scene::new();
    scene.asks_for("work/token").asks_for("work/jf.env");
    create(&scene, &["--session", "s", "--token-file", "token"]);
    create(&scene, &["--session", "s", "--output-file", "jf.env"]);
    create(&scene, &["--session", "other"]);
    tells!(scene.run(&["revoke", "--session", "s"]));
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(live, [false, false, true]);
    assert!(!scene.path("work/token").exists() && !scene.path("work/jf.env").exists());
    scene.run(&["revoke", "--session", "other"]);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
    assert_eq!(std::fs::read_dir(scene.path("tmp")).unwrap().count(), 0, "the folder must be removed with its last session");
}

#[test]
fn a_session_without_tokens_has_nothing_to_revoke() {
    tells!(Scene::new().run(&["revoke"]));
}

#[test]
fn without_the_credential_a_token_ends_itself() {
    let mut scene = Scene::new();
    create(&scene, &["--session", "s"]);
    scene.unset("JF_ACCESS_TOKEN");
    tells!(scene.run(&["revoke", "--session", "s"]));
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn a_credential_that_may_not_revoke_the_token_leaves_it_to_end_itself() {
    let mut scene = Scene::new();
    create(&scene, &["bob", "--session", "s"]);
    let alice = scene.sandbox.user_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &alice);
    tells!(scene.run(&["revoke", "--session", "s"]));
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn the_session_is_remembered_where_jf_token_home_says() {
    let mut scene = Scene::new();
    let home = scene.path("home");
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap());
    create(&scene, &[]);
    assert!(home.join("default.json").exists());
    scene.run(&["revoke"]);
    assert!(!home.exists());
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn a_token_too_short_to_be_revoked_is_said_so_with_its_end() {
    let scene = Scene::new();
    scene.run(&["create", "--expiry", "60", "--force-revocable=false", "--session", "s", "--format", "none"]);
    tells!(scene.run(&["revoke", "--session", "s"]));
    assert!(scene.files().is_empty());
}

#[test]
fn a_token_that_could_not_be_revoked_stays_remembered_and_the_next_try_ends_it() {
    let mut scene = Scene::new();
    scene.asks_for("work/token");
    create(&scene, &["--session", "s", "--token-file", "token"]);
    scene.sandbox.fault_for("DELETE", Fault::Status { status: 500, retry_after: None, body: None }, 1);
    tells!(scene.run(&["revoke", "--session", "s", "--retry-for", "0"]));
    assert!(!scene.path("work/token").exists(), "the file must be removed all the same");
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert!(!scene.sandbox.issued()[0].live && scene.files().is_empty());
}

#[test]
fn a_revocation_is_repeated_until_it_is_certain() {
    for fault in [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::StatusAfter { status: 502 },
        Fault::Status { status: 429, retry_after: None, body: None },
    ] {
        let scene = Scene::new();
        create(&scene, &["--session", "s"]);
        scene.sandbox.fault_for("DELETE", fault.clone(), 1);
        let ran = scene.run(&["revoke", "--session", "s"]);
        assert_eq!(ran.code, 0, "{fault:?}: {}", ran.stderr);
        assert!(!scene.sandbox.issued()[0].live, "{fault:?}");
    }
}

#[test]
fn two_hundred_and_204_and_404_all_mean_that_the_token_is_dead() {
    for (status, body) in [(204, Some(String::new())), (404, None)] {
        let scene = Scene::new();
        create(&scene, &["--session", "s"]);
        scene.sandbox.fault_for("DELETE", Fault::Status { status, retry_after: None, body }, 1);
        let ran = scene.run(&["revoke", "--session", "s"]);
        assert_eq!(ran.code, 0, "{status}: {}", ran.stderr);
        assert!(scene.files().is_empty());
    }
}

#[test]
fn a_single_token_is_revoked_by_its_id() {
    let scene = Scene::new();
    create(&scene, &["--session", "s"]);
    let id = scene.sandbox.issued()[0].token_id.clone();
    tells!(scene.run(&["revoke", "--token-id", &id]));
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn a_token_that_is_to_live_on_is_left_alone() {
    let scene = Scene::new();
    create(&scene, &["--session", "s", "--revoke", "false"]);
    create(&scene, &["--session", "s"]);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(live, [true, false]);
    assert!(scene.files().is_empty());
}

#[test]
fn inspect_shows_the_claims_and_the_platforms_view_and_never_the_token() {
    let scene = Scene::new();
    scene.run(&["create", "bob", "--session", "s", "--refreshable", "--description", "nightly", "--format", "none"]);
    tells!("inspect_as_a_table", scene.run(&["inspect", "--session", "s", "--online"]));
    tells!("inspect_as_json", scene.run(&["inspect", "--session", "s", "--online", "--format", "json"]));
}

#[test]
fn inspect_takes_a_token_from_a_variable_a_file_and_standard_input() {
    let mut scene = Scene::new();
    let token = scene.sandbox.user_token().to_owned();
    scene.asks_for("work/token");
    scene.write("work/token", &token);
    for ran in [
        scene.run(&["inspect", "--access-token-file", "token"]),
        scene.stdin(&token).run(&["inspect", "--access-token-stdin"]),
        scene.set("JF_ACCESS_TOKEN", &token).run(&["inspect"]),
    ] {
        assert!(ran.stdout.starts_with("user       alice\n"), "{}", ran.story);
        assert!(ran.story.find("--- request").is_none());
    }
}

#[test]
fn inspect_shows_the_end_of_a_reference_token() {
    let mut scene = Scene::new();
    scene.run(&["create", "--reference", "--expiry", "1h"]);
    let reference = scene.sandbox.issued()[0].reference_token.clone().unwrap();
    let ran = scene.stdin(&reference).run(&["inspect", "--access-token-stdin"]);
    assert!(ran.story.contains("ends       <time> UTC (in 60 minutes)"), "{}", ran.story);
}

#[test]
fn inspect_sees_the_last_token_of_the_session() {
    let scene = Scene::new();
    create(&scene, &["bob", "--session", "s"]);
    create(&scene, &["carol", "--session", "s"]);
    assert!(scene.run(&["inspect", "--session", "s"]).stdout.starts_with("user       carol\n"));
}

#[test]
fn a_token_too_short_to_be_stored_is_unknown_to_the_platform() {
    let scene = Scene::with(Sandbox::builder().persistent_threshold(7200));
    scene.run(&["create", "--expiry", "60", "--force-revocable=false", "--session", "s", "--format", "none"]);
    tells!(scene.run(&["inspect", "--session", "s", "--online"]));
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_look_into_holds_no_session() {
    use std::os::unix::fs::PermissionsExt;
    let mut scene = Scene::new();
    let home = scene.path("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o755)).unwrap();
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap());
    tells!(scene.run(&["create"]));
    std::fs::remove_dir(&home).unwrap();
    let elsewhere = scene.path("work");
    std::os::unix::fs::symlink(elsewhere, &home).unwrap();
    let ran = scene.run(&["create"]);
    assert!(ran.code == 1 && ran.stderr.contains("it is not a folder"), "{}", ran.story);
}

#[test]
fn many_creates_at_once_under_one_name_are_all_remembered() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_SESSION", "s");
    let children: Vec<_> = (0..12).map(|_| scene.spawn(&["create", "--expiry", "1h", "--force-revocable", "--format", "none"])).collect();
    for child in children {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    assert_eq!(scene.sandbox.issued().len(), 12);
    assert_eq!(scene.run(&["revoke"]).code, 0);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
    assert!(scene.files().is_empty());
}

#[test]
fn a_session_file_that_is_broken_is_said_so_and_nothing_is_sent() {
    let mut scene = Scene::new();
    let home = scene.path("home");
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap());
    create(&scene, &[]);
    scene.write("home/default.json", "{\"tokens\":\"x\"}");
    tells!(scene.run(&["create"]));
}

#[test]
fn a_token_that_the_token_service_does_not_accept_can_not_end_itself_and_is_not_called_revoked() {
    let mut scene = Scene::new();
    create(&scene, &["bob", "--audience", "jfrt@*", "--session", "s"]);
    scene.unset("JF_ACCESS_TOKEN");
    tells!(scene.run(&["revoke", "--session", "s"]));
    assert!(scene.sandbox.issued()[0].live);
}

#[test]
fn a_page_of_something_else_says_nothing_of_the_token() {
    let scene = Scene::new();
    create(&scene, &["--session", "s"]);
    let not_found = |body: &str| Fault::Status { status: 404, retry_after: None, body: Some(body.into()) };
    for fault in [
        Fault::Html(404),
        Fault::Html(200),
        not_found(""),
        not_found("404 page not found"),
        not_found("default backend - 404"),
        not_found(r#"{"message":"no Route matched with those values"}"#),
    ] {
        scene.sandbox.fault_for("DELETE", fault.clone(), 1);
        let ran = scene.run(&["revoke", "--session", "s", "--retry-for", "0"]);
        assert!(matches!(ran.code, 4 | 6) && ran.stderr.contains("could not be revoked"), "{fault:?}: {}", ran.story);
    }
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn the_credential_of_one_platform_never_goes_to_another() {
    let (mut scene, other) = (Scene::new(), Sandbox::start());
    create(&scene, &["--session", "s"]);
    let credential =
        other.token_with(serde_json::json!({"sub": "jfac@other/users/admin", "aud": "*@*", "iat": 1, "scp": "applied-permissions/admin"}));
    scene.set("JF_URL", &other.url()).set("JF_ACCESS_TOKEN", &credential);
    let inspected = scene.run(&["inspect", "--session", "s", "--online"]);
    assert!(inspected.story.contains("--- request GET /access/api/v1/tokens/me"), "{}", inspected.story);
    let revoked = scene.run(&["revoke", "--session", "s"]);
    assert!(
        revoked.story.contains("--- request DELETE /access/api/v1/tokens/me\nauthorization: Bearer <access token 1>"),
        "{}",
        revoked.story
    );
    assert!(other.requests().is_empty() && !scene.sandbox.issued()[0].live);
}

#[test]
fn an_id_that_could_not_be_one_is_not_believed() {
    let scene = Scene::new();
    let token = scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/bob", "aud": "*@*", "iat": 1}));
    let answer = serde_json::json!({"access_token": token, "token_id": "x\n::error::pwned", "scope": "##[add-mask]a", "expires_in": 60});
    scene.sandbox.fault_for("POST", Fault::Body(answer.to_string()), 1);
    let ran = scene.run(&["create", "--session", "s", "--format", "none"]);
    assert!(!ran.stderr.contains("##[") && !ran.stderr.contains("\n::"), "{}", ran.stderr);
    let ran = scene.run(&["revoke", "--session", "s", "--retry-for", "0"]);
    assert!(ran.story.contains("--- request DELETE /access/api/v1/tokens/me"), "{}", ran.story);
    assert!(!ran.stderr.contains("pwned"), "{}", ran.stderr);
}

#[test]
fn a_session_leaves_alone_what_another_is_writing() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", "home");
    scene.sandbox.fault_for("POST", Fault::Delay(1000), 1);
    let child = scene.spawn(&["create", "--session", "a-b", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    while scene.sandbox.requests().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ran = scene.run(&["revoke", "--session", "a"]);
    assert!(ran.code == 0 && !ran.stderr.contains("killed"), "{}", ran.stderr);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(scene.run(&["revoke", "--session", "a-b"]).code, 0);
    assert!(!scene.sandbox.issued()[0].live);
}

#[test]
fn sessions_that_begin_and_end_side_by_side_don_t_trip_over_their_folder() {
    let mut scene = Scene::new();
    let home = scene.path("home");
    scene.set("JF_TOKEN_HOME", home.to_str().unwrap());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let scene = &scene;
            scope.spawn(move || {
                for _ in 0..25 {
                    let child = scene.spawn(&["revoke", "--session", &format!("s{worker}")]);
                    let output = child.wait_with_output().unwrap();
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
            });
        }
    });
}

#[test]
fn two_jobs_of_an_unknown_ci_on_one_machine_have_two_sessions() {
    let mut scene = Scene::new();
    scene.set("CI", "true").set("BUILD_TAG", "jenkins-app-41");
    create(&scene, &[]);
    scene.set("BUILD_TAG", "jenkins-app-42");
    create(&scene, &[]);
    assert_eq!(scene.run(&["revoke"]).code, 0);
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(live, [true, false]);
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_can_not_be_made_is_said_so_and_not_waited_for() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", "/proc/no-such-folder/x");
    let started = std::time::Instant::now();
    let ran = scene.run(&["create"]);
    assert!(ran.code == 1 && ran.stderr.contains("can't keep sessions in /proc/no-such-folder/x"), "{}", ran.stderr);
    assert!(started.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn an_id_that_the_platform_does_not_know_is_not_called_revoked() {
    tells!(Scene::new().run(&["revoke", "--token-id", "typo-typo"]));
}

#[test]
fn a_mint_that_failed_leaves_nothing_on_disk_and_what_was_remembered_before_stays() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_SESSION", "s");
    let refused = |scene: &Scene| {
        scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 1);
        assert_eq!(scene.run(&["create", "--token-file", "token"]).code, 4);
    };
    refused(&scene);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
    create(&scene, &[]);
    refused(&scene);
    assert_eq!(scene.run(&["revoke"]).code, 0);
    assert!(!scene.sandbox.issued()[0].live && scene.files().is_empty());
}

#[cfg(unix)]
mod folders {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::create;
    use crate::support::Scene;

    fn with_home() -> Scene {
        let mut scene = Scene::new();
        scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap()).set("JF_TOKEN_SESSION", "s");
        scene
    }

    #[test]
    fn a_session_whose_folder_was_opened_to_others_is_closed_again_and_ended() {
        for (folder, file) in [(0o777, 0o777), (0o2770, 0o660)] {
            let scene = with_home();
            create(&scene, &["--refreshable"]);
            for path in scene.path("home").read_dir().unwrap().flatten() {
                fs::set_permissions(path.path(), Permissions::from_mode(file)).unwrap();
            }
            fs::set_permissions(scene.path("home"), Permissions::from_mode(folder)).unwrap();
            let ran = scene.run(&["get"]);
            assert!(ran.code == 0 && ran.stderr.contains("other users could look into"), "{}", ran.story);
            let mode = |path: &str| scene.path(path).metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!([mode("home"), mode("home/s.json")], [0o700, 0o600]);
            assert_eq!(scene.run(&["revoke"]).code, 0);
            assert!(!scene.sandbox.issued()[0].live && !scene.path("home").exists());
        }
    }

    #[test]
    fn what_is_no_private_file_of_this_users_is_neither_read_nor_written_nor_waited_for() {
        let mut scene = with_home();
        scene.asks_for("/aside");
        create(&scene, &[]);
        let state = scene.path("home/s.json");
        let aside = scene.path("aside");
        fs::rename(&state, &aside).unwrap();
        let make: [(&str, &dyn Fn()); 4] = [
            ("a link", &|| symlink(&aside, &state).unwrap()),
            ("a second name", &|| fs::hard_link(&aside, &state).unwrap()),
            ("a pipe", &|| assert!(std::process::Command::new("mkfifo").arg(&state).status().unwrap().success())),
            // Another session's, under this one's name.
            ("another name inside", &|| {
                let text = fs::read_to_string(&aside).unwrap().replace("\"name\":\"s\"", "\"name\":\"t\"");
                fs::write(&state, text).unwrap();
            }),
        ];
        for (what, make) in make {
            make();
            for command in [&["get"][..], &["refresh"], &["exec", "--", "true"], &["create", "--format", "none"]] {
                let ran = scene.run(command);
                assert!(matches!(ran.code, 1 | 125) && ran.stderr.contains("s.json"), "{what} {command:?}: {}", ran.stderr);
            }
            fs::remove_file(&state).unwrap();
        }
        for lock in ["home/s.lock", "home/s.keeper", "home/s.users"] {
            fs::copy(&aside, &state).unwrap();
            let _ = fs::remove_file(scene.path(lock));
            symlink(scene.path("work/precious"), scene.path(lock)).unwrap();
            scene.run(&["exec", "--", "true"]);
            scene.run(&["refresh"]);
            assert!(!scene.path("work/precious").exists(), "{lock}");
            fs::remove_file(scene.path(lock)).unwrap();
        }
    }

    #[test]
    fn a_folder_that_another_user_made_first_is_refused_on_every_path() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let mut scene = Scene::new();
        scene.set("JF_TOKEN_SESSION", "publish").asks_for("work/mine");
        create(&scene, &["--token-file", "mine"]);
        let base = scene.path("tmp").read_dir().unwrap().next().unwrap().unwrap().path();
        for path in [&base, &base.read_dir().unwrap().next().unwrap().unwrap().path()] {
            chown(path, Some(65534), Some(65534)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
            for command in [&["get", "--format", "shell"][..], &["keep"], &["exec", "--", "true"], &["refresh"], &["revoke"], &["create"]] {
                let ran = scene.run(command);
                let refused = ran.stderr.contains("it belongs to another user (65534)") && ran.stderr.contains("JF_TOKEN_HOME");
                assert!(matches!(ran.code, 1 | 125) && refused, "{command:?}: {}", ran.stderr);
                let stdout = if command.contains(&"shell") { "unset JF_ACCESS_TOKEN\nfalse\n" } else { "" };
                assert_eq!(ran.stdout, stdout, "{command:?}");
                assert!(!ran.story.contains("--- request"), "{command:?}: {}", ran.story);
            }
            chown(path, Some(0), Some(0)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
        }
        // A folder that only this user can write in comes first.
        fs::create_dir(scene.path("run")).unwrap();
        scene.set("XDG_RUNTIME_DIR", scene.path("run").to_str().unwrap());
        create(&scene, &[]);
        assert!(scene.path("run").read_dir().unwrap().next().is_some());
    }
}

#[cfg(unix)]
#[test]
fn where_a_ci_names_no_job_each_folder_has_its_own_sessions_and_what_is_below_finds_them() {
    let mut scene = Scene::new();
    scene.set("CI", "true");
    std::fs::create_dir_all(scene.path("work/a/deep")).unwrap();
    std::fs::create_dir_all(scene.path("work/b")).unwrap();
    let in_folder = |folder: &str, command: &str| {
        let output = scene.shell(&format!("cd {folder} && \"$JF\" {command}"));
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let create = "create --expiry 1h --force-revocable --format none";
    assert_eq!(in_folder("a", create).0, 0);
    assert_eq!(in_folder("b", create).0, 0);
    let tokens: Vec<_> = scene.sandbox.issued().into_iter().map(|issued| issued.access_token).collect();
    assert_eq!(in_folder("a/deep", "get"), (0, tokens[0].clone()));
    assert_eq!(in_folder("b", "get"), (0, tokens[1].clone()));
    assert_eq!(in_folder(".", "get").0, 3);
    assert_eq!(in_folder("a/deep", "revoke").0, 0);
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(live, [false, true]);
    assert_eq!(in_folder("b", "revoke").0, 0);
    assert!(scene.files().is_empty(), "{:?}", scene.files());
}

#[cfg(not(windows))]
#[test]
fn a_name_that_the_system_can_not_tell_from_another_sessions_is_refused_before_anything_happens() {
    let mut scene = Scene::new();
    scene.set("JF_TOKEN_HOME", scene.path("home").to_str().unwrap());
    create(&scene, &["--session", "Build"]);
    // What a system that ignores case shows under the other name.
    std::fs::rename(scene.path("home/Build.json"), scene.path("home/build.json")).unwrap();
    tells!(scene.run(&["create", "--session", "build"]));
    for command in [
        &["get"][..],
        &["refresh"],
        &["status"],
        &["inspect"],
        &["keep"],
        &["revoke"],
        &["create", "--keep-fresh", "--expiry", "1h"],
        &["exec", "--", "true"],
    ] {
        let ran = scene.run(&[&command[..1], &["--session", "build"], &command[1..]].concat());
        assert!([2, 125].contains(&ran.code) && ran.stderr.contains("can't be told apart from 'Build'"), "{}", ran.story);
        assert!(!ran.story.contains("--- request") && scene.sandbox.issued().iter().all(|issued| issued.live), "{}", ran.story);
    }
    assert_eq!(std::fs::read_dir(scene.path("home")).unwrap().count(), 2, "the state and the lock of the one");
}

#[cfg(target_os = "linux")]
#[test]
fn where_the_system_tells_them_apart_two_names_may_differ_by_case_alone() {
    let scene = Scene::new();
    create(&scene, &["--session", "Build"]);
    create(&scene, &["--session", "build"]);
    assert_eq!(scene.run(&["revoke", "--session", "build"]).code, 0);
    let live: Vec<_> = scene.sandbox.issued().iter().map(|issued| issued.live).collect();
    assert_eq!(live, [true, false]);
}

#[test]
fn tokens_that_one_failure_keeps_alive_are_told_once_with_who_can_still_end_them() {
    let mut scene = Scene::gitlab();
    scene.set("JF_TOKEN_SESSION", "s").asks_for("work/token");
    create(&scene, &["--token-file", "token"]);
    create(&scene, &["--token-file", "token"]);
    assert_eq!(scene.run(&["refresh"]).code, 0);
    scene.sandbox.fault_for("DELETE", Fault::Status { status: 503, retry_after: None, body: None }, 1000);
    let ran = scene.run(&["revoke", "--retry-for", "1"]);
    let said = scene.tidy(&ran.stderr);
    assert_eq!(said.matches("503 Service Unavailable").count(), 2, "{said}");
    assert!(said.contains("503 Service Unavailable; trying again for up to 1 s\n"), "{said}");
    assert!(said.contains("3 tokens could not be revoked (") && said.contains("Unavailable (tried "), "{said}");
    assert!((1..=3).all(|number| said.contains(&format!("<token id {number}> ends <time> UTC (in 60 minutes)"))), "{said}");
    assert!(said.contains("jf-token revoke --url <url> --token-id ID\n") && !said.contains("--retry-for"), "{said}");
    // What it names as the way out is one.
    scene.sandbox.clear_faults();
    for issued in scene.sandbox.issued() {
        let ran = scene.run(&["revoke", "--url", &scene.sandbox.url(), "--token-id", &issued.token_id]);
        assert_eq!(ran.code, 0, "{}", ran.story);
    }
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
}

#[test]
fn the_post_step_that_can_not_revoke_names_the_command_that_can() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true")]);
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.sandbox.fault_for("DELETE", Fault::Html(502), 1000);
    let ran = scene.post();
    let said: Vec<_> = ran.stderr.lines().collect();
    let [trying, failed] = said[..] else { panic!("{}", ran.stderr) };
    assert!(trying.ends_with("502 Bad Gateway, with a page that is not a JFrog error; trying again for up to 5 s"), "{trying}");
    let failed = scene.tidy(failed);
    assert!(
        failed.ends_with("With an admin's access token, or one of its user: jf-token revoke --url <url> --token-id <token id 1>"),
        "{failed}"
    );
    assert!(!failed.contains("log") && !failed.contains("try again"), "{failed}");
}

#[test]
fn the_end_is_told_in_one_line() {
    let mut scene = Scene::action(&[("expiry", "1h"), ("force-revocable", "true"), ("token-file", "token"), ("output-file", "jf.env")]);
    scene.asks_for("work/token").asks_for("work/jf.env");
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.leave_action();
    for _ in 0..2 {
        assert_eq!(scene.run(&["refresh"]).code, 0);
    }
    scene.be_action(&[]);
    let ran = scene.post();
    assert_eq!(
        scene.tidy(&ran.stderr),
        "jf-token: renewed 2 times; revoked <token id 3> and 2 earlier tokens; removed <folder>/work/jf.env and <folder>/work/token\n"
    );
}
