//! `/sandbox/…`: lets scripts control the sandbox.

use std::time::Duration;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{RawQuery, State as Handle},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;

use crate::{Fault, answers::json_answer, port::Port, state::Shared};

pub(crate) fn routes() -> Router<Shared> {
    Router::new()
        .route("/sandbox/faults", post(add_fault))
        .route("/sandbox/requests", get(requests))
        .route("/sandbox/issued", get(issued))
        .route("/sandbox/pause", post(pause))
}

#[derive(Deserialize)]
struct Queued {
    #[serde(flatten)]
    fault: Fault,
    #[serde(rename = "for", default)]
    path_part: String,
    times: Option<usize>,
}

async fn add_fault(Handle(shared): Handle<Shared>, body: Bytes) -> Response {
    match serde_json::from_slice::<Queued>(&body) {
        Ok(queued) => {
            let times = queued.times.unwrap_or(1);
            shared.lock().faults.add(&queued.path_part, queued.fault, times);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(e) => (StatusCode::BAD_REQUEST, format!("{e}\n")).into_response(),
    }
}

async fn requests(Handle(shared): Handle<Shared>) -> Response {
    json_answer(StatusCode::OK, &shared.lock().requests)
}

async fn issued(Handle(shared): Handle<Shared>) -> Response {
    json_answer(StatusCode::OK, &shared.lock().issued())
}

async fn pause(Extension(port): Extension<Port>, RawQuery(query): RawQuery) -> Response {
    let ms = query.and_then(|q| q.strip_prefix("ms=")?.parse().ok());
    let Some(ms) = ms else {
        return (StatusCode::BAD_REQUEST, "the query must be ?ms=N\n").into_response();
    };
    port.set_open(false).await;
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        port.set_open(true).await;
    });
    StatusCode::NO_CONTENT.into_response()
}
