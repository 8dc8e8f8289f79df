//! What each account may do in each way to install the chart, asked of the API server. An account that may do more than is
//! listed here fails a test, and so does one that may do less.

use std::collections::BTreeSet;

use cbw_testkit::{
    scene::Scene,
    trial::{Test, each},
};

use crate::{helm::shared_surroundings, release::Release};

/// The rules of the operator where it watches: exactly these, besides what every account may do.
const EVERYWHERE: &str = "\
clusterbackupwatches.cce.backupwatch.io [] [] [get list watch]
clusterbackupwatches.cce.backupwatch.io/status [] [] [update]
events.events.k8s.io [] [] [create]
secrets [] [] [get]";

/// A way to install the chart, and what the operator may or may not do then.
const WAYS: [(&str, &[&str], &str); 4] = [
    (
        "the operator of a whole cluster",
        &[],
        "yes get secrets/huawei --namespace SHOP
         yes get clusterbackupwatches/prod --namespace SHOP
         yes update clusterbackupwatches --subresource=status --namespace SHOP
         yes watch clusterbackupwatches --all-namespaces
         no list secrets --all-namespaces
         no watch secrets --namespace SHOP
         no update secrets/huawei --namespace SHOP
         no patch clusterbackupwatches --namespace SHOP
         no update clusterbackupwatches --namespace SHOP
         no patch clusterbackupwatches --subresource=status --namespace SHOP
         no delete clusterbackupwatches --namespace SHOP
         no create clusterbackupwatches --namespace SHOP
         no patch events.events.k8s.io --namespace SHOP
         no list events --namespace SHOP
         no get pods --namespace SHOP
         no get configmaps --namespace SHOP
         no create pods --namespace SHOP
         no get nodes
         no list namespaces
         no get customresourcedefinitions
         no create leases --namespace HOME
         no get leases --namespace HOME
         no create serviceaccounts --subresource=token --namespace HOME
         no impersonate users
         no escalate clusterroles
         no * *",
    ),
    (
        "a shard",
        &["sharding.enabled=true", "replicaCount=2"],
        "yes create leases --namespace HOME
         yes watch leases --namespace HOME
         yes update leases/a-pod --namespace HOME
         no delete leases/a-pod --namespace HOME
         no create leases --namespace SHOP
         yes patch clusterbackupwatches --namespace SHOP
         no update clusterbackupwatches --namespace SHOP
         no delete clusterbackupwatches --namespace SHOP",
    ),
    (
        "an operator of named Secrets with a Lease",
        &["rbac.secretNames={huawei}", "leaderElection.enabled=true"],
        "yes get secrets/huawei --namespace SHOP
         no get secrets/other --namespace SHOP
         no get secrets --namespace SHOP
         yes create leases --namespace HOME
         yes get leases/HOME --namespace HOME
         yes watch leases/HOME --namespace HOME
         yes update leases/HOME --namespace HOME
         no update leases/other --namespace HOME
         no watch leases --namespace HOME
         no patch leases/HOME --namespace HOME
         no delete leases/HOME --namespace HOME
         no list leases --namespace HOME
         no create leases --namespace SHOP
         no get leases/HOME --namespace SHOP",
    ),
    (
        "the operator of listed namespaces",
        &["watch.namespaces={SHOP}"],
        "no list clusterbackupwatches --all-namespaces
         no list clusterbackupwatches --namespace default
         no get secrets/huawei --namespace default
         no list secrets --namespace SHOP
         no create events.events.k8s.io --namespace default
         no get leases --namespace HOME",
    ),
];

/// The sharder's own rights, which the chart gives.
const SHARDER: &str = "\
    yes list clusterbackupwatches --all-namespaces
    yes patch clusterbackupwatches --namespace SHOP
    no patch clusterbackupwatches --subresource=status --namespace SHOP
    no get secrets --namespace SHOP
    no create leases --namespace HOME";

/// A test for each way to install the chart, and those of exact rules.
pub fn tests() -> Vec<Test> {
    let rest = each![
        the_operator_of_a_whole_cluster_has_these_rules_and_no_others,
        the_operator_of_listed_namespaces_has_none_elsewhere,
        the_sharder_may_move_watches_and_read_no_secret,
        people_who_may_view_may_not_write,
    ];
    let ways = WAYS.map(|(name, values, questions)| {
        Test::new(format!("what {name} may do"), async move |scene| {
            let release = install(scene, values).await;
            release.may(&release.account(), questions);
        })
    });
    ways.into_iter().chain(rest).collect()
}

/// A release on the control plane that all tests share.
async fn install(scene: Scene, values: &[&str]) -> Release {
    shared_surroundings(&scene.cluster);
    Release::install(scene, values).await
}

impl Release {
    /// Asks whether an account may do something: each line has the answer and the words of the question.
    fn may(&self, account: &str, questions: &str) {
        let mut wrong = Vec::new();
        for question in self.filled(questions).lines() {
            let words: Vec<_> = question.split_whitespace().collect();
            let (expected, words) = words.split_first().unwrap();
            let answer = self.can_i(account, "default", words);
            if !answer.lines().any(|line| line == *expected || line.starts_with(&format!("{expected} "))) {
                wrong.push(format!("{question}: {answer}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// Checks that an account may do exactly this in a namespace besides what every account may do.
    fn may_exactly(&self, account: &str, namespace: &str, rules: &str) {
        let listed = |account: &str| -> BTreeSet<String> {
            let list = self.can_i(account, namespace, &["--list", "--no-headers"]);
            list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let all = listed("nobody:nobody");
        let own: BTreeSet<_> = listed(account).difference(&all).cloned().collect();
        assert_eq!(own, rules.lines().map(str::to_owned).collect(), "{account} in {namespace}");
    }
}

async fn the_operator_of_a_whole_cluster_has_these_rules_and_no_others(scene: Scene) {
    let release = install(scene, &[]).await;
    for namespace in [&release.shop.namespace, &release.scene.namespace] {
        release.may_exactly(&release.account(), namespace, EVERYWHERE);
    }
}

async fn the_operator_of_listed_namespaces_has_none_elsewhere(scene: Scene) {
    let release = install(scene, &["watch.namespaces={SHOP}"]).await;
    release.may_exactly(&release.account(), &release.shop.namespace, EVERYWHERE);
    for namespace in ["default", "kube-system", &release.scene.namespace] {
        release.may_exactly(&release.account(), namespace, "");
    }
}

async fn the_sharder_may_move_watches_and_read_no_secret(scene: Scene) {
    let release = install(scene, &["sharding.enabled=true", "replicaCount=2"]).await;
    release.may("sharding-system:sharder", SHARDER);
}

/// The controller that aggregates roles by their labels does not run here, so the roles themselves are read.
async fn people_who_may_view_may_not_write(scene: Scene) {
    let release = install(scene, &[]).await;
    let verbs = |role: &str| {
        let role = format!("{}-{role}", release.scene.namespace);
        let arguments = ["get", "clusterrole", &role, "--output=jsonpath={.rules[*].verbs[*]}"];
        release.scene.cluster.kubectl("default", &arguments, "").unwrap()
    };
    let (view, edit) = (verbs("view"), verbs("edit"));
    assert!(view.split(' ').any(|verb| verb == "list"), "{view}");
    assert!(!view.split(' ').any(|verb| ["create", "update", "patch", "delete"].contains(&verb)), "{view}");
    assert!(edit.split(' ').any(|verb| verb == "patch"), "{edit}");
}
