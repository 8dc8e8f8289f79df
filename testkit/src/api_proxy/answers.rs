//! The answers that the proxy makes itself: a refusal as an API server words it, and a connection that breaks off.

use std::io;

use axum::{
    body::{Body, Bytes},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::{Value, json};

/// The response of an API server that refuses a request with this status code.
pub(super) fn refuse(code: u16) -> Response {
    let status = StatusCode::from_u16(code).unwrap();
    (status, [(header::CONTENT_TYPE, "application/json")], failure(code).to_string()).into_response()
}

/// The `Status` object of a refusal with this status code.
pub(super) fn failure(code: u16) -> Value {
    let reason = match code {
        401 => "Unauthorized",
        403 => "Forbidden",
        409 => "Conflict",
        410 => "Expired",
        422 => "Invalid",
        429 => "TooManyRequests",
        504 => "Timeout",
        _ => "InternalError",
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "refused by the test", "reason": reason, "code": code,
    })
}

/// A response whose body breaks off at once, which closes the connection.
pub(super) fn break_off() -> Response {
    let broken = stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionAborted)) });
    Response::builder().header(header::CONTENT_LENGTH, 1).body(Body::from_stream(broken)).unwrap()
}
