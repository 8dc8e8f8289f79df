//! What the cluster of the current kubeconfig holds, as `--existing cluster` and for the table.

use serde_json::json;

use super::*;

const WATCHES: &str = "/apis/cce.backupwatch.io/v1alpha1/clusterbackupwatches";

impl Kubernetes {
    /// It lists these watches, page by page.
    fn lists(&self, pages: &[&[Value]]) {
        let last = pages.len() - 1;
        let pages = pages.iter().enumerate().map(|(page, items)| {
            let more = if page < last { (page + 1).to_string() } else { String::new() };
            json!({"apiVersion": "cce.backupwatch.io/v1alpha1", "kind": "ClusterBackupWatchList",
                   "metadata": {"continue": more}, "items": items})
        });
        self.answers(pages.collect());
    }

    fn discover(&self, cloud: &Cloud, flags: &[&str]) -> Command {
        self.known_to(cloud.discover(flags))
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
    let kubernetes = Kubernetes::start(WATCHES).await;
    kubernetes.lists(&[&[watch(1, "one")], &[watch(2, "two"), watch(9, "nine")]]);
    let ran = run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"]));
    assert_eq!((ran.code, names(&ran.stdout)), (Some(1), vec!["c".to_owned()]), "{ran:?}");
    assert!(ran.stderr.contains("the watch platform/nine names the cluster"), "{}", ran.stderr);
    kubernetes.lists(&[&[watch(1, "one"), watch(2, "two"), watch(3, "three")]]);
    run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"])).said_only(0, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_gives_no_answer_is_no_empty_one() {
    let (cloud, kubernetes) =
        (Cloud::with_clusters([cluster(1, "a")]).await, Kubernetes::start(WATCHES).await);
    kubernetes.refuses(404, "NotFound");
    run(&mut kubernetes.discover(&cloud, &["--existing", "cluster"]))
        .refused(3, "cannot list the watches of the cluster of the current kubeconfig");
    run(&mut cloud.discover(&["--existing", "cluster"])).refused(3, "no access to a Kubernetes cluster");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_what_is_watched_if_a_cluster_is_at_hand() {
    let (cloud, kubernetes) =
        (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await, Kubernetes::start(WATCHES).await);
    kubernetes.lists(&[&[watch(1, "one")]]);
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
    kubernetes.refuses(403, "Forbidden");
    let ran = run(&mut kubernetes.discover(&cloud, &["--output", "table"]));
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 3), "{ran:?}");
    assert!(ran.stderr.contains("the table does not say what is watched"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_kubeconfig_is_said_once_and_shows_nothing_of_itself() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
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
        (Cloud::with_clusters([cluster(1, "a")]).await, Kubernetes::start(WATCHES).await);
    kubernetes.lists(&[&[watch(1, "one")]]);
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
