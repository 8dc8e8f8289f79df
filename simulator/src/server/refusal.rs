//! Errors in the shapes of Huawei Cloud: the gateway's, CCE's, and the admin API's own.

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::reply::json as reply;
use crate::signature::Refusal;

/// An error body in the shape that belongs to its code.
pub(crate) fn error_body(code: &str, message: &str, request_id: &str) -> Value {
    if code.starts_with("APIGW.") {
        json!({ "error_code": code, "error_msg": message, "request_id": request_id })
    } else {
        json!({ "errorCode": code, "errorMessage": message })
    }
}

/// The gateway knows no such path.
pub(crate) fn no_such_api(request_id: &str) -> Response {
    let message = "The API does not exist or has not been published in the environment";
    reply(StatusCode::NOT_FOUND, &error_body("APIGW.0101", message, request_id))
}

/// The signature is refused.
pub(crate) fn not_authentic(refusal: &Refusal, request_id: &str) -> Response {
    let code = if *refusal == Refusal::Skew { "APIGW.0303" } else { "APIGW.0301" };
    let message = format!("Incorrect IAM authentication information: {refusal}");
    reply(StatusCode::UNAUTHORIZED, &error_body(code, &message, request_id))
}

/// There is no such cluster.
pub(crate) fn no_such_cluster(request_id: &str) -> Response {
    let body = error_body("CCE.01404001", "Resource not found", request_id);
    reply(StatusCode::NOT_FOUND, &body)
}

/// A backup of the cluster runs already. What the service says then is not documented: a conflict is assumed.
pub(crate) fn running_already(request_id: &str) -> Response {
    let message = "The cluster is being backed up";
    reply(StatusCode::CONFLICT, &error_body("CCE.01409001", message, request_id))
}

/// The admin API cannot do what it was asked.
pub(crate) fn admin_error(status: StatusCode, problem: &str) -> Response {
    reply(status, &json!({ "error": problem }))
}
