//! The variables that stand for flags, in the real process. Their table is in `src/cli/environment.rs`.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn variables_of_a_ci_system_are_taken_as_they_are_meant() {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Failed", 0)]);
    for (name, value, code) in [
        ("CBW_WAIT", "1", 1),
        ("CBW_WAIT", "off", 1),
        ("CBW_WAIT", "maybe", 2),
        ("CBW_WAIT", "", 2),
        ("CBW_TIMEOUT", "", 1),
        ("CBW_TIMEOUT", "2h", 1),
        ("CBW_PROXY", "", 1),
        ("CBW_CA_FILE", "", 1),
        ("CBW_SECRET", "", 1),
        ("CBW_OUTPUT", " json\n", 1),
        ("CBW_NEWER_THAN", "", 2),
        ("HUAWEICLOUD_SDK_PROJECT_ID", " ", 1),
    ] {
        let ran = run(tasks(&simulator, &[]).env(name, value));
        assert_eq!(ran.code, Some(code), "{name}={value:?}: {ran:?}");
        assert!(code != 2 || ran.stderr.contains(name), "{name}={value:?}: {}", ran.stderr);
    }
}

#[test]
fn a_namespace_that_none_can_have_ends_the_operator_with_the_flags_name() {
    for (name, value, flag) in [
        ("CBW_WATCH_NAMESPACE", "platform, Prod", "--watch-namespace"),
        ("CBW_OPERATOR_CREDENTIALS_NAMESPACE", "*,a/b", "--operator-credentials-namespace"),
        ("CBW_WATCH_LABEL_SELECTOR", "team platform", "--watch-label-selector"),
    ] {
        run(program().arg("controller").env(name, value)).said(2, flag);
    }
}

#[test]
fn what_is_wrong_is_told_without_the_characters_of_others() {
    let region = "r\u{1b}[31m\u{202e}\r::error::x";
    let ran = run(program().args(["tasks", "--cluster-id", CLUSTER]).env("CBW_REGION", region));
    ran.said(2, "--region");
    let raw = |c: char| c != '\n' && c.is_control() || c == '\u{202e}';
    assert!(!ran.stderr.contains(raw), "{:?}", ran.stderr);
}

#[test]
fn no_message_has_the_user_and_password_of_a_url() {
    for (name, value) in [
        ("CBW_REGION_ENDPOINT", "r=https://user:CANARY@cloud.example"),
        ("CBW_REGION_ENDPOINT", "https://user:CANARY@cloud.example"),
        ("CBW_PROXY", "socks5://user:CANARY@proxy"),
        ("CBW_REGION", "http://user:CANARY@x"),
        ("CBW_OUTPUT", "http://user:CANARY@x"),
    ] {
        for flags in [&["tasks", "--cluster-id", CLUSTER, "--region", "r"][..], &["tasks", "--help"]] {
            let flags = if name == "CBW_REGION" && flags.len() > 2 { &flags[..3] } else { flags };
            let ran = run(program().args(flags).env("CBW_PROJECT_ID", PROJECT).env(name, value));
            assert_eq!(ran.code, Some(if flags.contains(&"--help") { 0 } else { 2 }), "{name}: {ran:?}");
            assert!(!format!("{ran:?}").contains("CANARY"), "{name}: {ran:?}");
        }
    }
    let ran = run(program().args(["probe", "http://user:CANARY@127.0.0.1:1/", "--timeout", "1s"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("http://***@127.0.0.1:1/") && !ran.stderr.contains("CANARY"), "{ran:?}");
}
