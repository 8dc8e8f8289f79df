//! The API server: the definition, a namespace with the Secret, and an account of the operator's own, by which its
//! requests are told from ours in the audit log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use k8s_openapi::{
    api::{
        authentication::v1::TokenRequest,
        core::v1::{Namespace, Secret, ServiceAccount},
        rbac::v1::ClusterRoleBinding,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::PostParams,
    config::Kubeconfig,
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    Result,
    cloud::{ACCESS_KEY, SECRET_KEY},
    operator::folder,
};

/// The namespace of the watches and of the operator's service account.
pub const NAMESPACE: &str = "bench";
/// The name of the Secret.
pub const SECRET: &str = "huawei";
const ACCOUNT: &str = "operator";

/// A prepared API server.
pub struct ApiServer {
    /// With all rights.
    pub client: Client,
    /// For the operator.
    pub kubeconfig: PathBuf,
    audit_log: PathBuf,
}

impl ApiServer {
    /// Installs the definition that the operator prints, and everything else that a run needs.
    pub async fn prepare(operator: &Path) -> Result<Self> {
        let audit_log = std::env::var_os("CBW_AUDIT_LOG")
            .ok_or("there is no control plane: use `make bench`, or hack/control-plane/run.sh")?;
        let client = Client::try_default().await?;
        define(operator, &client).await?;
        let create = PostParams::default();
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
        Api::all(client.clone()).create(&create, &namespace).await?;
        let secret: Secret = serde_json::from_value(json!({
            "metadata": { "name": SECRET },
            "stringData": { "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY },
        }))?;
        Api::namespaced(client.clone(), NAMESPACE).create(&create, &secret).await?;
        let kubeconfig = folder()?.join("kubeconfig");
        fs::write(&kubeconfig, operators_kubeconfig(&client).await?)?;
        Ok(Self { client, kubeconfig, audit_log: audit_log.into() })
    }

    /// How many requests the operator has made so far.
    pub fn requests(&self) -> Result<u64> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        let mut count = 0;
        for line in fs::read_to_string(&self.audit_log)?.lines().filter(|line| line.contains(&user)) {
            // The last line may still be being written.
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            // A watch has a line when it starts and one when it ends.
            if line["verb"] != "watch" || line["stage"] == "ResponseStarted" {
                count += 1;
            }
        }
        Ok(count)
    }
}

async fn define(operator: &Path, client: &Client) -> Result<()> {
    let printed = Command::new(operator).arg("crd").output().await?;
    let file = folder()?.join("crd.yaml");
    fs::write(&file, printed.stdout)?;
    let applied =
        Command::new("kubectl").args(["apply", "--server-side", "--filename"]).arg(&file).output().await?;
    if !applied.status.success() {
        return Err(String::from_utf8_lossy(&applied.stderr).into());
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = "clusterbackupwatches.cce.backupwatch.io";
    await_condition(definitions, name, conditions::is_crd_established()).await?;
    Ok(())
}

/// A kubeconfig with a token of a service account that may do everything.
async fn operators_kubeconfig(client: &Client) -> Result<String> {
    let create = PostParams::default();
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), NAMESPACE);
    let account: ServiceAccount = serde_json::from_value(json!({ "metadata": { "name": ACCOUNT } }))?;
    accounts.create(&create, &account).await?;
    let binding: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": { "name": NAMESPACE },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin" },
        "subjects": [{ "kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE }],
    }))?;
    Api::all(client.clone()).create(&create, &binding).await?;
    let token = accounts.create_token_request(ACCOUNT, &create, &TokenRequest::default()).await?;
    let ours = Kubeconfig::read()?;
    let cluster = ours.clusters.first().and_then(|cluster| cluster.cluster.as_ref());
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "bench",
        "contexts": [{ "name": "bench", "context": { "cluster": "bench", "user": "bench" } }],
        "clusters": [{ "name": "bench", "cluster": cluster }],
        "users": [{ "name": "bench", "user": { "token": token.status.map(|status| status.token) } }],
    });
    Ok(kubeconfig.to_string())
}
