//! Commands that take the name of a watch, before and without an answer of an API server. What they do with one is tested on a real one.

use std::net::TcpListener;

use super::*;

#[test]
fn a_silent_api_server_ends_a_gate_in_time_and_lets_nobody_pass() {
    // The kernel takes its connections, and nobody accepts them.
    let (silent, folder) = (TcpListener::bind("127.0.0.1:0").unwrap(), Folder::new());
    for scheme in ["http", "https"] {
        let kubeconfig = kubeconfig(&folder, &format!("{scheme}://{}", silent.local_addr().unwrap()));
        for flags in [&["--timeout", "1s"][..], &["--newer-than", "2h", "--timeout", "1s"]] {
            let mut gate = program();
            gate.args(["poll", "platform/prod"]).args(flags).env("KUBECONFIG", &kubeconfig);
            run(&mut gate).said(3, "platform/prod: the API server did not answer within 1s");
            assert_eq!(code(&mut gate, closed(), full()), Some(3));
        }
    }
}

#[test]
fn a_signal_ends_a_command_that_waits_for_an_api_server() {
    for words in [&["poll", "platform/prod"][..], &["status", "platform/prod"]] {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let (silent, folder) = (TcpListener::bind("127.0.0.1:0").unwrap(), Folder::new());
            let kubeconfig = kubeconfig(&folder, &format!("http://{}", silent.local_addr().unwrap()));
            let mut command = start(program().args(words).env("KUBECONFIG", &kubeconfig));
            let _asked = silent.accept().unwrap();
            command.signal(signal);
            // By itself, and not by the kernel, which leaves the first process of a container alone.
            assert_eq!(command.end().code, Some(code), "{words:?}");
        }
    }
}

#[test]
fn what_is_no_duration_or_no_name_is_refused_and_opens_no_gate() {
    let folder = Folder::new();
    let kubeconfig = kubeconfig(&folder, "http://127.0.0.1:1");
    for words in [
        &["poll"][..],
        &["poll", "/prod"],
        &["poll", "platform/"],
        &["poll", "platform/prod/x"],
        &["poll", "Prod"],
        &["poll", "platform/Prod"],
        &["poll", "platform/prod", "more"],
        &["poll", "prod\n"],
        &["poll", "prod", "--newer-than", "0h"],
        &["poll", "prod", "--newer-than", "00000000000000000000"],
        &["poll", "prod", "--newer-than", "99999999999999999999h"],
        &["poll", "prod", "--newer-than", "2"],
        &["poll", "prod", "--newer-than", ""],
        &["poll", "prod", "--timeout", "0s"],
        &["poll", "prod", "--namespace", "/prod"],
        &["tasks", "/prod"],
        &["backup", "platform/"],
        &["status", "/prod"],
    ] {
        let ran = run(program().args(words).env("KUBECONFIG", &kubeconfig));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{words:?}: {ran:?}");
    }
    let ran = run(program().args(["poll", "prod"]).env("KUBECONFIG", &kubeconfig).env("CBW_NEWER_THAN", ""));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
