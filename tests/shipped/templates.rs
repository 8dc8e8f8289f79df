//! What is installed, as text: the chart, the kustomize bases, alerts, workflows and scripts, each judged by the tool of those who
//! use it, and by the tests of `hack/checks`, which stand on libraries in Go. What an API server says of the chart is shown by
//! `tests/chart`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cbw_testkit::{
    chart::{CHART, values},
    program::{self, ROOT, tool},
    trial::{Shared, Test, skip},
};
use serde_json::{Value, json};

/// A case for each file of values, each kustomize base and each test in Go, and what is the same for all.
pub fn tests() -> Vec<Test> {
    let values = values().into_iter().map(|(name, file)| {
        case(&format!("the chart and its alerts are sound with {name}"), move || sound_with(&file))
    });
    let bases = ["default", "namespaced", "monitoring"].map(|base| {
        case(&format!("an overlay moves config/{base} to another namespace"), move || overlay_moves(base))
    });
    let rest = [
        case("the templates pass their unit tests", || {
            passes(Command::new(tool("helm-unittest")).arg(CHART), "");
        }),
        case("the package renders what the folder renders", packaged),
        case("a chart that takes this one in switches it on and off", as_subchart),
        case("config and the README of the chart are what the chart generates", generated),
        case("the alerts are sound, and fire and are silent as they should", alerts),
        case("the workflows are sound", || {
            passes(Command::new(tool("actionlint")).arg("-no-color"), "");
        }),
        case("the scripts are sound", scripts),
    ];
    values.chain(bases).chain(rest).chain(in_go()).collect()
}

fn case(sentence: &str, run: impl Fn() + Send + Sync + 'static) -> Test {
    Test::without_scene(sentence.to_owned(), async move || run())
}

/// Runs a command in the root of the repository, which must succeed: what it printed.
fn passes(command: &mut Command, input: &str) -> String {
    let ran = program::run_with(command.current_dir(ROOT), input);
    assert!(ran.code == Some(0), "{command:?} ended with {:?}:\n{}", ran.code, ran.printed());
    ran.stdout
}

fn helm(arguments: &[&str]) -> String {
    passes(Command::new("helm").args(arguments), "")
}

/// A folder for the files of one case.
fn folder(name: &str) -> PathBuf {
    let folder = program::folder().join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

const WITH_RULES: [&str; 4] =
    ["--set", "prometheusRule.enabled=true", "--set", "prometheusRule.renderMode=alwaysRender"];

fn sound_with(file: &Path) {
    let values = ["--values", file.to_str().unwrap()];
    helm(&[&["lint", "--strict", CHART], &values[..]].concat());
    let only = ["template", "x", CHART, "--show-only", "templates/prometheusrule.yaml"];
    let rule: Value = serde_saphyr::from_str(&helm(&[&only[..], &values, &WITH_RULES].concat())).unwrap();
    sound(&rule["spec"]);
}

/// Rules as Prometheus reads them.
fn sound(rules: &Value) {
    let mut promtool = Command::new(tool("promtool"));
    // JSON is YAML.
    passes(promtool.args(["check", "rules", "--lint=all", "--lint-fatal"]), &rules.to_string());
}

fn alerts() {
    let alerts = fs::read_to_string(Path::new(ROOT).join(CHART).join("files/alerts.yaml")).unwrap();
    sound(&serde_saphyr::from_str(&alerts).unwrap());
    passes(Command::new(tool("promtool")).args(["test", "rules", "tests/monitoring/alerts_test.yaml"]), "");
}

/// An overlay that sets only a namespace moves everything of a base.
fn overlay_moves(base: &str) {
    let overlay = folder(&format!("overlay-{base}"));
    // A base is named from the overlay on, and nothing lies above the root.
    let root = fs::canonicalize(ROOT).unwrap();
    let base = format!("{}{}/config/{base}", "../".repeat(20), &root.to_str().unwrap()[1..]);
    let kustomization = json!({ "namespace": "elsewhere", "resources": [base] });
    fs::write(overlay.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let moved = passes(Command::new("kubectl").arg("kustomize").arg(&overlay), "");
    assert!(moved.contains("namespace: elsewhere\n"), "{moved}");
    for left in ["namespace: cce-backup-watch\n", "namespaceSelector:", ".cce-backup-watch.svc"] {
        assert!(!moved.contains(left), "{left:?} is still in\n{moved}");
    }
}

/// Users install the package, so nothing in it depends on files that .helmignore leaves out.
fn packaged() {
    let place = folder("package");
    helm(&["package", CHART, "--destination", place.to_str().unwrap()]);
    let package = fs::read_dir(place).unwrap().next().unwrap().unwrap().path();
    let package = package.to_str().unwrap();
    let rendered = |chart| {
        helm(&[&["template", "x", chart, "--set", "dashboard.enabled=true"], &WITH_RULES[..]].concat())
    };
    assert!(rendered(package) == rendered(CHART), "the package renders something else");
    let files = passes(Command::new("tar").args(["--list", "--file", package]), "");
    assert!(!files.contains("/ci/") && !files.contains("/tests/"), "{files}");
}

/// A platform's chart has this one as a dependency with a condition, as most of them do.
fn as_subchart() {
    let platform = folder("platform");
    let repository = format!("file://{}/{CHART}", fs::canonicalize(ROOT).unwrap().display());
    let chart = json!({ "apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [{
        "name": "cce-backup-watch", "version": "0.x", "repository": repository, "condition": "cce-backup-watch.enabled",
    }] });
    fs::write(platform.join("Chart.yaml"), chart.to_string()).unwrap();
    let platform = platform.to_str().unwrap();
    helm(&["dependency", "update", platform]);
    for (enabled, deployments) in [(true, 1), (false, 0)] {
        let switch = format!("cce-backup-watch.enabled={enabled}");
        let rendered = helm(&["template", "x", platform, "--set", &switch]);
        assert_eq!(rendered.matches("\nkind: Deployment\n").count(), deployments, "{switch}");
    }
}

