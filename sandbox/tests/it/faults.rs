//! Every fault as a client sees it, and starting and stopping the server.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::client::{Answer, call, call_with, try_call};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, pem::PemObject},
};
use sandbox::{Fault, Sandbox, Tls};

const TOKENS: &str = "/access/api/v1/tokens";

fn mint(sandbox: &Sandbox) -> std::io::Result<Answer> {
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", sandbox.admin_token());
    try_call(sandbox, "POST", TOKENS, &headers, "{}")
}

#[test]
fn resets_and_stalls_lose_the_answer() {
    let sandbox = Sandbox::start();
    let timeout = if cfg!(windows) { ErrorKind::TimedOut } else { ErrorKind::WouldBlock };
    for (fault, seen, minted) in [
        (Fault::ResetBefore, ErrorKind::ConnectionReset, 0),
        (Fault::ResetAfter, ErrorKind::ConnectionReset, 1),
        (Fault::Stall, timeout, 1),
        (Fault::StallAfter, timeout, 2),
    ] {
        sandbox.fault(fault.clone());
        assert_eq!(mint(&sandbox).map_err(|e| e.kind()).err(), Some(seen), "{fault:?}");
        assert_eq!(sandbox.issued().len(), minted, "{fault:?}");
    }
    assert_eq!(mint(&sandbox).unwrap().status, 200);
    assert_eq!(sandbox.requests().len(), 5);
}

#[test]
fn slow_and_broken_answers() {
    let sandbox = Sandbox::start();
    let whole = mint(&sandbox).unwrap().body.len();

    sandbox.fault(Fault::CutShort);
    let cut = mint(&sandbox).unwrap();
    assert_eq!((cut.header("content-length"), cut.body.len()), (whole.to_string().as_str(), whole / 2));

    let began = Instant::now();
    sandbox.fault(Fault::Delay(150));
    assert_eq!(mint(&sandbox).unwrap().body.len(), whole);
    assert!(began.elapsed() >= Duration::from_millis(150));

    let began = Instant::now();
    sandbox.fault_for("ping", Fault::Drip(50), 1);
    assert_eq!(mint(&sandbox).unwrap().body.len(), whole);
    assert_eq!(call_with(&sandbox, "GET", "/access/api/v1/system/ping", "", "").body, "OK");
    assert!(began.elapsed() >= Duration::from_millis(50));

    sandbox.fault(Fault::ContentType("text/plain".into()));
    let odd = mint(&sandbox).unwrap();
    assert_eq!((odd.header("content-type"), odd.body.len()), ("text/plain", whole));
}

#[test]
fn wrong_answers() {
    let sandbox = Sandbox::start();
    let date = "Wed, 21 Oct 2099 07:28:00 GMT";
    for (fault, status, part) in [
        (Fault::Html(502), 502, "Apache Tomcat"),
        (Fault::Status { status: 503, retry_after: Some(date.into()), body: None }, 503, "\"code\" : \"SERVICE_UNAVAILABLE\""),
        (Fault::Status { status: 429, retry_after: None, body: Some("slow down".into()) }, 429, "slow down"),
        (Fault::Body("{}".into()), 200, "{}"),
        (
            Fault::Shape('A', 401),
            401,
            "{\n  \"errors\" : [ {\n    \"code\" : \"UNAUTHORIZED\",\n    \"message\" : \"Invalid token, expired\"\n  } ]\n}",
        ),
        (Fault::Shape('B', 400), 400, "\"detail\""),
        (Fault::Shape('C', 401), 401, "Bad credentials"),
        (Fault::Shape('D', 400), 400, "error_description"),
        (Fault::Shape('E', 401), 401, "Found invalid token"),
        (Fault::Shape('F', 403), 403, "Forbidden"),
        (Fault::Shape('G', 500), 500, "<!doctype html>"),
    ] {
        sandbox.fault(fault.clone());
        let answer = mint(&sandbox).unwrap();
        assert_eq!(answer.status, status, "{fault:?}");
        assert!(answer.body.contains(part), "{fault:?}: {}", answer.body);
        if matches!(&fault, Fault::Status { status: 503, .. }) {
            assert_eq!(answer.header("retry-after"), date);
        }
    }
    assert!(sandbox.issued().is_empty());
    sandbox.fault(Fault::StatusAfter { status: 502 });
    assert_eq!(mint(&sandbox).unwrap().status, 502);
    assert_eq!(sandbox.issued().len(), 1);
}

