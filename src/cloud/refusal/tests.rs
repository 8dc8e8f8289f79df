//! Which answer means which fault, in which words.

use std::time::Duration;

use proptest::prelude::*;
use reqwest::header::{DATE, HeaderValue};

use super::*;
use FaultKind::{
    AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse, PermissionDenied,
    RequestRejected, Throttled,
};

const NOW: &str = "2021-12-17T06:43:03Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn of(status: u16, body: &str) -> Fault {
    fault(status, &HeaderMap::new(), body.as_bytes(), now())
}

#[test]
fn the_fault_table() {
    for (status, code, kind) in [
        (401, "APIGW.0301", AuthenticationFailed),
        (401, "CCE.01401001", AuthenticationFailed),
        (401, "APIGW.9999", AuthenticationFailed),
        (401, "APIGW.0303", ClockSkew),
        (401, "APIG.0303", ClockSkew),
        (403, "CCE.01403001", PermissionDenied),
        (403, "CCE.02403001", PermissionDenied),
        (403, "CCE.03403001", PermissionDenied),
        (403, "CCE.01403002", PermissionDenied),
        (403, "CCE.01403003", CloudUnavailable),
        (403, "CCE.01403009", CloudUnavailable),
        (403, "CCE.01403010", PermissionDenied),
        (403, "PAAS.0", PermissionDenied),
        (404, "CCE.01404001", ClusterNotFound),
        (404, "CCE.02404001", ClusterNotFound),
        (404, "CCE.03404001", ClusterNotFound),
        (404, "CCE_CM.0003", ClusterNotFound),
        (404, "E.CFE.4040404", ClusterNotFound),
        (404, "APIGW.0101", CloudUnavailable),
        (404, "CCE.99404001", CloudUnavailable),
        (409, "CCE.01409001", RequestRejected),
        (409, "CCE.01409002", RequestRejected),
        (429, "APIGW.0308", Throttled),
        (429, "CCE.02429001", Throttled),
        (429, "CCE.01429002", CloudUnavailable),
        (429, "CCE.01429003", CloudUnavailable),
        (429, "X.1", Throttled),
        (400, "CCE.01400001", RequestRejected),
        (400, "CCE.01404001", RequestRejected),
        (405, "X.1", RequestRejected),
        (409, "APIGW.0308", RequestRejected),
        (500, "CCE.01500001", CloudUnavailable),
        (503, "APIGW.0301", CloudUnavailable),
        (302, "X.1", InvalidResponse),
        (204, "X.1", InvalidResponse),
        (200, "APIGW.0301", InvalidResponse),
        (299, "X.1", InvalidResponse),
    ] {
        for body in [
            format!(r#"{{"errorCode":"{code}","errorMessage":"m"}}"#),
            format!(r#"{{"error_code":"{code}","error_msg":"m","request_id":"r"}}"#),
            format!(r#"{{"code":"{code}","message":"m"}}"#),
            format!(r#"{{"error":{{"code":"{code}","message":"m","title":"t"}}}}"#),
        ] {
            let fault = of(status, &body);
            assert_eq!((fault.kind, fault.code.as_deref()), (kind, Some(code)), "{status} {body}");
            assert_eq!(fault.http_status, Some(status));
            assert!(fault.message.contains(&format!("(HTTP {status}, {code}): ")), "{}", fault.message);
        }
    }
}

#[test]
fn whichever_field_holds_the_code_that_decides_is_the_one_that_is_told() {
    for (status, body, kind, code) in [
        (404, r#"{"errorCode":"CCE.99999999","error_code":"CCE_CM.0003"}"#, ClusterNotFound, "CCE_CM.0003"),
        (404, r#"{"error_code":"APIGW.1","code":"CCE.03404001"}"#, ClusterNotFound, "CCE.03404001"),
        (
            429,
            r#"{"errorCode":"CCE.01429002","error_code":"CCE_CM.0001","code":429}"#,
            CloudUnavailable,
            "CCE.01429002",
        ),
        (
            401,
            r#"{"errorCode":"CCE.01401001","error_code":"CCE_CM.0001"}"#,
            AuthenticationFailed,
            "CCE.01401001",
        ),
    ] {
        let fault = of(status, body);
        assert_eq!((fault.kind, fault.code.as_deref()), (kind, Some(code)), "{body}");
    }
}

#[test]
fn without_a_known_body_the_status_alone_decides() {
    for (status, kind) in [
        (401, AuthenticationFailed),
        (403, PermissionDenied),
        (404, CloudUnavailable),
        (429, Throttled),
        (502, CloudUnavailable),
        (301, InvalidResponse),
        (204, InvalidResponse),
        (999, InvalidResponse),
    ] {
        for body in
            ["", "<html>404</html>", "{}", "[]", "null", r#"{"errorCode":{}}"#, r#"{"errorCode":"a b"}"#]
        {
            let fault = of(status, body);
            assert_eq!((fault.kind, fault.code), (kind, None), "{status} {body}");
        }
    }
}

#[test]
fn a_message_says_what_to_do() {
    let fault = of(401, r#"{"error_code":"APIGW.0301","error_msg":"verify aksk signature fail"}"#);
    let message = "the access key or its signature was refused (HTTP 401, APIGW.0301): check accessKey and secretKey, \
                   and securityToken if the key is a temporary one; the cloud says: verify aksk signature fail";
    assert_eq!(fault.to_string(), message);
}

#[test]
fn the_words_of_a_wrong_clock_are_no_word_against_the_key() {
    let body = r#"{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: signature expired, signature time:20211217T064303Z,server time:20211217T065804Z","request_id":"r"}"#;
    let fault = of(401, body);
    assert_eq!(fault.kind, ClockSkew);
    let message = "the clock of this host is 15 min behind the cloud's: 2021-12-17T06:43:03Z here, \
                   2021-12-17T06:58:04Z there (HTTP 401, APIGW.0301): set the clock of the machine, as by NTP; the key \
                   is not refused";
    assert_eq!(fault.message, message);
    let mut headers = HeaderMap::new();
    headers.insert(DATE, HeaderValue::from_static("Fri, 17 Dec 2021 05:00:00 GMT"));
    let fault = super::fault(403, &headers, b"", now());
    assert_eq!(fault.kind, ClockSkew);
    assert!(fault.message.starts_with("the clock of this host is 103 min ahead of"), "{fault}");
}

#[test]
fn the_cause_is_told_before_the_general_sentences() {
    let fault = of(
        400,
        r#"{"code":400,"errorCode":"CCE.01400001","errorMessage":"Invalid request.","error_code":"CCE_CM.0004",
            "error_msg":"Request is invalid","message":"the nodes are being drained","reason":"BadRequest"}"#,
    );
    assert_eq!(
        fault.message,
        "the cloud rejects the request (HTTP 400, CCE.01400001): check region, projectID, clusterID and clusterType; \
         the cloud says: the nodes are being drained; Request is invalid; Invalid request."
    );
}

#[test]
fn advice_names_only_what_the_program_has() {
    let told = |call, program, status| {
        let skews = &Skews::default();
        let asked = Asked { call, program, endpoint: "", now: now(), skews };
        asked.fault(status, &HeaderMap::new(), b"").message
    };
    for call in [Call::ListTasks, Call::StartBackup, Call::ListClusters] {
        for status in (200..600).step_by(1) {
            let told = told(call, Program::Command, status);
            assert!(!told.contains("--account-rate") && !told.contains("operator"), "{told}");
        }
    }
    assert!(told(Call::ListTasks, Program::Operator, 429).contains("--account-rate"));
    assert!(told(Call::ListTasks, Program::Operator, 302).contains("the operator's --region-endpoint"));
}

#[test]
fn a_message_is_the_same_from_try_to_try() {
    let ask = |id: &str, rest: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
        let body = format!(r#"{{"errorCode":"CCE.01400001","errorMessage":"bad (id: {id}), {rest}\u202e"}}"#);
        fault(400, &headers, body.as_bytes(), now())
    };
    let one = ask("abcdef", "took 12.5ms on 10.0.0.7:8443 at 2023-11-25T17:03:46Z");
    let other = ask("fedcba", "took 3s on 10.0.0.12:8443 at 2024-01-02T00:00:00Z");
    assert_eq!(one.message, other.message);
    assert!(
        one.message.ends_with("the cloud says: bad (id: #), took # on # at #\u{fffd}"),
        "{}",
        one.message
    );
    assert_eq!((one.request_id.as_deref(), other.request_id.as_deref()), (Some("abcdef"), Some("fedcba")));
}

#[test]
fn hostile_words_are_cleaned_and_cut() {
    let words = "\\u001b[31m\\u202e\\n".repeat(2_000);
    let fault = of(400, &format!(r#"{{"errorCode":"CCE.01400001","errorMessage":"{words}"}}"#));
    assert_eq!(fault.message.chars().count(), Fault::MAX_MESSAGE);
    assert!(!fault.message.contains(|c: char| c.is_control() || c == '\u{202e}'));
    let long = "r".repeat(5_000);
    let fault = of(400, &format!(r#"{{"error_code":"{long}","request_id":"{long}"}}"#));
    assert_eq!((fault.code, fault.request_id.unwrap().chars().count()), (None, MAX_REQUEST_ID));
}

proptest! {
    #[test]
    fn any_answer_is_some_fault(
        status in 0_u16..1_000, body in proptest::collection::vec(any::<u8>(), 0..80),
        words in any::<String>(), id in "[ -~]{0,20}",
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_str(&id).unwrap());
        let said = serde_json::json!({"errorCode": "CCE.1", "errorMessage": words}).to_string();
        for body in [&body[..], said.as_bytes()] {
            let fault = fault(status, &headers, body, now());
            prop_assert!(fault.message.chars().count() <= Fault::MAX_MESSAGE);
        }
    }
}

#[test]
fn a_date_to_wait_for_is_one_of_the_clouds_clock() {
    // The clock of this host is ten minutes ahead, or behind; the cloud takes both.
    for date in ["Fri, 17 Dec 2021 06:33:03 GMT", "Fri, 17 Dec 2021 06:53:03 GMT"] {
        let until = httpdate::parse_http_date(date).unwrap() + Duration::from_mins(1);
        let mut headers = HeaderMap::new();
        headers.insert(DATE, HeaderValue::from_static(date));
        headers.insert(RETRY_AFTER, httpdate::fmt_http_date(until).parse().unwrap());
        let fault = fault(429, &headers, b"", now());
        assert_eq!(fault.retry_after, Some(Duration::from_mins(1)), "{date}");
    }
}
