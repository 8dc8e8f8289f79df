//! The command: what it prints, how it ends, and what it refuses.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::client::{CLUSTER, Client};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cce-simulator"));
    command.args(arguments).kill_on_drop(true).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The child and the address in its first line.
async fn started(mut command: Command) -> (Child, String) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line =
        tokio::time::timeout(Duration::from_secs(10), lines.next_line()).await.unwrap().unwrap().unwrap();
    let url = line.strip_prefix("listening on ").unwrap().to_owned();
    (child, url)
}

#[tokio::test]
async fn it_names_its_address_serves_the_built_in_scenario_and_ends_well_on_a_signal() {
    for signal in ["-TERM", "-INT"] {
        let (mut child, url) = started(command(&["--access-key", "AK", "--secret-key", "SK"])).await;
        let answer = Client::at(&url).tasks(CLUSTER).await;
        assert_eq!((answer.status, answer.json()["kind"].clone()), (200, "List".into()));
        let pid = child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
        let status = tokio::time::timeout(Duration::from_secs(5), child.wait()).await.unwrap().unwrap();
        assert_eq!(status.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn each_flag_can_come_from_the_environment() {
    let mut command = command(&[]);
    command
        .env("CCE_SIMULATOR_ACCESS_KEY", "AK")
        .env("CCE_SIMULATOR_SECRET_KEY", "SK")
        .env("CCE_SIMULATOR_SECURITY_TOKEN", "T")
        .env("CCE_SIMULATOR_LISTEN", "127.0.0.1:0");
    let (_child, url) = started(command).await;
    let client = Client::at(&url);
    assert_eq!(client.tasks(CLUSTER).await.status, 401);
    assert_eq!(client.with(client.credential.clone().with_token("T")).tasks(CLUSTER).await.status, 200);
}

#[tokio::test]
async fn what_it_cannot_do_is_said_on_stderr_and_in_the_exit_code() {
    let scenario = std::env::temp_dir().join(format!("cce-simulator-{}.yaml", std::process::id()));
    std::fs::write(&scenario, "clusters: {c: {tasks: [{at: 0s, steps: [{phase: Init, progress: 101}]}]}}")
        .unwrap();
    let key = ["--access-key", "AK", "--secret-key", "SK"];
    let cases = [
        (vec![], 2, "--access-key"),
        (vec!["--access-key", "AK", "--secret-key", ""], 2, "--secret-key"),
        ([&key[..], &["--listen", "here"]].concat(), 2, "--listen"),
        ([&key[..], &["--listen", "192.0.2.1:1"]].concat(), 1, "cannot listen on 192.0.2.1:1"),
        ([&key[..], &["--scenario", "/nowhere.yaml"]].concat(), 1, "/nowhere.yaml"),
        (
            [&key[..], &["--scenario", scenario.to_str().unwrap()]].concat(),
            1,
            "clusters.c.tasks[0].steps[0].progress",
        ),
    ];
    for (arguments, code, said) in cases {
        let output = command(&arguments).output().await.unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(said), "{arguments:?}: {stderr}");
    }
    std::fs::remove_file(scenario).unwrap();
}

#[tokio::test]
async fn its_help_documents_the_admin_api_and_the_scenario_file_and_prints_no_secret() {
    let output = command(&["--help"]).env("CCE_SIMULATOR_SECRET_KEY", "CANARY").output().await.unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for part in [
        "/admin/clusters/{c}/tasks",
        "/admin/clusters/{c}/fault",
        "THE SCENARIO FILE",
        "repeatEvery",
        "signature expired",
    ] {
        assert!(help.contains(part), "{part}");
    }
    assert!(!help.contains("CANARY"));
}
