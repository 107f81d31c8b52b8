//! Where requests go: to the address that was given.

use crate::support::Scene;

#[test]
fn the_host_of_the_url_is_never_cut() {
    let scene = Scene::new();
    for url in ["https://artifactory", "https://ui", "https://access/artifactory", "https://access"] {
        let ran = scene.run(&["create", "--url", url, "--retry-for", "0"]);
        let host = url.split('/').nth(2).unwrap();
        assert!(ran.code == 5 && ran.stderr.contains(&format!("POST https://{host}/access/api/v1/tokens:")), "{}", ran.story);
    }
    let address = scene.sandbox.url();
    for path in ["/artifactory", "/ui/", "/access", "/artifactory/access", "/access/artifactory//ui/", "//"] {
        let ran = scene.run(&["create", "--url", &format!("{address}{path}")]);
        assert!(ran.code == 0 && ran.story.contains("--- request POST /access/api/v1/tokens"), "{path}: {}", ran.story);
    }
}

#[test]
fn plain_http_goes_to_localhost_and_loopback_addresses_only() {
    let scene = Scene::new();
    for host in ["foo.localhost", "localhost.", "localhost.example.com", "0.0.0.0", "127.0.0.1.example.com"] {
        let ran = scene.run(&["create", "--url", &format!("http://{host}:8082")]);
        assert!(ran.code == 2 && ran.stderr.contains("--url: plain http"), "{}", ran.story);
    }
    let url = scene.sandbox.url().replace("127.0.0.1", "localhost");
    assert_eq!(scene.run(&["create", "--url", &url]).code, 0);
}

#[test]
fn a_loopback_address_is_never_asked_through_a_proxy() {
    let mut scene = Scene::new();
    for proxy in ["http://127.0.0.1:1", "http://proxy.invalid:3128", "127.0.0.1:1"] {
        scene.set("http_proxy", proxy);
        assert_eq!(scene.run(&["create"]).code, 0, "{proxy}");
        let url = scene.sandbox.url().replace("127.0.0.1", "localhost");
        assert_eq!(scene.run(&["create", "--url", &url]).code, 0, "{proxy}");
    }
}

#[test]
fn no_proxy_is_read_as_curl_reads_it() {
    let mut scene = Scene::new();
    scene.leaves_the_machine().set("http_proxy", "http://127.0.0.1:1");
    for (list, goes_past) in [
        ("*", true),
        ("a.example *", true),
        ("a.example 0.0.0.0", true),
        ("a.example\t0.0.0.0 , b.example", true),
        ("0.0.0.0/8", true),
        ("a.example,b.example", false),
        (" ", false),
        ("*.example", false),
    ] {
        let ran = scene.set("NO_PROXY", list).run(&["create", "--retry-for", "0"]);
        assert_eq!(ran.code, if goes_past { 0 } else { 5 }, "{list}: {}", ran.story);
    }
}
