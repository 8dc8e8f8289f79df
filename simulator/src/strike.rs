//! Faults that wait for a call, by what they strike.

use std::{collections::HashMap, hash::Hash};

/// The fault of a key, where there is one; one with a count then strikes one time less. `spent` says what is left of it.
pub(crate) fn strike<K: Eq + Hash, F>(
    faults: &mut HashMap<K, F>,
    key: K,
    spent: impl Fn(&F) -> Option<F>,
) -> Option<F> {
    let fault = faults.remove(&key)?;
    if let Some(rest) = spent(&fault) {
        faults.insert(key, rest);
    }
    Some(fault)
}
