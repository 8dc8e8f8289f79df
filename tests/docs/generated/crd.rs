//! The checked-in definition is the one that the types make; `make generate` writes it.

use cce_backup_watch::api::crd;

#[test]
fn the_checked_in_definition_is_current() {
    let checked_in = std::fs::read_to_string("crds/clusterbackupwatches.yaml").unwrap();
    assert!(checked_in == crd::yaml().unwrap(), "crds/ is out of date: run `make generate`");
}
