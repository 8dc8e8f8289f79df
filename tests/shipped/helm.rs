//! The helm commands of the pages, with Helm 3 and Helm 4, each on a release that either of them has installed. Each case has a
//! control plane of its own, because the definition is everybody's.

use std::path::Path;

use cbw_testkit::{
    control_plane::ControlPlane,
    program::{ROOT, Ran, run},
    trial::Test,
};

use crate::page::{bash, commands};

const HELMS: [&str; 2] = ["helm-3", "helm-4"];
/// The name of the release and its namespace, as in all pages.
const SYSTEM: &str = "cce-backup-watch";
const INSTALL: &str =
    "helm install cce-backup-watch charts/cce-backup-watch --namespace cce-backup-watch --create-namespace";
const UNINSTALL: &str = "helm uninstall cce-backup-watch --namespace cce-backup-watch";

/// What is promised of each Helm, and of each after each.
pub fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for helm in HELMS {
        let name = format!("{helm} installs and uninstalls as the pages say, and takes a definition over");
        tests.push(Test::without_scene(name, async move || installs_and_uninstalls(helm).await));
        for installer in HELMS {
            let name = format!("{helm} upgrades as the pages say what {installer} has installed");
            tests.push(Test::without_scene(name, async move || upgrades(installer, helm).await));
        }
    }
    tests
}

/// A cluster without the definition. Only the kind of the sharder is there.
struct Empty(ControlPlane);

impl Empty {
    async fn new(case: &str) -> Self {
        let empty = Self(ControlPlane::start(case).await);
        empty.kubectl(&["apply", "--filename", &format!("{ROOT}/hack/checks/controllerring.yaml")]);
        empty.kubectl(&["wait", "--for=condition=Established", "crd/controllerrings.sharding.timebertt.dev"]);
        empty
    }

    fn kubectl(&self, arguments: &[&str]) -> String {
        self.0.cluster.kubectl(SYSTEM, arguments, "").unwrap()
    }

    /// Runs a command with one Helm or the other, and with the chart of this repository in place of the published one.
    fn runs(&self, helm: &str, command: &str) -> Ran {
        let command = command.replace("oci://REGISTRY/", "oci://ghcr.io/").replace(" --version VERSION", "");
        let command = command.replace("oci://ghcr.io/cce-backup-watch/charts/", "charts/");
        let mut bash = bash(&[helm], Path::new(ROOT));
        bash.env("KUBECONFIG", &self.0.cluster.kubeconfig);
        run(bash.arg(format!("helm() {{ command {helm} \"$@\"; }}\n{command}")))
    }

    /// Runs the commands of all pages that begin with these words, and something after each. Pages whose commands are no longer
    /// found would pass without having been tried, so at least this many must be there.
    fn runs_those_of_pages(&self, helm: &str, words: &str, at_least: usize, after_each: impl Fn()) {
        let commands: Vec<_> = commands().filter(|(_, command)| command.starts_with(words)).collect();
        assert!(commands.len() >= at_least, "only these commands of {words} were found: {commands:?}");
        for (page, command) in commands {
            let ran = self.runs(helm, &command);
            assert_eq!(ran.code, Some(0), "{page}: {command}: {}", ran.printed());
            after_each();
        }
    }

    fn keeps_the_definition(&self) {
        self.kubectl(&["get", "crd/clusterbackupwatches.cce.backupwatch.io"]);
    }
}

async fn installs_and_uninstalls(helm: &str) {
    let empty = Empty::new(helm).await;
    empty.runs_those_of_pages(helm, "helm install ", 4, || empty.runs(helm, UNINSTALL).ended(0, ""));
    empty.runs(helm, INSTALL).ended(0, "");
    empty.runs_those_of_pages(helm, "helm uninstall ", 1, || {
        empty.keeps_the_definition();
        empty.runs(helm, INSTALL).ended(0, "");
    });
    empty.runs(helm, UNINSTALL).ended(0, "");
    // The definition belongs to the release that is gone.
    let other = INSTALL.replacen("install cce-backup-watch", "install other", 1);
    empty.runs(helm, &other).ended(1, "cannot be imported");
    empty.runs(helm, &(other + " --take-ownership")).ended(0, "");
}

async fn upgrades(installer: &str, helm: &str) {
    let empty = Empty::new(&format!("{installer}-{helm}")).await;
    let upgrade = |options: &str| {
        let install =
            INSTALL.replace("install", "upgrade").replace("--create-namespace", "--reset-then-reuse-values");
        format!("{install} {options}")
    };
    empty.runs(installer, INSTALL).ended(0, "");
    empty.runs_those_of_pages(helm, "helm upgrade ", 11, || ());
    // The values of an earlier upgrade.
    empty.runs(helm, "helm get values cce-backup-watch --namespace cce-backup-watch").ended(0, "schedule:");
    empty.runs(helm, &upgrade("--set sharding.enabled=false --set replicaCount=1")).ended(0, "");

    // Somebody scales. Only what Helm 4 has installed is applied on the server, where the change is a conflict.
    empty.kubectl(&["scale", "deployment", SYSTEM, "--replicas=2"]);
    if [installer, helm] == ["helm-4", "helm-4"] {
        let conflict = empty.runs(helm, &upgrade(""));
        conflict.ended(1, "conflict");
        conflict.ended(1, ".spec.replicas");
        empty.runs(helm, &upgrade("--force-conflicts")).ended(0, "");
        let replicas = empty.kubectl(&["get", "deployment", SYSTEM, "--output=jsonpath={.spec.replicas}"]);
        assert_eq!(replicas, "1", "--force-conflicts did not take the field back");
    } else {
        empty.runs(helm, &upgrade("")).ended(0, "");
    }
    empty.runs(helm, UNINSTALL).ended(0, "");
    empty.keeps_the_definition();
}
