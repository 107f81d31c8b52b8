//! The serving thread, its listener and its connections.

use std::{
    future::{pending, poll_fn},
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::channel,
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    http::{HeaderValue, Request, header::DATE, request::Parts},
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{mpsc, watch},
    time::sleep,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{
    Recorded,
    misbehave::misbehave,
    port::{Command, Port},
    state::Shared,
};

/// The serving thread. It ends when this is dropped.
pub(crate) struct Server {
    pub port: u16,
    commands: Option<mpsc::UnboundedSender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// `serve` gets what opens and closes the port.
    pub(crate) fn start(port: u16, tls: Option<TlsAcceptor>, shared: &Shared, serve: impl FnOnce(Port) -> Router) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let any_port = port == 0;
        let listener = {
            let _inside = runtime.enter();
            reserve(port, any_port).and_then(|socket| socket.listen(1024)).expect("the port is free")
        };
        let port = listener.local_addr().expect("a bound port").port();
        let scheme_and_host = if tls.is_some() { "https://localhost" } else { "http://127.0.0.1" };
        shared.lock().url = format!("{scheme_and_host}:{port}");

        let (commands, inbox) = mpsc::unbounded_channel();
        let router = serve(Port::new(&commands));
        let shared = shared.clone();
        let thread = std::thread::spawn(move || {
            // Dropping the runtime afterwards closes every connection, even a pooled or stalled one.
            runtime.block_on(listen(listener, (port, any_port), inbox, tls, shared, router));
        });
        Self { port, commands: Some(commands), thread: Some(thread) }
    }

    pub(crate) fn set_open(&self, open: bool) {
        let (done, wait) = channel();
        let done = Box::new(move || done.send(()).unwrap_or_default());
        if let Some(commands) = &self.commands {
            let _ = commands.send(Command { open, done });
            let _ = wait.recv();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A bound socket that does not listen yet: it refuses connections, and keeps other programs from taking the port. If any port will do, it is
/// shared, so that `pause` can bind a second socket before it closes the first. A given port is not: a second user must get an error.
fn reserve(port: u16, shared: bool) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(shared)?;
    #[cfg(not(unix))]
    let _ = shared;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

async fn listen(
    listener: TcpListener,
    (port, any_port): (u16, bool),
    mut inbox: mpsc::UnboundedReceiver<Command>,
    tls: Option<TlsAcceptor>,
    shared: Shared,
    router: Router,
) {
    let mut listener = Some(listener);
    let mut reserved = None;
    let (closing, _) = watch::channel(());
    loop {
        tokio::select! {
            command = inbox.recv() => {
                let Some(command) = command else { return };
                if command.open && let Some(socket) = reserved.take() {
                    listener = Some(TcpSocket::listen(socket, 1024).expect("the port is ours"));
                } else if !command.open && let Some(old) = listener.take() {
                    let old = Some(old).filter(|_| any_port && cfg!(unix));
                    reserved = Some(reserve(port, any_port).expect("the port is ours"));
                    drop(old);
                    closing.send_replace(());
                }
                (command.done)();
            }
            stream = accept(listener.as_ref()) => {
                let (shared, router, closing) = (shared.clone(), router.clone(), closing.subscribe());
                let tls = tls.clone();
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => connection(stream, |s| s, closing, shared, router).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(stream, |s| s.get_ref().0, closing, shared, router).await;
                            }
                        }
                    }
                });
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else {
        return pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Probably out of file descriptors: wait until some are closed.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tcp: impl Fn(&S) -> &TcpStream,
    mut closing: watch::Receiver<()>,
    shared: Shared,
    router: Router,
) {
    let reset = Arc::new(AtomicBool::new(false));
    let service = service_fn(|request| {
        let exchange = exchange(request, shared.clone(), router.clone());
        let reset = reset.clone();
        Box::pin(async move {
            let answer = exchange.await;
            if answer.is_none() {
                reset.store(true, Ordering::Relaxed);
            }
            answer.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))
        })
    });
    let mut connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            Ok(()) = closing.changed() => {}
        }
        Pin::new(&mut connection).graceful_shutdown();
    };
    let mut stream = connection.into_parts().io.into_inner();
    if reset.load(Ordering::Relaxed) {
        let _ = tcp(&stream).set_zero_linger();
    } else if ended.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// Answers one request; `None` resets the connection.
async fn exchange(request: Request<Incoming>, shared: Shared, router: Router) -> Option<Response> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await.ok()?;
    let uri = parts.uri.clone();
    let fault = if uri.path().starts_with("/sandbox/") {
        None
    } else {
        let mut state = shared.lock();
        let line = format!("{} {uri}", parts.method);
        state.requests.push(recorded(&parts, &body));
        state.faults.next(&line)
    };
    let request = Request::from_parts(parts, Body::from(body));
    let work = async { router.oneshot(request).await.into_response() };
    let base = shared.lock().url.clone();
    let mut answer = match fault {
        None => work.await,
        Some(fault) => misbehave(fault, &uri, &base, work).await?,
    };
    let now = Duration::from_secs(shared.lock().now().unsigned_abs());
    let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + now);
    if let Ok(date) = HeaderValue::from_str(&date) {
        answer.headers_mut().insert(DATE, date);
    }
    Some(answer)
}

fn recorded(parts: &Parts, body: &Bytes) -> Recorded {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Recorded {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect(),
        body: text(body),
    }
}
