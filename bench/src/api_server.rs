//! Prepares the API server: installs the definition, and creates a namespace with the Secret and a `ServiceAccount` for
//! the operator, which tells its requests from those of the bench in the audit log.

use std::{fs, path::PathBuf};

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Namespace, Secret, ServiceAccount},
        rbac::v1::ClusterRoleBinding,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{ListParams, Patch, PatchParams, PostParams},
    config::Kubeconfig,
    core::Request,
    runtime::{conditions, wait::await_condition},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    Result,
    audit::AuditLog,
    command::Command as Operator,
    kernel::Process,
    made_up::{ACCESS_KEY, SECRET_KEY, folder},
    statistics::count,
};

/// The namespace of the watches and of the operator's service account.
pub const NAMESPACE: &str = "bench";
/// The name of the Secret.
pub const SECRET: &str = "huawei";
const ACCOUNT: &str = "operator";

/// A prepared API server.
pub struct ApiServer {
    /// The bench's own client, which may do everything.
    pub client: Client,
    /// The kubeconfig for the operator.
    pub kubeconfig: PathBuf,
    /// The reader that counts the operator's requests.
    pub audit: AuditLog,
    /// The process of kube-apiserver.
    pub process: Process,
    /// The process of etcd.
    pub etcd: Process,
}

impl ApiServer {
    /// Creates everything that a run needs except the definition.
    pub async fn prepare() -> Result<Self> {
        let audit_log = std::env::var_os("CBW_AUDIT_LOG")
            .map(PathBuf::from)
            .ok_or("there is no control plane: use `make bench`, or hack/control-plane/run.sh")?;
        let client = Client::try_default().await?;
        let namespace: Namespace = serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
        Api::all(client.clone()).create(&PostParams::default(), &namespace).await?;
        let kubeconfig = folder()?.join("kubeconfig");
        fs::write(&kubeconfig, operators_kubeconfig(&client).await?)?;
        let user = format!("system:serviceaccount:{NAMESPACE}:{ACCOUNT}");
        let server = Self {
            client,
            kubeconfig,
            audit: AuditLog::open(&audit_log, user)?,
            process: Process::of_file(&audit_log.with_file_name("kube-apiserver.pid"))?,
            etcd: Process::of_file(&audit_log.with_file_name("etcd.pid"))?,
        };
        server.set_secret(SECRET, ACCESS_KEY, SECRET_KEY).await?;
        Ok(server)
    }

    /// Creates or changes a Secret with a key.
    pub async fn set_secret(&self, name: &str, access_key: &str, secret_key: &str) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name },
            "stringData": { "accessKey": access_key, "secretKey": secret_key },
        });
        let api: Api<Secret> = Api::namespaced(self.client.clone(), NAMESPACE);
        api.patch(name, &PatchParams::apply("cbw-bench").force(), &Patch::Apply(&secret)).await?;
        Ok(())
    }

    /// Installs the definition that an operator prints. An operator that prints none gets the definition that is
    /// installed.
    pub async fn define(&self, operator: &Operator) -> Result<()> {
        let printed = operator.run(&["crd"]).await?;
        if !printed.status.success() {
            eprintln!("bench: `{operator} crd` prints no definition; the one that is installed stays");
            return Ok(());
        }
        let file = folder()?.join("crd.yaml");
        fs::write(&file, printed.stdout)?;
        let applied = Command::new("kubectl")
            .args(["apply", "--server-side", "--force-conflicts", "--filename"])
            .arg(&file)
            .output()
            .await?;
        if !applied.status.success() {
            return Err(String::from_utf8_lossy(&applied.stderr).into());
        }
        let definitions: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let name = "clusterbackupwatches.cce.backupwatch.io";
        await_condition(definitions, name, conditions::is_crd_established()).await?;
        Ok(())
    }

    /// The mean size of a resource in JSON, which is how the API server stores it in etcd.
    pub async fn resource_bytes(&self) -> Result<f64> {
        let path = format!("/apis/cce.backupwatch.io/v1alpha1/namespaces/{NAMESPACE}/clusterbackupwatches");
        let some = Request::new(path).list(&ListParams::default().limit(200))?;
        let list: Value = self.client.request(some).await?;
        let items =
            list["items"].as_array().filter(|items| !items.is_empty()).ok_or("there are no watches")?;
        let bytes: usize = items.iter().map(|item| item.to_string().len()).sum();
        Ok(count(bytes) / count(items.len()))
    }
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
    // The default is an hour, and a run of all sizes with 10,000 watches in one account takes longer.
    let spec = TokenRequestSpec { expiration_seconds: Some(24 * 3600), ..TokenRequestSpec::default() };
    let request = TokenRequest { spec, ..TokenRequest::default() };
    let token = accounts.create_token_request(ACCOUNT, &create, &request).await?;
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