#[test]
fn redirects_and_the_order_of_faults() {
    let sandbox = Sandbox::start();
    sandbox.fault_for("POST /access", Fault::RedirectLoop, 2);
    sandbox.fault(Fault::RedirectSameHost);
    sandbox.fault(Fault::RedirectTo("http://elsewhere.example".into()));
    let url = sandbox.url();
    for to in [
        format!("{url}{TOKENS}"),
        format!("{url}{TOKENS}"),
        format!("{url}{TOKENS}?redirected=1"),
        format!("http://elsewhere.example{TOKENS}"),
    ] {
        let answer = mint(&sandbox).unwrap();
        assert_eq!((answer.status, answer.header("location")), (307, to.as_str()));
    }
    assert_eq!(mint(&sandbox).unwrap().status, 200);
}

#[test]
fn scripts_can_queue_faults_list_requests_and_pause_the_server() {
    let sandbox = Sandbox::start();
    let control = |body: &str| call(&sandbox, "POST", "/sandbox/faults", "", body).status;
    assert_eq!(control(r#"{"fault":"status","status":503,"retry_after":"2","for":"POST","times":2}"#), 204);
    assert_eq!(control(r#"{"fault":"stahl"}"#), 400);
    assert_eq!(control(r#"{"fault":"delay"}"#), 400);
    let statuses: Vec<_> = (0..3).map(|_| mint(&sandbox).unwrap().status).collect();
    assert_eq!(statuses, [503, 503, 200]);
    let seen = |path| call(&sandbox, "GET", path, "", "").json();
    assert_eq!(seen("/sandbox/requests").as_array().unwrap().len(), 3);
    assert_eq!(seen("/sandbox/issued")[0]["live"], true);

    assert_eq!(call(&sandbox, "POST", "/sandbox/pause?ms=300", "", "").status, 204);
    assert!(TcpStream::connect(("127.0.0.1", sandbox.port())).is_err());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(mint(&sandbox).unwrap().status, 200);
}

#[test]
fn a_paused_or_dropped_server_refuses_connections_and_closes_pooled_ones() {
    let sandbox = Sandbox::start();
    let port = sandbox.port();
    let pooled = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(b"GET /access/api/v1/system/ping HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream
    };
    let mut held = pooled();
    sandbox.pause();
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(held.read(&mut [0; 1]).unwrap(), 0);
    sandbox.resume();
    let mut held = pooled();
    drop(sandbox);
    assert!(matches!(held.read(&mut [0; 1]), Ok(0) | Err(_)));
    assert_eq!(TcpStream::connect(("127.0.0.1", port)).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn each_kind_of_certificate_is_accepted_or_refused_as_expected() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    for (tls, complaint) in
        [(Tls::Valid, None), (Tls::Expired, Some("certificate expired")), (Tls::WrongName, Some("certificate not valid for name"))]
    {
        let sandbox = Sandbox::builder().tls(tls).start();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
        let tcp = TcpStream::connect(("127.0.0.1", sandbox.port())).unwrap();
        let mut stream = StreamOwned::new(tls, tcp);
        let mut answer = String::new();
        let result = stream
            .write_all(b"GET /access/api/v1/system/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .and_then(|()| stream.read_to_string(&mut answer));
        match complaint {
            None => assert!(result.is_ok() && answer.ends_with("OK"), "{result:?} {answer}"),
            Some(part) => {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(part), "{error}");
            }
        }
    }
}
