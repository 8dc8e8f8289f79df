//! `--credentials`: the identity of the place that the command runs in.

use cce_simulator::{Fault, Identity, IdentityCall};

use super::*;

const POD_TOKEN: &str = "canary-pod-token-00001";
const ID_TOKEN: &str = "canary-id-token-000001";

/// A simulator whose identity services know the tokens above and issue credentials that live this long.
async fn issuing(lifetime: SignedDuration) -> Simulator {
    let simulator = simulator().await;
    simulator.set_identity(Identity {
        idp_id: Some("ci".to_owned()),
        id_token: Some(ID_TOKEN.to_owned()),
        pod_token: Some(POD_TOKEN.to_owned()),
        lifetime,
    });
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    simulator
}

/// `tasks` without the access key of the environment.
fn keyless(simulator: &Simulator, flags: &[&str]) -> Command {
    let mut command = tasks(simulator, flags);
    command.env_remove("HUAWEICLOUD_SDK_AK").env_remove("HUAWEICLOUD_SDK_SK");
    command
}

fn in_pod(simulator: &Simulator, flags: &[&str], token: &str) -> Command {
    let mut command = keyless(simulator, flags);
    command
        .env("HC_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/pod-identity", simulator.url()))
        .env("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", token);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn pod_identity_and_oidc_are_found_by_themselves_or_by_name() {
    let simulator = issuing(SignedDuration::from_hours(1)).await;
    let folder = Folder::new();
    let (pod, id) = (folder.write("pod", POD_TOKEN), folder.write("id", ID_TOKEN));
    for source in ["auto", "pod-identity"] {
        let ran = run(&mut in_pod(&simulator, &["--credentials", source], &pod));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{source}: {ran:?}");
    }
    assert_eq!(simulator.identity_counts(IdentityCall::PodIdentity).issued, 2);
    for source in ["auto", "oidc"] {
        let mut command = keyless(&simulator, &["--credentials", source]);
        command.env("HUAWEICLOUD_SDK_IDP_ID", "ci").env("HUAWEICLOUD_SDK_ID_TOKEN_FILE", &id);
        // IAM is where the region is.
        let ran = run(&mut command);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{source}: {ran:?}");
    }
    assert_eq!(simulator.identity_counts(IdentityCall::IamCredential).issued, 2);
    assert_eq!(simulator.counts(CLUSTER).accepted, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlasts_the_credential_it_began_with() {
    let simulator = issuing(SignedDuration::from_secs(2)).await;
    let folder = Folder::new();
    let pod = folder.write("pod", POD_TOKEN);
    simulator.set_tasks(CLUSTER, [task("a", "Running", 0)]);
    let command = start(&mut in_pod(&simulator, &["--wait", "--timeout", "30s", "--interval", "1s"], &pod));
    until("five polls", || simulator.counts(CLUSTER).accepted >= 5).await;
    simulator.set_tasks(CLUSTER, [task("a", "Success", 0)]);
    let ran = command.end();
    assert_eq!((ran.code, simulator.counts(CLUSTER).refused), (Some(0), 0), "{ran:?}");
    assert!(simulator.identity_counts(IdentityCall::PodIdentity).issued >= 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_is_nowhere_is_not_waited_for() {
    let simulator = issuing(SignedDuration::from_hours(1)).await;
    let folder = Folder::new();
    let pod = folder.write("pod", POD_TOKEN);
    let wait = ["--wait", "--timeout", "30s", "--interval", "1s"];
    simulator.set_identity_fault(IdentityCall::PodIdentity, Fault::status(503).times(2)).unwrap();
    run(&mut in_pod(&simulator, &wait, &pod))
        .refused(3, "error: there is no credential (--credentials auto): ");
    // A source that is named is there, whatever it says at first.
    run(in_pod(&simulator, &wait, &pod).args(["--credentials", "pod-identity"]))
        .said(0, "the poll failed and is tried again");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_holds_a_token() {
    let simulator = issuing(SignedDuration::from_hours(1)).await;
    let folder = Folder::new();
    for (token, code) in [(POD_TOKEN, 0), ("canary-bad-pod-token", 3)] {
        let file = folder.write("pod", token);
        let ran =
            run(&mut in_pod(&simulator, &["--log-filter", "trace", "--credentials", "pod-identity"], &file));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(!format!("{ran:?}").contains("canary"), "{ran:?}");
    }
}
