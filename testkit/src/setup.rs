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
        Self::of(cluster, test, namespace(), new_cloud().await).await
    }

    /// The same on a control plane of the test's own, which gets the definition first.
    pub async fn on(control_plane: &ControlPlane, test: &'static str) -> Self {
        define(&control_plane.cluster);
        Self::of(control_plane.cluster.clone(), test, namespace(), new_cloud().await).await
    }

    /// The same on a control plane that has the definition and the roles, with a namespace and a cloud of one's own.
    pub async fn of(cluster: Cluster, test: &'static str, namespace: String, cloud: Arc<Simulator>) -> Self {
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
        let neighbour = Self::of(self.cluster.clone(), self.test, namespace(), self.cloud.clone()).await;
        for role in [rbac::READS, rbac::STATUS] {
            rbac::grant_to(&neighbour, &self.namespace, role).await;
        }
        neighbour
    }
}

/// The name of a new namespace. All are of one length, so that none is the beginning of another.
fn namespace() -> String {
    static SCENES: AtomicUsize = AtomicUsize::new(1);
    format!("scene-{:04}", SCENES.fetch_add(1, Ordering::Relaxed))
}

/// A cloud that knows the cluster, without tasks.
pub async fn new_cloud() -> Arc<Simulator> {
    let cloud = Simulator::start(Config::with_key(ACCESS_KEY, SECRET_KEY)).await.unwrap();
    cloud.set_tasks(CLUSTER, []);
    Arc::new(cloud)
}

/// Applies the CustomResourceDefinition that the binary prints.
pub fn define(cluster: &Cluster) {
    let crd = program::run(Command::new(program::operator()).arg("crd"));
    crd.ended(0, "");
    define_as(cluster, &crd.stdout);
}

/// Applies a CustomResourceDefinition, unless it is empty, and the roles of the operator, and waits until the definition is served.
pub fn define_as(cluster: &Cluster, crd: &str) {
    for objects in [crd, rbac::ROLES].into_iter().filter(|objects| !objects.is_empty()) {
        let apply = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
        cluster.kubectl("default", &apply, objects).unwrap();
    }
    let name = "customresourcedefinitions/clusterbackupwatches.cce.backupwatch.io";
    cluster.kubectl("default", &["wait", "--for=condition=Established", "--timeout=30s", name], "").unwrap();
}
