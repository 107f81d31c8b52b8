//! Client certificates, private CAs and proxies, with openssl's certificates, nginx, openssl's own server and mitmproxy.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sandbox::{Sandbox, Tls};
use tempfile::TempDir;

use crate::peers::{Running, system, tool};
use crate::proxy::free_port;
use crate::support::{Ran, Scene};

const SERVER: &str = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";
const ELSEWHERE: &str = "subjectAltName=DNS:elsewhere.example\nextendedKeyUsage=serverAuth\n";
const CLIENT: &str = "extendedKeyUsage=clientAuth\n";
const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n";
/// From a time that is over, to one that this test does not see.
const ALWAYS: (&str, &str) = ("20200101000000Z", "20490101000000Z");

/// Certificates by openssl, in a folder.
struct Pki(TempDir);

impl Pki {
    /// With a CA, `ca.pem`.
    fn new() -> Self {
        let pki = Self(tempfile::tempdir().unwrap());
        pki.write("index.txt", "");
        pki.write(
            "ca.cnf",
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n",
        );
        pki.openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca-key.pem -out ca.pem -days 30 -subj /CN=e2e -addext basicConstraints=critical,CA:TRUE");
        pki
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new(system("openssl")).args(arguments.split(' ')).current_dir(self.0.path()).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// `NAME.pem` and `NAME-key.pem`, signed by `ca`.
    fn issue(&self, name: &str, kind: &str, extensions: &str, (from, to): (&str, &str), ca: &str) {
        self.write("extensions", extensions);
        self.openssl(&format!("req -new {kind} -nodes -keyout {name}-key.pem -out request.pem -subj /CN={name}"));
        self.openssl(&format!(
            "ca -batch -notext -config ca.cnf -cert {ca}.pem -keyfile {ca}-key.pem -in request.pem -out {name}.pem -startdate {from} -enddate {to} -extfile extensions"
        ));
    }
}

const EC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256";

/// A server on a port of its own. Its log is a file beside its certificates.
struct Server {
    port: u16,
    running: Running,
}

impl Server {
    fn start(pki: &Pki, command: impl Fn(u16) -> Command) -> Self {
        // Another program may take the free port before the server does.
        for _ in 0..5 {
            let port = free_port();
            let running = Running::start(command(port), &pki.path("server.log"));
            let deadline = Instant::now() + Duration::from_secs(20);
            while Instant::now() < deadline {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Self { port, running };
                }
                sleep(Duration::from_millis(20));
            }
        }
        panic!("the server does not start: {}", pki.text("server.log"))
    }

    /// openssl's own server.
    fn openssl(pki: &Pki, certificate: &str, more: &str) -> Self {
        Self::start(pki, |port| {
            let mut command = Command::new(system("openssl"));
            command.args(["s_server", "-www", "-accept", &format!("127.0.0.1:{port}")]).current_dir(pki.0.path());
            command.args(["-cert", &format!("{certificate}.pem"), "-key", &format!("{certificate}-key.pem")]);
            command.args(more.split_ascii_whitespace());
            command
        })
    }

    /// nginx in front of the platform. Who shows a certificate of the CA and no token gets the admin's rights.
    fn demanding(pki: &Pki, platform: &Sandbox, tls: &str) -> Self {
        Self::nginx(
            pki,
            platform,
            "server",
            &format!("ssl_client_certificate ca.pem;\nssl_verify_client on;\nssl_verify_depth 3;\nssl_protocols {tls};"),
        )
    }

