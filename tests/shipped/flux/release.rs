//! The operator from an OCI registry: the `HelmRelease` of `docs/gitops.md` from its installation, before there is a Prometheus
//! Operator, to its removal, and what stays then.

use std::{net::TcpListener, path::Path};

use cbw_testkit::scene::{REGION, Scene, ready};
use cbw_testkit::wait::{LIMIT, holds, until};
use cbw_testkit::{chart, control_plane::ControlPlane, operator::Operator, program::ROOT};
use jiff::Timestamp;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::fleet::{Fleet, NAME};

const RELEASE: (&str, &str) = ("HelmRelease", NAME);
/// The series that the page follows, to which a prerelease would not belong.
const SERIES: &str = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));

/// One story on a control plane of its own, because the definition of the watches is everybody's.
pub async fn comes_and_goes() {
    let control_plane = ControlPlane::start_with("flux-release", &["--with-controller-manager"]).await;
    let scene = Scene::on(&control_plane, "flux-release").await;
    let (test, cluster, namespace) = (scene.test, scene.cluster.clone(), NAME.to_owned());
    let home = Scene { test, cluster, namespace, client: scene.client.clone(), cloud: scene.cloud.clone() };
    let belongs_to = || definition(&home)["metadata"]["annotations"]["meta.helm.sh/release-name"].clone();
    assert_eq!(belongs_to(), Value::Null);
    let fleet = Fleet::new(scene, &["kustomize-controller", "helm-controller"]).await;

    fleet.push_chart(&Path::new(ROOT).join(chart::CHART), &format!("{SERIES}.0"));
    fleet.publish_operator().await;
    fleet.comes_to_say(RELEASE.0, NAME, "False", "no matches for kind \"ServiceMonitor\"").await;
    fleet.waits_for("backup-watches", "operators").await;
    assert!(!fleet.has("prod").await, "the watches did not wait for the operator");
    chart::define_monitors(&home.cluster);
    // Nobody asks for a reconcile: the release is tried again by itself.
    let operator = fleet.runs(&home).await;
    assert_eq!(belongs_to(), NAME, "the definition that was there");
    fleet.comes_to("operators", "True", &[]).await;
    fleet.comes_to("backup-watches", "True", &[]).await;
    fleet.scene.shows("prod", "Ready", |status| ready(status) == "True Polled").await;
    fleet.writes_nothing(10, &[RELEASE]).await;

    let next = format!("{SERIES}.1");
    fleet.push_chart(&chart::changed(), &next);
    fleet.publish_chart().await;
    let installed =
        |release: &DynamicObject| release.data["status"]["history"][0]["chartVersion"].to_string();
    fleet.becomes(RELEASE.0, NAME, &next, |release| installed(release).contains(&next)).await;
    let columns = definition(&home)["spec"]["versions"][0]["additionalPrinterColumns"].to_string();
    assert!(columns.contains("\"Changed\""), "the chart did not bring its definition: {columns}");
    fleet.comes_to_say(RELEASE.0, NAME, "True", "").await;

    let before = fleet.prod().await.uid();
    fleet.publish("operators", &[]).await;
    fleet.comes_to("operators", "True", &[]).await;
    let releases = fleet.flux(RELEASE.0);
    let gone = async || releases.get_opt(NAME).await.unwrap().is_none();
    holds("the HelmRelease is gone", LIMIT, gone).await;
    assert_eq!(home.api::<Deployment>().get_opt(NAME).await.unwrap(), None);
    drop(operator);
    assert!(definition(&home)["metadata"]["deletionTimestamp"].is_null(), "the definition goes");
    assert_eq!(fleet.prod().await.uid(), before, "the watch went with the operator");
    fleet.publish_operator().await;
    let _operator = fleet.runs(&home).await;
    assert_eq!(fleet.prod().await.uid(), before, "the watch went when the operator came back");
}

/// The definition of the watches.
fn definition(scene: &Scene) -> Value {
    let get = ["get", "crd/clusterbackupwatches.cce.backupwatch.io", "--output=json"];
    serde_json::from_str(&scene.cluster.kubectl("default", &get, "").unwrap()).unwrap()
}

impl Fleet {
    /// Commits the operator as the page has it, but for addresses of this machine, and publishes the newest chart.
    async fn publish_operator(&self) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut release = self.documented(RELEASE.0, NAME);
        let values = &mut release["spec"]["values"];
        values["listen"] = json!({ "address": "127.0.0.1", "port": port });
        values["cloud"] = json!({ "regionEndpoints": { REGION: self.scene.cloud.url() } });
        self.publish("operators", &[self.documented("OCIRepository", NAME), release]).await;
        self.publish_chart().await;
    }

    /// Does the part of a kubelet for the release's pod: runs its container with its arguments and its service account, and reports
    /// that it is ready. Then the release is.
    async fn runs(&self, home: &Scene) -> Operator {
        let (pods, name) = (home.api::<Pod>(), format!("app.kubernetes.io/name={NAME}"));
        let pod = until("the release has a pod", LIMIT, async || {
            let mut pods = pods.list(&ListParams::default().labels(&name)).await.unwrap().items;
            pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
            pods.pop()
        })
        .await;
        let spec = pod.spec.as_ref().unwrap();
        let account = spec.service_account_name.as_ref().unwrap();
        let operator = Operator::start_as(account, home, spec.containers[0].args.as_ref().unwrap()).await;
        operator.is_ready().await;
        let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": Timestamp::now() });
        let status = Patch::Merge(json!({ "status": { "phase": "Running", "conditions": [ready] } }));
        pods.patch_status(&pod.name_any(), &PatchParams::default(), &status).await.unwrap();
        self.comes_to_say(RELEASE.0, NAME, "True", "").await;
        operator
    }
}