fn generated() {
    let helm_docs = tool("helm-docs");
    let path = format!("{}:{}", helm_docs.parent().unwrap().display(), std::env::var("PATH").unwrap());
    passes(Command::new("hack/generate-config.sh").arg("--check").env("PATH", path), "");
}

fn scripts() {
    if Command::new("shellcheck").arg("--version").output().is_err() {
        skip("shellcheck is not installed");
    }
    // What another script sources is checked with it.
    let scripts = passes(Command::new("find").args(["hack", ".ci", "-type", "f", "-perm", "-100"]), "");
    let mut shellcheck = Command::new("shellcheck");
    passes(shellcheck.args(["--external-sources", "--check-sourced"]).args(scripts.lines()), "");
}

/// The flags with which hack/control-plane builds its tools: what they have in common is compiled once.
const AS_THE_TOOLS: [&str; 3] =
    ["-trimpath", "-gcflags=all=-dwarf=false", "-gcflags=k8s.io/...=-dwarf=false -l"];

/// The tests of `hack/checks` by their names. All of them run once.
fn in_go() -> Vec<Test> {
    let folder = Path::new(ROOT).join("hack/checks");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.to_str().unwrap().ends_with("_test.go"));
    let sources: String = files.map(|path| fs::read_to_string(path).unwrap()).collect();
    let events = Shared::new(move || {
        let mut go = Command::new("go");
        go.args(["test", "-count=1", "-json"]).args(AS_THE_TOOLS).arg("./...").env("CGO_ENABLED", "0");
        let ran = program::run(go.current_dir(&folder));
        let events: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let a_test_fails = |event: &Value| event["Action"] == "fail" && event["Test"].is_string();
        assert!(ran.code == Some(0) || events.iter().any(a_test_fails), "no test ran:\n{}", ran.printed());
        std::future::ready(events)
    });
    let names = sources.lines().filter_map(|line| line.strip_prefix("func Test")?.split('(').next());
    names
        .map(|name| format!("Test{name}"))
        .map(|name| events.test(name.clone(), async move |events| passed(&name, events)))
        .collect()
}

/// Whether this test passed, by what was told of it and of its parts.
fn passed(name: &str, events: &[Value]) {
    let ours =
        |event: &&Value| event["Test"].as_str().is_some_and(|test| test.split('/').next() == Some(name));
    let passed = events.iter().any(|event| event["Test"] == name && event["Action"] == "pass");
    let printed = events.iter().filter(ours).filter_map(|event| event["Output"].as_str());
    assert!(passed, "\n{}", printed.collect::<String>());
}
