//! The checked-in definition is the one that the types make; `make generate` writes it.

use cce_backup_watch::api::crd;

#[test]
fn the_checked_in_definition_is_current() {
    super::is_current("crds/clusterbackupwatches.yaml", &crd::yaml().unwrap());
}
