//! The stand-in server as a program. Standard output is for `eval`, standard error for people.

use std::{
    env, fs, io,
    io::Write,
    path::PathBuf,
    process::{ExitCode, id},
};

use sandbox::{Builder, Sandbox, Tls};

const HELP: &str = "\
A stand-in JFrog Access server on 127.0.0.1, until Ctrl-C.

  --port N                 listen here (default: any free port)
  --tls                    serve https; writes the CA to a file in the temp folder
  --default-expiry S       life of a token whose request names none (default 31536000)
  --revocable-threshold S  shorter-lived tokens cannot be revoked (default 21600)
  --keep-old-on-refresh    a refresh leaves the old access token alive
  --print-env              only the export lines, no talk on standard error
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

    // Before the first line goes out, so that a reader of it can stop us.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async { stop_signal() })?;
    let sandbox = options.builder.start();
    let ca = options.tls.then(|| CaFile::write(&sandbox)).transpose()?;
    introduce(&sandbox, ca.as_ref(), options.quiet)?;
    runtime.block_on(stopped);
    Ok(())
}

#[derive(Default)]
struct Options {
    builder: Builder,
    tls: bool,
    quiet: bool,
}

fn number<T: std::str::FromStr>(option: &str, value: Option<String>) -> io::Result<T> {
    value.and_then(|v| v.parse().ok()).ok_or_else(|| io::Error::other(format!("{option} needs a number")))
}

fn introduce(sandbox: &Sandbox, ca: Option<&CaFile>, quiet: bool) -> io::Result<()> {
    let url = sandbox.url();
    let mut out = io::stdout().lock();
    writeln!(out, "export JF_URL='{url}'")?;
    writeln!(out, "export JF_ACCESS_TOKEN='{}'", sandbox.admin_token())?;
    if let Some(CaFile(path)) = ca {
        writeln!(out, "export SSL_CERT_FILE='{}'", path.display())?;
    }
    out.flush()?;
    if quiet {
        return Ok(());
    }
    let curl = if ca.is_some() { r#"curl --cacert "$SSL_CERT_FILE""# } else { "curl" };
    writeln!(
        io::stderr(),
        "\nThe sandbox listens on {url} until Ctrl-C. Point jf-token at it with the lines above.\n\
         A user who is no admin: export JF_ACCESS_TOKEN='{}'\n\
         The next request fails: {curl} -d '{{\"fault\":\"status\",\"status\":503,\"retry_after\":\"2\"}}' {url}/sandbox/faults\n\
         What came in, what went out: {curl} {url}/sandbox/requests; {curl} {url}/sandbox/issued",
        sandbox.user_token()
    )
}

/// Removed at the end.
struct CaFile(PathBuf);

impl CaFile {
    fn write(sandbox: &Sandbox) -> io::Result<Self> {
        let path = env::temp_dir().join(format!("jf-token-sandbox-{}-ca.pem", id()));
        fs::write(&path, sandbox.ca_pem())?;
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
#[expect(clippy::unnecessary_wraps, reason = "the twin above can fail")]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
