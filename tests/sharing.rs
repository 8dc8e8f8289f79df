//! Watches share fetches, a refused credential and the account's rate; never another's answer.

use std::collections::HashMap;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::{Duration, Instant};

use cce_backup_watch::cloud::{
    Answer,
    credential::{Credential, CredentialId},
    fault::{Fault, FaultKind},
    rate::Limit,
    share::{Fetched, Outcome, Shared, Sharing, TasksApi, Want},
    target::{ClusterId, ClusterType, ProjectId, Region, Target},
};
use futures::{FutureExt, future::BoxFuture, future::join_all};
use jiff::Timestamp;

/// A cloud that answers by cluster and counts; it takes a moment, so that calls overlap.
#[derive(Default)]
struct Cloud {
    requests: AtomicUsize,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
    faults: Mutex<HashMap<String, Fault>>,
    hangs: AtomicBool,
}

impl Cloud {
    fn fails(&self, cluster: &str, kind: FaultKind, retry_after: Option<Duration>) {
        let fault = Fault { retry_after, ..Fault::new(kind, "no") };
        self.faults.lock().unwrap().insert(cluster.to_owned(), fault);
    }

    fn works(&self) {
        self.faults.lock().unwrap().clear();
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl TasksApi for Cloud {
    fn list_tasks<'a>(
        &'a self,
        target: &'a Target,
        _: &'a Credential,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Answer, Fault>> {
        async move {
            let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_under_way.fetch_max(now, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            match self.faults.lock().unwrap().get(target.cluster_id.as_str()) {
                Some(fault) => Err(fault.clone()),
                None => Ok(Answer { left_out: number, ..Answer::default() }),
            }
        }
        .boxed()
    }
}

const A: &str = "aaaaaaaa-0000-0000-0000-000000000000";
const B: &str = "bbbbbbbb-0000-0000-0000-000000000000";

fn target(cluster: &str) -> Target {
    Target {
        region: Region::parse("cn-north-4").unwrap(),
        project_id: ProjectId::parse("0123456789abcdef0123456789abcdef").unwrap(),
        cluster_id: ClusterId::parse(cluster).unwrap(),
        cluster_type: ClusterType::Standard,
    }
}

struct Watches {
    cloud: Arc<Cloud>,
    sharing: Sharing,
    credential: Credential,
}

impl Watches {
    fn new(limit: Limit) -> Self {
        let cloud = Arc::new(Cloud::default());
        Self {
            sharing: Sharing::new(cloud.clone(), limit),
            cloud,
            credential: Credential::new("AK", "SK", None).unwrap(),
        }
    }

    fn shared(&self, cluster: &str, identity: &str) -> Arc<Shared> {
        self.sharing.of(&target(cluster), &CredentialId(identity.to_owned()))
    }

    async fn fetch(&self, shared: &Shared, want: Want<'_>) -> Fetched {
        self.sharing.fetch(shared, &self.credential, want).await
    }
}

fn ample() -> Limit {
    Limit { rate: 1000.0, burst: 1000 }
}

fn fresh(who: &str) -> Want<'_> {
    Want { who, not_before: Instant::now(), urgent: false, asked: false }
}

fn no_older_than(age: Duration) -> Want<'static> {
    Want { who: "w", not_before: Instant::now().checked_sub(age).unwrap(), urgent: false, asked: false }
}

fn outcome(fetched: Fetched) -> Outcome {
    match fetched {
        Fetched::Outcome { outcome, .. } => outcome,
        Fetched::Later(wait) => panic!("sent away for {wait:?}"),
    }
}

fn kind(fetched: Fetched) -> FaultKind {
    outcome(fetched).result.expect_err("a fault").kind
}

/// Which request of the cloud was the answer.
fn number(fetched: Fetched) -> usize {
    outcome(fetched).result.expect("an answer").left_out
}

#[tokio::test]
async fn thirty_watches_that_poll_together_cost_one_request() {
    let watches = Watches::new(ample());
    let shared = watches.shared(A, "secret");
    let want = fresh("w");
    let fetched = join_all((0..30).map(|_| watches.fetch(&shared, want))).await;
    assert!(fetched.into_iter().all(|fetched| number(fetched) == 1));
    assert_eq!(watches.cloud.requests(), 1);
}

