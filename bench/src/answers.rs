//! The peak of resident memory of `tasks`, `discover` and the operator while the cloud answers with as much as they read. It prints
//! the table of `docs/benchmarks.md`; the bound is kept by `tests/answer_memory.rs`, which counts bytes.

use std::{process::Stdio, time::Duration};

use cbw_testkit::scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY};
use cce_simulator::{ANY_CLUSTER, Fault, Product};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::{
    Result,
    bench::Bench,
    crowd::Crowd,
    operator::{self, Operator},
    process::Process,
    report::count,
    watches::{api, at_a_time, create},
};

const MIB: usize = 1 << 20;
/// The operator polls so many clusters at once, each of an account of its own, in so many regions.
const WATCHES: usize = 64;
const REGIONS: usize = 4;

/// Entries of lists; `#` is a number. The one of a cluster gets annotations in place of `@`.
const WITHOUT_A_KEY: &str = r#"{"":0}"#;
const ONLY_AN_ID: &str = r##"{"metadata":{"uid":"#"}}"##;
const TASK: &str = r#"{"kind":"SnapshotTask","apiVersion":"v3.1","metadata":{"uid":"87d326f9-46b0-486e-a4ba-#","creationTimestamp":"2023-11-25 17:03:46.739012 +0800 CST","updateTimestamp":"2023-11-25 17:03:46.739012 +0800 CST"},"spec":{"items":[]},"status":{"phase":"Success","progress":"100","completionTime":"2023-11-25 17:03:46.739027 +0800 CST"}}"#;
const CCE_CLUSTER: &str = r#"{"kind":"Cluster","metadata":{"name":"c-#","uid":"11111111-2222-3333-4444-#","annotations":{"a":"@"}},"spec":{"version":"v1.33"},"status":{"phase":"Available"}}"#;

/// A list of so many of these entries as fit.
fn many(entry: &str, size: usize) -> String {
    let mut entries = String::new();
    for number in 0.. {
        let next = entry.replace('#', &format!("{number:012}"));
        if entries.len() + next.len() + 50 > size {
            break;
        }
        entries += if number == 0 { "" } else { "," };
        entries += &next;
    }
    format!("{{\"kind\":\"List\",\"items\":[{entries}]}}")
}

/// Measures each command and the operator with each shape of an answer.
pub async fn run(command: &str) -> Result<bool> {
    let bench = Bench::new(&operator::print(command, "crd")?, Duration::ZERO).await?;
    let cloud = &bench.scene.cloud;
    let tasks = [
        ("an empty list", many("", 0)),
        ("tasks as the cloud lists them", many(TASK, MIB)),
        ("tasks with nothing but an id", many(ONLY_AN_ID, MIB)),
        ("objects with an empty key", many(WITHOUT_A_KEY, MIB)),
    ];
    let cluster = CCE_CLUSTER.replace('@', &"x".repeat(MIB - 1000));
    let clusters = [
        ("an empty list", many("", 0)),
        ("clusters of a megabyte", many(&cluster, 64 * MIB)),
        ("objects with an empty key", many(WITHOUT_A_KEY, 64 * MIB)),
    ];
    println!("| command | answer | peak of resident memory, MiB |\n|---|---|---:|");
    let tell = |what: &str, shape: &str, body: &str, peak: f64| {
        let size = count(body.len()) / count(MIB);
        println!("| {what} | {size:.0} MiB, {shape} | {:.1} |", peak / count(MIB));
    };
    for (shape, body) in &tasks {
        cloud.set_fault(ANY_CLUSTER, Fault::body(200, body))?;
        let peak = of_a_command(command, &bench, &["tasks", "--cluster-id", CLUSTER]).await?;
        tell("`tasks`", shape, body, peak);
    }
    for (shape, body) in &clusters {
        cloud.set_clusters_fault(Product::Standard, PROJECT, Fault::body(200, body))?;
        let discover = ["discover", "--cluster-type=Standard", "--output=yaml", "--secret-name=huawei"];
        tell("`discover`", shape, body, of_a_command(command, &bench, &discover).await?);
    }
    for (shape, body) in &tasks {
        cloud.set_fault(ANY_CLUSTER, Fault::body(200, body))?;
        tell(&format!("operator, {WATCHES} watches"), shape, body, of_the_operator(command, &bench).await?);
    }
    Ok(true)
}

/// The peak of a command that asks once, in bytes.
async fn of_a_command(command: &str, bench: &Bench, arguments: &[&str]) -> Result<f64> {
    let mut program = operator::program(command);
    program.args(arguments).args(["--region", REGION, "--project-id", PROJECT]);
    program.args(["--region-endpoint", &format!("{REGION}={}", bench.scene.cloud.url())]);
    program.env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", SECRET_KEY);
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let mut peak = 0.0;
    while child.try_wait()?.is_none() {
        // One that has just ended has none.
        peak = Process(child.id()).peak().unwrap_or(peak);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(peak)
}

/// The peak of an operator that has polled each watch for the first time, in bytes.
async fn of_the_operator(command: &str, bench: &Bench) -> Result<f64> {
    let (api, resource) = api(&bench.scene);
    at_a_time(0..WATCHES, async |n| {
        let account = format!("{n:032x}");
        create(&api, n, &json!({ "region": format!("r{}", n % REGIONS), "projectID": account })).await
    })
    .await?;
    let url = bench.tls.url();
    let endpoints: [_; REGIONS] = std::array::from_fn(|region| format!("--region-endpoint=r{region}={url}"));
    let operator = Operator::start(command, bench, &endpoints.each_ref().map(String::as_str)).await?;
    let crowd = Crowd::new(api.clone(), resource);
    let polled = |reason: &serde_json::Value| reason.is_string() && reason != "NotYetPolled";
    crowd
        .until("every watch has its answer", WATCHES, |watch| {
            let conditions = watch.data["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|one| one["type"] == "Ready" && polled(&one["reason"]))
        })
        .await?;
    let peak = operator.process.peak();
    operator.stop().await;
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    crowd.until("the watches are gone", 0, |_| true).await?;
    peak
}
