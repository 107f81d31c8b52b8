use std::time::{Duration, Instant, SystemTime};

use sandbox::{Fault, Sandbox, Tls};

use crate::support::{Ran, Scene};
use crate::tells;

fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None, body: None }
}

/// Runs a mint with this fault, without retries.
fn meets(fault: Fault) -> (Scene, Ran) {
    let scene = Scene::new();
    scene.sandbox.fault(fault);
    let ran = scene.run(&["create", "--retry-for", "0"]);
    (scene, ran)
}

#[test]
fn each_refusal_says_what_came_back_and_what_to_do() {
    for code in [400, 401, 403, 404, 405, 407, 429, 500, 501, 502, 503, 504] {
        tells!(format!("status_{code}"), meets(status(code)).1);
    }
}

#[test]
fn the_platforms_own_words_are_found_in_each_of_the_shapes_they_come_in() {
    let mut told = String::new();
    for shape in 'A'..='G' {
        told += &meets(Fault::Shape(shape, 401)).1.stderr;
    }
    let (scene, ran) = meets(Fault::Html(503));
    told = scene.tidy(&(told + &ran.stderr));
    let told = regex::Regex::new(r"127\.0\.0\.1:\d+").unwrap().replace_all(&told, "<host>");
    assert!(!told.contains('\u{3c}') || !told.contains("html"), "{told}");
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!("the_seven_shapes", told) });
}

#[test]
fn a_refused_credential_says_why() {
    let mut scene = Scene::new();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let expired = scene.sandbox.token_with(
        serde_json::json!({"sub": "jfac@x/users/admin", "aud": "*@*", "iat": now - 9, "exp": now - 5, "scp": "applied-permissions/admin"}),
    );
    let elsewhere = scene.sandbox.token_with(serde_json::json!({"sub": "jfac@x/users/admin", "aud": "jfrt@other", "iat": now, "exp": now + 99, "scp": "applied-permissions/admin"}));
    let mut forged = scene.sandbox.admin_token().to_owned();
    forged.replace_range(forged.len() - 20.., "AAAAAAAAAAAAAAAAAAAA");
    for (name, token) in [("expired", expired), ("audience", elsewhere), ("signature", forged)] {
        scene.set("JF_ACCESS_TOKEN", &token);
        let ran = scene.run(&["create"]);
        assert_eq!(ran.code, 4);
        assert!(ran.stderr.contains(&format!("401 Unauthorized, Invalid token, {name}")), "{}", ran.stderr);
        assert!(!crate::support::leaks(&ran.stderr, &token));
    }
}

#[test]
fn a_user_who_is_no_admin_is_told_what_only_admins_may_do() {
    let mut scene = Scene::new();
    let alice = scene.sandbox.user_token().to_owned();
    tells!(scene.set("JF_ACCESS_TOKEN", &alice).run(&["create", "bob"]));
}

#[test]
fn a_host_that_does_not_exist_and_a_port_that_is_closed_are_two_things() {
    let mut scene = Scene::new();
    scene.sandbox.pause();
    tells!("refused_connection", scene.run(&["create", "--retry-for", "0"]));
    tells!("unknown_host", scene.set("JF_URL", "https://no-such-host.invalid").run(&["create", "--retry-for", "0"]));
}

#[test]
fn each_fault_of_a_certificate_has_its_own_words() {
    for (name, tls) in [("expired", Tls::Expired), ("wrong_name", Tls::WrongName)] {
        tells!(format!("certificate_{name}"), Scene::with(Sandbox::builder().tls(tls)).run(&["create"]));
    }
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    assert_eq!(scene.run(&["create"]).code, 0, "the certificate must be valid with its CA");
    let other = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let ca = scene.write("tmp/other-ca.pem", other.sandbox.ca_pem());
    scene.set("SSL_CERT_FILE", ca.to_str().unwrap());
    tells!("certificate_unknown_ca", scene.run(&["create"]));
}