#[tokio::test]
async fn each_caller_says_how_old_an_answer_may_be() {
    let watches = Watches::new(ample());
    let shared = watches.shared(A, "secret");
    assert_eq!(number(watches.fetch(&shared, fresh("w")).await), 1);
    assert_eq!(number(watches.fetch(&shared, no_older_than(Duration::from_mins(1))).await), 1);
    assert_eq!(number(watches.fetch(&shared, fresh("w")).await), 2);
}

#[tokio::test]
async fn what_one_credential_fetched_is_never_another_s() {
    for first in ["mine", "theirs"] {
        let watches = Watches::new(ample());
        let second = if first == "mine" { "theirs" } else { "mine" };
        let (one, two) = (watches.shared(A, first), watches.shared(A, second));
        let old = || no_older_than(Duration::from_mins(1));
        assert_eq!(number(watches.fetch(&one, old()).await), 1);
        watches.cloud.fails(A, FaultKind::AuthenticationFailed, None);
        assert_eq!(kind(watches.fetch(&two, old()).await), FaultKind::AuthenticationFailed);
        // Nor does the refusal of the one touch the other.
        watches.cloud.works();
        assert_eq!(number(watches.fetch(&one, fresh("w")).await), 3);
    }
}

#[tokio::test]
async fn a_refused_credential_makes_no_further_request_on_any_cluster() {
    let watches = Watches::new(ample());
    let (a, b) = (watches.shared(A, "secret"), watches.shared(B, "secret"));
    watches.cloud.fails(A, FaultKind::AuthenticationFailed, None);
    assert_eq!(kind(watches.fetch(&a, fresh("a")).await), FaultKind::AuthenticationFailed);
    for _ in 0..10 {
        assert_eq!(kind(watches.fetch(&a, fresh("a")).await), FaultKind::AuthenticationFailed);
        assert_eq!(kind(watches.fetch(&b, fresh("b")).await), FaultKind::AuthenticationFailed);
    }
    assert_eq!(watches.cloud.requests(), 1);
    // A changed Secret is another credential: it is tried at once. So is what a person asks for.
    let changed = watches.shared(B, "secret, changed");
    assert_eq!(number(watches.fetch(&changed, fresh("b")).await), 2);
    let asked = Want { asked: true, ..fresh("b") };
    assert_eq!(number(watches.fetch(&b, asked).await), 3);
    // Accepted once, it serves everybody again.
    watches.cloud.works();
    assert_eq!(number(watches.fetch(&a, fresh("a")).await), 4);
}

#[tokio::test]
async fn a_credential_that_was_never_accepted_makes_one_request_at_a_time() {
    let watches = Watches::new(ample());
    let clusters: Vec<_> = (0..20).map(|n| format!("{n:08x}-0000-0000-0000-000000000000")).collect();
    for cluster in &clusters {
        watches.cloud.fails(cluster, FaultKind::AuthenticationFailed, None);
    }
    let shared: Vec<_> = clusters.iter().map(|cluster| watches.shared(cluster, "wrong")).collect();
    let fetched = join_all(shared.iter().map(|shared| watches.fetch(shared, fresh("w")))).await;
    assert_eq!(watches.cloud.requests(), 1, "five refusals would lock the access key");
    assert_eq!(fetched.iter().filter(|fetched| matches!(fetched, Fetched::Later(_))).count(), 19);
    for shared in &shared {
        assert_eq!(kind(watches.fetch(shared, fresh("w")).await), FaultKind::AuthenticationFailed);
    }
    assert_eq!(watches.cloud.requests(), 1);
}

