//! Carries out a fault: makes the answer or breaks the connection, as it says.

use std::{convert::Infallible, io, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{refusal::error_body, reply::json, wire::Cut};
use crate::fault::{self, FaultKind};

const CHUNK: u64 = 64 << 10;

/// Answers a request with a fault. `answer` is what the request would have got without it.
pub(crate) async fn play(kind: FaultKind, answer: Option<Value>, cut: Cut, request_id: &str) -> Response {
    let good = || answer.clone().unwrap_or_else(|| crate::task::answer(&[])).to_string();
    match kind {
        FaultKind::Status { status, code, message, headers, body } => {
            let message = message.unwrap_or_default();
            let mut response = match (body, code) {
                (Some(body), _) => body.into_response(),
                (None, Some(code)) => json(StatusCode::OK, &error_body(status, &code, &message, request_id)),
                (None, None) if message.is_empty() => ().into_response(),
                (None, None) => json(StatusCode::OK, &json!({ "message": message })),
            };
            *response.status_mut() = fault::status(status);
            let headers = headers.iter().filter_map(|(name, value)| fault::header(name, value));
            response
                .headers_mut()
                .extend(headers.map(|(name, value)| (Some(name), value)).collect::<Vec<_>>());
            response
        }
        FaultKind::Reset {} => {
            cut.pull();
            StatusCode::OK.into_response()
        }
        FaultKind::ResetMidBody {} => reset_mid_body(&good(), cut),
        FaultKind::Hang {} => std::future::pending().await,
        FaultKind::Drip { interval } => drip(good(), Duration::try_from(interval).unwrap_or_default()),
        FaultKind::Truncate {} => {
            let good = good();
            let length = good.len();
            broken(half(&good), length, None)
        }
        FaultKind::Huge { bytes } => huge(bytes),
        FaultKind::Redirect { location, status } => {
            let mut response = fault::status(status).into_response();
            if let Ok(location) = HeaderValue::from_str(&location) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            response
        }
        FaultKind::Garbage {} => json_body(Body::from(&b"\xff\xfe{\x00\xc3\x28]garbage\x80"[..])),
        FaultKind::Nested { depth } => {
            let body = format!(r#"{{"kind":"List","items":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
            json_body(Body::from(body))
        }
    }
}

fn json_body(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn half(good: &str) -> Bytes {
    Bytes::copy_from_slice(&good.as_bytes()[..good.len() / 2])
}

fn reset_mid_body(good: &str, cut: Cut) -> Response {
    broken(half(good), good.len(), Some(cut))
}

/// Promises `length` bytes, sends fewer, and ends the connection, by a reset if there is a `cut`.
fn broken(sent: Bytes, length: usize, cut: Option<Cut>) -> Response {
    let end = async move {
        // Long enough for the first part to leave, so that the break comes in the middle.
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(cut) = cut {
            cut.pull();
        }
        Err(io::Error::from(io::ErrorKind::ConnectionAborted))
    };
    let body = stream::once(async move { Ok(sent) }).chain(stream::once(end));
    let mut response = json_body(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

fn drip(good: String, interval: Duration) -> Response {
    let length = good.len();
    let body = stream::iter(good.into_bytes()).then(move |byte| async move {
        tokio::time::sleep(interval).await;
        Ok::<_, Infallible>(Bytes::from(vec![byte]))
    });
    let mut response = json_body(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    response
}

/// A good answer with so much white space at its end that it has this many bytes, sent in chunks.
fn huge(bytes: u64) -> Response {
    let start = Bytes::from(crate::task::answer(&[]).to_string());
    let spaces = Bytes::from(vec![b' '; usize::try_from(CHUNK).unwrap_or_default()]);
    let rest = bytes.saturating_sub(start.len() as u64);
    let chunks = (0..rest.div_ceil(CHUNK)).map(move |index| {
        let length = (rest - index * CHUNK).min(CHUNK);
        spaces.slice(..usize::try_from(length).unwrap_or_default())
    });
    json_body(Body::from_stream(stream::iter(std::iter::once(start).chain(chunks).map(Ok::<_, Infallible>))))
}
