//! Files of others: large, odd, secret, or made to do harm. What they hold never reaches a message raw.

use std::fmt::Write as _;
use std::path::Path;

use super::*;

fn watch(n: u32, name: &str) -> String {
    format!(
        "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nmetadata: {{name: {name:?}, namespace: n}}\n\
         spec: {{region: cn-north-4, projectID: {PROJECT}, clusterID: {}}}\n",
        id(n)
    )
}

fn existing(cloud: &Cloud, path: &str) -> Ran {
    run(&mut cloud.discover(&["--existing", path]))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_shows_no_text_of_the_file() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    let secret = "kind: Secret\nstringData:\n  accessKey: CANARYKEY\n  secretKey: CANARYSECRET\n";
    for fault in ["  x: [", "  \"CANARY: y", "  b: *CANARY", "\tCANARY: tab"] {
        let file = folder.write("all.yaml", &format!("{}---\n{secret}{fault}\n---\n{secret}", watch(1, "a")));
        for flags in [["--existing", &file], ["--template", &file]] {
            let ran = run(&mut cloud.discover(&flags));
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (Some(if flags[0] == "--existing" { 3 } else { 2 }), ""),
                "{ran:?}"
            );
            assert!(!ran.stderr.contains("CANARY"), "{fault}: {}", ran.stderr);
            assert!(ran.stderr.contains("all.yaml: document "), "{fault}: {}", ran.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_documents_a_long_list_and_one_file_are_read() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await, Folder::new());
    let mut many = (0..3_000).fold(String::new(), |mut text, n| {
        writeln!(text, "{}---", watch(n + 100, "other").replace("cn-north-4", "eu-west-0")).unwrap();
        text
    });
    many.push_str(&watch(1, "a"));
    let file = folder.write("many.yaml", &many);
    let fields = format!("[{}]", vec!["f"; 400].join(", "));
    let items = (0..700).map(|n| {
        let text =
            if n == 0 { watch(2, "w") } else { watch(5_000 + n, "w").replace("cn-north-4", "eu-west-0") };
        let mut object: Value = serde_saphyr::from_str(&text).unwrap();
        object["metadata"]["managedFields"] = serde_saphyr::from_str(&fields).unwrap();
        object
    });
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()});
    folder.write("list.YAML", &serde_saphyr::to_string(&list).unwrap());
    existing(&cloud, folder.path()).said_only(0, "");
    let ran = existing(&cloud, &file);
    assert_eq!((ran.code, names(&ran.stdout)), (Some(1), vec!["b".to_owned()]), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_manifest_is_left_out_and_said() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    folder.write("a.yaml", &watch(1, "a"));
    folder.write("._a.yaml", "\0\u{5}\u{16}\u{7} kind: ClusterBackupWatch: [");
    std::os::unix::fs::symlink("user@host.1", Path::new(folder.path()).join(".#a.yaml")).unwrap();
    let pipe = Path::new(folder.path()).join("pipe.yaml");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let ran = existing(&cloud, folder.path());
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.lines().count()), (Some(0), "", 1), "{ran:?}");
    for name in ["._a.yaml", ".#a.yaml", "pipe.yaml"] {
        assert!(ran.stderr.contains(name), "{name}: {}", ran.stderr);
    }
    existing(&cloud, pipe.to_str().unwrap()).said(3, "is no regular file");
    std::fs::remove_file(pipe).unwrap();

    let latin = Path::new(folder.path()).join("latin.yaml");
    std::fs::write(&latin, b"kind: ConfigMap\ndata: {a: \xe4}\n").unwrap();
    assert_eq!(existing(&cloud, folder.path()).code, Some(0), "a file without the kind holds no watch");
    std::fs::write(&latin, b"kind: ClusterBackupWatch\ndata: {a: \xe4}\n").unwrap();
    existing(&cloud, folder.path()).said(3, "latin.yaml: line 2 is not UTF-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn aliases_do_not_explode() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    let mut text = "kind: ClusterBackupWatchList\nitems:\n- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        writeln!(text, "- &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", ")).unwrap();
    }
    let file = folder.write("bomb.yaml", &text);
    existing(&cloud, &file).said(3, "expands too far");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_file_or_a_watch_reaches_a_terminal_or_a_ci_log_raw() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await, Folder::new());
    let name = "\u{1b}[2J\u{202e}evil\r::error::x";
    let odd =
        folder.write("::error::\r\u{1b}[31m.yaml", &format!("{}---\n{}", watch(1, name), watch(9, name)));
    folder.write(
        "patch.yaml",
        "apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\nspec: {maxAge: 26h}\n",
    );
    let raw = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
    let checks = [
        cloud.discover(&["--existing", folder.path()]),
        cloud.discover(&["--existing", folder.path(), "--output", "table"]),
        cloud.discover(&["--template", &odd]),
        cloud.discover(&["--existing", "::error::/\u{1b}[2J"]),
    ];
    for mut command in checks {
        let ran = run(&mut command);
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(raw), "{text:?}");
            assert!(text.lines().all(|line| !line.trim_start().starts_with("::")), "{text:?}");
        }
    }
    // In this directory the place begins with the odd name, and so does the line.
    let mut command = cloud.discover(&["--existing", "::error::\r\u{1b}[31m.yaml"]);
    folder
        .write("::error::\r\u{1b}[31m.yaml", "apiVersion: cce.backupwatch.io/v1\nkind: ClusterBackupWatch\n");
    let ran = run(command.current_dir(folder.path()));
    assert!(ran.stderr.contains("without a clusterID is left out"), "{ran:?}");
    assert!(ran.stderr.lines().all(|line| !line.starts_with("::")) && !ran.stderr.contains(raw), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_watch_counts_and_is_said() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    folder.write("a.yaml", &watch(1, "a").replace("spec: {", "spec: {suspend: true, "));
    existing(&cloud, folder.path())
        .said_only(0, &format!("the watch n/a of the cluster {} is suspended: nobody polls\n", id(1)));
    let table = run(&mut cloud.discover(&["--existing", folder.path(), "--output", "table"]));
    assert!(table.stdout.contains("n/a (suspended)"), "{}", table.stdout);
    let ran = run(&mut cloud.discover(&["--existing", folder.path(), "--namespace", "m"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    folder.write("a.yaml", &watch(1, "a"));
    let ran = run(&mut cloud.discover(&["--existing", folder.path(), "--namespace", "m"]));
    assert!(ran.stderr.contains("is in another namespace than m"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_of_another_shape_is_refused_by_the_fields_name() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a")]).await, Folder::new());
    for (fields, said) in [
        ("metadata: {annotations: CANARY}", "metadata.annotations is no object"),
        ("metadata: {annotations: [CANARY]}", "metadata.annotations is no object"),
        ("metadata: {labels: {a: 1}}", "metadata.labels.a is no string"),
        ("metadata: {namespace: {CANARY: 1}}", "metadata.namespace is no name"),
        ("metadata: [CANARY]", "metadata is no object"),
        ("spec: {maxAge: CANARY}", "spec.maxAge is not what the field takes"),
        ("spec: {nonsense: 1}", "spec has no field nonsense"),
    ] {
        let text = format!("apiVersion: cce.backupwatch.io/v1alpha1\nkind: ClusterBackupWatch\n{fields}\n");
        let file = folder.write("template.yaml", &text);
        let ran = run(&mut cloud.discover(&["--template", &file]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{fields}: {ran:?}");
        assert!(ran.stderr.contains(said) && !ran.stderr.contains("CANARY"), "{fields}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_closed_or_full_changes_no_exit_code() {
    let (cloud, folder) = (Cloud::with_clusters([cluster(1, "a"), cluster(2, "b")]).await, Folder::new());
    let file = folder.write("a.yaml", &watch(1, "a"));
    for (flags, ends_with) in [
        (&[][..], 0),
        (&["--output", "table"], 0),
        (&["--existing", &file], 1),
        (&["--existing", "/nowhere"], 3),
        (&["--output", "xml"], 2),
    ] {
        assert_eq!(code(&mut cloud.discover(flags), closed(), closed()), Some(ends_with), "{flags:?}");
        // Manifests that nobody can read are no answer.
        let unwritten = if ends_with == 2 { 2 } else { 3 };
        assert_eq!(code(&mut cloud.discover(flags), full(), full()), Some(unwritten), "{flags:?}");
    }
}
