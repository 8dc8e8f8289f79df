//! Every fault of the cloud that the simulator can cause, with the reason that the operator must give for it.

use std::time::Duration;

use cbw_testkit::scene::{Scene, healthy, ready, says};
use cce_backup_watch::api::ClusterBackupWatchStatus;
use cce_simulator::{Credential, Fault, FaultKind, Task};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

/// The request time-out of the operator: longer than any answer takes that is not late on purpose.
pub const TIMEOUT: &str = "3s";
/// How long a status may take to report a fault. A passing fault is reported 60 to 90 s after the first poll that brought
/// no answer, and a throttled key that was tried again rests for two minutes; the rest is for a busy machine.
const TOLD: Duration = Duration::from_mins(4);

/// What the gateway says of a wrong clock, with the code of a wrong key.
const EXPIRED: &str = "Incorrect IAM authentication information: signature expired, \
                       signature time:20211217T064303Z,server time:20211217T065804Z";

/// Every fault: a name for it, the reason of Ready, and what the simulator does.
pub fn faults() -> Vec<(&'static str, &'static str, Fault)> {
    let error = |status, code| Fault::error(status, code, "no");
    let body = |body: &str| Fault::body(200, body);
    let redirect = |status| FaultKind::Redirect { location: "http://127.0.0.1:1/".into(), status }.into();
    vec![
        ("signature", "AuthenticationFailed", error(401, "APIGW.0301")),
        ("key", "AuthenticationFailed", error(401, "CCE.01401001")),
        ("truncated", "CloudUnavailable", FaultKind::Truncate {}.into()),
        ("unknown-401", "AuthenticationFailed", Fault::status(401)),
        ("clock", "ClockSkew", Fault::error(401, "APIGW.0301", EXPIRED)),
        ("rare-clock", "ClockSkew", error(401, "APIGW.0303")),
        ("permission", "PermissionDenied", error(403, "CCE.01403001")),
        ("restricted", "PermissionDenied", error(403, "CCE.01403002")),
        ("state", "CloudUnavailable", error(403, "CCE.01403004")),
        ("unknown-403", "PermissionDenied", Fault::body(403, "<html>")),
        ("cluster", "ClusterNotFound", error(404, "CCE.01404001")),
        ("other-cluster", "ClusterNotFound", error(404, "CCE.03404001")),
        ("endpoint", "CloudUnavailable", error(404, "APIGW.0101")),
        ("reset", "CloudUnavailable", FaultKind::Reset {}.into()),
        ("unknown-404", "CloudUnavailable", Fault::body(404, "<html>")),
        ("gateway-limit", "Throttled", error(429, "APIGW.0308")),
        ("limit", "Throttled", error(429, "CCE.02429001")),
        ("locked", "CloudUnavailable", error(429, "CCE.01429002")),
        ("unknown-429", "Throttled", Fault::status(429)),
        ("bad-request", "RequestRejected", error(400, "CCE.01400001")),
        ("conflict", "RequestRejected", error(409, "CCE.01409001")),
        ("reset-mid-body", "CloudUnavailable", FaultKind::ResetMidBody {}.into()),
        ("internal", "CloudUnavailable", error(500, "CCE.01500001")),
        ("unavailable", "CloudUnavailable", Fault::status(503)),
        ("error-as-200", "InvalidResponse", error(200, "CCE.01500001")),
        ("no-content", "InvalidResponse", Fault::status(204)),
        ("moved", "InvalidResponse", redirect(301)),
        ("hang", "CloudUnavailable", FaultKind::Hang {}.into()),
        ("found", "InvalidResponse", redirect(302)),
        ("temporary", "InvalidResponse", redirect(307)),
        ("empty", "InvalidResponse", body("")),
        ("html", "InvalidResponse", body("<html>login</html>")),
        ("no-list", "InvalidResponse", body("{}")),
        ("items-object", "InvalidResponse", body(r#"{"kind":"List","items":{}}"#)),
        ("items-text", "InvalidResponse", body(r#"{"kind":"List","items":"none"}"#)),
        ("drip", "CloudUnavailable", FaultKind::Drip { interval: SignedDuration::from_millis(100) }.into()),
        ("array", "InvalidResponse", body("[]")),
        ("gzip", "InvalidResponse", body(r#"{"kind":"List","items":[]}"#).header("content-encoding", "gzip")),
        ("garbage", "InvalidResponse", FaultKind::Garbage {}.into()),
        ("nested", "InvalidResponse", FaultKind::Nested { depth: 100_000 }.into()),
        ("huge", "InvalidResponse", FaultKind::Huge { bytes: 50 << 20 }.into()),
    ]
}

/// The id of the n-th of a test's clusters.
pub fn cluster(n: usize) -> String {
    format!("{n:08x}-2222-3333-4444-555555555555")
}

/// A credential as the values of a Secret.
pub fn secret(credential: &Credential) -> Value {
    let mut values = json!({ "accessKey": credential.access_key, "secretKey": credential.secret_key });
    if let Some(token) = &credential.security_token {
        values["securityToken"] = json!(token);
    }
    values
}

/// The access key of the n-th fault: the base and two letters. Digits would not do, because messages leave out every
/// word with digits, secret or not.
pub fn access_key(base: &str, n: usize) -> String {
    let letter = |n: usize| char::from(b'A' + u8::try_from(n % 26).unwrap());
    format!("{base}{}{}", letter(n / 26), letter(n))
}

/// Plays faults side by side, each on a cluster, an account and a key of its own: a good answer, the fault until the
/// watch reports it, a good answer again. Asserts each reason, that the rest of the status stays, and the recovery.
///
/// A fault of a key or of an account affects every watch that uses it, so the faults must not share one. The keys are
/// made from `credential` by [`access_key`].
pub async fn play(scene: &Scene, credential: &Credential, faults: &[(&str, &str, Fault)]) {
    join_all(faults.iter().enumerate().map(async |(n, (name, reason, fault))| {
        let cluster = cluster(n);
        let good = [Task::new("backup-2", "Running").progress(30), Task::new("backup-1", "Success")];
        scene.cloud.set_tasks(&cluster, good);
        let credential =
            Credential { access_key: access_key(&credential.access_key, n), ..credential.clone() };
        scene.secret(name, secret(&credential)).await;
        scene.cloud.add_credential(credential);
        // A fault that strikes once must be written before the next poll is good again, also by a slow machine.
        let spec = json!({
            "clusterID": cluster, "projectID": format!("{n:032x}"), "credentials": { "secretRef": { "name": name } },
            "activeInterval": "10s",
        });
        scene.watch(name, spec).await;
        let shows = async |what: &str| {
            let holds = |status: &ClusterBackupWatchStatus| ready(status) == what;
            scene.shows_within(TOLD, name, what, holds).await
        };
        let before = shows("True Polled").await;

        // A fault that may pass lasts until the watch is blind. Any other strikes once, which is enough to be reported.
        let passes = ["Throttled", "CloudUnavailable", "InvalidResponse"].contains(reason);
        let lasting = fault.clone();
        scene.cloud.set_fault(&cluster, if passes { lasting } else { lasting.times(1) }).unwrap();
        let told = shows(&format!("False {reason}")).await;
        assert!(passes || scene.cloud.counts(&cluster).faulted == 1, "{name}");
        scene.cloud.clear_fault(&cluster);
        assert_eq!(healthy(&told), "Unknown PollFailing", "{name}");
        let (set, unset) = if passes { ("Reconciling", "Stalled") } else { ("Stalled", "Reconciling") };
        assert_eq!(
            (says(&told, set), says(&told, unset)),
            (format!("True {reason}"), String::new()),
            "{name}"
        );
        let mut kept = told.clone();
        kept.conditions.clone_from(&before.conditions);
        assert_eq!(kept, before, "{name}: what was known stays");

        scene.request(name, "now").await;
        let after = shows("True Polled").await;
        assert_eq!(
            (healthy(&after), says(&after, set)),
            ("True BackupSucceeded".into(), String::new()),
            "{name}"
        );
        assert_eq!(after.tasks.map(|tasks| tasks.len()), Some(2), "{name}");
        let counts = scene.reasons(name).await;
        assert_eq!((counts.get("PollFailed"), counts.get("PollRecovered")), (Some(&1), Some(&1)), "{name}");
    }))
    .await;
}
