//! Errors in the shapes of Huawei Cloud: the gateway's, CCE's, and the admin API's own.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::reply::json as reply;
use crate::signature::Refusal;

/// An error body in the shape that belongs to its code. CCE sends two families of fields at once, with general
/// sentences beside the cause.
pub(crate) fn error_body(status: u16, code: &str, message: &str, request_id: &str) -> Value {
    if code.starts_with("APIG") {
        return json!({ "error_code": code, "error_msg": message, "request_id": request_id });
    }
    // The numbers of the other family are known for 400 and 404 alone.
    let (reason, sentence, other_code, other_sentence) = match status {
        400 => ("BadRequest", "Invalid request.", "CCE_CM.0004", "Request is invalid"),
        401 => ("Unauthorized", "Authentication failed.", "CCE_CM.0001", "Unauthorized"),
        403 => ("Forbidden", "Forbidden.", "CCE_CM.0001", "Request is forbidden"),
        404 => ("NotFound", "Resource not found.", "CCE_CM.0003", "Resource is not found"),
        409 => ("Conflict", "Resource conflict.", "CCE_CM.0001", "Request conflicts"),
        429 => ("TooManyRequests", "Too many requests.", "CCE_CM.0001", "Request is limited"),
        _ => ("InternalError", "Internal error.", "CCE_CM.0001", "Server internal error"),
    };
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": status,
        "errorCode": code, "errorMessage": sentence, "error_code": other_code, "error_msg": other_sentence,
        "message": message, "reason": reason,
    })
}

/// The gateway knows no such path.
pub(crate) fn no_such_api(request_id: &str) -> Response {
    let message = "The API does not exist or has not been published in the environment";
    reply(StatusCode::NOT_FOUND, &error_body(404, "APIGW.0101", message, request_id))
}

/// The signature is refused. A wrong clock has the code of every other refusal, and only the words tell.
pub(crate) fn not_authentic(refusal: &Refusal, request_id: &str) -> Response {
    let message = format!("Incorrect IAM authentication information: {refusal}");
    reply(StatusCode::UNAUTHORIZED, &error_body(401, "APIGW.0301", &message, request_id))
}

/// There is no such cluster.
pub(crate) fn no_such_cluster(request_id: &str) -> Response {
    reply(StatusCode::NOT_FOUND, &error_body(404, "CCE.01404001", "Cluster not found", request_id))
}

/// A task holds the cluster.
pub(crate) fn locked(request_id: &str) -> Response {
    let message = "The cluster is locked by other requests";
    reply(StatusCode::TOO_MANY_REQUESTS, &error_body(429, "CCE.01429002", message, request_id))
}

/// The account makes too many requests.
pub(crate) fn throttled(retry_after: Option<&str>, request_id: &str) -> Response {
    let message = "The throttling threshold has been reached: policy user over ratelimit";
    let body = error_body(429, "APIGW.0308", message, request_id);
    let mut response = reply(StatusCode::TOO_MANY_REQUESTS, &body);
    if let Some(value) = retry_after.and_then(|value| HeaderValue::from_str(value).ok()) {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// The admin API cannot do what it was asked.
pub(crate) fn admin_error(status: StatusCode, problem: &str) -> Response {
    reply(status, &json!({ "error": problem }))
}
