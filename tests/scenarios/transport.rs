//! How the platform is reached: client certificates, private CAs, headers for a gateway, proxies.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox::{Fault, Sandbox, Tls};

use crate::support::{Ran, Scene, encodings, leaks};
use crate::tells;

/// A platform that demands a client certificate, and the client's in `client.pem` and `client-key.pem`.
fn demanding() -> Scene {
    let scene = Scene::with(Sandbox::builder().tls(Tls::Demanding));
    let (certificate, key) = scene.sandbox.client_certificate();
    scene.write("tmp/client.pem", certificate);
    scene.write("tmp/client-key.pem", key);
    scene
}

fn with_certificate(scene: &Scene, arguments: &[&str]) -> Ran {
    let (certificate, key) = (scene.path("tmp/client.pem"), scene.path("tmp/client-key.pem"));
    let paths = ["--client-cert-path", certificate.to_str().unwrap(), "--client-cert-key-path", key.to_str().unwrap()];
    scene.run(&[arguments, &paths].concat())
}

/// The headers of this name in the requests of a run.
fn header(scene: &Scene, name: &str) -> Vec<String> {
    let headers = scene.sandbox.requests().into_iter().flat_map(|request| request.headers);
    headers.filter(|(other, _)| other == name).map(|(_, value)| value).collect()
}

/// A server that says the same to everybody, and what it was told.
struct Parrot {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Parrot {
    fn new(answer: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = heard.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
                    request.push(byte[0]);
                }
                all.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { port, heard }
    }

    fn url(&self, user: &str) -> String {
        format!("http://{user}127.0.0.1:{}", self.port)
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().concat()
    }
}

