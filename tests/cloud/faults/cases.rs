//! Everything that an endpoint may do to a poll over plain HTTP, and what the poll must make of it.

use std::{fmt::Write as _, time::Duration};

use cce_backup_watch::cloud::fault::FaultKind::{
    self, AuthenticationFailed, ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse,
    PermissionDenied, RequestRejected, Throttled,
};

use crate::server::{Act, answer};

/// One way to answer.
pub struct Case {
    pub name: String,
    pub act: Act,
    /// So many tasks, or a fault.
    pub expected: Result<usize, FaultKind>,
}

/// Longer than a test may wait, shorter than a test's time-out for a slow machine.
pub const LONG: usize = 50 * 1024 * 1024;

fn case(name: impl Into<String>, act: Act, expected: Result<usize, FaultKind>) -> Case {
    Case { name: name.into(), act, expected }
}

fn ok(body: impl AsRef<[u8]>) -> Act {
    Act::Send(answer(200, &[], body))
}

pub fn all() -> Vec<Case> {
    [transport(), bodies(), lists(), table()].into_iter().flatten().collect()
}

/// Connections that fail half-way.
fn transport() -> Vec<Case> {
    let half = &answer(200, &[], r#"{"items":[]}"#)[..60];
    let refused_half = b"HTTP/1.1 429 X\r\ncontent-length: 100\r\nretry-after: 7\r\n\r\n{".to_vec();
    let slow = Duration::from_millis(300);
    let many_headers = (0..1_000).fold(String::from("HTTP/1.1 200 X\r\n"), |mut head, n| {
        let _ = write!(head, "x-{n}: {n}\r\n");
        head
    });
    vec![
        case("reset before the answer", Act::Reset(vec![]), Err(CloudUnavailable)),
        case("reset in the body", Act::Reset(half.to_vec()), Err(CloudUnavailable)),
        case("closed in the body", Act::Send(half.to_vec()), Err(CloudUnavailable)),
        case("reset in the body of a refusal", Act::Reset(refused_half), Err(Throttled)),
        case("silence", Act::Hang, Err(CloudUnavailable)),
        case("a drip of headers", Act::Drip(answer(200, &[], "{}"), slow), Err(CloudUnavailable)),
        case("not HTTP", Act::Send(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()), Err(CloudUnavailable)),
        case("headers without end", Act::Send(many_headers.into_bytes()), Err(CloudUnavailable)),
    ]
}

/// Bodies that are no list of tasks.
fn bodies() -> Vec<Case> {
    let gzip = [("content-encoding", "gzip")];
    let list = r#"{"items":[]}"#;
    let head = |length: &str| format!("HTTP/1.1 200 X\r\n{length}\r\n").into_bytes();
    let invalid = [
        ("empty", ok("")),
        ("truncated", ok(r#"{"items":[{"metadata":{"uid":"#)),
        ("deeply nested", ok(format!("{{\"items\":{}", "[".repeat(900_000)))),
        ("HTML", ok("<html><body>internal: db.corp</body></html>")),
        ("invalid UTF-8", ok(b"{\"items\":[{\"metadata\":{\"uid\":\"\xff\xfe\"}}]}")),
        ("an error body", ok(r#"{"errorCode":"CCE.01500001","errorMessage":"x"}"#)),
        ("a gateway's error body", ok(r#"{"error_code":"APIGW.0301","error_msg":"x","request_id":"r"}"#)),
        ("an empty object", ok("{}")),
        ("items an object", ok(r#"{"kind":"List","items":{}}"#)),
        ("items a string", ok(r#"{"kind":"List","items":"none"}"#)),
        ("items a number", ok(r#"{"items":0}"#)),
        ("an array", ok("[]")),
        ("gzip unasked for", Act::Send(answer(200, &gzip, b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0"))),
        ("gzip in name only", Act::Send(answer(200, &gzip, list))),
        ("gzip without saying so", ok(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0")),
        ("50 MiB announced", Act::Flood(head(&format!("content-length: {LONG}\r\n")), LONG)),
        ("50 MiB until the end", Act::Flood(head(""), LONG)),
        ("no content", Act::Send(answer(204, &[], ""))),
        ("accepted", Act::Send(answer(202, &[], list))),
        ("partial content", Act::Send(answer(206, &[], list))),
        ("not modified", Act::Send(answer(304, &[], ""))),
    ];
    invalid.into_iter().map(|(name, act)| case(name, act, Err(InvalidResponse))).collect()
}

/// Lists, some of them odd: all are answers.
fn lists() -> Vec<Case> {
    let task = |uid: &str| {
        format!(r#"{{"metadata":{{"uid":"{uid}"}},"status":{{"phase":"Running","progress":"67"}}}}"#)
    };
    let list = |tasks: &[String]| ok(format!(r#"{{"kind":"List","items":[{}]}}"#, tasks.join(",")));
    // As long as the cloud's own: what is kept of an answer depends on its length.
    let time = "2023-11-25 17:03:46.739012 +0800 CST";
    let long = |n: usize| {
        let head = r#""kind":"SnapshotTask","apiVersion":"v3.1""#;
        let times = format!(r#""creationTimestamp":"{time}","updateTimestamp":"{time}""#);
        let status = r#"{"phase":"Success","progress":"100"}"#;
        format!(
            r#"{{{head},"metadata":{{"uid":"87d326f9-46b0-486e-a4ba-{n:012}",{times}}},"status":{status}}}"#
        )
    };
    let thousand: Vec<_> = (0..1_000).map(long).collect();
    let twice = [task("a"), task("a"), task("b")];
    let without = [task(""), "{}".to_owned(), "null".to_owned(), "7".to_owned(), task("a")];
    let hostile = format!(
        r#"{{"metadata":{{"uid":"u"}},"status":{{"phase":"Succ\u200bess"}},"spec":{{"items":[{{"message":"{}"}}]}}}}"#,
        r"\u001b[31m\u202e\n".repeat(400)
    );
    vec![
        case("items null", ok(r#"{"items":null}"#), Ok(0)),
        case("a List without items", ok(r#"{"kind":"List"}"#), Ok(0)),
        case("1,000 tasks", list(&thousand), Ok(1_000)),
        case("one uid twice", list(&twice), Ok(2)),
        case("missing uids", list(&without), Ok(1)),
        case("hostile messages", list(&[hostile]), Ok(1)),
        case("an echo of the request as tasks", Act::Echo(200), Ok(1)),
    ]
}

/// The rows of the fault table that have a status, and a few statuses that nobody listed.
fn table() -> Vec<Case> {
    let rows = [
        (400, "CCE.01400001", RequestRejected),
        (401, "APIGW.0301", AuthenticationFailed),
        (401, "CCE.01401001", AuthenticationFailed),
        (401, "APIGW.0303", ClockSkew),
        (401, "APIG.0303", ClockSkew),
        (401, "", AuthenticationFailed),
        (403, "CCE.01403001", PermissionDenied),
        (403, "CCE.01403002", PermissionDenied),
        (403, "CCE.01403003", CloudUnavailable),
        (403, "", PermissionDenied),
        (404, "CCE.01404001", ClusterNotFound),
        (404, "CCE.03404001", ClusterNotFound),
        (404, "CCE_CM.0003", ClusterNotFound),
        (404, "E.CFE.4040001", ClusterNotFound),
        (404, "APIGW.0101", CloudUnavailable),
        (404, "", CloudUnavailable),
        (405, "", RequestRejected),
        (418, "", RequestRejected),
        (429, "APIGW.0308", Throttled),
        (429, "CCE.02429001", Throttled),
        (429, "CCE.01429002", CloudUnavailable),
        (429, "CCE.01429003", CloudUnavailable),
        (429, "", Throttled),
        (500, "CCE.01500001", CloudUnavailable),
        (502, "", CloudUnavailable),
        (503, "", CloudUnavailable),
        (504, "", CloudUnavailable),
    ];
    let mut cases = vec![case("an echo of the request as a refusal", Act::Echo(400), Err(RequestRejected))];
    for (status, code, kind) in rows {
        let message = "r\\u202eefused\\n".repeat(400);
        let bodies = match code {
            "" => vec![String::new(), "<html>".to_owned()],
            code => vec![
                format!(r#"{{"errorCode":"{code}","errorMessage":"{message}"}}"#),
                format!(r#"{{"error_code":"{code}","error_msg":"{message}","request_id":"r1"}}"#),
                format!(
                    r#"{{"kind":"Status","apiVersion":"v1","metadata":{{}},"status":"Failure","code":{status},
                        "errorCode":"{code}","errorMessage":"General.","error_code":"CCE_CM.9999","error_msg":"Is general",
                        "message":"{message}","reason":"General"}}"#
                ),
            ],
        };
        for body in bodies {
            let act = Act::Send(answer(status, &[("x-request-id", "abc123")], body));
            cases.push(case(format!("{status} {code}"), act, Err(kind)));
        }
    }
    cases.extend(wrong_clocks());
    cases
}

/// A wrong clock, which has the code of a wrong key, and a right one.
fn wrong_clocks() -> Vec<Case> {
    let expired = "signature expired, signature time:20231125T090346Z,server time:20231125T091847Z";
    let gateway = |words: &str| {
        format!(
            r#"{{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: {words}","request_id":"r"}}"#
        )
    };
    let dated = |status, date: &str, body: &str| Act::Send(answer(status, &[("date", date)], body));
    let (near, far) = ("Sat, 25 Nov 2023 09:18:46 GMT", "Sat, 25 Nov 2023 09:18:47 GMT");
    vec![
        case("an expired signature", Act::Send(answer(401, &[], gateway(expired))), Err(ClockSkew)),
        case(
            "a wrong signature",
            dated(401, near, &gateway("verify aksk signature fail")),
            Err(AuthenticationFailed),
        ),
        case(
            "a wrong signature far off",
            dated(401, far, &gateway("verify aksk signature fail")),
            Err(ClockSkew),
        ),
        case("a 403 far off", dated(403, far, ""), Err(ClockSkew)),
        case("a throttled one far off", dated(429, far, ""), Err(Throttled)),
        case("a broken one far off", dated(503, far, ""), Err(CloudUnavailable)),
        case("a good one far off", dated(200, far, r#"{"items":[]}"#), Ok(0)),
    ]
}
