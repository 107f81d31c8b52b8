//! A small HTTP client, for the documents of an issuer.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, Uri, header::HOST},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_platform_verifier::BuilderVerifierExt;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

const TIMEOUT: Duration = Duration::from_secs(10);
const MAX_BYTES: usize = 1 << 20;

/// The JSON at this URL. HTTPS trusts these CAs; if there are none, the system's.
pub(crate) async fn json(url: &str, cas: &[String]) -> io::Result<Value> {
    let body = timeout(TIMEOUT, get(url, cas)).await??;
    Ok(serde_json::from_slice(&body)?)
}

async fn get(url: &str, cas: &[String]) -> io::Result<Vec<u8>> {
    let uri: Uri = url.parse().map_err(io::Error::other)?;
    let host = uri.host().ok_or_else(|| io::Error::other("no host"))?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await?;
    if tls {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        send(&uri, connector(cas)?.connect(name, stream).await?).await
    } else {
        send(&uri, stream).await
    }
}

fn connector(cas: &[String]) -> io::Result<TlsConnector> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = if cas.is_empty() {
        config.with_platform_verifier().map_err(io::Error::other)?
    } else {
        let mut roots = RootCertStore::empty();
        for ca in cas.iter().flat_map(|pem| CertificateDer::pem_slice_iter(pem.as_bytes())) {
            roots.add(ca.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        config.with_root_certificates(roots)
    };
    Ok(TlsConnector::from(Arc::new(config.with_no_client_auth())))
}

async fn send(uri: &Uri, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<Vec<u8>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let authority = uri.authority().map_or("", |a| a.as_str());
    let request = Request::get(path).header(HOST, authority).body(Body::empty()).map_err(io::Error::other)?;
    let answer = sender.send_request(request).await.map_err(io::Error::other)?;
    if answer.status() != StatusCode::OK {
        return Err(io::Error::other(format!("status {}", answer.status())));
    }
    let body = to_bytes(Body::new(answer.into_body()), MAX_BYTES).await.map_err(io::Error::other)?;
    Ok(body.to_vec())
}
