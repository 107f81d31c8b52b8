//! Applies faults to answers. A TCP reset is left to the connection.

use std::{
    future::pending,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{
        HeaderValue, StatusCode, Uri, Version,
        header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use crate::{Fault, answers};

/// The answer with this fault, or `None` for a TCP reset. `work` does what the request asks for.
pub(crate) async fn misbehave(fault: Fault, uri: &Uri, base: &str, work: impl Future<Output = Response>) -> Option<Response> {
    let status = |code| StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let redirect = |to: String| (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to)]).into_response();
    let answer = match fault {
        Fault::ResetBefore => return None,
        Fault::ResetAfter => {
            work.await;
            return None;
        }
        Fault::Stall => pending().await,
        Fault::StallAfter => {
            work.await;
            pending().await
        }
        Fault::Delay(ms) => {
            let answer = work.await;
            sleep(Duration::from_millis(ms)).await;
            answer
        }
        Fault::Drip(ms) => slowed(work.await, |len| (1, Duration::from_millis(ms), len)).await,
        // The pause lets the half be sent before the connection closes.
        Fault::CutShort => slowed(work.await, |len| (len / 2, Duration::from_millis(20), len / 2)).await,
        Fault::EndsEarly(bytes) => {
            let (mut parts, body) = work.await.into_parts();
            let mut left = to_bytes(body, usize::MAX).await.unwrap_or_default();
            left.truncate(bytes);
            parts.version = Version::HTTP_10;
            parts.headers.remove(CONTENT_LENGTH);
            let timer = Box::pin(sleep(Duration::ZERO));
            Response::from_parts(parts, Body::new(Slow { left, piece: usize::MAX, pause: Duration::ZERO, cut: false, timer }))
        }
        Fault::ContentType(value) => {
            let mut answer = work.await;
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(CONTENT_TYPE, value);
            }
            answer
        }
        Fault::Html(code) => answers::html(status(code)),
        Fault::Status { status: code, retry_after, body } => {
            let mut answer = match body {
                Some(body) => answers::answer(status(code), "application/json", body),
                None => answers::error('A', status(code)),
            };
            if let Some(Ok(value)) = retry_after.as_deref().map(HeaderValue::from_str) {
                answer.headers_mut().insert(RETRY_AFTER, value);
            }
            answer
        }
        Fault::StatusAfter { status: code } => {
            work.await;
            answers::error('A', status(code))
        }
        Fault::Body(body) => answers::answer(StatusCode::OK, "application/json", body),
        Fault::RedirectSameHost => {
            let mark = if uri.query().is_some() { '&' } else { '?' };
            redirect(format!("{base}{uri}{mark}redirected=1"))
        }
        Fault::RedirectTo(url) => redirect(format!("{url}{uri}")),
        Fault::RedirectLoop => redirect(format!("{base}{uri}")),
        Fault::SlowRedirect(ms) => {
            sleep(Duration::from_millis(ms)).await;
            redirect(format!("{base}{uri}"))
        }
        Fault::Shape(shape, code) => answers::error(shape, status(code)),
    };
    Some(answer)
}

/// Sends the body in pieces. For the body's length, `pace` returns the size of a piece, the pause after each,
/// and how many bytes to send in all.
async fn slowed(answer: Response, pace: impl Fn(usize) -> (usize, Duration, usize)) -> Response {
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let (piece, pause, sent) = pace(bytes.len());
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let cut = sent < bytes.len();
    let body = Slow { left: bytes.slice(..sent), piece, pause, cut, timer: Box::pin(sleep(Duration::ZERO)) };
    Response::from_parts(parts, Body::new(body))
}

struct Slow {
    left: Bytes,
    piece: usize,
    pause: Duration,
    /// Whether the body ends with an error, which closes the connection.
    cut: bool,
    timer: Pin<Box<Sleep>>,
}

impl hyper::body::Body for Slow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left.is_empty() && !self.cut {
            return Poll::Ready(None);
        }
        ready!(self.timer.as_mut().poll(cx));
        if self.left.is_empty() {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
        }
        let next = Instant::now() + self.pause;
        self.timer.as_mut().reset(next);
        let piece = self.piece.min(self.left.len());
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(piece)))))
    }
}
