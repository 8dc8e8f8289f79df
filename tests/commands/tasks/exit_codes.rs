//! One poll: each exit code of the contract, and what is said.

use cce_simulator::{Counts, Fault, Item, task::ROLLBACK};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_backup_decides_between_0_and_1() {
    let simulator = simulator().await;
    let rollback = Item { type_: Some(ROLLBACK.to_owned()), ..Item::default() };
    for (tasks_listed, code) in [
        (vec![], 0),
        (vec![task("a", "Success", 0)], 0),
        (vec![task("a", "Running", 0).progress(67)], 0),
        (vec![task("a", "Failed", 0)], 1),
        (vec![task("a", "Failed", 0), task("b", "Success", 60)], 0),
        (vec![task("b", "Failed", 60), task("a", "Success", 0)], 1),
        (vec![task("a", "Success", 0), task("b", "Failed", 60).item(rollback)], 0),
        (vec![task("a", "FAILED", 0)], 0),
    ] {
        simulator.set_tasks(CLUSTER, tasks_listed.clone());
        let ran = run(&mut tasks(&simulator, &[]));
        assert_eq!(ran.code, Some(code), "{tasks_listed:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_fails_ends_with_3_and_says_what_to_do() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    let error = |status, code: &str| Fault::error(status, code, "no");
    for (fault, said) in [
        (
            error(401, "APIGW.0301"),
            "error: the access key or its signature was refused (HTTP 401, APIGW.0301, request 000",
        ),
        (error(403, "CCE.01403001"), "may not read this cluster (HTTP 403, CCE.01403001, request 000"),
        (error(404, "CCE.01404001"), "there is no such cluster (HTTP 404, CCE.01404001, request 000"),
        (error(403, "CCE.01403002"), "the account is restricted, as for arrears"),
        (error(403, "CCE.01403004"), "the state of the cluster does not allow"),
        (error(429, "APIGW.0308"), "throttles this account (HTTP 429, APIGW.0308, request 000"),
        (
            error(429, "CCE.01429002"),
            "the cluster is busy with another task (HTTP 429, CCE.01429002, request 000",
        ),
        (error(400, "CCE.01400001"), "rejects the request (HTTP 400, CCE.01400001, request 000"),
        (error(400, "CCE.01400001"), "; the cloud says: no; Request is invalid; Invalid request."),
        (Fault::status(503), "reports an error of its own (HTTP 503, request "),
        (Fault::body(200, "<html>"), "error: the answer is no JSON object"),
    ] {
        simulator.set_fault(CLUSTER, fault).unwrap();
        let ran = run(&mut tasks(&simulator, &[]));
        ran.refused(3, said);
        assert!(ran.stderr.contains("): ") && ran.stderr.lines().count() == 1, "{}", ran.stderr);
        assert!(!ran.stderr.contains("--account-rate"), "no flag of this command: {}", ran.stderr);
    }
    // One poll each: nothing is tried again without --wait. For the 404 the API of the other cluster type is asked as well.
    assert_eq!(simulator.requests(CLUSTER), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_a_wrong_clock_and_a_dead_endpoint_are_told_apart() {
    let simulator = simulator().await;
    run(tasks(&simulator, &[]).env("HUAWEICLOUD_SDK_SK", "another")).said(3, "APIGW.0301, request ");

    simulator.set_clock_skew(SignedDuration::from_hours(1));
    let ran = run(&mut tasks(&simulator, &[]));
    assert_eq!(ran.code, Some(3));
    let said = &ran.stderr;
    assert!(said.contains("error: the clock of this host is 60 min behind the cloud's: 20"), "{said}");
    assert!(said.contains(" here, 20") && said.contains("Z there (HTTP 401, APIGW.0301, request "), "{said}");
    assert!(!said.contains("check accessKey"), "{said}");

    let mut command = tasks(&simulator, &[]);
    drop(simulator);
    run(&mut command).said(3, "cannot connect to the endpoint of region cn-north-4 (");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_usage_ends_with_2_before_anything_is_asked() {
    let simulator = simulator().await;
    let folder = Folder::new();
    let no_certificate = folder.write("ca.pem", "hello");
    let twice = format!("cn-north-4={}", simulator.url());
    for (flags, said) in [
        (&["--output", "xml"][..], "[possible values: table, json, yaml]"),
        (&["--cluster-type", "Turbo"], "[possible values: Standard, Autopilot]"),
        (&["--timeout", "1m"], "--timeout is of use only with --wait"),
        (&["--watch", "--timeout", "1m"], "--timeout is of use only with --wait"),
        (&["--wait", "--timeout", "soon"], "write it as 26h, 1m30s or 15s"),
        (&["--wait", "--timeout", "0s"], "must be above 0s"),
        (&["--wait", "--interval", "10ms"], "must be at least 1s"),
        (&["--secret", "huawei"], "write it as NAMESPACE/NAME"),
        (&["--secret", "a/b", "--credentials", "environment"], "cannot be used with"),
        (&["--credentials", "guess"], "[possible values: auto"),
        (&["--region-endpoint", &twice], "--region-endpoint: the endpoint of cn-north-4 is given twice"),
        (&["--region-endpoint", "x=ftp://h"], "must be an http:// or https:// URL"),
        (&["--ca-file", "/nowhere/ca.pem"], "cannot read the file of --ca-file: No such file"),
        (&["--ca-file", &no_certificate], "the CA file holds no PEM certificate"),
        (&["--log-filter", "a=b=c"], "invalid value"),
        (&["prod", "extra"], "unexpected argument"),
        (&["a/b/c"], "write it as NAME or NAMESPACE/NAME"),
    ] {
        let ran = run(&mut tasks(&simulator, flags));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{flags:?}: {ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(said), "{flags:?}: {}", ran.stderr);
    }
    assert_eq!(simulator.total().accepted + simulator.total().refused, 0);
}

#[test]
fn what_is_missing_is_named() {
    for (flags, said) in [
        (&["tasks"][..], "--region <REGION>"),
        (&["tasks", "--region", "r", "--project-id", PROJECT], "--cluster-id <CLUSTER_ID>"),
        (
            &["tasks", "--region", "r", "--cluster-id", CLUSTER],
            "give --project-id, or set HUAWEICLOUD_SDK_PROJECT_ID",
        ),
        (&["tasks", "--region", "https://h", "--cluster-id", CLUSTER], "a region is 1 to 63"),
        (&["tasks", "--region", "r", "--cluster-id", "prod"], "a cluster id is a UUID"),
        (&["tasks", "--region", "r", "--cluster-id", CLUSTER, "--project-id", "p"], "a project id is 32"),
    ] {
        run(program().args(flags)).said(2, said);
    }
    let flags = ["tasks", "--region", "r", "--cluster-id", CLUSTER];
    run(program().args(flags).env("HUAWEICLOUD_SDK_PROJECT_ID", "mine"))
        .said(2, "HUAWEICLOUD_SDK_PROJECT_ID: a project id is 32");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flag_may_come_from_the_environment() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Failed", 0)]);
    let mut command = program();
    command
        .arg("tasks")
        .env("CBW_REGION", "cn-north-4")
        .env("HUAWEICLOUD_SDK_PROJECT_ID", format!("{PROJECT}\n"))
        .env("CBW_CLUSTER_ID", CLUSTER)
        .env("CBW_CLUSTER_TYPE", "autopilot")
        .env("CBW_OUTPUT", "json")
        .env("CBW_WAIT", "true")
        .env("CBW_TIMEOUT", "20s")
        .env("CBW_INTERVAL", "1s")
        .env("CBW_CREDENTIALS", "environment")
        .env("CBW_REGION_ENDPOINT", format!("cn-north-4={}", simulator.url()))
        // Of the API page's samples.
        .env("CLOUD_SDK_AK", ACCESS_KEY)
        .env("CLOUD_SDK_SK", SECRET_KEY);
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["clusterType"], &report["phase"]), (&"Autopilot".into(), &"Failed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_credential_nothing_is_asked() {
    let simulator = simulator().await;
    let mut command = tasks(&simulator, &["--credentials", "environment"]);
    run(command.env_remove("HUAWEICLOUD_SDK_AK")).refused(3, "HUAWEICLOUD_SDK_AK");
    let ran = run(command.env("HUAWEICLOUD_SDK_AK", "two words"));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    assert_eq!(simulator.total().accepted + simulator.total().refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_can_be_no_key_is_never_signed_with_and_space_around_one_does_no_harm() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    for (before, after, said) in [
        ("\"", "\"", "secretKey holds quotes, which no key has"),
        ("", "\nx", "secretKey holds a line break"),
        ("x\r", "", "secretKey holds a carriage return"),
        ("备", "", "secretKey holds a character that is not ASCII"),
        ("AK,", "", "secretKey holds a comma"),
    ] {
        let ran =
            run(tasks(&simulator, &[]).env("HUAWEICLOUD_SDK_SK", format!("{before}{SECRET_KEY}{after}")));
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains(SECRET_KEY), "{said}: {}", ran.stderr);
    }
    assert_eq!(simulator.total(), Counts::default(), "nothing was asked");
    let around = format!("\u{feff} {SECRET_KEY}\u{3000}\r\n");
    let ran = run(tasks(&simulator, &[]).env("HUAWEICLOUD_SDK_SK", around));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_certificate_is_one_plain_line() {
    let simulator = simulator().await;
    let tls = Tls::start(&simulator, "127.0.0.1").await;
    let ran = run(&mut on_cluster("tasks", tls.url(), &[]));
    assert_eq!(ran.code, Some(3), "{ran:?}");
    let said = format!(
        "error: the certificate of the endpoint of region cn-north-4 ({}) is issued by an authority that is not trusted: \
         give the certificate of that authority with --ca-file\n",
        tls.url().trim_start_matches("https://"),
    );
    assert_eq!(ran.stderr, said);
}
