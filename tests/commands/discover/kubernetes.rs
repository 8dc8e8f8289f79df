//! What the cluster of the current kubeconfig holds, as `--existing cluster` and for the table.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    response::IntoResponse,
    routing::get,
};
use serde_json::json;

use super::*;

/// The pages that an API server answers a list of watches with.
type Pages = Arc<Mutex<(StatusCode, Vec<Value>)>>;

/// An API server that knows one path, and a kubeconfig that leads to it.
struct Kubernetes {
    pages: Pages,
    folder: Folder,
}

impl Kubernetes {
    async fn start(name: &str) -> Self {
        let pages = Pages::new(Mutex::new((StatusCode::OK, Vec::new())));
        let list = async |State(pages): State<Pages>, uri: Uri| {
            let (status, pages) = pages.lock().unwrap().clone();
            let token =
                uri.query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("continue="));
            let page: usize = token.map_or(0, |page| page.parse().unwrap());
            let more = if page + 1 < pages.len() { (page + 1).to_string() } else { String::new() };
            let body = if status == StatusCode::OK {
                json!({"apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatchList",
                       "metadata": {"continue": more}, "items": pages.get(page).cloned().unwrap_or(json!([]))})
            } else {
                json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": status.as_u16(),
                       "reason": "NotFound", "message": "no such resource"})
            };
            (status, [("content-type", "application/json")], body.to_string()).into_response()
        };
        let router = Router::new()
            .route("/apis/cce.backupwatch.io/v1alpha1/clusterbackupwatches", get(list))
            .with_state(pages.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = Folder::new(name);
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "users": [{"name": "u", "user": {}}],
            "clusters": [{"name": "k", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        });
        folder.write("config", &config.to_string());
        Self { pages, folder }
    }

    fn answers(&self, status: StatusCode, pages: &[Value]) {
        *self.pages.lock().unwrap() = (status, pages.to_vec());
    }

    fn discover(&self, cloud: &Cloud, flags: &[&str]) -> Command {
        let mut command = cloud.discover(flags);
        command.env("KUBECONFIG", self.folder.0.join("config"));
        command
    }
}

fn watch(n: u32, name: &str) -> Value {
    json!({
        "apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatch",
        "metadata": {"name": name, "namespace": "platform"},
        "spec": {"region": "cn-north-4", "projectID": PROJECT, "clusterID": id(n), "clusterType": "Standard"},
        "status": {"lastSuccess": {"uid": "u", "time": "2023-11-25T09:03:46.9Z"}},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_of_what_is_watched_is_read() {
    let cloud = Cloud::with_clusters([cluster(1, "a"), cluster(2, "b"), cluster(3, "c")]).await;
    let kubernetes = Kubernetes::start("pages").await;
    kubernetes
        .answers(StatusCode::OK, &[json!([watch(1, "one")]), json!([watch(2, "two"), watch(9, "nine")])]);
    let ran = run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"]));
    assert_eq!((ran.code, names(&ran.stdout)), (Some(1), vec!["c".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("the watch platform/nine names the cluster"), "{}", ran.stderr);
    kubernetes.answers(StatusCode::OK, &[json!([watch(1, "one"), watch(2, "two"), watch(3, "three")])]);
    let ran = run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"]));
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_gives_no_answer_is_no_empty_one() {
    let (cloud, kubernetes) =
        (Cloud::with_clusters([cluster(1, "a")]).await, Kubernetes::start("broken").await);
    kubernetes.answers(StatusCode::NOT_FOUND, &[]);
    run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"]))
        .refused(3, "cannot list the watches of the cluster of the current kubeconfig");
    run(&mut cloud.discover(&["--existing", "cluster"])).refused(3, "no access to a Kubernetes cluster");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_what_is_watched_if_a_cluster_is_at_hand() {
    let (cloud, kubernetes) =
        (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await, Kubernetes::start("table").await);
    kubernetes.answers(StatusCode::OK, &[json!([watch(1, "one")])]);
    let ran = run(&mut kubernetes.discover(&cloud, &["--output", "table"]));
    let lines: Vec<_> = ran.stdout.lines().skip(1).collect();
    assert!(
        lines[0].contains("  platform/one  ") && lines[0].ends_with("d ago (2023-11-25 09:03)"),
        "{ran:?}"
    );
    assert!(lines[1].ends_with("  no            -"), "{ran:?}");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "without --existing nothing is compared");
    assert_eq!(
        run(&mut kubernetes.discover(&cloud, &["--output", "table", "--existing", "cluster"])).code,
        Some(1)
    );
    kubernetes.answers(StatusCode::FORBIDDEN, &[]);
    let ran = run(&mut kubernetes.discover(&cloud, &["--output", "table"]));
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 3), "{ran:?}");
    assert!(ran.stderr.contains("the table does not say what is watched"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_kubeconfig_is_said_once_and_shows_nothing_of_itself() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new("kubeconfig"));
    let config = |cluster: &str, user: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {{server: 'http://127.0.0.1:1'{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    };
    let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, \
                args: ['-c', 'echo CANARY; exit 1']}";
    for (text, said) in [
        ("users:\n- name: u\n  user: {token: CANARY\n".to_owned(), "the kubeconfig cannot be used"),
        ("users: CANARY\n".to_owned(), "the kubeconfig cannot be used"),
        (
            config(", proxy-url: 'http://user:CANARY@127.0.0.1:9'", "token: CANARY"),
            "names a proxy (proxy-url)",
        ),
        (config(", certificate-authority-data: CANARY!", ""), "certificate-authority"),
        (config("", exec), "command of the kubeconfig that gives a credential failed"),
    ] {
        let file = folder.write("config", &text);
        for (flags, code, lines) in [(&["--output", "table"][..], 0, 1), (&["--existing", "cluster"], 3, 1)] {
            let ran = run(cloud.discover(flags).env("KUBECONFIG", &file));
            assert_eq!((ran.code, ran.stderr.lines().count()), (Some(code), lines), "{text}: {ran:?}");
            assert!(ran.stderr.contains(said) && !ran.stderr.contains("CANARY"), "{text}: {}", ran.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_not_for_the_api_server_and_never_told() {
    let (cloud, kubernetes) =
        (Cloud::with_clusters([cluster(1, "a")]).await, Kubernetes::start("proxy").await);
    kubernetes.answers(StatusCode::OK, &[json!([watch(1, "one")])]);
    for proxy in [
        "http://user:CANARY@127.0.0.1:1",
        "https://user:CANARY@127.0.0.1:1",
        "user:CANARY@nonsense",
        "socks5://u:CANARY@h",
    ] {
        for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY"] {
            let mut command = kubernetes.discover(&cloud, &["--existing", "cluster"]);
            let ran = run(command.env(variable, proxy));
            assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{variable}={proxy}");
        }
    }
}
