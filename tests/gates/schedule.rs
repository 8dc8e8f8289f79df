//! Backups on a schedule, as the chart renders them: the runs of a `CronJob`, made as its schedule would make them.

use cbw_testkit::{
    chart, jobs, program,
    scene::{CLUSTER, PROJECT, REGION, Scene},
    trial::tests,
};
use cce_simulator::{Fault, StartFault};

use crate::{
    cloud::{Backups, lists},
    job_files::ends_soon,
};

tests![
    a_scheduled_run_starts_a_backup_and_the_next_one_starts_none,
    a_scheduled_backup_that_fails_is_not_followed_by_another,
    nor_is_a_scheduled_request_that_the_cloud_refuses,
    nor_is_one_of_which_nobody_knows_whether_it_started_a_backup,
    a_scheduled_run_whose_pod_never_starts_ends,
];

const CRON_JOB: &str = "cronjob/watch-cce-backup-watch-backup-prod";

/// Applies the `CronJob` of a release.
async fn schedule(scene: &Scene) {
    jobs::prepare(scene).await;
    let cluster = format!("{{name: prod, region: {REGION}, projectID: \"{PROJECT}\", clusterID: {CLUSTER}}}");
    let values = format!(
        "scheduledBackup: {{enabled: true, credentials: {{secretName: huawei-backup}}, clusters: [{cluster}]}}"
    );
    let file = program::folder().join(format!("{}.values.yaml", scene.namespace));
    std::fs::write(&file, values).unwrap();
    let values = ["--namespace", &scene.namespace, "--values", file.to_str().unwrap()];
    let rendered = chart::template("scheduled-backup.yaml", &values);
    let arguments = ["apply", "--server-side", "--validate=strict", "--filename=-"];
    scene.cluster.kubectl(&scene.namespace, &arguments, &rendered).unwrap();
}

/// A run of the `CronJob`: how it ends, and how many backups were asked for until then.
async fn run(scene: &Scene, name: &str) -> (String, u64) {
    let from = format!("--from={CRON_JOB}");
    scene.cluster.kubectl(&scene.namespace, &["create", "job", name, &from], "").unwrap();
    jobs::run_pod(scene, name).await;
    (jobs::end(scene, name).await, scene.cloud.start_requests(CLUSTER))
}

async fn a_scheduled_run_starts_a_backup_and_the_next_one_starts_none(scene: Scene) {
    schedule(&scene).await;
    lists(&scene, Backups::None, "Success", 2);
    assert_eq!(run(&scene, "first").await, ("Complete".into(), 1));
    assert_eq!(run(&scene, "second").await, ("Complete".into(), 1));
}

/// One pod and one request, whatever becomes of it.
async fn fails_once(scene: &Scene, fault: Option<u16>) {
    schedule(scene).await;
    lists(scene, Backups::None, "Failed", 2);
    if let Some(code) = fault {
        scene.cloud.set_start_fault(CLUSTER, StartFault::Refused(Fault::status(code))).unwrap();
    }
    assert_eq!(run(scene, "only").await, ("Failed PodFailurePolicy 1".into(), 1));
}

async fn a_scheduled_backup_that_fails_is_not_followed_by_another(scene: Scene) {
    fails_once(&scene, None).await;
}

async fn nor_is_a_scheduled_request_that_the_cloud_refuses(scene: Scene) {
    fails_once(&scene, Some(403)).await;
}

async fn nor_is_one_of_which_nobody_knows_whether_it_started_a_backup(scene: Scene) {
    fails_once(&scene, Some(502)).await;
}

async fn a_scheduled_run_whose_pod_never_starts_ends(scene: Scene) {
    schedule(&scene).await;
    let from = format!("--from={CRON_JOB}");
    let arguments = ["create", "job", "late", &from, "--dry-run=client", "--output=yaml"];
    let manifest = scene.cluster.kubectl(&scene.namespace, &arguments, "").unwrap();
    assert!(manifest.contains("activeDeadlineSeconds: 33000\n"), "{manifest}");
    let job = jobs::create(&scene, &ends_soon(&manifest));
    assert_eq!(jobs::end(&scene, &job).await, "Failed DeadlineExceeded 1");
}
