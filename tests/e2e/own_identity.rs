//! The operator's own identity: which namespaces it serves, and how its temporary credentials are fetched and renewed.

use std::{fs, time::Duration};

use cbw_testkit::{
    operator::Operator,
    scene::{ACCESS_KEY, CLUSTER, SECRET_KEY, Scene, ready, says},
    trial::tests,
    wait::{LIMIT, holds, meanwhile},
};
use cce_simulator::{Identity, IdentityCall, Task};
use jiff::SignedDuration;
use serde_json::json;

use crate::shared::pod_identity::{self, token_file};

tests![
    a_revoked_credential_is_fetched_anew_a_minute_after_it_was_fetched,
    the_operators_own_credential_serves_the_namespaces_that_are_named_and_no_other,
    pod_identity_is_asked_for_nobody_who_may_not_use_it,
    credentials_of_pod_identity_are_renewed_while_the_operator_works,
    credentials_of_a_federated_identity_are_renewed_with_the_token_of_the_day,
];

const OTHER: &str = "22222222-2222-3333-4444-555555555555";

async fn is_served(scene: &Scene, name: &str) {
    scene.shows(name, "served", |status| ready(status) == "True Polled").await;
}

async fn is_not_allowed(scene: &Scene, name: &str) {
    let status =
        scene.shows(name, "not allowed", |status| ready(status) == "False CredentialsNotAllowed").await;
    assert_eq!(says(&status, "Stalled"), "True CredentialsNotAllowed");
    assert_eq!(status.tasks, None);
}

async fn the_operators_own_credential_serves_the_namespaces_that_are_named_and_no_other(scene: Scene) {
    let other = scene.neighbour().await;
    scene.task("Success", 100);
    scene.cloud.set_tasks(OTHER, [Task::new("theirs", "Success")]);
    scene.watch("own", json!({ "credentials": null })).await;
    // A watch with a Secret of its own namespace works whatever namespaces the operator's identity serves.
    other.watch("secret", json!({})).await;
    other.watch("own", json!({ "credentials": null, "clusterID": OTHER })).await;
    let variables = [("HUAWEICLOUD_SDK_AK", ACCESS_KEY), ("HUAWEICLOUD_SDK_SK", SECRET_KEY)];
    let start = async |served: &str| {
        let both = ["--watch-namespace", &other.namespace, "--operator-credentials-namespace", served];
        Operator::start_with(&scene, &both, &variables).await
    };

    let operator = start(&scene.namespace).await;
    is_served(&scene, "own").await;
    is_served(&other, "secret").await;
    is_not_allowed(&other, "own").await;
    other.asks("own", "please").await;
    is_not_allowed(&other, "own").await;
    assert_eq!(scene.cloud.requests(OTHER), 0, "no request has left");
    drop(operator);

    // Only a whole name serves a namespace: neither a longer name nor a prefix of its name does.
    let operator =
        start(&format!("{}0,{}", other.namespace, &other.namespace[..other.namespace.len() - 1])).await;
    scene.request("own", "still?").await;
    is_not_allowed_any_more(&scene).await;
    other.asks("own", "still not?").await;
    assert_eq!(scene.cloud.requests(OTHER), 0);
    drop(operator);

    let _operator = start("*").await;
    other.request("own", "now").await;
    is_served(&other, "own").await;
    assert!(scene.cloud.requests(OTHER) > 0);
}

async fn is_not_allowed_any_more(scene: &Scene) {
    let status =
        scene.shows("own", "not allowed", |status| ready(status) == "False CredentialsNotAllowed").await;
    assert!(status.tasks.is_some(), "what was known stays");
}

async fn pod_identity_is_asked_for_nobody_who_may_not_use_it(scene: Scene) {
    let _operator = pod_identity::operator(&scene, SignedDuration::from_hours(1), "somewhere-else").await;
    scene.watch("own", json!({ "credentials": null })).await;
    is_not_allowed(&scene, "own").await;
    assert_eq!(scene.cloud.identity_counts(IdentityCall::PodIdentity).requests, 0);
    assert_eq!(scene.cloud.requests(CLUSTER), 0);
}

