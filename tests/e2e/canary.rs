//! No key appears in the log at its most verbose, in a status, an Event or a metric, whatever the cloud answers, and
//! even if it echoes what it was sent.

use cbw_testkit::{
    operator::Operator,
    scene::{CLUSTER, Scene, ready},
    trial::tests,
};
use cce_backup_watch::api::ClusterBackupWatch;
use cce_simulator::{Credential, Fault, FaultKind};
use k8s_openapi::{ByteString, api::events::v1::Event};
use kube::api::ListParams;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::shared::fault_table::{self, TIMEOUT};

tests![no_key_is_anywhere_to_be_seen_whatever_the_cloud_does];

// The beginning of each access key. It has no digits, because messages leave out words with digits, which would hide a
// leak. It has 18 characters, a multiple of three, so that its Base64 is the beginning of the Base64 of each key.
const ACCESS: &str = "CANARYACCESSKEYABC";
const SECRET: &str = "canary/secret+key/abcdefghijklmnopqrstu=";
const TOKEN: &str = "canary/token+abcdefghijklmnopqrstuvwxyz/ABC==";

/// The encodings in which a value could leak.
fn spellings(value: &str) -> Vec<String> {
    let base64 = serde_json::to_value(ByteString(value.into())).unwrap();
    let base64 = base64.as_str().unwrap().trim_end_matches('=').to_owned();
    let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    vec![
        value.to_owned(),
        base64,
        percent,
        value.replace('/', "\\/"),
        value.replace('+', "\\u002b"),
        value.replace('+', "%2B"),
        format!("{:?}", value.as_bytes()).trim_matches(['[', ']']).to_owned(),
    ]
}

/// Faults and answers that echo the keys in every part of a response. `first` is the number of the first of them in the
/// table of faults, from which their access keys are made.
fn echoes(first: usize) -> Vec<(&'static str, &'static str, Fault)> {
    type Echo = fn(&str, &str) -> Fault;
    fn body(access: &str, status: u16, code: &str, message: &str) -> Fault {
        let body = format!(r#"{{"errorCode":"{code}","errorMessage":"{message}","request_id":"{message}"}}"#);
        let all = all(access);
        Fault::body(status, body).header("X-Request-Id", all).header("Retry-After", access)
    }
    fn percent(access: &str) -> String {
        all(access).replace('/', "%2F").replace('+', "%2b")
    }
    let echoes: [(&str, &str, Echo); 8] = [
        ("echo-401", "AuthenticationFailed", |access, _| body(access, 401, "APIGW.0301", &all(access))),
        ("echo-403", "PermissionDenied", |access, escaped| body(access, 403, "CCE.01403001", escaped)),
        ("echo-400", "RequestRejected", |access, escaped| body(access, 400, "CCE.01400001", escaped)),
        ("echo-url", "RequestRejected", |access, _| body(access, 400, "CCE.01400001", &percent(access))),
        ("echo-code", "RequestRejected", |access, _| body(access, 400, access, "no")),
        ("echo-429", "Throttled", |access, _| {
            body(access, 429, "APIGW.0308", &all(access)).header("Retry-After", "1")
        }),
        ("echo-200", "InvalidResponse", |access, escaped| body(access, 200, "CCE.01500001", escaped)),
        ("echo-302", "InvalidResponse", |access, _| {
            let location = format!("http://127.0.0.1:1/{}", percent(access));
            FaultKind::Redirect { location, status: 302 }.into()
        }),
    ];
    let echo = |(n, (name, reason, fault)): (usize, (_, _, Echo))| {
        let access = fault_table::access_key(ACCESS, first + n);
        let escaped = all(&access).replace('/', "\\/").replace('+', "\\u002b").replace('C', "\\u0043");
        (name, reason, fault(&access, &escaped))
    };
    echoes.into_iter().enumerate().map(echo).collect()
}

/// All values of a credential as one text.
fn all(access: &str) -> String {
    format!("{access} {SECRET} {TOKEN}")
}

/// A good answer with the keys in it, some of them escaped.
fn good() -> Fault {
    let escaped = TOKEN.replace('/', "\\/").replace('+', "\\u002B");
    let body = json!({ "kind": "List", "items": [{
        "metadata": { "uid": format!("uid-{ACCESS}") },
        "status": { "phase": format!("phase {TOKEN}") },
        "spec": { "items": [{ "id": ACCESS, "type": SECRET, "status": "Failed", "message": format!("{TOKEN} ESCAPED {ACCESS}") }] },
    }, {
        "metadata": { "uid": "failed", "creationTimestamp": "2023-11-25T09:03:46Z" }, "status": { "phase": "Failed" },
        "spec": { "items": [{ "status": "Failed", "message": format!("{SECRET} ESCAPED") }] },
    }] });
    Fault::body(200, body.to_string().replace("ESCAPED", &escaped))
}

async fn no_key_is_anywhere_to_be_seen_whatever_the_cloud_does(scene: Scene) {
    let credential = Credential::new(ACCESS, SECRET).with_token(TOKEN);
    let flags = ["--request-timeout", TIMEOUT, "--account-rate", "50", "--account-burst", "100"];
    let flags = [&flags[..], &["--log-filter", "trace,kube_client=trace"]].concat();
    let operator = Operator::start(&scene, &flags).await;
    let mut faults = fault_table::faults();
    faults.extend(echoes(faults.len()));
    fault_table::play(&scene, &credential, &faults).await;

    scene.secret("canary", fault_table::secret(&credential)).await;
    scene.cloud.add_credential(credential);
    scene.cloud.set_fault(CLUSTER, good()).unwrap();
    scene.watch("good", json!({ "credentials": { "secretRef": { "name": "canary" } } })).await;
    let status = scene.shows("good", "an answer", |status| ready(status) == "True Polled").await;
    assert_eq!(status.tasks.unwrap().len(), 2);
    // A key that cannot be used must not be shown either.
    let unusable = json!({ "accessKey": ACCESS, "secretKey": format!("{SECRET} {TOKEN}") });
    scene.secret("unusable", unusable).await;
    scene.watch("unusable", json!({ "credentials": { "secretRef": { "name": "unusable" } } })).await;
    scene.shows("unusable", "told", |status| ready(status) == "False SecretInvalid").await;

    let all = &ListParams::default();
    let watches = serde_json::to_string(&scene.api::<ClusterBackupWatch>().list(all).await.unwrap()).unwrap();
    let events = serde_json::to_string(&scene.api::<Event>().list(all).await.unwrap()).unwrap();
    let (log, metrics) = (operator.text(), operator.get("/metrics").await.1);
    for part in ["TRACE", "hyper_util", "kube_client", "reqwest", "cce_backup_watch"] {
        assert!(log.contains(part), "the log holds what {part} says");
    }
    assert!(watches.contains("****") && events.contains("****"), "the echoes were seen, and overwritten");
    let bearer = operator.bearer();
    let hidden = [ACCESS, SECRET, TOKEN].map(spellings).concat();
    for value in hidden.iter().chain([&bearer]) {
        for (place, text) in [
            ("the log", &log),
            ("the statuses", &watches),
            ("the Events", &events),
            ("the metrics", &metrics),
        ] {
            if let Some(at) = text.find(value.as_str()) {
                let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                let shown: String = text[line..].chars().take(1500).collect();
                panic!("{place} holds {value}: {shown}");
            }
        }
    }
    assert!(!json!(operator.log()).to_string().contains("ESCAPED"), "nor raw answers");
}
