//! A short search, and what the search rests on.

use cbw_histories::{history::run, script::Script, search};

/// `make simulate` runs as many as one wants; this many take half a minute of one core without optimisation.
const HISTORIES: u64 = 400;

#[test]
fn no_history_of_a_short_search_breaks_a_promise() {
    // The same each time: a change that breaks a promise here is the change's fault. `make simulate` searches elsewhere.
    let searched = search::search(1, 2, |n| n < HISTORIES);
    assert!(searched.found.is_none(), "{:?}", searched.found);
    assert_eq!(searched.histories, HISTORIES);
}

#[test]
fn one_seed_makes_one_history_line_for_line() {
    for seed in 1..20 {
        let script = Script::new(seed);
        let (one, other) = (run(&script, false), run(&script, false));
        assert_eq!((one.hash, one.events), (other.hash, other.events), "seed {seed}");
    }
}

#[test]
fn two_seeds_make_two_histories() {
    let hash = |seed| run(&Script::new(seed), false).hash;
    assert_ne!(hash(1), hash(2));
}

/// Where the history limit leaves room for all, what is shown afterwards does not depend on the trouble before.
#[test]
fn trouble_leaves_no_trace_in_what_is_shown() {
    let mut compared = 0;
    for seed in 1..160 {
        let script = Script::new(seed);
        let listed_for_ever = script.acts.iter().all(|(_, act)| {
            !matches!(
                act,
                cbw_histories::script::Act::Drop { .. } | cbw_histories::script::Act::Recreate { .. }
            )
        });
        // A watch of a long interval need not have been polled since.
        let all_polled = script.watches.iter().all(|watch| watch.interval <= 300);
        if script.takes_back() || !listed_for_ever || !all_polled {
            continue;
        }
        let calm = script.only(|_, act| !act.is_trouble());
        assert_eq!(run(&script, false).shown, run(&calm, false).shown, "seed {seed}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
