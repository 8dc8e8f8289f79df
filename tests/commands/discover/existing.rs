//! `--existing`: what is missing, what differs, and what is no longer there.

use std::path::Path;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_printed_and_kept_is_missing_no_more() {
    let (cloud, folder) =
        (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b").autopilot()]).await, Folder::new());
    let all = run(&mut cloud.discover(&["--namespace", "n"]));
    for (name, flags) in [("sub/watches.yaml", &[][..]), ("watches.json", &["--output", "json"])] {
        let text = run(cloud.discover(flags).args(["--namespace", "n"])).stdout;
        let file = folder.write(name, &text);
        for existing in [folder.path(), "-"] {
            run_with(&mut cloud.discover(&["--existing", existing]), &text).said_only(0, "");
        }
        std::fs::remove_file(file).unwrap();
    }
    // With a new cluster only that one is printed, and appending it makes the set whole.
    folder.write("all.yaml", &all.stdout);
    cloud.simulator.set_clusters(PROJECT, [cluster(1, "a"), cluster(2, "b").autopilot(), cluster(3, "c")]);
    let ran = run(&mut cloud.discover(&["--existing", folder.path(), "--secret-name", "huawei"]));
    assert_eq!((ran.code, names(&ran.stdout)), (Some(1), vec!["c".to_owned()]), "{ran:?}");
    assert_eq!(ran.stderr, "1 of 3 clusters are not watched\n");
    folder.write("new.yaml", &ran.stdout);
    assert_eq!(run(&mut cloud.discover(&["--existing", folder.path()])).code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_watch_takes_no_name_that_is_there() {
    let cloud = Cloud::with_clusters([cluster(1, "prod")]).await;
    let first = run(&mut cloud.discover(&["--namespace", "n"])).stdout;
    cloud.simulator.set_clusters(PROJECT, [cluster(1, "renamed"), cluster(2, "prod")]);
    for (namespace, name) in [("n", "prod-00000002"), ("m", "prod")] {
        let ran = run_with(&mut cloud.discover(&["--existing", "-", "--namespace", namespace]), &first);
        assert_eq!((ran.code, names(&ran.stdout)), (Some(1), vec![name.to_owned()]), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_is_named_and_never_deleted() {
    let cloud = Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await;
    let all = run(&mut cloud.discover(&[])).stdout;
    cloud.simulator.set_clusters(PROJECT, [cluster(1, "a")]);
    for filter in [&[][..], &["--name", "a"]] {
        run_with(cloud.discover(&["--existing", "-"]).args(filter), &all)
            .said_only(1, &format!("the watch b names the cluster {}, which is no longer listed\n", id(2)));
    }
    // What the filters leave out is there all the same, and what was not asked for may be.
    cloud.simulator.set_clusters(PROJECT, [cluster(1, "a"), cluster(2, "b")]);
    let elsewhere = all.replace("cn-north-4", "eu-west-0");
    for (flags, input, code) in [
        (&["--name", "a"][..], all.as_str(), 0),
        (&["--cluster-type", "Standard"], &all, 0),
        (&[], &format!("{all}---\n{}", elsewhere.replace("-2222-", "-9999-")), 0),
        (&[], &elsewhere, 1),
    ] {
        let ran = run_with(cloud.discover(&["--existing", "-"]).args(flags), input);
        assert_eq!(ran.code, Some(code), "{flags:?}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_the_wrong_product_differs() {
    let cloud = Cloud::with_clusters([cluster(1, "a")]).await;
    let input = run(&mut cloud.discover(&[])).stdout.replace("Standard", "Autopilot");
    let said =
        format!("the watch a of the cluster {} differs: clusterType is Standard, not Autopilot\n", id(1));
    run_with(&mut cloud.discover(&["--existing", "-"]), &input).said_only(1, &said);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_project_is_an_error_unless_it_may_be_empty() {
    let cloud = Cloud::with_clusters([cluster(1, "a")]).await;
    let all = run(&mut cloud.discover(&[])).stdout;
    cloud.simulator.set_clusters(PROJECT, []);
    run_with(&mut cloud.discover(&["--existing", "-"]), &all)
        .refused(3, &format!("error: the project {PROJECT} lists no clusters: check region"));
    let ran = run_with(&mut cloud.discover(&["--existing", "-", "--allow-empty"]), &all);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = run_with(&mut cloud.discover(&["--existing", "-", "--allow-empty"]), "");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), ""), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_that_match_nothing_are_an_error_unless_that_may_be() {
    let cloud = Cloud::with_clusters([cluster(1, "prod")]).await;
    let all = run(&mut cloud.discover(&[])).stdout;
    for filter in [["--name", "prdo*"], ["--phase", "Avialable"], ["--tag", "env=prod"]] {
        for input in [all.as_str(), ""] {
            let ran = run_with(cloud.discover(&["--existing", "-"]).args(filter), input);
            assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{filter:?}: {ran:?}");
            let said =
                "error: none of the 1 clusters matches the filters: check --name, --phase and --tag, or say ";
            assert!(ran.stderr.starts_with(said), "{}", ran.stderr);
            run_with(cloud.discover(&["--existing", "-", "--allow-empty"]).args(filter), input)
                .said_only(0, "none of the 1 clusters matches the filters\n");
        }
    }
    run(&mut cloud.discover(&["--name", "prdo*"]))
        .said_only(0, "none of the 1 clusters matches the filters\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_cannot_be_read_are_no_missing_ones() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    folder.write("chart/templates/other.yaml", "{{ if .Values.x }}\nkind: ConfigMap\n");
    folder.write("notes.txt", "kind: ClusterBackupWatch: [");
    folder.write(".git/x.yaml", "kind: ClusterBackupWatch: [");
    std::os::unix::fs::symlink(folder.path(), Path::new(folder.path()).join("folder.yaml")).unwrap();
    let ran = run(&mut cloud.discover(&["--existing", folder.path()]));
    assert_eq!(
        (ran.code, names(&ran.stdout)),
        (Some(1), vec!["a".to_owned()]),
        "other files are passed over: {ran:?}"
    );
    folder.write("watches.yaml", "kind: ClusterBackupWatch\nspec: [");
    let ran = run(&mut cloud.discover(&["--existing", folder.path()]));
    ran.refused(3, "cannot read the manifests of --existing: ");
    assert!(ran.stderr.contains("watches.yaml: "), "{}", ran.stderr);
    let ran = run(&mut cloud.discover(&["--existing", "/nowhere"]));
    assert_eq!(ran.code, Some(3), "{ran:?}");
}
