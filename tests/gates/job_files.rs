//! The gates that are Jobs: those of `docs/gates`, each in every state of the backups.

use std::{fs, path::Path, process::Command};

use cbw_testkit::{
    jobs,
    program::{ROOT, folder},
    scene::{CLUSTER, Scene},
    trial::Test,
    wait::{LIMIT, until},
};
use cce_simulator::{Fault, StartFault};
use k8s_openapi::api::batch::v1::Job;
use kube::{ResourceExt, api::ListParams};

use crate::cloud::{Backups, lists};

const FILES: [&str; 3] = ["job.yaml", "argocd-presync.yaml", "flux-job.yaml"];

/// What happens to the first pod of a Job.
#[derive(Clone, Copy)]
enum Pod {
    /// It runs, and a backup that it starts ends like this.
    Runs(&'static str),
    /// Its request for a backup is answered with this status code.
    Answered(u16),
    /// It is killed while its backup runs.
    Killed,
    /// It never starts.
    Waits,
}

/// How many pods failed is part of the end: a second one could start another backup.
const FAILED: &str = "Failed PodFailurePolicy 1";

/// Each with what the cloud lists, what becomes of the pod, how the Job ends and how many backups are asked for.
const CASES: [(&str, Backups, Pod, &str, u64); 10] = [
    ("no backup at all: one is started", Backups::None, Pod::Runs("Success"), "Complete", 1),
    ("a stale success: one is started", Backups::Stale, Pod::Runs("Success"), "Complete", 1),
    ("a running backup: it is followed", Backups::Running, Pod::Runs("Success"), "Complete", 0),
    ("a failed one: another is started", Backups::Failed, Pod::Runs("Success"), "Complete", 1),
    ("a fresh success: it is enough", Backups::Fresh, Pod::Runs("Success"), "Complete", 0),
    (
        "one that fails lets nobody through, and is not followed by another",
        Backups::Stale,
        Pod::Runs("Failed"),
        FAILED,
        1,
    ),
    (
        "a request that the cloud refuses is not followed by another",
        Backups::None,
        Pod::Answered(403),
        FAILED,
        1,
    ),
    (
        "nor is one of which nobody knows whether it started a backup",
        Backups::None,
        Pod::Answered(502),
        FAILED,
        1,
    ),
    ("after a pod that was killed another follows its backup", Backups::None, Pod::Killed, "Complete", 1),
    (
        "one whose pod never starts ends, and lets nobody through",
        Backups::None,
        Pod::Waits,
        "Failed DeadlineExceeded 1",
        0,
    ),
];

/// Every case for every file, and the commands in the comment of `job.yaml`.
pub fn tests() -> Vec<Test> {
    let files = FILES.into_iter().flat_map(|file| {
        CASES.map(|(name, backups, pod, end, started)| {
            Test::new(format!("{file}: {name}"), async move |scene| {
                let manifest = fs::read_to_string(Path::new(ROOT).join("docs/gates").join(file)).unwrap();
                gate(&scene, &manifest, backups, pod, end, started).await;
            })
        })
    });
    let commented = [
        Test::new("the commands of job.yaml let the upgrade begin".into(), async |scene| {
            commented(&scene, "Success").await;
        }),
        Test::new("and end with a Job that fails".into(), async |scene| commented(&scene, "Failed").await),
    ];
    files.chain(commented).collect()
}

async fn gate(scene: &Scene, manifest: &str, backups: Backups, pod: Pod, end: &str, started: u64) {
    jobs::prepare(scene).await;
    let (phase, seconds) = match pod {
        Pod::Runs(phase) => (phase, 2),
        // The Job controller takes ten seconds until it makes the pod after one that failed.
        Pod::Killed => ("Success", 20),
        Pod::Answered(_) | Pod::Waits => ("Success", 2),
    };
    lists(scene, backups, phase, seconds);
    if let Pod::Answered(code) = pod {
        scene.cloud.set_start_fault(CLUSTER, StartFault::Refused(Fault::status(code))).unwrap();
    }
    let manifest = if let Pod::Waits = pod { ends_soon(manifest) } else { manifest.to_owned() };
    let job = jobs::create(scene, &manifest);
    assert_eq!(
        jobs::ended(&scene.api::<Job>().get(&job).await.unwrap()),
        None,
        "it passed before its pod had run"
    );
    match pod {
        Pod::Waits => {}
        Pod::Killed => {
            jobs::run_pod_until_it_starts_a_backup(scene, &job).await;
            // It follows the backup.
            jobs::run_pod(scene, &job).await.ended(0, "Running");
        }
        Pod::Runs(_) | Pod::Answered(_) => {
            let ran = jobs::run_pod(scene, &job).await;
            assert_eq!(ran.code == Some(0), end == "Complete", "{ran:#?}");
        }
    }
    assert_eq!(jobs::end(scene, &job).await, end);
    assert_eq!(scene.cloud.start_requests(CLUSTER), started, "the requests for a backup");
}

/// A Job whose end is brought near.
pub fn ends_soon(manifest: &str) -> String {
    let line = manifest.lines().find(|line| line.contains("activeDeadlineSeconds: ")).unwrap();
    let indent = line.len() - line.trim_start().len();
    manifest.replace(line, &format!("{:indent$}activeDeadlineSeconds: 2", ""))
}

/// Runs the commands that the comment of `job.yaml` gives, up to the upgrade, and the Job's pod beside them.
async fn commented(scene: &Scene, phase: &str) {
    jobs::prepare(scene).await;
    lists(scene, Backups::None, phase, 2);
    let text = fs::read_to_string(Path::new(ROOT).join("docs/gates/job.yaml")).unwrap();
    let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    assert_eq!(commands.last().unwrap().trim(), "./upgrade");
    let place = folder().join(scene.namespace.clone());
    fs::create_dir_all(&place).unwrap();
    let ours = |text: &str| text.replace("platform", &scene.namespace);
    fs::write(place.join("job.yaml"), ours(&text)).unwrap();
    let script = format!(
        "upgrade() {{ touch upgraded; }}\n{}",
        ours(&commands.join("\n")).replace("./upgrade", "upgrade")
    );
    // It would sit out the first wait, which has no end at a failure of its own, so two minutes tell.
    let mut waits = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(&place)
        .env("KUBECONFIG", &scene.cluster.kubeconfig)
        .spawn()
        .unwrap();
    let job = until("the commands have made a Job", LIMIT, async || {
        let jobs = scene.api::<Job>().list(&ListParams::default()).await.unwrap();
        jobs.items.first().map(ResourceExt::name_any)
    })
    .await;
    jobs::run_pod(scene, &job).await;
    let ended = until("the commands have ended", LIMIT, async || waits.try_wait().unwrap()).await;
    let passes = phase == "Success";
    assert_eq!((ended.code(), place.join("upgraded").exists()), (Some(i32::from(!passes)), passes));
}