#[test]
fn plain_http_spoken_to_a_tls_port_and_the_other_way_round_are_told() {
    let mut scene = Scene::new();
    let https = scene.sandbox.url().replace("http:", "https:");
    let ran = scene.set("JF_URL", &https).run(&["create", "--retry-for", "0"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let http = scene.sandbox.url().replace("https:", "http:");
    let ran = scene.set("JF_URL", &http).run(&["create", "--retry-for", "0"]);
    assert_eq!(ran.code, 5, "{}", ran.stderr);
}

#[test]
fn answers_that_are_no_answer_are_told_apart() {
    for (name, fault) in [
        ("html", Fault::Html(200)),
        ("not_json", Fault::Body("surely not".into())),
        ("no_token", Fault::Body("{}".into())),
        ("a_list", Fault::Body("[]".into())),
        ("cut_short", Fault::CutShort),
        ("ends_early", Fault::EndsEarly(90)),
        ("empty", Fault::EndsEarly(0)),
        ("too_long", Fault::Body(format!("{{\"access_token\": \"{}\"}}", "x".repeat(1 << 20)))),
        ("lone_surrogate", Fault::Body(r#"{"access_token": "x", "description": "\ud800"}"#.into())),
        ("reset", Fault::ResetAfter),
        ("redirected", Fault::RedirectTo("https://elsewhere.example".into())),
        ("in_a_circle", Fault::RedirectLoop),
    ] {
        let scene = Scene::new();
        scene.sandbox.fault_for("POST", fault, if name == "in_a_circle" { 100 } else { 1 });
        tells!(format!("answer_{name}"), scene.run(&["create", "--retry-for", "0"]));
    }
}

#[test]
fn a_refresh_whose_answer_can_not_be_read_may_have_spent_the_pair() {
    let mut scene = Scene::new();
    scene.run(&["create", "--session", "s", "--expiry", "1h", "--refreshable", "--force-revocable", "--format", "none"]);
    scene.unset("JF_ACCESS_TOKEN");
    for (number, fault) in [Fault::EndsEarly(90), Fault::Body(r#"{"token_id": "\ud800"}"#.into())].into_iter().enumerate() {
        scene.sandbox.fault_for("POST", fault, 1);
        let ran = scene.run(&["refresh", "--session", "s"]);
        assert!(ran.code != 0 && ran.stderr.contains("ends early or can't be read"), "{}", ran.stderr);
        assert!(ran.stderr.contains("it is spent, and the old token is dead") && !ran.stderr.contains("login page"), "{}", ran.stderr);
        assert_eq!(scene.state("s")["current"]["in_doubt"], true, "{number}");
    }
}

#[test]
fn a_platform_that_asks_for_peace_in_a_way_that_can_not_be_read_is_not_asked_again_at_once() {
    for header in ["-1", "soon", "99999999999999999999999", "9223372036854775809"] {
        let scene = Scene::new();
        scene.sandbox.fault_for("POST", Fault::Status { status: 429, retry_after: Some(header.into()), body: None }, 100);
        let ran = scene.run(&["create", "--retry-for", "4"]);
        assert_eq!((ran.code, ran.story.matches("--- request").count()), (6, 1), "{header}: {}", ran.story);
        assert!(ran.stderr.contains(", asking to wait"), "{}", ran.stderr);
    }
}

#[test]
fn verbose_hides_tokens_wherever_they_stand_in_an_answer() {
    let mut scene = Scene::new();
    scene.set("JF_ACCESS_TOKEN", "hunter2");
    let body = r#"{"data": {"accessToken": "short-1"}, "list": ["short-2", {"refreshToken": "short-3"}], "scope": "a b",
        "errors": [{"message": "no short hunter2"}], "inner": "{\"access_token\": \"short-4\"}", "expires_in": 60, "id_token": "short-5"}"#;
    for status in [200, 400] {
        scene.sandbox.fault(Fault::Status { status, retry_after: None, body: Some(body.into()) });
        let ran = scene.run(&["create", "--verbose", "--retry-for", "0"]);
        assert!(!ran.stderr.contains("short-") && !ran.stderr.contains("hunter2"), "{}", ran.stderr);
        assert!(ran.stderr.contains(r#""scope":"a b""#) && ran.stderr.contains(r#""expires_in":60"#), "{}", ran.stderr);
    }
}

#[test]
fn a_strange_content_type_does_no_harm() {
    assert_eq!(meets(Fault::ContentType("text/plain".into())).1.code, 0);
    assert_eq!(meets(Fault::Drip(1)).1.code, 0);
}

#[test]
fn a_platform_that_stalls_is_waited_for_30_seconds_and_no_longer() {
    let scene = Scene::new();
    scene.sandbox.fault(Fault::StallAfter);
    let started = Instant::now();
    tells!(scene.run(&["create", "--retry-for", "0"]));
    assert!((29..40).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[test]
fn a_request_has_one_time_limit_with_all_its_redirects() {
    let scene = Scene::new();
    let ran = scene.run(&["create", "--session", "s", "--expiry", "30", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    // Seven seconds and a half are left, and a third of that is the limit. Each hop is well within it.
    scene.ages("s", 22);
    scene.sandbox.fault_for("POST", Fault::SlowRedirect(900), 1000);
    let started = Instant::now();
    let ran = scene.run(&["get", "--session", "s"]);
    assert!(ran.code == 0 && ran.stderr.contains("is not renewed yet: POST "), "{}", ran.story);
    assert!(["no answer in time", "redirected until the time was over"].iter().any(|why| ran.stderr.contains(why)), "{}", ran.stderr);
    assert!(started.elapsed() < Duration::from_millis(3500), "{:?}", started.elapsed());
    assert!(ran.story.matches("--- request POST").count() <= 3, "{}", ran.story);
}

#[test]
fn a_redirect_on_the_same_host_is_followed_and_one_to_another_host_never_sees_the_credential() {
    let (scene, ran) = meets(Fault::RedirectSameHost);
    assert_eq!((ran.code, scene.sandbox.issued().len()), (0, 1), "{}", ran.stderr);
    let (scene, other) = (Scene::new(), Sandbox::start());
    scene.sandbox.fault(Fault::RedirectTo(other.url()));
    assert_eq!(scene.run(&["create"]).code, 4);
    assert!(other.requests().is_empty());
}

#[test]
fn what_was_surely_not_done_is_tried_again_without_a_second_token() {
    for fault in [status(429), status(503), Fault::Status { status: 503, retry_after: Some("1".into()), body: None }] {
        let scene = Scene::new();
        scene.sandbox.fault(fault.clone());
        let ran = scene.run(&["create"]);
        assert_eq!((ran.code, scene.sandbox.issued().len()), (0, 1), "{fault:?} {}", ran.stderr);
        assert!(ran.stderr.contains("; trying again for up to "), "{}", ran.stderr);
    }
    let scene = Scene::new();
    scene.sandbox.pause();
    let child = scene.spawn(&["create"]);
    std::thread::sleep(Duration::from_millis(600));
    scene.sandbox.resume();
    assert!(child.wait_with_output().unwrap().status.success());
}

#[test]
fn retry_after_is_waited_for_be_it_seconds_or_a_date() {
    for as_date in [false, true] {
        let scene = Scene::new();
        // A date has no fractions, so the wait may be up to a second shorter.
        let until = SystemTime::now() + Duration::from_secs(3);
        let header = if as_date { httpdate::fmt_http_date(until) } else { "2".into() };
        scene.sandbox.fault(Fault::Status { status: 429, retry_after: Some(header.clone()), body: None });
        assert_eq!(scene.run(&["create"]).code, 0);
        assert!(SystemTime::now() >= until - Duration::from_secs(1), "{header}");
    }
}

#[test]
fn a_retry_after_beyond_the_deadline_is_not_waited_for() {
    let scene = Scene::new();
    scene.sandbox.fault(Fault::Status { status: 429, retry_after: Some("3600".into()), body: None });
    let started = Instant::now();
    assert_eq!(scene.run(&["create"]).code, 6);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_mint_whose_answer_was_lost_is_repeated_only_if_the_token_is_short_lived() {
    for fault in [
        Fault::ResetAfter,
        Fault::CutShort,
        Fault::StatusAfter { status: 500 },
        Fault::StatusAfter { status: 502 },
        Fault::StatusAfter { status: 504 },
    ] {
        let scene = Scene::new();
        scene.sandbox.fault(fault.clone());
        let long = scene.run(&["create"]);
        assert_ne!(long.code, 0, "{fault:?}");
        assert_eq!(scene.sandbox.issued().len(), 1, "a second token was minted: {fault:?}");
        assert!(long.stderr.contains("A token may have been created anyway"), "{fault:?}: {}", long.stderr);

        let scene = Scene::new();
        scene.sandbox.fault(fault.clone());
        let short = scene.run(&["create", "--expiry", "1h"]);
        assert_eq!((short.code, scene.sandbox.issued().len()), (0, 2), "{fault:?}: {}", short.stderr);
        assert!(
            short.stderr.contains("Each try may leave a token behind, which ends by itself within the hour"),
            "{fault:?}: {}",
            short.stderr
        );
    }
}

#[test]
fn what_is_refused_is_asked_once() {
    for code in [400, 401, 403, 404] {
        let scene = Scene::new();
        scene.sandbox.fault_for("POST", status(code), 100);
        let ran = scene.run(&["create", "--expiry", "60"]);
        assert_eq!(ran.story.matches("--- request").count(), 1, "{}", ran.story);
    }
}

#[test]
fn the_deadline_ends_the_tries_and_they_come_slower() {
    let scene = Scene::new();
    scene.sandbox.fault_for("POST", status(503), 1000);
    let started = Instant::now();
    let ran = scene.run(&["create", "--retry-for", "3"]);
    assert_eq!(ran.code, 6);
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    let tries = ran.story.matches("--- request").count();
    assert!((2..60).contains(&tries), "{tries} tries");
}

#[test]
fn a_server_may_echo_the_credential_and_the_message_still_hides_it() {
    let scene = Scene::new();
    let token = scene.sandbox.admin_token();
    let pieces = [token.to_owned(), format!("Bearer {token}"), format!("x {} y", &token[30..90])];
    for piece in pieces {
        let body =
            serde_json::json!({"errors": [{"code": "UNAUTHORIZED", "message": format!("bad header: {piece}\n::set-output name=x::y")}]});
        scene.sandbox.fault(Fault::Status { status: 401, retry_after: None, body: Some(body.to_string()) });
        // `run` itself checks the output for leaks.
        let ran = scene.run(&["create", "--verbose"]);
        assert!(ran.stderr.lines().all(|line| !line.starts_with("::")), "{}", ran.stderr);
    }
}

// It takes minutes under Wine, and nothing in it depends on the system.
#[cfg(not(windows))]
#[test]
fn nothing_leaks_whatever_goes_wrong_at_verbose() {
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::CutShort,
        Fault::Html(200),
        Fault::Html(502),
        Fault::ContentType("text/html".into()),
        status(400),
        status(500),
        Fault::Shape('B', 400),
        Fault::Shape('G', 503),
        Fault::RedirectSameHost,
        Fault::RedirectTo("https://elsewhere.example".into()),
    ];
    let create = ["create", "--expiry", "1h", "--force-revocable", "--reference", "--refreshable", "--format", "none"];
    for in_github in [false, true] {
        for (method, command) in [("POST", &create[..]), ("GET", &["inspect", "--online"]), ("DELETE", &["revoke"])] {
            let mut scene = Scene::new();
            if in_github {
                scene.in_github();
            }
            scene.set("JF_TOKEN_SESSION", "s");
            for fault in &faults {
                scene.run(&create);
                scene.sandbox.fault_for(method, fault.clone(), 1);
                // `run` itself checks the output and all files for leaks.
                scene.run(&[command, &["--verbose", "--retry-for", "0"]].concat());
            }
        }
    }
}

#[test]
fn no_number_that_a_server_sends_makes_it_panic() {
    for header in ["18446744073709551615", "99999999999999999999999", "-1", "Fri, 31 Dec 9999 23:59:59 GMT"] {
        let scene = Scene::new();
        scene.sandbox.fault_for("POST", Fault::Status { status: 429, retry_after: Some(header.into()), body: None }, 100);
        let ran = scene.run(&["create", "--retry-for", "1"]);
        assert!(ran.code == 6 && !ran.stderr.contains("panicked"), "{header}: {}", ran.stderr);
    }
    let token = Sandbox::start().token_with(serde_json::json!({"sub": "x", "iat": u64::MAX, "exp": u64::MAX}));
    for life in
        [serde_json::json!(u64::MAX), serde_json::json!(-5), serde_json::json!(1.5), serde_json::json!("x"), serde_json::json!(null)]
    {
        let scene = Scene::new();
        scene.sandbox.fault(Fault::Body(serde_json::json!({"access_token": token, "expires_in": life}).to_string()));
        let ran = scene.run(&["create", "--session", "s", "--token-file", "/dev/null/x"]);
        assert_eq!(ran.code, 2, "{}", ran.stderr);
        let ran = scene.run(&["create", "--session", "s", "--format", "none"]);
        assert!(ran.code == 0 && !ran.stderr.contains("panicked"), "{life}: {}", ran.stderr);
    }
}

#[test]
fn a_redirect_to_https_is_not_followed_blindly_but_told() {
    let scene = Scene::new();
    scene.sandbox.fault(Fault::RedirectTo(format!("https://127.0.0.1:{}", scene.sandbox.port())));
    let ran = scene.run(&["create"]);
    assert!(ran.code == 4 && ran.stderr.contains("redirected to https://127.0.0.1"), "{}", ran.stderr);
}

#[test]
fn a_proxy_elsewhere_never_gets_what_is_meant_for_this_machine() {
    let mut scene = Scene::new();
    scene.set("http_proxy", "http://proxy.invalid:3128").set("ALL_PROXY", "socks5://proxy.invalid:1080");
    assert_eq!(scene.run(&["create"]).code, 0);
    scene.set("http_proxy", "socks5://127.0.0.1:1").set("NO_PROXY", "127.0.0.1");
    assert_eq!(scene.run(&["create"]).code, 0, "NO_PROXY must exclude the host even if the proxy is invalid");
}

#[test]
fn a_secret_that_is_empty_is_told_with_why_this_job_may_not_have_it() {
    let said = |scene: &mut Scene| {
        let ran = scene.set("JF_ACCESS_TOKEN", "").run(&["create"]);
        assert!(ran.code == 3 && scene.sandbox.requests().is_empty(), "{}", ran.story);
        ran.stderr.replace("%0A", "\n")
    };
    let general = said(Scene::github().set("GITHUB_EVENT_NAME", "push"));
    assert!(general.contains("there is no credential: JF_ACCESS_TOKEN is empty\n"), "{general}");
    assert!(
        general.contains("A secret is empty where none of that name is set") && general.contains("not given to workflows from forks"),
        "{general}"
    );
    let mut scene = Scene::github();
    let event = scene.write("event.json", r#"{"pull_request": {"base": {"repo": {"id": 1}}, "head": {"repo": {"id": 2}}}}"#);
    let fork = said(scene.set("GITHUB_EVENT_NAME", "pull_request").set("GITHUB_EVENT_PATH", event.to_str().unwrap()));
    assert!(
        fork.contains("\nSecrets are not given to workflows from forks: run this step only where github.event.pull_request.head.repo"),
        "{fork}"
    );
    let dependabot = said(Scene::github().set("GITHUB_ACTOR", "dependabot[bot]"));
    assert!(dependabot.contains("add this one to Dependabot's secrets"), "{dependabot}");
    assert!(said(&mut Scene::gitlab()).contains("A protected variable is given only to jobs of protected branches"));
    let input = said(Scene::action(&[("url", "https://acme.example")]).unset("JF_ACCESS_TOKEN"));
    assert!(input.contains("there is no credential: JF_ACCESS_TOKEN is empty"), "{input}");
    // On one's own machine nobody gives secrets to forks.
    assert!(!said(&mut Scene::new()).contains("fork"));
}

#[test]
fn a_credential_that_was_revoked_is_told_with_where_it_is_from() {
    let mut scene = Scene::new();
    scene.run(&["create", "--session", "s", "--format", "none"]);
    assert_eq!(scene.run(&["revoke", "--session", "s"]).code, 0);
    let revoked = scene.sandbox.issued()[0].access_token.clone();
    let ran = scene.set("JF_ACCESS_TOKEN", &revoked).run(&["create"]);
    let help = "The credential was revoked: put a new access token in its place. It is from JF_ACCESS_TOKEN.\n";
    assert!(ran.code == 4 && ran.stderr.ends_with(help), "{}", ran.stderr);
}

#[test]
fn a_refusal_of_what_takes_an_admin_names_it_and_whose_the_credential_is() {
    let mut scene = Scene::new();
    let alice = scene.sandbox.user_token().to_owned();
    scene.set("JF_ACCESS_TOKEN", &alice);
    for (arguments, asked) in [
        (&["--groups", "readers"][..], "--groups"),
        (&["bob"], "USERNAME"),
        (&["--grant-admin"], "--grant-admin"),
        (&["--scope", "applied-permissions/groups:readers", "bob"], "USERNAME and --scope"),
    ] {
        let ran = scene.run(&[&["create"], arguments].concat());
        let help = format!(
            "Only an admin's access token may ask for {asked}, and JF_ACCESS_TOKEN is one of 'alice', with the scope applied-permissions/user."
        );
        assert!(ran.code == 4 && ran.stderr.contains(&help), "{}", ran.stderr);
    }
    // What anyone may ask for has no such advice.
    scene.sandbox.fault_for("POST", Fault::Shape('A', 403), 1);
    let ran = scene.run(&["create"]);
    assert!(ran.code == 4 && ran.stderr.contains("The credential may not do this"), "{}", ran.stderr);
}

#[cfg(unix)]
#[test]
fn a_mint_with_the_token_that_jf_token_issued_itself_is_told_so() {
    let mut scene = Scene::new();
    scene.asks_for("work/jf.env");
    let told = "JF_ACCESS_TOKEN is a token that jf-token itself has issued, as after `. ./jf.env`";
    let ran = scene.run(&["create", "alice", "--output-file", "jf.env", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let output = scene.shell(". ./jf.env; export JF_ACCESS_TOKEN JF_ACCESS_TOKEN_ID; \"$JF\" create --groups readers");
    assert!(output.status.code() == Some(4) && String::from_utf8_lossy(&output.stderr).contains(told), "{output:?}");
    // Where nothing but the session knows it; and revoked by now.
    for revoked in [false, true] {
        scene = Scene::gitlab();
        assert_eq!(scene.run(&["create", "alice", "--expiry", "1h", "--force-revocable"]).code, 0);
        let issued = scene.sandbox.issued().remove(0);
        if revoked {
            scene.run(&["revoke", "--token-id", &issued.token_id]);
        }
        scene.set("JF_ACCESS_TOKEN", &issued.access_token);
        let ran = scene.run(&["create", "--groups", "readers"]);
        assert!(ran.code == 4 && ran.stderr.contains(told), "{}", ran.stderr);
    }
}
