//! Tests with a real proxy, tinyproxy, that requires a user name and a password.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sandbox::{Sandbox, Tls};
use tempfile::TempDir;

use crate::peers::{Running, system};
use crate::support::{Ran, Scene};

const USER: &str = "user:pass-of-the-proxy@";

struct Proxy {
    port: u16,
    running: Running,
    _folder: TempDir,
}

/// A port that nothing listens on.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

impl Proxy {
    /// Starts a proxy that requires the password, and allows connections only to the platform's port.
    fn to(platform: &Sandbox) -> Self {
        // Another program may take the free port before the proxy does.
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let (port, platform) = (free_port(), platform.port());
            let configuration = folder.path().join("tinyproxy.conf");
            let text = format!(
                "Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 20\nLogLevel Info\nBasicAuth user pass-of-the-proxy\nConnectPort {platform}\n"
            );
            fs::write(&configuration, text).unwrap();
            let mut command = Command::new(system("tinyproxy"));
            command.arg("-d").arg("-c").arg(configuration).env_clear();
            let running = Running::start(command, &folder.path().join("log"));
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline {
                if running.log().contains("Accepting connections") {
                    return Self { port, running, _folder: folder };
                }
                sleep(Duration::from_millis(10));
            }
        }
        panic!("tinyproxy did not start")
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}127.0.0.1:{}", self.port)
    }
}

fn platform(tls: bool) -> Scene {
    let mut scene = if tls { Scene::with(Sandbox::builder().tls(Tls::Valid)) } else { Scene::new() };
    scene.leaves_the_machine();
    scene
}

fn mint(scene: &mut Scene, variable: &str, proxy: &str) -> Ran {
    scene.set(variable, proxy).run(&["create", "--retry-for", "0"])
}

/// (whether the platform uses TLS, the proxy variable that applies, how the proxy logs the request)
const WAYS: [(bool, &str, &str); 2] = [(false, "http_proxy", ": POST http://0.0.0.0:"), (true, "HTTPS_PROXY", ": CONNECT 0.0.0.0:")];

#[test]
fn with_the_password_a_token_is_minted_through_the_proxy() {
    for (tls, variable, line) in WAYS {
        let mut scene = platform(tls);
        let proxy = Proxy::to(&scene.sandbox);
        let ran = mint(&mut scene, variable, &proxy.url(USER));
        assert_eq!((ran.code, scene.sandbox.issued().len()), (0, 1), "{}", ran.story);
        let log = proxy.running.log();
        assert!(log.contains(&format!("{line}{}", scene.sandbox.port())), "the request did not go through the proxy:\n{log}");
    }
}

#[test]
fn without_the_right_password_the_failure_names_the_variable_and_shows_no_password() {
    for (tls, variable, line) in WAYS {
        for user in ["", "user:some-other-pass@"] {
            let mut scene = platform(tls);
            let proxy = Proxy::to(&scene.sandbox);
            let ran = mint(&mut scene, variable, &proxy.url(user));
            // tinyproxy answers a wrong password with 401, which could also be the platform's answer.
            let unclear = !tls && !user.is_empty();
            assert_eq!(ran.code, if unclear { 4 } else { 5 }, "{}", ran.story);
            assert!(ran.stderr.contains(&format!("the proxy in {variable}")), "{}", ran.story);
            assert!(unclear || ran.stderr.contains("password"), "{}", ran.story);
            // The proxy refused the request, so the platform did not get it.
            assert!(!ran.stderr.contains("may have been created") && !ran.stderr.contains("some-other-pass"), "{}", ran.story);
            assert!(scene.sandbox.issued().is_empty() && proxy.running.log().contains(line));
        }
    }
}

#[test]
fn no_proxy_takes_the_platform_out() {
    for (tls, variable, _) in WAYS {
        let mut scene = platform(tls);
        let dead = format!("http://127.0.0.1:{}", free_port());
        let ran = mint(&mut scene, variable, &dead);
        assert!(ran.code == 5 && ran.stderr.contains(variable), "{}", ran.story);
        scene.set("NO_PROXY", "example.com,0.0.0.0");
        assert_eq!(mint(&mut scene, variable, &dead).code, 0);
    }
}
