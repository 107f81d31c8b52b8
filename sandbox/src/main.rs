//! The stand-in server as a program. It prints shell code on standard output, and hints for people on standard error.

use std::{
    env, fs, io,
    io::Write,
    path::PathBuf,
    process::{ExitCode, id},
};

use sandbox::{Builder, Issuer, Sandbox, Tls};
use serde_json::{Value, json};

const HELP: &str = "\
Runs a stand-in JFrog Access server on 127.0.0.1 until Ctrl-C.

  --port N                 listen on this port (default: any free port)
  --tls                    serve HTTPS; write the CAs to a file in the temporary folder
  --default-expiry S       default lifetime of a token (default: 31536000)
  --revocable-threshold S  tokens with a shorter lifetime cannot be revoked (default: 21600)
  --keep-old-on-refresh    a refresh does not end the old access token
  --identity               give identity tokens as GitHub does, and trust them: provider `sandbox`, user alice
  --provider FILE          add an OIDC provider, or a list of them, as JSON; its `identity_mappings` too
  --issuer-ca FILE         trust the CAs in this PEM file for the issuers of providers, instead of the system's
  --print-env              print only the export lines, nothing on standard error
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "sandbox: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let mut options = Options::default();
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--help" {
            return io::stdout().write_all(HELP.as_bytes());
        }
        let builder = options.builder;
        options.builder = match arg.as_str() {
            "--port" => builder.port(number(&arg, args.next())?),
            "--default-expiry" => builder.default_expiry(number(&arg, args.next())?),
            "--revocable-threshold" => builder.revocable_threshold(number(&arg, args.next())?),
            "--keep-old-on-refresh" => builder.refresh_kills_old(false),
            "--issuer-ca" => builder.issuer_ca(&read(&arg, args.next())?),
            "--provider" => {
                let text = read(&arg, args.next())?;
                let json = serde_json::from_str(&text).map_err(|e| io::Error::other(format!("{arg}: {e}")))?;
                options.providers.extend(if let Value::Array(list) = json { list } else { vec![json] });
                builder
            }
            "--identity" => {
                options.identity = true;
                builder
            }
            "--tls" => {
                options.tls = true;
                builder.tls(Tls::Valid)
            }
            "--print-env" => {
                options.quiet = true;
                builder
            }
            _ => return Err(io::Error::other(format!("unknown option {arg}\n\n{HELP}"))),
        };
    }

    // Before anything is printed: whoever reads the first line may send a signal at once.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async { stop_signal() })?;
    let sandbox = options.builder.start();
    for provider in options.providers {
        sandbox.try_add_provider(provider).map_err(|e| io::Error::other(format!("--provider: {e}")))?;
    }
    let issuer = options.identity.then(|| {
        let issuer = if options.tls { Issuer::builder().tls(Tls::Valid).start() } else { Issuer::start() };
        sandbox.trust(PROVIDER, &issuer, json!({"username": "alice", "expires_in": 300}));
        issuer
    });
    let ca = options.tls.then(|| CaFile::write(&sandbox, issuer.as_ref())).transpose()?;
    print_environment(&sandbox, issuer.as_ref(), ca.as_ref(), options.quiet)?;
    runtime.block_on(stopped);
    Ok(())
}

#[derive(Default)]
struct Options {
    builder: Builder,
    tls: bool,
    quiet: bool,
    identity: bool,
    providers: Vec<Value>,
}

/// The name of the provider of `--identity`.
const PROVIDER: &str = "sandbox";

fn read(option: &str, path: Option<String>) -> io::Result<String> {
    let path = path.ok_or_else(|| io::Error::other(format!("{option} needs a file")))?;
    fs::read_to_string(&path).map_err(|e| io::Error::other(format!("{option}: {path}: {e}")))
}

fn number<T: std::str::FromStr>(option: &str, value: Option<String>) -> io::Result<T> {
    value.and_then(|v| v.parse().ok()).ok_or_else(|| io::Error::other(format!("{option} needs a number")))
}

fn print_environment(sandbox: &Sandbox, issuer: Option<&Issuer>, ca: Option<&CaFile>, quiet: bool) -> io::Result<()> {
    let url = sandbox.url();
    let mut variables = vec![("JF_URL", url.clone()), ("JF_ACCESS_TOKEN", sandbox.admin_token().to_owned())];
    variables.extend(ca.map(|CaFile(path)| ("SSL_CERT_FILE", path.display().to_string())));
    variables.extend(issuer.into_iter().flat_map(Issuer::github_env));
    let lines: Vec<_> = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    // At once: a script may read the file as soon as it finds one of them.
    io::stdout().write_all(lines.concat().as_bytes())?;
    if quiet {
        return Ok(());
    }
    let curl = if ca.is_some() { r#"curl --cacert "$SSL_CERT_FILE""# } else { "curl" };
    writeln!(
        io::stderr(),
        "\nThe sandbox listens on {url} until Ctrl-C. Set the variables above to use it with jf-token.\n\
         To be a user who is not an admin: export JF_ACCESS_TOKEN='{}'\n\
         To make the next request fail: {curl} -d '{{\"fault\":\"status\",\"status\":503,\"retry_after\":\"2\"}}' {url}/sandbox/faults\n\
         To list the requests and the issued tokens: {curl} {url}/sandbox/requests; {curl} {url}/sandbox/issued",
        sandbox.user_token()
    )?;
    if let Some(issuer) = issuer {
        let url = issuer.url();
        writeln!(
            io::stderr(),
            "Identity tokens come from {url}; the provider that trusts them is named {PROVIDER}.\n\
             To be a GitHub job: export GITHUB_ACTIONS=true; unset JF_ACCESS_TOKEN; jf-token create --oidc-provider {PROVIDER}\n\
             To make the next request for one fail: {curl} -d '{{\"fault\":\"html\",\"status\":503,\"for\":\"/id\"}}' {url}/sandbox/faults"
        )?;
    }
    Ok(())
}

/// A file with the certificates of the CAs, removed on drop.
struct CaFile(PathBuf);

impl CaFile {
    fn write(sandbox: &Sandbox, issuer: Option<&Issuer>) -> io::Result<Self> {
        let path = env::temp_dir().join(format!("jf-token-sandbox-{}-ca.pem", id()));
        fs::write(&path, [sandbox.ca_pem(), issuer.map_or("", Issuer::ca_pem)].concat())?;
        Ok(Self(path))
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the Unix version can fail")]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
