//! What the cloud refuses is said in plain words, with the code and the request id. It is tried again where the refusal
//! passes, and only there.

use cce_simulator::{Fault, StartFault};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_its_cause_code_and_request() {
    for (fault, said) in [
        (
            Fault::error(403, "CCE.01403001", "no"),
            "may not start a backup of this cluster (HTTP 403, CCE.01403001, request 0",
        ),
        (Fault::error(403, "CCE.01403001", "no"), "cce:cluster:upgrade"),
        (
            Fault::error(400, "CCE.01400001", "The cluster is hibernating"),
            "refuses to start a backup (HTTP 400, CCE.01400001, request 0",
        ),
        (Fault::error(400, "CCE.01400001", "The cluster is hibernating"), "The cluster is hibernating"),
        (
            Fault::error(404, "CCE.01404001", "no"),
            "there is no such cluster (HTTP 404, CCE.01404001, request 0",
        ),
        (Fault::error(404, "APIGW.0101", "no"), "does not offer this API (HTTP 404, APIGW.0101, request 0"),
        (Fault::error(401, "APIGW.0301", "no"), "signature was refused (HTTP 401, APIGW.0301, request 0"),
    ] {
        let cloud = Cloud::with_tasks([]).await;
        cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(fault.clone())).unwrap();
        let ran = run(&mut cloud.backup(&[]));
        assert_eq!((ran.code, ran.stdout.as_str(), cloud.posts()), (Some(3), "", 1), "{fault:?}: {ran:?}");
        assert!(ran.stderr.contains("error: no backup was started: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}

/// The refusals by which the cloud says that something runs.
fn busy() -> Vec<Fault> {
    [
        (429, "CCE.01429002"),
        (429, "CCE.01429003"),
        (409, "CCE.01409001"),
        (409, "X.1"),
        (403, "CCE.01403003"),
        (403, "CCE.01403009"),
        (400, "CCE.01400023"),
    ]
    .map(|(status, code)| Fault::error(status, code, "busy"))
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_runs_already_that_one_is_followed() {
    let refusals = busy().into_iter().map(Some).chain([None]);
    for fault in refusals {
        let cloud = Cloud::with_tasks([Task::new("theirs", "Running").progress(40)]).await;
        if let Some(fault) = fault.clone() {
            cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(fault)).unwrap();
        }
        let mut command = start(&mut cloud.backup(&[]));
        let said = command.says(" theirs Running 40%");
        assert!(
            said.contains("no backup was started: ") && said.contains("the backup theirs is followed"),
            "{said}"
        );
        assert!(!said.contains(" is started"), "{said}");
        cloud.simulator.set_tasks(CLUSTER, [Task::new("theirs", "Success")]);
        let ran = command.end();
        assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{fault:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_passes_is_asked_past_after_its_retry_after() {
    let throttled = ["APIGW.0308", "CCE.02429001"].map(|code| Fault::error(429, code, "slow down"));
    let mut started = Vec::new();
    for fault in busy().into_iter().chain(throttled) {
        let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
        cloud.ends(1, "Success");
        let passing = fault.clone().header("Retry-After", "1").times(2);
        cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(passing)).unwrap();
        let command = start(&mut cloud.backup(&[]));
        started.push((fault, cloud, command));
    }
    for (fault, cloud, command) in started {
        let ran = command.end();
        assert_eq!((ran.code, cloud.posts()), (Some(0), 3), "{fault:?}: {ran:?}");
        assert_eq!(ran.stderr.matches("the request is sent again in 1s\n").count(), 2, "{}", ran.stderr);
        assert_eq!(ran.stderr.matches(" is started\n").count(), 1, "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_does_not_pass_in_time_is_what_is_said_in_the_end() {
    for fault in [Fault::error(429, "APIGW.0308", "slow down"), Fault::error(409, "CCE.01409001", "busy")] {
        let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
        cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(fault.clone())).unwrap();
        let ran = run(&mut cloud.backup_within("2s", &[]));
        // Without a Retry-After the next request is a minute later.
        assert_eq!((ran.code, cloud.posts()), (Some(124), 1), "{ran:?}");
        assert!(ran.stderr.contains("the request is sent again in 1m"), "{}", ran.stderr);
        assert!(ran.stderr.contains("error: timed out after 2s: no backup was started: "), "{}", ran.stderr);
        assert!(!ran.stderr.contains("is started"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_waited_takes_the_success_of_another() {
    let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
    let fault = Fault::error(429, "APIGW.0308", "slow down").header("Retry-After", "2");
    cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(fault)).unwrap();
    let mut command = start(&mut cloud.backup(&["--if-older-than", "2h"]));
    command.says("the request is sent again in 2s");
    cloud.simulator.set_tasks(CLUSTER, [ended("theirs", "Success", YOUNG)]);
    command.end().said(0, "the backup theirs is followed");
    assert_eq!(cloud.posts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_even_a_look_is_refused() {
    let cloud = Cloud::with_tasks([]).await;
    let ran = run(cloud.backup(&[]).env("HUAWEICLOUD_SDK_SK", "another"));
    assert_eq!((ran.code, cloud.posts()), (Some(3), 0), "{ran:?}");
    let ran = run(cloud.backup(&["--cluster-type", "Autopilot"]).env_remove("HUAWEICLOUD_SDK_AK"));
    assert_eq!((ran.code, cloud.posts()), (Some(3), 0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_vouches_for_gets_no_request() {
    let cloud = Cloud::with_tasks([]).await;
    let mut command = on_cluster("backup", cloud.tls.url(), &["--interval", "1s", "--timeout", "2s"]);
    run(&mut command).said(124, "an authority that is not trusted");
    assert_eq!((cloud.posts(), cloud.simulator.total().accepted), (0, 0));
}
