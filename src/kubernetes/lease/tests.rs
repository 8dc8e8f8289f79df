//! The rules of a Lease, with a clock that the tests move.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::{api::coordination::v1::Lease, apimachinery::pkg::apis::meta::v1::MicroTime};

use super::election::{Claim, DEADLINE, DURATION, Election, Step};

const SECOND: Duration = Duration::from_secs(1);

fn claim(identity: &str) -> Claim {
    let labels = [("ring".to_owned(), "hub".to_owned())].into();
    Claim { name: "lease".to_owned(), identity: identity.to_owned(), labels }
}

/// An API server with one Lease, which refuses what was not made from its newest version.
struct Server {
    lease: Option<Lease>,
    version: u32,
}

impl Server {
    fn write(&mut self, step: &Step) -> Option<Lease> {
        let (lease, version) = match step {
            Step::Create(lease) if self.lease.is_none() => (lease, None),
            Step::Replace(lease) if self.lease.is_some() => (lease, lease.metadata.resource_version.as_ref()),
            _ => return None,
        };
        if version != self.lease.as_ref().and_then(|lease| lease.metadata.resource_version.as_ref()) {
            return None;
        }
        self.version += 1;
        let mut lease = lease.clone();
        lease.metadata.resource_version = Some(self.version.to_string());
        self.lease.insert(lease).clone().into()
    }

    /// One step of a process, as the keeper carries it out. Returns false if it has to end.
    fn serve(&mut self, election: &mut Election, now: Instant) -> bool {
        let time = Timestamp::UNIX_EPOCH + Duration::from_secs(u64::from(self.version));
        let step = election.step(now, time);
        if step == Step::Expired {
            return false;
        }
        match self.write(&step) {
            Some(lease) => election.wrote(lease, now),
            None => return election.read(self.lease.clone(), now),
        }
        true
    }

    fn spec(&self) -> &k8s_openapi::api::coordination::v1::LeaseSpec {
        self.lease.as_ref().and_then(|lease| lease.spec.as_ref()).unwrap()
    }

    fn holder(&self) -> &str {
        self.spec().holder_identity.as_deref().unwrap()
    }
}

/// A leader that holds the Lease since now, and a standby whose watch has told it so.
fn replicas(now: Instant) -> (Server, Election, Election) {
    let mut server = Server { lease: None, version: 0 };
    let (mut leader, mut standby) = (Election::new(claim("a"), now), Election::new(claim("b"), now));
    leader.told(None, now);
    assert!(server.serve(&mut leader, now) && leader.is_held());
    standby.told(server.lease.clone(), now);
    assert!(!standby.is_held());
    (server, leader, standby)
}

#[test]
fn a_lease_says_who_holds_it_and_for_how_long() {
    let (server, ..) = replicas(Instant::now());
    let lease = server.lease.as_ref().unwrap();
    assert_eq!(lease.metadata.labels, Some(claim("a").labels));
    assert_eq!((server.holder(), server.spec().lease_duration_seconds), ("a", Some(15)));
    assert_eq!(server.spec().lease_transitions, Some(1));
    assert!(server.spec().acquire_time.is_some() && server.spec().renew_time.is_some());
}

#[test]
fn a_standby_takes_a_lease_at_once_when_it_is_given_back_or_deleted() {
    let now = Instant::now();
    let later = now + SECOND;
    for is_deleted in [false, true] {
        let (mut server, leader, mut standby) = replicas(now);
        if is_deleted {
            server.lease = None;
        } else {
            assert!(server.write(&leader.release(Timestamp::UNIX_EPOCH).unwrap()).is_some());
            assert_eq!((server.holder(), server.spec().lease_duration_seconds), ("", Some(1)));
        }
        assert!(standby.due().unwrap() > later, "it knows nothing of it yet");
        standby.told(server.lease.clone(), later);
        assert_eq!(standby.due(), Some(later));
        assert!(server.serve(&mut standby, later) && standby.is_held());
        assert_eq!(server.holder(), "b");
    }
}

