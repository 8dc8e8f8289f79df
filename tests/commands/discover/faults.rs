//! An answer that is not whole never looks like fewer clusters.

use cce_simulator::{Fault, FaultKind, Product};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_answer_of_either_product_ends_with_3_and_prints_nothing() {
    let cloud = Cloud::with_clusters([cluster(1, "a"), cluster(2, "b").autopilot()]).await;
    for product in [Product::Standard, Product::Autopilot] {
        for (fault, said) in [
            (Fault::status(503), "(HTTP 503, request "),
            (Fault::error(403, "CCE.01403001", "no"), "cce:cluster:list"),
            (Fault::error(429, "APIGW.0308", "no"), "(HTTP 429, APIGW.0308, request "),
            (Fault::error(404, "APIGW.0101", "no"), "the endpoint does not offer this API"),
            (Fault::body(200, "{}"), "the answer is no list of clusters"),
            (Fault::body(200, "<html>"), "the answer is no JSON object"),
            (FaultKind::Truncate {}.into(), "broke off before the answer was whole"),
            (FaultKind::Reset {}.into(), "the connection to "),
            (FaultKind::Hang {}.into(), "no whole answer from the endpoint of region cn-north-4 ("),
            (FaultKind::Nested { depth: 100_000 }.into(), "the answer is no JSON object"),
            (FaultKind::Huge { bytes: 65 << 20 }.into(), "the answer is larger than 64 MiB"),
        ] {
            cloud.simulator.set_clusters_fault(product, PROJECT, fault.clone()).unwrap();
            let ran = run(&mut cloud.discover(&[
                "--request-timeout",
                if fault.kind == (FaultKind::Hang {}) { "1s" } else { "20s" },
            ]));
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{fault:?}: {ran:?}");
            let whom = format!("error: cannot list the {product:?} clusters of the project {PROJECT}: ");
            assert!(ran.stderr.starts_with(&whom) && ran.stderr.contains(said), "{said}: {}", ran.stderr);
            let hint = ran.stderr.contains("say --cluster-type Standard");
            assert_eq!(hint, product == Product::Autopilot, "{}", ran.stderr);
        }
        cloud.simulator.clear_clusters_fault(product, PROJECT);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_above_the_limit_of_other_answers_is_read() {
    let cloud = Cloud::with_clusters([]).await;
    cloud
        .simulator
        .set_clusters_fault(Product::Autopilot, PROJECT, FaultKind::Huge { bytes: 8 << 20 })
        .unwrap();
    let clusters = (0..3_000).map(|n| cluster(n, &format!("c{n}")).alias("x".repeat(500)));
    cloud.simulator.set_clusters(PROJECT, clusters);
    let ran = run(&mut cloud.discover(&["--output", "json"]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(list["items"].as_array().unwrap().len(), 3_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_cluster_without_an_id_spoils_the_list() {
    let cloud = Cloud::with_clusters([]).await;
    let listed = json!({"items": [{"metadata": {"uid": id(1)}}, {"metadata": {"name": "b"}}]});
    cloud.simulator.set_clusters_answer(Product::Standard, PROJECT, listed);
    run(&mut cloud.discover(&[])).refused(3, "lists a cluster without a usable id");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_that_really_lists_none_says_so_and_prints_nothing() {
    let cloud = Cloud::with_clusters([]).await;
    for output in ["yaml", "json", "table"] {
        run(&mut cloud.discover(&["--output", output]))
            .said_only(0, &format!("the project {PROJECT} lists no clusters\n"));
    }
}

#[test]
fn flags_that_cannot_be_used_end_with_2() {
    for (flags, said) in [
        (&["--region", "r", "--tag", "env"][..], "write it as KEY=VALUE"),
        (&["--region", "r", "--allow-empty"], "--existing"),
        (&["--region", "r", "--namespace", "A"], "a namespace is 1 to 63"),
        (&["--region", "r", "--secret-name", "../x"], "a name is lower-case"),
        (&["--region", "r", "--name", ""], "must not be empty"),
        (&["--region", "r", "--phase", ""], "must not be empty"),
        (&["--region", "r", "--phase", "Available,"], "must not be empty"),
        (&["--region", "r", "--output", "xml"], "[possible values: yaml, json, table]"),
        (&["--region", "r", "--project-id", "p"], "a project id is 32"),
        (&["--region", "r"], "give --project-id, or set HUAWEICLOUD_SDK_PROJECT_ID"),
        (&[], "--region <REGION>"),
    ] {
        run(program().arg("discover").args(flags)).refused(2, said);
    }
}

/// In a pipeline a variable that is not defined is often an empty one.
#[test]
fn an_empty_variable_is_no_filter_that_can_be_used() {
    for (variable, flag, said) in [
        ("CBW_NAME", "--name=", "must not be empty"),
        ("CBW_PHASE", "--phase=", "must not be empty"),
        ("CBW_TAG", "--tag=", "write it as KEY=VALUE"),
    ] {
        let flags = ["discover", "--region", "r", "--project-id", PROJECT, "--existing", "x"];
        let set = run(program().args(flags).env(variable, ""));
        let given = run(program().args(flags).arg(flag));
        for (ran, said) in [(set, format!("{variable} is set and empty")), (given, said.to_owned())] {
            ran.refused(2, &said);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_a_key() {
    let cloud = Cloud::with_clusters([cluster(1, ACCESS_KEY)]).await;
    let echo = Fault::body(
        403,
        format!("{{\"errorCode\":\"CCE.1\",\"errorMessage\":\"{SECRET_KEY} {ACCESS_KEY}\"}}"),
    );
    cloud.simulator.set_clusters_fault(Product::Autopilot, PROJECT, echo.times(1)).unwrap();
    for code in [3, 0] {
        let ran = run(&mut cloud.discover(&["--log-filter", "trace"]));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        holds_no_key(&ran);
    }
}