#[tokio::test]
async fn an_answer_that_need_not_know_the_credential_does_not_prove_it() {
    use FaultKind::{
        ClockSkew, CloudUnavailable, ClusterNotFound, InvalidResponse, PermissionDenied, RequestRejected,
        Throttled,
    };
    for (first, proves) in [
        (Throttled, false),
        (InvalidResponse, false),
        (CloudUnavailable, false),
        (ClockSkew, false),
        (RequestRejected, false),
        (PermissionDenied, true),
        (ClusterNotFound, true),
    ] {
        let watches = Watches::new(ample());
        let clusters: Vec<_> = (0..8).map(|n| format!("{n:08x}-0000-0000-0000-000000000000")).collect();
        for cluster in &clusters {
            watches.cloud.fails(cluster, first, None);
        }
        let shared: Vec<_> = clusters.iter().map(|cluster| watches.shared(cluster, "key")).collect();
        assert_eq!(kind(watches.fetch(&shared[0], fresh("w")).await), first);
        join_all(shared.iter().map(|shared| watches.fetch(shared, fresh("w")))).await;
        assert_eq!(watches.cloud.most_under_way.load(Ordering::SeqCst) > 1, proves, "{first}");
    }
}

#[tokio::test]
async fn once_accepted_a_credential_polls_clusters_side_by_side() {
    let watches = Watches::new(ample());
    let shared: Vec<_> =
        (0..8).map(|n| watches.shared(&format!("{n:08x}-0000-0000-0000-000000000000"), "good")).collect();
    outcome(watches.fetch(&shared[0], fresh("w")).await);
    join_all(shared.iter().map(|shared| watches.fetch(shared, fresh("w")))).await;
    assert!(watches.cloud.most_under_way.load(Ordering::SeqCst) > 1);
}

#[tokio::test]
async fn retry_after_holds_for_all_watches_of_the_cluster_but_not_for_a_request() {
    let watches = Watches::new(ample());
    let shared = watches.shared(A, "secret");
    watches.cloud.fails(A, FaultKind::Throttled, Some(Duration::from_mins(1)));
    assert_eq!(kind(watches.fetch(&shared, fresh("one")).await), FaultKind::Throttled);
    watches.cloud.works();
    assert_eq!(kind(watches.fetch(&shared, fresh("two")).await), FaultKind::Throttled);
    assert_eq!(watches.cloud.requests(), 1);
    assert_eq!(number(watches.fetch(&shared, Want { asked: true, ..fresh("two") }).await), 2);
}

#[tokio::test]
async fn a_poll_without_budget_is_sent_away_and_costs_nothing() {
    let watches = Watches::new(Limit { rate: 0.1, burst: 1 });
    let (a, b) = (watches.shared(A, "secret"), watches.shared(B, "secret"));
    outcome(watches.fetch(&a, fresh("a")).await);
    let asked = Want { asked: true, urgent: true, ..fresh("b") };
    match watches.fetch(&b, asked).await {
        Fetched::Later(wait) => assert!(wait > Duration::from_secs(8) && wait <= Duration::from_secs(10)),
        Fetched::Outcome { .. } => panic!("the account's rate holds even for what a person asks for"),
    }
    assert_eq!(watches.cloud.requests(), 1);
}

#[tokio::test]
async fn who_joins_a_fetch_that_hangs_is_sent_away_soon() {
    let watches = Arc::new(Watches::new(ample()));
    let shared = watches.shared(A, "secret");
    watches.cloud.hangs.store(true, Ordering::SeqCst);
    let first = {
        let (watches, shared) = (watches.clone(), shared.clone());
        tokio::spawn(async move { watches.fetch(&shared, fresh("first")).await })
    };
    while watches.cloud.requests() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(matches!(watches.fetch(&shared, fresh("second")).await, Fetched::Later(_)));
    assert_eq!(watches.cloud.requests(), 1);
    first.abort();
}

#[tokio::test]
async fn a_new_watch_finds_the_budget_that_others_have_used_up() {
    let watches = Watches::new(Limit { rate: 0.1, burst: 1 });
    let gone = watches.shared(A, "secret");
    outcome(watches.fetch(&gone, fresh("a")).await);
    drop(gone);
    assert!(matches!(watches.fetch(&watches.shared(B, "secret"), fresh("b")).await, Fetched::Later(_)));
}

#[tokio::test]
async fn a_fetch_that_is_given_up_blocks_nobody() {
    let watches = Watches::new(ample());
    let shared = watches.shared(A, "secret");
    // The first poll of an unproven credential is dropped on its way.
    tokio::time::timeout(Duration::from_millis(5), watches.fetch(&shared, fresh("w"))).await.unwrap_err();
    assert_eq!(number(watches.fetch(&shared, fresh("w")).await), 2);
}