    fn nginx(pki: &Pki, platform: &Sandbox, certificate: &str, more: &str) -> Self {
        Self::start(pki, |port| {
            let (folder, token) = (pki.0.path().display().to_string(), platform.admin_token());
            let temporary: String =
                ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {folder}/t;\n")).collect();
            let configuration = format!(
                "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temporary}\
                log_format told '$ssl_protocol [$http_authorization] $request_method $uri $status';\naccess_log {folder}/access.log told;\n\
                map $http_authorization $rights {{ '' 'Bearer {token}'; default $http_authorization; }}\n\
                server {{\nlisten 127.0.0.1:{port} ssl;\nssl_certificate {certificate}.pem;\nssl_certificate_key {certificate}-key.pem;\n{more}\n\
                location / {{ proxy_pass http://127.0.0.1:{}; proxy_set_header Authorization $rights; }}\n}}\n}}\n",
                platform.port()
            );
            pki.write("nginx.conf", &configuration);
            let mut command = Command::new(system("nginx"));
            command.arg("-p").arg(pki.0.path()).arg("-e").arg("stderr").arg("-c").arg(pki.path("nginx.conf"));
            command
        })
    }
}

/// A scene whose platform is behind this port.
fn behind(server: &Server, pki: &Pki) -> Scene {
    let mut scene = Scene::new();
    point(&mut scene, server, pki);
    scene
}

fn point(scene: &mut Scene, server: &Server, pki: &Pki) {
    scene.set("JF_URL", &format!("https://localhost:{}", server.port)).set("JF_TOKEN_CA_FILE", pki.path("ca.pem").to_str().unwrap());
}

fn with_certificate(scene: &Scene, arguments: &[&str], certificate: &Path, key: &Path) -> Ran {
    let paths = ["--client-cert-path", certificate.to_str().unwrap(), "--client-cert-key-path", key.to_str().unwrap()];
    scene.run(&[arguments, &paths].concat())
}

#[test]
fn nginx_lets_in_who_shows_a_certificate_whatever_kind_its_key_is() {
    let pki = Pki::new();
    pki.issue("server", EC, SERVER, ALWAYS, "ca");
    pki.issue("ec", EC, CLIENT, ALWAYS, "ca");
    pki.issue("rsa", "-newkey rsa:2048", CLIENT, ALWAYS, "ca");
    pki.issue("ed25519", "-newkey ed25519", CLIENT, ALWAYS, "ca");
    pki.openssl("rsa -in rsa-key.pem -traditional -out pkcs1-key.pem");
    pki.openssl("ec -in ec-key.pem -out sec1-key.pem");
    pki.openssl("pkey -in ec-key.pem -aes256 -passout pass:hunter2 -out encrypted-key.pem");
    pki.openssl("rsa -in rsa-key.pem -traditional -aes256 -passout pass:hunter2 -out old-encrypted-key.pem");
    pki.openssl("pkcs12 -export -in ec.pem -inkey ec-key.pem -passout pass:hunter2 -out both.p12");
    pki.openssl("x509 -in ec.pem -outform der -out ec.der");
    pki.openssl("pkey -in ec-key.pem -outform der -out ec-key.der");
    assert!(pki.text("pkcs1-key.pem").contains("BEGIN RSA PRIVATE KEY") && pki.text("sec1-key.pem").contains("BEGIN EC PRIVATE KEY"));
    for tls in ["TLSv1.2", "TLSv1.3"] {
        let mut scene = Scene::new();
        let server = Server::demanding(&pki, &scene.sandbox, tls);
        point(&mut scene, &server, &pki);
        for (certificate, key) in [("ec", "ec"), ("ec", "sec1"), ("rsa", "rsa"), ("rsa", "pkcs1"), ("ed25519", "ed25519")] {
            let ran = with_certificate(&scene, &["create"], &pki.path(&format!("{certificate}.pem")), &pki.path(&format!("{key}-key.pem")));
            assert_eq!(ran.code, 0, "{key}: {}", ran.story);
        }
        assert!(pki.text("access.log").contains(&format!("{tls} [Bearer")), "{}", pki.text("access.log"));
        let ran = scene.run(&["create", "--retry-for", "0"]);
        assert!(ran.code == 4 && ran.stderr.contains("the server wants a client certificate (400)"), "{}", ran.story);
    }
    let scene = Scene::new();
    for (certificate, key, words) in [
        ("ec.pem", "encrypted-key.pem", "encrypted private key"),
        ("rsa.pem", "old-encrypted-key.pem", "encrypted private key"),
        ("ec.pem", "rsa-key.pem", "is not the one of the certificate"),
        ("both.p12", "ec-key.pem", "PKCS#12"),
        ("ec.der", "ec-key.pem", "is DER, not PEM"),
        ("ec.pem", "ec-key.der", "is DER, not PEM"),
    ] {
        let ran = with_certificate(&scene, &["create"], &pki.path(certificate), &pki.path(key));
        assert!(ran.code == 2 && ran.stderr.contains(words) && !ran.stderr.contains("hunter2"), "{}", ran.story);
    }
    // The advised commands work.
    pki.openssl(&format!("pkey -in {} -out plain-key.pem -passin pass:hunter2", pki.path("encrypted-key.pem").display()));
    pki.openssl("x509 -inform der -in ec.der -out from-der.pem");
    let mut scene = Scene::new();
    let server = Server::demanding(&pki, &scene.sandbox, "TLSv1.2 TLSv1.3");
    point(&mut scene, &server, &pki);
    assert_eq!(with_certificate(&scene, &["create"], &pki.path("from-der.pem"), &pki.path("plain-key.pem")).code, 0);
}

