//! No key in any output: every sort of fault, at trace level, with a service that sends back what it was sent.

use cce_simulator::{Credential, Fault, FaultKind};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_a_key_whatever_the_cloud_does() {
    let simulator = simulator().await;
    let mut credential = Credential::new(ACCESS_KEY, SECRET_KEY);
    credential.security_token = Some(SECURITY_TOKEN.to_owned());
    simulator.add_credential(credential);
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    let echo = format!("refused {ACCESS_KEY} {SECRET_KEY} {SECURITY_TOKEN}");
    let mut faults = vec![
        Fault::body(200, echo.as_str()),
        Fault::body(500, format!("<html>{echo}</html>")),
        FaultKind::Reset {}.into(),
        FaultKind::ResetMidBody {}.into(),
        FaultKind::Truncate {}.into(),
        FaultKind::Garbage {}.into(),
        FaultKind::Redirect { location: format!("http://127.0.0.1:1/{SECRET_KEY}"), status: 302 }.into(),
    ];
    for status in [400, 401, 403, 404, 405, 429, 500, 503] {
        faults.push(Fault::error(status, "APIGW.0301", echo.as_str()).header("X-Request-Id", ACCESS_KEY));
    }
    for fault in faults {
        simulator.set_fault(CLUSTER, fault.clone()).unwrap();
        for output in ["table", "json"] {
            let ran = run(tasks(&simulator, &["--log-filter", "trace", "--output", output])
                .env("HUAWEICLOUD_SDK_SECURITY_TOKEN", SECURITY_TOKEN));
            assert_eq!(ran.code, Some(3), "{fault:?}: {ran:?}");
            holds_no_key(&ran);
            assert!(ran.stderr.contains("DEBUG"), "the log is on: {ran:?}");
        }
    }
    simulator.clear_fault(CLUSTER);
    let ran =
        run(tasks(&simulator, &["--log-filter", "trace"])
            .env("HUAWEICLOUD_SDK_SECURITY_TOKEN", SECURITY_TOKEN));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    holds_no_key(&ran);
}

#[test]
fn help_and_usage_errors_hold_no_key() {
    for flags in [&["tasks", "--help"][..], &["tasks"], &["tasks", "--credentials", "no"], &["man", "tasks"]]
    {
        let mut command = program();
        command.args(flags).env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
        holds_no_key(&run(command.env("HUAWEICLOUD_SDK_SECURITY_TOKEN", SECURITY_TOKEN)));
    }
}
