//! What is printed: a manifest for each cluster, the same bytes each time.

use cce_simulator::Product;
use serde_json::json;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn each_cluster_of_both_products_becomes_a_watch() {
    let clusters = [
        cluster(2, "staging").autopilot(),
        cluster(1, "prod").alias("生产").tag("env", "prod"),
        cluster(3, "Prod"),
    ];
    let cloud = Cloud::with_clusters(clusters).await;
    let ran = run(&mut cloud.discover(&["--namespace", "platform", "--secret-name", "huawei"]));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let expected = "\
apiVersion: cce.backupwatch.io/v1alpha1
kind: ClusterBackupWatch
metadata:
  annotations:
    cce.backupwatch.io/cluster-version: v1.30
    cce.backupwatch.io/display-name: 生产
  name: prod
  namespace: platform
spec:
  clusterID: 00000001-2222-3333-4444-555555555555
  clusterType: Standard
  credentials:
    secretRef:
      name: huawei
  projectID: 0123456789abcdef0123456789abcdef
  region: cn-north-4
";
    let (first, rest) = ran.stdout.split_once("---\n").unwrap();
    assert_eq!(first, expected);
    assert_eq!(names(rest), ["prod-00000003", "staging"]);
    assert_eq!(documents(rest)[1]["spec"]["clusterType"], "Autopilot");
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_without_a_secret_are_not_printed_without_a_word() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "测试集群")]).await, Folder::new());
    let template = |name: &str, spec: &str| {
        let text =
            format!("apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nspec: {spec}\n");
        folder.write(name, &text)
    };
    for (flags, says) in [
        (vec![], true),
        (vec!["--output", "json"], true),
        (vec!["--template", &template("age.yaml", "{maxAge: 26h}")], true),
        (vec!["--output", "table"], false),
        (vec!["--name", "nothing"], false),
        (vec!["--secret-name", "huawei"], false),
        (vec!["--template", &template("key.yaml", "{credentials: {secretRef: {name: huawei}}}")], false),
    ] {
        let ran = run(&mut cloud.discover(&flags));
        let said =
            ran.stderr.starts_with("these watches name no Secret") && ran.stderr.contains("--secret-name");
        assert_eq!((ran.code, said), (Some(0), says), "{flags:?}: {ran:?}");
    }
    let watch = &documents(&run(&mut cloud.discover(&["--secret-name", "huawei"])).stdout)[0];
    assert_eq!(watch["metadata"]["name"], "cluster-00000001");
    assert_eq!(watch["metadata"]["annotations"]["cce.backupwatch.io/display-name"], "测试集群");
    let ran = run(&mut cloud.discover(&["--check"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "the operator's own identity is not at hand");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_clusters_in_any_order_give_the_same_bytes() {
    let clusters = || (1..40).map(|n| cluster(n, &format!("c-{}", n % 7))).collect::<Vec<_>>();
    let cloud = Cloud::with_clusters(clusters()).await;
    for output in ["yaml", "json", "table"] {
        cloud.simulator.set_clusters(PROJECT, clusters());
        let first = run(&mut cloud.discover(&["--output", output]));
        assert_eq!(first.code, Some(0), "{first:?}");
        let mut turned = clusters();
        turned.rotate_left(13);
        turned.reverse();
        cloud.simulator.set_clusters(PROJECT, turned);
        assert_eq!(run(&mut cloud.discover(&["--output", output])).stdout, first.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_a_list_of_the_same_watches() {
    let cloud = Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await;
    let yaml = run(&mut cloud.discover(&[]));
    let list: Value = serde_json::from_str(&run(&mut cloud.discover(&["-o", "json"])).stdout).unwrap();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("List"), &json!("v1")));
    assert_eq!(list["items"], json!(documents(&yaml.stdout)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_template_gives_what_all_have_in_common() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "prod")]).await, Folder::new());
    let template = folder.write(
        "common.yaml",
        "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\n\
         metadata: {labels: {team: a}, namespace: shared}\nspec: {maxAge: 26h, interval: 1m}\n",
    );
    let ran = run(&mut cloud.discover(&["--template", &template, "--secret-name", "s"]));
    let watch = &documents(&ran.stdout)[0];
    assert_eq!(
        (&watch["metadata"]["labels"]["team"], &watch["metadata"]["namespace"]),
        (&json!("a"), &json!("shared"))
    );
    assert_eq!(
        watch["spec"],
        json!({"maxAge": "26h", "interval": "1m", "credentials": {"secretRef": {"name": "s"}}, "region": "cn-north-4",
               "projectID": PROJECT, "clusterID": id(1), "clusterType": "Standard"})
    );
    let bad = folder.write(
        "bad.yaml",
        "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nspec: {maxage: 26h}\n",
    );
    run(&mut cloud.discover(&["--template", &bad])).refused(2, "spec has no field maxage");
    let ran = run(&mut cloud.discover(&["--template", "/nowhere/t.yaml"]));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_choose_by_tag_name_and_phase() {
    let clusters = [
        cluster(1, "prod-eu").tag("env", "prod").tag("team", "a"),
        cluster(2, "prod-us").tag("env", "prod").phase("Hibernation"),
        cluster(3, "test-eu").tag("env", "test").tag("team", "a"),
    ];
    let cloud = Cloud::with_clusters(clusters).await;
    for (flags, wanted) in [
        (&["--tag", "env=prod"][..], &["prod-eu", "prod-us"][..]),
        (&["--tag", "env=prod", "--tag", "team=a"], &["prod-eu"]),
        (&["--name", "*-eu"], &["prod-eu", "test-eu"]),
        (&["--name", "prod-??", "--tag", "team=a"], &["prod-eu"]),
        (&["--phase", "Hibernation"], &["prod-us"]),
        (&["--phase", "Hibernation,Available", "--name", "prod*"], &["prod-eu", "prod-us"]),
        (&["--cluster-type", "autopilot"], &[]),
    ] {
        let ran = run(&mut cloud.discover(flags));
        assert_eq!(
            (ran.code, names(&ran.stdout)),
            (Some(0), wanted.iter().map(|n| (*n).to_owned()).collect()),
            "{flags:?}"
        );
    }
    run(&mut cloud.discover(&["--name", "nothing"]))
        .said_only(0, "none of the 3 clusters matches the filters\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_projects_are_one_list_and_each_watch_has_its_own() {
    let cloud = Cloud::with_clusters([cluster(1, "prod")]).await;
    cloud.simulator.set_clusters(OTHER_PROJECT, [cluster(2, "prod"), cluster(3, "test")]);
    let ran = run(&mut cloud.discover(&["--project-id", OTHER_PROJECT]));
    assert_eq!(names(&ran.stdout), ["prod", "prod-00000002", "test"], "{ran:?}");
    let projects: Vec<_> = documents(&ran.stdout).iter().map(|d| d["spec"]["projectID"].clone()).collect();
    assert_eq!(projects, [PROJECT, OTHER_PROJECT, OTHER_PROJECT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_wanted_product_is_asked_for() {
    let cloud = Cloud::with_clusters([cluster(1, "a"), cluster(2, "b").autopilot()]).await;
    for (flags, requests, wanted) in [
        (&[][..], 2, &["a", "b"][..]),
        (&["--cluster-type", "Standard"], 1, &["a"]),
        (&["--cluster-type", "Autopilot"], 1, &["b"]),
    ] {
        cloud.simulator.reset_counts();
        let ran = run(&mut cloud.discover(flags));
        assert_eq!(
            (names(&ran.stdout).as_slice(), cloud.simulator.requests(PROJECT)),
            (&wanted.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], requests)
        );
    }
    // A cluster that both APIs list is one.
    let listed = json!({"items": [{"metadata": {"uid": id(2), "name": "b"}}]});
    cloud.simulator.set_clusters_answer(Product::Standard, PROJECT, listed);
    let ran = run(&mut cloud.discover(&[]));
    assert_eq!(documents(&ran.stdout)[0]["spec"]["clusterType"], "Autopilot", "{ran:?}");
    assert_eq!(documents(&ran.stdout).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_for_people() {
    let cloud = Cloud::with_clusters([cluster(1, "prod"), cluster(2, "test").phase("Hibernation")]).await;
    let ran = run(&mut cloud.discover(&["--output", "table"]));
    let expected = "\
NAME  ID                                    TYPE      VERSION  PHASE        WATCHED  LAST SUCCESS
prod  00000001-2222-3333-4444-555555555555  Standard  v1.30    Available    -        -
test  00000002-2222-3333-4444-555555555555  Standard  v1.30    Hibernation  -        -
";
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), expected, ""));
}
