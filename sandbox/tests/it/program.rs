//! The sandbox as a program.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::client::send;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sandbox");

/// Stops the program even if the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the program; the values of the first variables that it exports.
fn exports(args: &[&str], names: &[&str]) -> (Running, Vec<String>) {
    let mut child = Command::new(PROGRAM).args(args).arg("--print-env").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let value = |(name, line): (&&str, String)| line.strip_prefix(&format!("export {name}='")).unwrap().trim_end_matches('\'').to_owned();
    let values = names.iter().zip(lines).map(value).collect();
    (Running(child), values)
}

/// The answer to a request for this URL.
fn ask(method: &str, url: &str, headers: &str, body: &str) -> Value {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let port = host.rsplit_once(':').unwrap().1.parse().unwrap();
    send(port, Duration::from_secs(20), method, &format!("/{path}"), headers, body).unwrap().json()
}

#[test]
fn with_an_identity_it_exports_githubs_variables_and_trusts_their_token() {
    let names = ["JF_URL", "JF_ACCESS_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
    let (_running, values) = exports(&["--identity"], &names);
    let identity = ask("GET", &format!("{}&audience=any", values[2]), &format!("Authorization: Bearer {}\r\n", values[3]), "");
    let request = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "subject_token": identity["value"], "provider_name": "sandbox",
    });
    let url = format!("{}/access/api/v1/oidc/token", values[0]);
    assert_eq!(ask("POST", &url, "Content-Type: application/json\r\n", &request.to_string())["username"], "alice");
}

#[test]
fn with_tls_the_identity_is_given_by_https_too_and_the_file_holds_both_cas() {
    let names = ["JF_URL", "JF_ACCESS_TOKEN", "SSL_CERT_FILE", "ACTIONS_ID_TOKEN_REQUEST_URL"];
    let (_running, values) = exports(&["--identity", "--tls"], &names);
    assert!(values[0].starts_with("https://") && values[3].starts_with("https://"), "{values:?}");
    assert_eq!(fs::read_to_string(&values[2]).unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    // curl, with OpenSSL, looks for the CA by its name.
    for url in [&values[0], &values[3]].into_iter().filter(|_| cfg!(unix)) {
        let ran = Command::new("curl").args(["-sS", "--cacert", &values[2], url]).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }
    fs::remove_file(&values[2]).unwrap();
}

#[test]
fn providers_come_from_a_file_and_a_wrong_one_is_named() {
    let file = std::env::temp_dir().join(format!("jf-token-sandbox-{}-provider.json", std::process::id()));
    let path = file.to_str().unwrap();
    let mapping = json!({"name": "main", "claims": {}, "token_spec": {"username": "alice"}});
    let provider = json!({"name": "ci", "issuer_url": "https://ci.example", "identity_mappings": [mapping]});
    fs::write(&file, json!([provider]).to_string()).unwrap();
    let (_running, values) = exports(&["--provider", path], &["JF_URL", "JF_ACCESS_TOKEN"]);
    let url = format!("{}/access/api/v1/oidc/ci/identity_mappings", values[0]);
    assert_eq!(ask("GET", &url, &format!("Authorization: Bearer {}\r\n", values[1]), "")[0]["name"], "main");

    for (wrong, why) in
        [("{}", "missing field `name`"), ("nonsense", "expected ident"), (r#"{"name":"a b","issuer_url":"x"}"#, "Invalid name 'a b'")]
    {
        fs::write(&file, wrong).unwrap();
        let ran = Command::new(PROGRAM).args(["--provider", path]).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && said.starts_with("sandbox: --provider: ") && said.contains(why), "{said}");
    }
    fs::remove_file(&file).unwrap();
}