async fn credentials_of_pod_identity_are_renewed_while_the_operator_works(scene: Scene) {
    scene.task("Running", 10);
    let operator = pod_identity::operator(&scene, SignedDuration::from_secs(5), &scene.namespace).await;
    scene.watch("own", json!({ "credentials": null })).await;
    is_served(&scene, "own").await;
    let issued = async || scene.cloud.identity_counts(IdentityCall::PodIdentity).issued >= 3;
    holds("a third credential", LIMIT, issued).await;
    scene.task("Success", 100);
    let status = scene.shows("own", "the end", |status| status.phase.as_deref() == Some("Success")).await;
    assert_eq!(ready(&status), "True Polled");
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 0, "none was used after its end");
    assert_eq!(scene.notes("own", "PollFailed").await.len(), 0);
    assert!(!operator.text().contains(pod_identity::TOKEN));
}

async fn a_revoked_credential_is_fetched_anew_a_minute_after_it_was_fetched(scene: Scene) {
    scene.task("Running", 10);
    let _operator = pod_identity::operator(&scene, SignedDuration::from_hours(1), &scene.namespace).await;
    scene.watch("own", json!({ "credentials": null })).await;
    is_served(&scene, "own").await;
    scene.cloud.revoke_issued();
    scene.shows("own", "refused", |status| ready(status) == "False AuthenticationFailed").await;
    // A refused credential rests for a minute, and its source is read again every 30 s, ±10 %.
    let healed = Duration::from_secs(60 + 33 + 7);
    scene.shows_within(healed, "own", "served again", |status| ready(status) == "True Polled").await;
    assert_eq!(scene.cloud.counts(CLUSTER).refused, 1, "it is not tried again and again meanwhile");
    assert_eq!(scene.cloud.identity_counts(IdentityCall::PodIdentity).issued, 2);
}

async fn credentials_of_a_federated_identity_are_renewed_with_the_token_of_the_day(scene: Scene) {
    let identity = |token: &str| Identity {
        idp_id: Some("cluster".to_owned()),
        id_token: Some(token.to_owned()),
        lifetime: SignedDuration::from_secs(5),
        ..Identity::default()
    };
    scene.cloud.set_identity(identity("id-token-canary-1"));
    let token = token_file(&scene, "id-token-canary-1");
    let variables =
        [("HUAWEICLOUD_SDK_IDP_ID", "cluster"), ("HUAWEICLOUD_SDK_ID_TOKEN_FILE", token.to_str().unwrap())];
    // No flag names an IAM endpoint, so it is that of the watch's region, which the simulator plays as well.
    let flags = ["--operator-credentials", "oidc", "--operator-credentials-namespace", "*"];
    let flags = [&flags[..], &["--log-filter", "trace"]].concat();
    scene.task("Running", 10);
    let operator = Operator::start_with(&scene, &flags, &variables).await;
    scene.watch("own", json!({ "credentials": null })).await;
    is_served(&scene, "own").await;

    // The platform rotates the token file.
    scene.cloud.set_identity(identity("id-token-canary-2"));
    fs::write(&token, "id-token-canary-2").unwrap();
    let issued = scene.cloud.identity_counts(IdentityCall::IamCredential).issued;
    let renewed = async || scene.cloud.identity_counts(IdentityCall::IamCredential).issued >= issued + 2;
    holds("two more credentials", LIMIT, renewed).await;
    scene.task("Running", 20);
    scene.shows("own", "20 %", |status| status.progress == Some(20)).await;
    assert_eq!(scene.notes("own", "PollFailed").await.len(), 0);
    assert!(!operator.text().contains("id-token-canary"));

    // With a token that IAM refuses, the status says why the watch is not polled.
    fs::write(&token, "id-token-canary-stale").unwrap();
    scene.shows("own", "refused", |status| ready(status) == "False AuthenticationFailed").await;
    let before = scene.cloud.requests(CLUSTER);
    meanwhile(Duration::from_secs(2), async || assert_eq!(scene.cloud.requests(CLUSTER), before)).await;
}
