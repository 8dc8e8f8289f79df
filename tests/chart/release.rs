//! A release of the chart in a scene's namespace, whose objects have the namespace's name, and the namespace of a tenant
//! beside it.

use cbw_testkit::scene::Scene;

use crate::helm::CHART;

/// A release. In its values and questions HOME is the namespace of the release and the name of its objects, SHOP a namespace of
/// watches.
pub struct Release {
    /// Where it is installed.
    pub scene: Scene,
    /// The namespace of watches.
    pub shop: Scene,
}

impl Release {
    /// Installs the chart with these values. The definition is there already.
    pub async fn install(scene: Scene, values: &[&str]) -> Self {
        let shop = scene.neighbour().await;
        let release = Self { scene, shop };
        let home = &release.scene.namespace;
        let values: Vec<_> = ["crds.enabled=false", "fullnameOverride=HOME"]
            .iter()
            .chain(values)
            .flat_map(|value| ["--set".to_owned(), release.filled(value)])
            .collect();
        let values: Vec<_> = values.iter().map(String::as_str).collect();
        release.scene.cluster.helm(home, &[&["install", home, CHART], &values[..]].concat()).unwrap();
        release
    }

    /// The text with the names of the two namespaces.
    pub fn filled(&self, text: &str) -> String {
        text.replace("SHOP", &self.shop.namespace).replace("HOME", &self.scene.namespace)
    }

    /// The service account of the operator.
    pub fn account(&self) -> String {
        format!("{0}:{0}", self.scene.namespace)
    }

    /// What `kubectl auth can-i` says of an account.
    pub fn can_i(&self, account: &str, namespace: &str, question: &[&str]) -> String {
        let account = format!("--as=system:serviceaccount:{account}");
        let arguments = [&["auth", "can-i", account.as_str()], question].concat();
        // "can-i" fails where the answer is no.
        self.scene.cluster.kubectl(namespace, &arguments, "").unwrap_or_else(|no| no)
    }
}
