//! The checked-in definition, and the chart's copy, are the one that the types make; `make generate` writes both.

use cbw_testkit::chart::CHART;
use cce_backup_watch::api::crd;

#[test]
fn the_checked_in_definition_is_current() {
    for file in ["crds/clusterbackupwatches.yaml", &format!("{CHART}/files/crd.yaml")] {
        super::is_current(file, &crd::yaml().unwrap());
    }
}
