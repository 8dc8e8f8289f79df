//! What the cloud refuses is said in plain words, with the code and the request id, and is not tried again.

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
        (Fault::error(429, "APIGW.0308", "no"), "throttles this account (HTTP 429, APIGW.0308, request 0"),
        (Fault::error(401, "APIGW.0301", "no"), "signature was refused (HTTP 401, APIGW.0301, request 0"),
    ] {
        let cloud = Cloud::with([]).await;
        cloud.simulator.set_start_fault(CLUSTER, StartFault::Refused(fault.clone())).unwrap();
        let ran = run(&mut cloud.backup(&[]));
        assert_eq!((ran.code, ran.stdout.as_str(), cloud.posts()), (Some(3), "", 1), "{fault:?}: {ran:?}");
        assert!(ran.stderr.contains("error: no backup was started: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_backup_while_one_runs_is_the_clouds_to_refuse() {
    let cloud = Cloud::with([Task::new("r", "Running")]).await;
    let ran = run(&mut cloud.backup(&[]));
    assert_eq!((ran.code, cloud.posts()), (Some(3), 1), "{ran:?}");
    assert!(ran.stderr.contains("is started, besides r, which is not finished"), "{}", ran.stderr);
    assert!(ran.stderr.contains("the cluster is busy with another task"), "{}", ran.stderr);
    assert!(ran.stderr.contains("The cluster is locked by other requests"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_where_even_a_look_is_refused() {
    let cloud = Cloud::with([]).await;
    let ran = run(cloud.backup(&[]).env("HUAWEICLOUD_SDK_SK", "another"));
    assert_eq!((ran.code, cloud.posts()), (Some(3), 0), "{ran:?}");
    let ran = run(cloud.backup(&["--cluster-type", "Autopilot"]).env_remove("HUAWEICLOUD_SDK_AK"));
    assert_eq!((ran.code, cloud.posts()), (Some(3), 0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_nobody_vouches_for_gets_no_request() {
    let cloud = Cloud::with([]).await;
    let mut command = on_cluster("backup", &cloud.tls.url(), &["--interval", "1s", "--timeout", "2s"]);
    let ran = run(&mut command);
    assert_eq!((ran.code, cloud.posts(), cloud.simulator.total().accepted), (Some(124), 0, 0), "{ran:?}");
    assert!(ran.stderr.contains("an authority that is not trusted"), "{}", ran.stderr);
}
