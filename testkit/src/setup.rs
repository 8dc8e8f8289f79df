//! Sets a scene: the definition, the namespace, the operator's service account with its permissions and its Secret, and the
//! cloud.

use std::{
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use cce_simulator::{Config, Simulator};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{
    cluster::Cluster,
    control_plane::ControlPlane,
    program, rbac,
    scene::{ACCESS_KEY, ACCOUNT, CLUSTER, SECRET_KEY, Scene},
};

impl Scene {
    /// A new scene on the control plane that all tests share: a namespace with the operator's service account and the
    /// Secret `huawei`, and a cloud that knows the cluster, without tasks.
    pub async fn new(test: &'static str) -> Self {
        static DEFINED: OnceLock<()> = OnceLock::new();
        let cluster = Cluster::shared();
        DEFINED.get_or_init(|| define(&cluster));
        Self::on_defined(cluster, test, new_cloud().await).await
    }

    /// The same on a control plane of the test's own, which gets the definition first.
    pub async fn on(control_plane: &ControlPlane, test: &'static str) -> Self {
        define(&control_plane.cluster);
        Self::on_defined(control_plane.cluster.clone(), test, new_cloud().await).await
    }

    async fn on_defined(cluster: Cluster, test: &'static str, cloud: Arc<Simulator>) -> Self {
        static SCENES: AtomicUsize = AtomicUsize::new(1);
        // All names are of one length, so that none is the beginning of another.
        let namespace = format!("scene-{:04}", SCENES.fetch_add(1, Ordering::Relaxed));
        let client = cluster.client().await;
        let scene = Self { test, cluster, namespace, client, cloud };
        let named = |name: &str| json!({ "metadata": { "name": name } });
        let create = PostParams::default();
        let namespace: Namespace = serde_json::from_value(named(&scene.namespace)).unwrap();
        Api::all(scene.client.clone()).create(&create, &namespace).await.unwrap();
        let account: ServiceAccount = serde_json::from_value(named(ACCOUNT)).unwrap();
        scene.api().create(&create, &account).await.unwrap();
        rbac::grant(&scene, rbac::READS).await;
        rbac::grant(&scene, rbac::STATUS).await;
        scene.secret("huawei", json!({ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY })).await;
        scene
    }

    /// A namespace beside this one, with the same cloud, in which the operator of this scene may work as well.
    pub async fn neighbour(&self) -> Self {
        let neighbour = Self::on_defined(self.cluster.clone(), self.test, self.cloud.clone()).await;
        for role in [rbac::READS, rbac::STATUS] {
            rbac::grant_to(&neighbour, &self.namespace, role).await;
        }
        neighbour
    }
}

/// A cloud that knows the cluster, without tasks.
async fn new_cloud() -> Arc<Simulator> {
    let cloud = Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await.unwrap();
    cloud.set_tasks(CLUSTER, []);
    Arc::new(cloud)
}

/// Applies the CustomResourceDefinition that the binary prints, and the roles of the operator, and waits until the
/// definition is served.
pub fn define(cluster: &Cluster) {
    let crd = program::run(Command::new(program::operator()).arg("crd"));
    crd.ended(0, "");
    for objects in [crd.stdout.as_str(), rbac::ROLES] {
        cluster.kubectl("default", &["apply", "--server-side", "--filename", "-"], objects).unwrap();
    }
    let name = "customresourcedefinitions/clusterbackupwatches.cce.backupwatch.io";
    cluster.kubectl("default", &["wait", "--for=condition=Established", "--timeout=30s", name], "").unwrap();
}
