//! A lost answer: the backup is looked for, and none is ever started twice.

use cce_simulator::{Fault, FaultKind, StartFault};
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_answer_the_started_backup_is_adopted() {
    let mut started = Vec::new();
    for fault in [
        Fault::from(FaultKind::Reset {}),
        FaultKind::ResetMidBody {}.into(),
        FaultKind::Truncate {}.into(),
        FaultKind::Garbage {}.into(),
        FaultKind::Hang {}.into(),
        Fault::status(500),
        Fault::status(504),
        Fault::status(204),
        Fault::body(200, "{}"),
        Fault::body(200, "<html>"),
    ] {
        let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
        cloud.ends(2, "Success");
        cloud.simulator.set_start_fault(CLUSTER, StartFault::Lost(fault.clone())).unwrap();
        let command = start(&mut cloud.backup(&["--request-timeout", "1s"]));
        started.push((fault, cloud, command));
    }
    for (fault, cloud, command) in started {
        let ran = command.end();
        assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{fault:?}: {ran:?}");
        assert!(ran.stderr.contains("the answer is lost ("), "{}", ran.stderr);
        assert!(ran.stderr.contains(" is new since the request and is followed\n"), "{}", ran.stderr);
        assert!(ran.stderr.ends_with(" Success 100%\n"), "{}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_listed_late_is_still_found() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.ends(3, "Success");
    cloud.simulator.set_start_fault(CLUSTER, StartFault::Lost(Fault::status(502))).unwrap();
    cloud.simulator.set_answer(CLUSTER, json!({"kind": "List", "items": []}));
    let mut command = start(&mut cloud.backup(&[]));
    command.says("looking for the backup among the tasks");
    let looks = cloud.simulator.requests(CLUSTER);
    until("two looks in vain", || cloud.simulator.requests(CLUSTER) >= looks + 2).await;
    cloud.simulator.clear_answer(CLUSTER);
    let ran = command.end();
    assert_eq!((ran.code, cloud.posts()), (Some(0), 1), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_told_ends_with_3_and_no_second_request() {
    let hang = || StartFault::Lost(FaultKind::Hang {}.into());
    let refused = StartFault::Refused(Fault::status(502));
    let nothing: fn(&Cloud) = |_| {};
    let another: fn(&Cloud) = |cloud| {
        let listed = [ended("old", "Success", OLD), Task::new("other", "Running")];
        cloud.simulator.set_tasks(CLUSTER, listed);
    };
    let no_key: fn(&Cloud) = |cloud| assert!(cloud.simulator.remove_credential(ACCESS_KEY));
    for (fault, timeout, meanwhile, said) in [
        (refused, "30s", nothing, "no new one is listed: look with the command tasks"),
        (hang(), "30s", another, "more than one is new since the request ("),
        (hang(), "30s", no_key, "and the access key or its signature was refused"),
        // While the answer is awaited.
        (hang(), "2s", nothing, "the time is up: look with the command tasks"),
    ] {
        let cloud = Cloud::with_tasks([ended("old", "Success", OLD)]).await;
        cloud.simulator.set_start_fault(CLUSTER, fault).unwrap();
        let command = start(&mut cloud.backup_within(timeout, &["--request-timeout", "3s"]));
        until("the request", || cloud.posts() == 1).await;
        meanwhile(&cloud);
        let ran = command.end();
        ran.said(3, said);
        ran.refused(3, "error: it is not known whether a backup was started: ");
        assert_eq!(cloud.posts(), 1, "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_while_the_answer_is_awaited_it_says_that_nothing_is_known() {
    let cloud = Cloud::with_tasks([]).await;
    cloud.simulator.set_start_fault(CLUSTER, StartFault::Lost(FaultKind::Hang {}.into())).unwrap();
    let mut command = start(&mut cloud.backup(&[]));
    until("the request", || cloud.posts() == 1).await;
    command.signal("INT");
    command.end().said(130, "whether one was started is not known");
    assert_eq!(cloud.posts(), 1);
}
