//! On a terminal: colours, and the live bar. The terminal is that of `script`, of util-linux.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_phase_has_its_colour_on_a_terminal_alone() {
    let simulator = simulator().await;
    simulator
        .set_tasks(CLUSTER, [task("a", "Success", 0), task("b", "Running", 10), task("c", "Failed", 20)]);
    let ran = run(&mut on_terminal(&tasks(&simulator, &[])));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for coloured in ["\x1b[32mSuccess\x1b[0m", "\x1b[33mRunning\x1b[0m", "\x1b[31mFailed\x1b[0m"] {
        assert!(ran.stdout.contains(coloured), "{ran:?}");
    }
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let ran = run(on_terminal(&tasks(&simulator, &[])).env(name, value));
        assert!(ran.stdout.contains("Failed") && !ran.stdout.contains('\x1b'), "{name}: {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_draws_a_bar_and_a_line_for_each_phase() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("first", "Running", 0).progress(40)]);
    let flags = ["--watch", "--wait", "--timeout", "30s", "--interval", "1s"];
    let command = start(&mut on_terminal(&tasks(&simulator, &flags)));
    until("two polls", || simulator.requests(CLUSTER) >= 2).await;
    simulator.set_tasks(CLUSTER, [task("first", "Running", 0).progress(80)]);
    let seen = simulator.requests(CLUSTER);
    until("two more", || simulator.requests(CLUSTER) >= seen + 2).await;
    simulator.set_tasks(CLUSTER, [task("first", "Success", 0).progress(100)]);
    let ran = command.end();
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for drawn in ["first [", "=>", "Running  40%", "Running  80%"] {
        assert!(ran.stdout.contains(drawn), "{drawn}: {ran:?}");
    }
    let lines: Vec<_> = ran.stdout.matches("Z first ").collect();
    assert_eq!(lines.len(), 2, "one for each phase, none for progress: {ran:?}");
    assert!(ran.stdout.contains("\x1b[32mSuccess\x1b[0m 100%"), "{ran:?}");
}