#[test]
fn a_client_certificate_beside_a_token_opens_the_door() {
    let mut scene = demanding();
    let ran = scene.run(&["create", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("the server wants a client certificate"), "{}", ran.story);
    assert!(ran.stderr.contains("--client-cert-path"), "{}", ran.story);
    assert_eq!(with_certificate(&scene, &["create"]).code, 0);
    // The same as values, in every way that a CI without files can hold them.
    let (certificate, key) = scene.sandbox.client_certificate();
    let (certificate, key) = (certificate.to_owned(), key.to_owned());
    let base64 = |text: &str| STANDARD.encode(text);
    let one_line = |text: &str| text.trim().replace('\n', "\\n");
    for (certificate, key) in [
        (certificate.clone(), key.clone()),
        (base64(&certificate), base64(&key)),
        (one_line(&certificate), one_line(&key)),
        (certificate.replace('\n', "\r\n"), base64(&key.replace('\n', "\r\n"))),
    ] {
        scene.set("JF_TOKEN_CLIENT_CERT", &certificate).set("JF_TOKEN_CLIENT_CERT_KEY", &key);
        let ran = scene.run(&["create"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
    }
}

#[test]
fn another_certificate_than_the_servers_is_refused_with_its_words() {
    let scene = demanding();
    let other = demanding();
    let (certificate, key) = other.sandbox.client_certificate();
    scene.write("tmp/client.pem", certificate);
    scene.write("tmp/client-key.pem", key);
    let ran = with_certificate(&scene, &["create", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("refused the client certificate that --client-cert-path gives"), "{}", ran.story);
}

#[test]
fn a_client_certificate_alone_is_a_credential_and_no_other_header_is_sent() {
    let mut scene = demanding();
    scene.unset("JF_ACCESS_TOKEN");
    // The sandbox wants a token, so it refuses; but it was asked.
    let ran = with_certificate(&scene, &["create", "--retry-for", "0", "--verbose"]);
    assert!(ran.code == 4 && ran.story.contains("--- request POST /access/api/v1/tokens"), "{}", ran.story);
    assert!(ran.stderr.contains("alone stands for no user here"), "{}", ran.story);
    assert!(!ran.story.contains("\nauthorization:") && !ran.stderr.contains("> authorization"), "{}", ran.story);
    // Over plain http it would prove nothing.
    let mut plain = Scene::new();
    let (certificate, key) = (scene.path("tmp/client.pem"), scene.path("tmp/client-key.pem"));
    plain.set("JF_TOKEN_CLIENT_CERT_PATH", certificate.to_str().unwrap()).set("JF_TOKEN_CLIENT_CERT_KEY_PATH", key.to_str().unwrap());
    assert_eq!(plain.run(&["create"]).code, 0);
    let ran = plain.unset("JF_ACCESS_TOKEN").run(&["create"]);
    assert!(ran.code == 2 && ran.stderr.contains("plain http") && !ran.story.contains("--- request"), "{}", ran.story);
}

#[test]
fn every_wrong_certificate_or_key_has_its_own_message_and_nothing_is_sent() {
    let other = demanding();
    let other_key = other.sandbox.client_certificate().1.to_owned();
    let scene = demanding();
    let (certificate, key) = scene.sandbox.client_certificate();
    let (certificate, key) = (&*certificate.replace('\r', ""), &*key.replace('\r', ""));
    let der = |pem: &str| STANDARD.decode(pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let cases: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("swapped", key.into(), certificate.into()),
        ("the certificate twice", certificate.into(), certificate.into()),
        ("the key twice", key.into(), key.into()),
        ("another's key", certificate.into(), other_key.into()),
        ("the CA first", [scene.sandbox.ca_pem(), certificate].concat().into(), key.into()),
        ("encrypted", certificate.into(), key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY").into()),
        ("encrypted in the old way", certificate.into(), key.replacen("-----\n", "-----\nProc-Type: 4,ENCRYPTED\n\n", 1).into()),
        ("DER certificate", der(certificate), key.into()),
        ("DER key", certificate.into(), der(key)),
        ("PKCS#12", [0x30, 0x82, 1, 1, 2, 1, 3, 0x30].into(), key.into()),
        ("an SSH key", certificate.into(), key.replace("PRIVATE", "OPENSSH PRIVATE").into()),
        ("empty certificate", Vec::new(), key.into()),
        ("empty key", certificate.into(), b" \n".into()),
        ("a huge certificate", vec![0xff; 10 << 20], key.into()),
        ("a huge key", certificate.into(), vec![0xff; 10 << 20]),
        ("a page", b"<html></html>".into(), key.into()),
        ("UTF-16 without its mark", encodings(certificate)[2][2..].into(), key.into()),
        ("cut short", certificate[..200].into(), key.into()),
        ("on one line", certificate.replace('\n', " ").into(), key.into()),
        ("no certificate in it", certificate.replace("CERTIFICATE", "X509 CRL").into(), key.into()),
        ("not X.509", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into(), key.into()),
        ("no key in it", certificate.into(), b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into()),
    ];
    let mut told = String::new();
    let mut tell = |name: &str, ran: &Ran| {
        assert!(ran.code == 2 && !ran.story.contains("--- request"), "{name}: {}", ran.story);
        assert!(key.lines().skip(1).all(|line| line.starts_with('-') || !leaks(&ran.stderr, line)), "{name}: {}", ran.stderr);
        told += &format!("{name}:\n{}", scene.tidy(&ran.stderr));
    };
    for (name, certificate, key) in cases {
        fs::write(scene.path("tmp/client.pem"), certificate).unwrap();
        fs::write(scene.path("tmp/client-key.pem"), key).unwrap();
        tell(name, &with_certificate(&scene, &["create"]));
    }
    let (good, good_key) = (scene.write("tmp/good.pem", certificate), scene.write("tmp/good-key.pem", key));
    let (good, good_key) = (good.to_str().unwrap(), good_key.to_str().unwrap());
    let both = scene.write("tmp/both.pem", &[key, certificate].concat());
    for (name, arguments) in [
        ("only the certificate", &["--client-cert-path", good][..]),
        ("only a certificate with its key", &["--client-cert-path", both.to_str().unwrap()]),
        ("only the key", &["--client-cert-key-path", good_key]),
        ("a missing file", &["--client-cert-path", "none.pem", "--client-cert-key-path", good_key]),
        ("a folder", &["--client-cert-path", good, "--client-cert-key-path", "."]),
        ("a file's name as a value", &["--client-cert", good, "--client-cert-key-path", good_key]),
        ("given twice", &["--client-cert", certificate, "--client-cert-path", good, "--client-cert-key-path", good_key]),
        ("a missing CA file", &["--ca-file", "none.pem"]),
        ("a key as CA file", &["--ca-file", good_key]),
    ] {
        let ran = scene.run(&[&["create"], arguments].concat());
        tell(name, &ran);
    }
    let ran = scene.run(&["create", "--client-cert-path", both.to_str().unwrap(), "--client-cert-key-path", both.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "one file may hold both: {}", ran.story);
    for (certificate, key) in encodings(&certificate.replace('\n', "\r\n")).iter().zip(encodings(&key.replace('\n', "\r\n"))) {
        scene.write("tmp/client.pem", certificate);
        scene.write("tmp/client-key.pem", &key);
        assert_eq!(with_certificate(&scene, &["create"]).code, 0, "another encoding and CRLF are no fault");
    }
    // A path with backslashes is not one that a command for a shell could hold.
    if !cfg!(windows) {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
    }
}

#[test]
fn a_private_ca_is_trusted_from_wherever_it_is_given() {
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let other = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let (own, others) = (scene.sandbox.ca_pem().to_owned(), other.sandbox.ca_pem().to_owned());
    let elsewhere = scene.write("tmp/other.pem", &others);
    scene.set("SSL_CERT_FILE", elsewhere.to_str().unwrap());
    let ran = scene.run(&["create"]);
    assert!(ran.code == 5 && ran.stderr.contains("--ca-file"), "{}", ran.story);
    let bundle = scene.write("tmp/bundle.pem", &format!("# one\n{others}\n# two\n{own}"));
    assert_eq!(scene.run(&["create", "--ca-file", bundle.to_str().unwrap()]).code, 0);
    let utf16 = scene.write("tmp/utf16.pem", &encodings(&own)[2]);
    assert_eq!(scene.run(&["create", "--ca-file", utf16.to_str().unwrap()]).code, 0);
    scene.unset("SSL_CERT_FILE");
    assert_eq!(scene.run(&["create", "--ca-file", bundle.to_str().unwrap()]).code, 0);
    // A folder of CAs
    fs::create_dir(scene.path("tmp/folder")).unwrap();
    scene.write("tmp/folder/0123abcd.0", &own);
    let folder = scene.path("tmp/folder");
    assert_eq!(scene.set("SSL_CERT_DIR", folder.to_str().unwrap()).run(&["create"]).code, 0);
    // jf's own, in both places
    scene.set("SSL_CERT_DIR", scene.path("work").to_str().unwrap().to_owned().as_str()).set("SSL_CERT_FILE", elsewhere.to_str().unwrap());
    for (variable, home, certs) in
        [("JFROG_CLI_HOME_DIR", "tmp/jf", "tmp/jf/security/certs"), ("HOME", "tmp/home", "tmp/home/.jfrog/security/certs")]
    {
        fs::create_dir_all(scene.path(certs)).unwrap();
        scene.write(&format!("{certs}/ours.pem"), &own);
        scene.write(&format!("{certs}/wrong.pem"), "nothing");
        let home = scene.path(home);
        let ran = scene.set(variable, home.to_str().unwrap()).run(&["create"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
        assert!(ran.stderr.contains("warning") && ran.stderr.contains("wrong.pem holds no PEM text"), "{}", ran.story);
        scene.unset(variable);
    }
}

// Windows has its own words for what is wrong with a file.
#[cfg(not(windows))]
#[test]
fn what_is_wrong_with_ssl_cert_file_is_said_before_anything_is_sent() {
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let (ca, key) = (scene.sandbox.ca_pem().to_owned(), scene.sandbox.client_certificate().1.to_owned());
    scene.write("tmp/good.pem", &ca);
    let no_x509 = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let mut told = String::new();
    for text in ["", "<html></html>", &key, no_x509, &ca[..200]] {
        scene.write("tmp/ca.pem", text);
        // The platform's CA beside it does not hide that.
        for arguments in [&["create"][..], &["create", "--ca-file", "../tmp/good.pem"]] {
            let ran = scene.run(arguments);
            assert!(ran.code == 2 && !ran.story.contains("--- request"), "{text}: {}", ran.story);
            told += &scene.tidy(&ran.stderr);
        }
    }
    for path in ["none.pem", "."] {
        let ran = scene.set("SSL_CERT_FILE", path).run(&["create"]);
        assert!(ran.code == 2 && !ran.story.contains("--- request"), "{path}: {}", ran.story);
        told += &ran.stderr;
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
    // A bundle may hold what is of no use, and words in any alphabet.
    let bundle = [b"caf\xe9\n", no_x509.as_bytes(), key.as_bytes(), ca.as_bytes()].concat();
    fs::write(scene.path("tmp/bundle.pem"), bundle).unwrap();
    assert_eq!(scene.set("SSL_CERT_FILE", "../tmp/bundle.pem").run(&["create"]).code, 0);
    // For plain http nothing is read.
    let mut plain = Scene::new();
    assert_eq!(plain.set("SSL_CERT_FILE", "none.pem").run(&["create"]).code, 0);
}

#[test]
fn a_ca_that_is_not_known_is_named_and_a_certificate_that_signed_itself_is_said_to_have() {
    let stranger = Scene::with(Sandbox::builder().tls(Tls::Valid));
    for (name, tls, by_ca_file) in
        [("unknown_root", Tls::Chained, true), ("self_signed", Tls::SelfSigned, true), ("self_signed_ca", Tls::SelfSignedCa, false)]
    {
        let mut scene = Scene::with(Sandbox::builder().tls(tls));
        assert_eq!(scene.run(&["create"]).code, if by_ca_file { 0 } else { 5 }, "{tls:?}");
        let (own, other) =
            (scene.write("tmp/own-ca.pem", scene.sandbox.ca_pem()), scene.write("tmp/other-ca.pem", stranger.sandbox.ca_pem()));
        scene.set("SSL_CERT_FILE", other.to_str().unwrap());
        tells!(format!("certificate_{name}"), scene.run(&["create"]));
        let ran = scene.run(&["create", "--ca-file", own.to_str().unwrap()]);
        assert_eq!(ran.code, if by_ca_file { 0 } else { 5 }, "{}", ran.story);
    }
}

#[test]
fn jfs_certificates_are_not_read_for_plain_http() {
    let mut scene = Scene::new();
    fs::create_dir_all(scene.path("tmp/jf/security/certs")).unwrap();
    scene.write("tmp/jf/security/certs/wrong.pem", "nothing");
    let jf = scene.path("tmp/jf");
    let ran = scene.set("JFROG_CLI_HOME_DIR", jf.to_str().unwrap()).run(&["create"]);
    assert!(ran.code == 0 && ran.stderr.is_empty(), "{}", ran.story);
}

#[test]
fn insecure_tls_accepts_any_certificate_and_warns_once() {
    for tls in [Tls::Valid, Tls::Expired, Tls::NotYetValid, Tls::WrongName] {
        let mut scene = Scene::with(Sandbox::builder().tls(tls));
        scene.unset("SSL_CERT_FILE");
        assert_eq!(scene.run(&["create", "--retry-for", "0"]).code, 5, "{tls:?}");
        let ran = scene.run(&["create", "--insecure-tls"]);
        assert_eq!(ran.code, 0, "{}", ran.story);
        assert_eq!(ran.stderr.matches("any TLS certificate of localhost is accepted").count(), 1, "{}", ran.stderr);
        assert!(ran.stderr.contains("--insecure-tls:"), "{}", ran.stderr);
        let ran = scene.set("JF_TOKEN_INSECURE_TLS", "true").run(&["create"]);
        assert!(ran.code == 0 && ran.stderr.contains("JF_TOKEN_INSECURE_TLS:"), "{}", ran.stderr);
    }
}

#[test]
fn what_is_given_for_the_platform_goes_to_no_other() {
    // A token of another platform is in the session: neither the header nor --insecure-tls is for that.
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    scene.run(&["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    let other = Scene::with(Sandbox::builder().tls(Tls::Valid));
    scene.set("JF_URL", &other.sandbox.url()).set("JF_TOKEN_HEADER", "X-Gate=opens-for-the-platform").set("JF_TOKEN_INSECURE_TLS", "true");
    let before = scene.sandbox.requests().len();
    let stranger = scene.write("tmp/other-ca.pem", other.sandbox.ca_pem());
    let ran = scene.set("SSL_CERT_FILE", stranger.to_str().unwrap()).run(&["revoke", "--session", "s", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("a CA that this machine does not know"), "{}", ran.story);
    assert!(!ran.stderr.contains("is accepted") && scene.sandbox.requests().len() == before, "{}", ran.story);
    let own = scene.write("tmp/own-ca.pem", scene.sandbox.ca_pem());
    scene.set("SSL_CERT_FILE", own.to_str().unwrap());
    let output = scene.command(crate::support::BINARY, &["revoke", "--session", "s"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!scene.sandbox.requests().is_empty() && header(&scene, "x-gate").is_empty());

    // Nor is it for the CI's identity service.
    let service = Parrot::new("HTTP/1.1 200 OK\r\nContent-Length: 27\r\nConnection: close\r\n\r\n{\"value\": \"an.identity.tok\"}");
    let mut scene = Scene::github();
    scene.unset("JF_ACCESS_TOKEN").set("JF_TOKEN_OIDC_PROVIDER", "p").set("JF_TOKEN_HEADER", "X-Gate: opens-for-the-platform");
    scene.set("ACTIONS_ID_TOKEN_REQUEST_URL", &service.url("")).set("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer-of-the-service");
    let _ = scene.command(crate::support::BINARY, &["create", "--retry-for", "0"]).output().unwrap();
    assert!(service.heard().contains("bearer-of-the-service"), "{}", service.heard());
    assert!(!service.heard().to_lowercase().contains("x-gate"), "{}", service.heard());
}

#[test]
fn a_gateways_headers_go_with_every_request_and_are_never_shown() {
    let mut scene = Scene::github();
    scene.set("JF_TOKEN_HEADER", "X-Gate=opens-for-the-platform\n\n X-Second: one=two-three-four \n");
    let ran = scene.run(&["create", "--session", "s", "--expiry", "1h", "--refreshable", "--force-revocable", "--verbose"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mask = ran.stderr.find("::add-mask::opens-for-the-platform").unwrap();
    assert!(mask < ran.stderr.find("> POST").unwrap(), "it must be masked before anything is said: {}", ran.stderr);
    let talk: String = ran.stderr.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    assert!(talk.contains("> x-gate: ***") && !talk.contains("opens-for") && !talk.contains("two-three"), "{talk}");
    for arguments in [&["refresh", "--session", "s"][..], &["inspect", "--session", "s", "--online"], &["revoke", "--session", "s"]] {
        let output = scene.command(crate::support::BINARY, arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (gate, second, count) = (header(&scene, "x-gate"), header(&scene, "x-second"), scene.sandbox.requests().len());
        assert!(count > 0 && gate.len() == count && gate.iter().all(|value| value == "opens-for-the-platform"), "{arguments:?} {gate:?}");
        assert!(second.len() == count && second.iter().all(|value| value == "one=two-three-four"), "{second:?}");
        scene.sandbox.clear_requests();
    }
    // A server may echo it.
    let body = Some(r#"{"errors":[{"status":403,"message":"no way for opens-for-the-platform"}]}"#.into());
    scene.sandbox.fault_for("POST", Fault::Status { status: 403, retry_after: None, body }, 1);
    let ran = scene.run(&["create", "--verbose", "--retry-for", "0"]);
    assert!(ran.code == 4 && ran.stderr.contains("no way for ***"), "{}", ran.story);
    scene.sandbox.fault_for("POST", Fault::RedirectTo("https://elsewhere.example/opens-for-the-platform".into()), 1);
    let ran = scene.run(&["create", "--retry-for", "0"]);
    let talk: String = ran.stderr.lines().filter(|line| !line.starts_with("::add-mask::")).collect();
    assert!(ran.code == 4 && !talk.contains("opens-for"), "{}", ran.story);
}

#[cfg(unix)]
#[test]
fn a_program_gets_neither_the_header_nor_the_key_and_can_print_neither() {
    let mut scene = demanding();
    let (certificate, key) = (scene.path("tmp/client.pem"), scene.path("tmp/client-key.pem"));
    scene.set("JF_TOKEN_CLIENT_CERT_PATH", certificate.to_str().unwrap()).set("JF_TOKEN_CLIENT_CERT_KEY_PATH", key.to_str().unwrap());
    scene.set("JF_TOKEN_HEADER", "X-Gate=opens-for-the-platform").set("OTHER", "my opens-for-the-platform").set("PATH", "/usr/bin:/bin");
    let ran = scene.run(&["exec", "--", "sh", "-c", &format!("env; echo opens-for-the-platform; cat {}", key.display())]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let key = scene.read("tmp/client-key.pem");
    assert!(!ran.stdout.contains("opens-for") && !ran.stdout.contains("OTHER="), "{}", ran.stdout);
    assert!(ran.stdout.contains("PRIVATE KEY") && key.lines().skip(1).all(|line| line.starts_with('-') || !ran.stdout.contains(line)));
}

#[test]
fn a_header_that_can_not_be_sent_is_refused_without_showing_it() {
    let mut told = String::new();
    for header in [
        "secret-without-a-name",
        "=secret-value",
        "X-Gate=",
        "c2VjcmV0LXZhbHVl==",
        "na me=secret-value",
        "X-Gate=ok\nX-Two=secr\u{e9}t-value",
        "X-Gate=secret\tvalue\u{7}",
        "Authorization=Bearer secret-value",
        "authorization: secret-value",
        "HOST=secret-value",
        "Content-Length=12",
        "Content-Type=secret-value",
        "Proxy-Authorization=secret-value",
        "Transfer-Encoding=secret-value",
        "Connection=secret-value",
    ] {
        let mut scene = Scene::new();
        let ran = scene.set("JF_TOKEN_HEADER", header).run(&["create"]);
        assert!(ran.code == 2 && !ran.stderr.contains("secr") && !ran.story.contains("--- request"), "{header:?}: {}", ran.story);
        told += &format!("{header:?}: {}", ran.stderr);
    }
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, { insta::assert_snapshot!(told) });
    let ran = Scene::new().run(&["create", "--header", "X-Gate=some-value"]);
    assert!(ran.code == 0 && ran.stderr.contains("--header is on the argument list"), "{}", ran.story);
}

#[test]
fn a_keeper_goes_the_same_way() {
    let mut scene = demanding();
    let (certificate, key) = (scene.path("tmp/client.pem"), scene.path("tmp/client-key.pem"));
    let ca = scene.path("tmp/ca.pem");
    // The value of lower precedence must not get in the keeper's way.
    scene.set("JF_TOKEN_CLIENT_CERT", "not the one").unset("SSL_CERT_FILE");
    let paths = ["--client-cert-path", certificate.to_str().unwrap(), "--client-cert-key-path", key.to_str().unwrap()];
    let way = [&["--ca-file", ca.to_str().unwrap(), "--header", "X-Gate=opens-for-the-keeper", "--session", "s"], &paths[..]].concat();
    let pid = std::process::id().to_string();
    let run = |arguments: &[&str]| {
        let output = scene.command(crate::support::BINARY, &[arguments, &way].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["create", "--expiry", "3", "--force-revocable", "--format", "none", "--keep-fresh", "--until-pid", &pid]);
    #[cfg(unix)]
    for secret in ["opens-for-the-keeper", "client.pem", "client-key.pem"] {
        assert!(!crate::support::processes::started_with(scene.wait_for_keeper()).contains(secret), "{secret}");
    }
    crate::support::wait_until("a renewal", || scene.sandbox.issued().len() >= 3);
    run(&["revoke"]);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
    assert_eq!(header(&scene, "x-gate").len(), scene.sandbox.requests().len());
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_told() {
    tells!("certificate_not_valid_yet", Scene::with(Sandbox::builder().tls(Tls::NotYetValid)).run(&["create"]));
}

#[test]
fn what_nginx_says_of_client_certificates_is_understood() {
    let scene = Scene::new();
    for (status, page, words) in [
        (400, "<h1>400 Bad Request</h1>No required SSL certificate was sent", "wants a client certificate (400)"),
        (400, "<h1>400 Bad Request</h1>The SSL certificate error", "wants a client certificate (400)"),
        (496, "<html></html>", "wants a client certificate (496)"),
        (495, "<html></html>", "wants a client certificate (495)"),
    ] {
        scene.sandbox.fault_for("POST", Fault::Status { status, retry_after: None, body: Some(page.into()) }, 1);
        let ran = scene.run(&["create", "--retry-for", "0"]);
        assert!(ran.code == 4 && ran.stderr.contains(words), "{}", ran.story);
    }
}

#[cfg(unix)]
#[test]
fn a_proxys_password_is_decoded_sent_and_never_shown() {
    let proxy = Parrot::new("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    for (tls, variable) in [(false, "http_proxy"), (false, "HTTP_PROXY"), (true, "https_proxy"), (true, "HTTPS_PROXY")] {
        let mut scene = if tls { Scene::with(Sandbox::builder().tls(Tls::Valid)) } else { Scene::new() };
        scene.leaves_the_machine().set(variable, &proxy.url("us%40er:p%3Ass%2Fword@"));
        let ran = scene.run(&["create", "--retry-for", "0", "--verbose"]);
        assert!(ran.code == 5 && ran.stderr.contains(&format!("the proxy in {variable}")) && ran.stderr.contains("407"), "{}", ran.story);
        assert!(!ran.stderr.contains("ss%2Fword") && !ran.stderr.contains("ss/word"), "{}", ran.story);
        let told = STANDARD.encode("us@er:p:ss/word");
        assert!(proxy.heard().to_lowercase().contains(&format!("proxy-authorization: basic {}", told.to_lowercase())), "{}", proxy.heard());
        proxy.heard.lock().unwrap().clear();
    }
}

#[cfg(unix)]
#[test]
fn a_proxy_that_answers_itself_is_said_to() {
    for (answer, plain, tunnel) in [
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>", 4, 5),
        ("HTTP/1.1 200 OK\r\nContent-Length: 13\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html></html>", 6, 5),
        ("HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 4, 5),
    ] {
        let proxy = Parrot::new(answer);
        for (tls, code) in [(false, plain), (true, tunnel)] {
            let mut scene = if tls { Scene::with(Sandbox::builder().tls(Tls::Valid)) } else { Scene::new() };
            let ran = scene.leaves_the_machine().set("ALL_PROXY", &proxy.url("")).run(&["create", "--retry-for", "0"]);
            assert!(ran.code == code && ran.stderr.contains("the proxy in ALL_PROXY"), "{answer}: {}", ran.story);
        }
    }
}

#[test]
fn a_proxy_that_can_not_be_reached_is_named_and_not_the_platform() {
    for (proxy, came) in [
        ("http://127.0.0.1:1", "the proxy refused the connection"),
        ("http://proxy.invalid:3128", "the proxy's host name can't be resolved"),
    ] {
        for variable in ["https_proxy", "http_proxy"] {
            let mut scene = Scene::new();
            let url = format!("{}://acme.invalid", variable.trim_end_matches("_proxy"));
            scene.set("JF_URL", &url).set("JF_TOKEN_INSECURE_HTTP", "true").set(variable, proxy);
            let ran = scene.run(&["create", "--retry-for", "0"]);
            let named = format!("{came}\n");
            assert!(ran.code == 5 && ran.stderr.contains(&named) && ran.stderr.contains(variable), "{}", ran.story);
        }
    }
}

#[test]
fn no_proxy_may_name_a_port() {
    let mut scene = Scene::new();
    let port = scene.sandbox.port();
    scene.leaves_the_machine().set("http_proxy", "http://127.0.0.1:1");
    for (list, goes_past) in [
        (format!("0.0.0.0:{port}"), true),
        (format!("a.example:1 , 0.0.0.0:{port}"), true),
        ("0.0.0.0:1".into(), false),
        (format!("a.example:{port}"), false),
        ("[::1]:80,::1,0.0.0.0".into(), true),
    ] {
        for name in ["NO_PROXY", "no_proxy"] {
            let ran = scene.set(name, &list).run(&["create", "--retry-for", "0"]);
            assert_eq!(ran.code, if goes_past { 0 } else { 5 }, "{name}={list}: {}", ran.story);
            scene.unset(name);
        }
    }
}

#[test]
fn a_proxy_by_https_is_not_shown_the_client_certificate() {
    let mut scene = demanding();
    scene.leaves_the_machine().set("https_proxy", "https://127.0.0.1:1");
    let ran = with_certificate(&scene, &["create", "--retry-for", "0"]);
    assert!(ran.code == 2 && ran.stderr.contains("https_proxy names a proxy by https"), "{}", ran.story);
}

#[test]
fn insecure_tls_is_not_for_a_proxy_that_is_spoken_to_by_https() {
    let mut scene = Scene::with(Sandbox::builder().tls(Tls::Valid));
    let proxy = Sandbox::builder().tls(Tls::Valid).start();
    scene.leaves_the_machine().set("https_proxy", &format!("https://localhost:{}", proxy.port()));
    let ran = scene.run(&["create", "--retry-for", "0", "--insecure-tls"]);
    assert!(ran.code == 5 && ran.stderr.contains("a CA that this machine does not know"), "{}", ran.story);
    assert!(ran.stderr.contains("any TLS certificate of 0.0.0.0 is accepted"), "{}", ran.story);
}

#[test]
fn the_client_certificate_is_shown_to_the_platform_that_was_given_only() {
    let mut scene = demanding();
    let ran = with_certificate(&scene, &["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--format", "none"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let url = scene.sandbox.url();
    scene.set("JF_URL", "https://localhost:1");
    let ran = with_certificate(&scene, &["revoke", "--session", "s", "--retry-for", "0"]);
    assert!(ran.code == 5 && ran.stderr.contains("the server wants a client certificate"), "{}", ran.story);
    assert!(ran.stderr.contains("shown only to the platform that JF_URL names"), "{}", ran.story);
    scene.set("JF_URL", &url);
    assert_eq!(with_certificate(&scene, &["revoke", "--session", "s"]).code, 0);
    assert!(scene.sandbox.issued().iter().all(|issued| !issued.live));
}

#[test]
fn the_client_certificate_of_a_configured_server_is_shown_to_it() {
    let mut scene = demanding();
    let (certificate, key) = (scene.path("tmp/client.pem"), scene.path("tmp/client-key.pem"));
    fs::create_dir_all(scene.path("tmp/jf")).unwrap();
    let server = serde_json::json!({ "serverId": "s", "url": scene.sandbox.url(), "accessToken": scene.sandbox.admin_token(),
        "clientCertPath": certificate, "clientCertKeyPath": key, "isDefault": true });
    scene.asks_for("jfrog-cli.conf.v6");
    scene.write("tmp/jf/jfrog-cli.conf.v6", &serde_json::json!({ "servers": [server], "version": "6" }).to_string());
    let jf = scene.path("tmp/jf");
    scene.unset("JF_ACCESS_TOKEN").unset("JF_URL").set("JFROG_CLI_HOME_DIR", jf.to_str().unwrap());
    let ran = scene.run(&["create", "--server-id", "s", "--retry-for", "0"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    // One that is given comes before it, for a keeper too.
    let paths = ["--client-cert-path", certificate.to_str().unwrap(), "--client-cert-key-path", key.to_str().unwrap()];
    let pid = std::process::id().to_string();
    for given in [&paths[..], &[]] {
        let keep =
            ["create", "--server-id", "s", "--session", "k", "--format", "none", "--expiry", "3", "--keep-fresh", "--until-pid", &pid];
        let before = scene.sandbox.issued().len();
        let output = scene.command(crate::support::BINARY, &[&keep[..], given].concat()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        crate::support::wait_until("a renewal", || scene.sandbox.issued().len() >= before + 2);
        let output = scene.command(crate::support::BINARY, &["revoke", "--session", "k", "--server-id", "s"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    fs::remove_file(&key).unwrap();
    let ran = scene.run(&["create", "--server-id", "s", "--retry-for", "0"]);
    assert!(ran.code == 2 && ran.stderr.contains("jf's configuration: can't read"), "{}", ran.story);
}

#[test]
fn the_action_takes_all_of_it_by_inputs() {
    use base64::Engine;
    let mut scene = demanding();
    let token = scene.sandbox.admin_token().to_owned();
    let base64 = |path: &str| STANDARD.encode(scene.read(path));
    let (certificate, key, ca) = (base64("tmp/client.pem"), base64("tmp/client-key.pem"), scene.path("tmp/ca.pem").display().to_string());
    scene.in_github().unset("JF_ACCESS_TOKEN").unset("SSL_CERT_FILE");
    let inputs = [
        ("access-token", token.as_str()),
        ("client-cert", certificate.as_str()),
        ("client-cert-key", key.as_str()),
        ("ca-file", ca.as_str()),
        ("header", "X-Gateway-Key: opens-for-the-platform"),
    ];
    let ran = scene.be_action(&inputs).run(&["create"]);
    assert_eq!(ran.code, 0, "{}", ran.story);
    let mask = ran.stderr.find("::add-mask::opens-for-the-platform").unwrap();
    assert_eq!(ran.stderr.rfind("opens-for-the-platform"), Some(mask + "::add-mask::".len()), "{}", ran.stderr);
    assert!(ran.story.contains("POST /access/api/v1/tokens") && scene.sandbox.issued()[0].live, "{}", ran.story);
}