#[test]
fn a_standby_takes_a_lease_only_when_it_was_not_renewed_for_its_whole_duration() {
    let now = Instant::now();
    let (mut server, mut leader, mut standby) = replicas(now);
    let renewed = now + 5 * SECOND;
    assert_eq!(leader.due(), Some(renewed));
    assert!(server.serve(&mut leader, renewed));
    standby.told(server.lease.clone(), renewed);
    // A label that somebody else sets is no renewal.
    let mut labelled = server.lease.clone().unwrap();
    labelled.metadata.labels.get_or_insert_default().insert("state".into(), "ready".into());
    standby.told(Some(labelled), renewed + SECOND);
    assert_eq!(standby.due(), Some(renewed + DURATION));
    assert_eq!(standby.step(renewed + 14 * SECOND, Timestamp::UNIX_EPOCH), Step::Look);
    assert!(server.serve(&mut standby, renewed + DURATION) && standby.is_held());
    assert_eq!((server.holder(), server.spec().lease_transitions), ("b", Some(2)));
}

#[test]
fn a_leader_gives_up_before_a_standby_may_take_over() {
    let now = Instant::now();
    let (_, mut leader, standby) = replicas(now);
    let mut last = now;
    while leader.step(last, Timestamp::UNIX_EPOCH) != Step::Expired {
        leader.failed(last);
        assert!(leader.due().unwrap() > last, "time passes");
        last = leader.due().unwrap();
    }
    assert_eq!(last, now + DEADLINE);
    assert!(last < standby.due().unwrap());
}

#[test]
fn a_leader_whose_lease_another_took_ends_and_one_whose_lease_was_labelled_goes_on() {
    let now = Instant::now();
    let (mut server, mut leader, mut standby) = replicas(now);
    let lease = server.lease.as_mut().unwrap();
    lease.metadata.resource_version = Some("77".into());
    lease.metadata.labels.get_or_insert_default().insert("state".into(), "ready".into());
    // The first renewal meets the label, the second keeps it.
    assert!(server.serve(&mut leader, now + 5 * SECOND) && server.serve(&mut leader, now + 5 * SECOND));
    assert!(server.lease.as_ref().unwrap().metadata.labels.as_ref().unwrap().contains_key("state"));

    let later = now + DURATION + 5 * SECOND;
    standby.told(server.lease.clone(), now + 5 * SECOND);
    assert!(server.serve(&mut standby, later) && standby.is_held());
    leader.told(server.lease.clone(), now + 6 * SECOND);
    assert_eq!(leader.due(), Some(now + 6 * SECOND), "a renewal shows whose it is");
    assert!(!server.serve(&mut leader, now + 6 * SECOND) && !leader.is_held());
    assert_eq!(server.holder(), "b");
}

#[test]
fn what_a_late_watch_tells_ends_no_leader() {
    let now = Instant::now();
    let (mut server, mut leader, _) = replicas(now);
    let mut older = server.lease.clone().unwrap();
    older.spec.as_mut().unwrap().holder_identity = Some("who held it before".into());
    leader.told(Some(older), now + SECOND);
    assert!(server.serve(&mut leader, now + SECOND) && leader.is_held());
}

#[test]
fn of_two_processes_of_one_name_the_older_ends() {
    let now = Instant::now();
    let (mut server, mut older, _) = replicas(now);
    let mut newer = Election::new(claim("a"), now);
    newer.told(server.lease.clone(), now + SECOND);
    assert_eq!(newer.due(), Some(now + SECOND), "after a restart nobody waits for its own Lease");
    assert!(server.serve(&mut newer, now + SECOND) && newer.is_held());
    assert_eq!(server.spec().lease_transitions, Some(1), "it stays with the same holder");
    assert!(!server.serve(&mut older, now + 2 * SECOND));
}

#[test]
fn a_standby_without_a_watch_reads_the_lease_every_few_seconds() {
    let now = Instant::now();
    let (server, _, mut standby) = replicas(now);
    assert!(standby.went_blind(now));
    assert!(!standby.went_blind(now), "said once");
    let look = standby.due().unwrap();
    assert!(look <= now + 5 * SECOND);
    assert_eq!(standby.step(look, Timestamp::UNIX_EPOCH), Step::Look);
    assert!(standby.read(server.lease.clone(), look));
    assert!(standby.due().unwrap() <= look + 5 * SECOND);
}

#[test]
fn a_lease_without_a_holder_or_a_spec_is_free() {
    let now = Instant::now();
    let mut held = Lease::default();
    held.spec.get_or_insert_default().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
    for lease in [Lease::default(), held] {
        let mut server = Server { lease: Some(lease), version: 0 };
        let mut standby = Election::new(claim("b"), now);
        standby.told(server.lease.clone(), now);
        assert!(server.serve(&mut standby, now) && standby.is_held());
    }
}