#[test]
fn a_client_certificate_alone_issues_renews_and_revokes() {
    let pki = Pki::new();
    pki.issue("server", EC, SERVER, ALWAYS, "ca");
    pki.issue("client", EC, CLIENT, ALWAYS, "ca");
    let mut scene = Scene::new();
    let server = Server::demanding(&pki, &scene.sandbox, "TLSv1.2 TLSv1.3");
    point(&mut scene, &server, &pki);
    scene.unset("JF_ACCESS_TOKEN");
    let (certificate, key) = (pki.path("client.pem"), pki.path("client-key.pem"));
    scene.set("JF_TOKEN_CLIENT_CERT_PATH", certificate.to_str().unwrap()).set("JF_TOKEN_CLIENT_CERT_KEY_PATH", key.to_str().unwrap());
    let pid = std::process::id().to_string();
    let ran = scene.run(&[
        "create",
        "--session",
        "s",
        "--expiry",
        "3",
        "--force-revocable",
        "--format",
        "none",
        "--keep-fresh",
        "--until-pid",
        &pid,
    ]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let deadline = Instant::now() + Duration::from_secs(20);
    while scene.sandbox.issued().len() < 3 {
        assert!(Instant::now() < deadline, "the keeper does not renew");
        sleep(Duration::from_millis(10));
    }
    let ran = scene.run(&["revoke", "--session", "s"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
    let log = pki.text("access.log");
    assert!(log.lines().filter(|line| line.contains("[-] POST")).count() >= 3 && !log.contains("[Bearer"), "{log}");
}

#[test]
fn a_chain_is_sent_whole_and_one_in_the_wrong_order_is_told() {
    let pki = Pki::new();
    pki.issue("server", EC, SERVER, ALWAYS, "ca");
    pki.issue("middle", EC, CA, ALWAYS, "ca");
    pki.issue("client", EC, CLIENT, ALWAYS, "middle");
    pki.write("chain.pem", &(pki.text("client.pem") + &pki.text("middle.pem")));
    pki.write("reversed.pem", &(pki.text("middle.pem") + &pki.text("client.pem")));
    let mut scene = Scene::new();
    let server = Server::demanding(&pki, &scene.sandbox, "TLSv1.3");
    point(&mut scene, &server, &pki);
    let run = |name: &str| with_certificate(&scene, &["create", "--retry-for", "0"], &pki.path(name), &pki.path("client-key.pem"));
    assert_eq!(run("chain.pem").code, 0);
    let ran = run("reversed.pem");
    assert!(ran.code == 2 && ran.stderr.contains("number 2 of 2"), "{}", ran.story);
    // Without the one in the middle nginx can't tell whose it is.
    let ran = run("client.pem");
    assert!(ran.code == 4 && ran.stderr.contains("refused the client certificate that --client-cert-path gives (400)"), "{}", ran.story);
}

#[test]
fn openssls_server_that_demands_a_certificate_is_understood_in_both_versions() {
    let pki = Pki::new();
    pki.issue("server", EC, SERVER, ALWAYS, "ca");
    pki.issue("expired", EC, CLIENT, ("20200101000000Z", "20210101000000Z"), "ca");
    let other = Pki::new();
    other.issue("client", EC, CLIENT, ALWAYS, "ca");
    for version in ["-tls1_2", "-tls1_3"] {
        let server = Server::openssl(&pki, "server", &format!("{version} -Verify 3 -verify_return_error -CAfile ca.pem"));
        let scene = behind(&server, &pki);
        let ran = scene.run(&["create", "--retry-for", "0"]);
        assert!(ran.code == 5 && ran.stderr.contains("the server wants a client certificate"), "{version}: {}", ran.story);
        assert!(!ran.stderr.contains("may have been created"), "{version}: {}", ran.story);
        let ran = with_certificate(&scene, &["create", "--retry-for", "0"], &pki.path("expired.pem"), &pki.path("expired-key.pem"));
        assert!(ran.code == 5 && ran.stderr.contains("refused the client certificate") && ran.stderr.contains("expired"), "{}", ran.story);
        let ran = with_certificate(&scene, &["create", "--retry-for", "0"], &other.path("client.pem"), &other.path("client-key.pem"));
        assert!(ran.code == 5 && ran.stderr.contains("refused the client certificate") && ran.stderr.contains("CA"), "{}", ran.story);
    }
}

#[test]
fn each_fault_of_a_servers_certificate_is_told_apart_and_so_is_an_old_version() {
    let pki = Pki::new();
    pki.issue("good", EC, SERVER, ALWAYS, "ca");
    pki.issue("expired", EC, SERVER, ("20200101000000Z", "20210101000000Z"), "ca");
    pki.issue("early", EC, SERVER, ("20480101000000Z", "20490101000000Z"), "ca");
    pki.issue("elsewhere", EC, ELSEWHERE, ALWAYS, "ca");
    for (certificate, words) in
        [("expired", "has expired"), ("early", "is not valid yet"), ("elsewhere", "is for another host name"), ("good", "does not know")]
    {
        let mut scene = Scene::new();
        let server = Server::nginx(&pki, &scene.sandbox, certificate, "");
        point(&mut scene, &server, &pki);
        if certificate == "good" {
            assert_eq!(scene.run(&["create"]).code, 0);
            scene.unset("JF_TOKEN_CA_FILE");
        }
        let ran = scene.run(&["create", "--retry-for", "0"]);
        assert!(ran.code == 5 && ran.stderr.contains(words), "{certificate}: {}", ran.story);
        let ran = scene.run(&["create", "--insecure-tls"]);
        assert!(ran.code == 0 && ran.stderr.contains("any TLS certificate of localhost is accepted"), "{}", ran.story);
    }
    let server = Server::openssl(&pki, "good", "-tls1_1 -cipher ALL:@SECLEVEL=0");
    let ran = behind(&server, &pki).run(&["create", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("only an older version such as TLS 1.1"), "{}", ran.story);
}

#[test]
fn a_proxy_that_opens_tls_is_trusted_by_its_own_ca() {
    let pki = Pki::new();
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    scene.leaves_the_machine();
    let proxy = Server::start(&pki, |port| {
        let mut command = Command::new(tool("mitmdump"));
        command.args(["--listen-host", "127.0.0.1", "--listen-port", &port.to_string(), "--ssl-insecure", "--set"]);
        command.arg(format!("confdir={}", pki.path("mitm").display()));
        command
    });
    scene.set("HTTPS_PROXY", &format!("http://127.0.0.1:{}", proxy.port));
    let ran = scene.run(&["create", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("a CA that this machine does not know"), "{}", ran.story);
    assert!(ran.stderr.contains("the proxy in HTTPS_PROXY"), "{}", ran.story);
    let ca = pki.path("mitm").join("mitmproxy-ca-cert.pem");
    let ran = scene.run(&["create", "--ca-file", ca.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}\n{}", ran.story, proxy.running.log());
}
