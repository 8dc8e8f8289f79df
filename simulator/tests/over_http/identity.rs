//! Temporary credentials: how they are got, that they open the endpoint, and that they end.

use std::time::{Duration, Instant};

use cce_simulator::{Credential, Fault, Identity, IdentityCall, Simulator};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::client::{CLUSTER, Client, simulator};

const ID_TOKEN: &str = r#"{"auth": {"id_token": {"id": "ID-TOKEN"}}}"#;
const BY_TOKEN: &str = r#"{"auth": {"identity": {"methods": ["token"]}}}"#;

async fn with(identity: Identity) -> (Simulator, Client) {
    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, []);
    simulator.set_identity(identity);
    let client = Client::new(&simulator);
    (simulator, client)
}

fn pod_identity() -> Identity {
    Identity { pod_token: Some("POD-TOKEN".to_owned()), ..Identity::default() }
}

fn oidc() -> Identity {
    Identity { idp_id: Some("idp".to_owned()), id_token: Some("ID-TOKEN".to_owned()), ..Identity::default() }
}

/// The credential in an answer of IAM.
fn credential(answer: &Value) -> Credential {
    let text = |name: &str| answer["credential"][name].as_str().unwrap().to_owned();
    let end: Timestamp = text("expires_at").parse().unwrap();
    assert!(end > Timestamp::now());
    Credential::new(text("access"), text("secret")).with_token(text("securitytoken"))
}

async fn from_pod_identity(client: &Client) -> Credential {
    let answer = client.plain("POST", "/pod-identity", &[("Authorization", "POD-TOKEN")], "{}").await;
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    let text = |name: &str| answer["credentials"][name].as_str().unwrap().to_owned();
    text("expiration").parse::<Timestamp>().unwrap();
    Credential::new(text("accessKeyId"), text("secretAccessKey")).with_token(text("securityToken"))
}

#[tokio::test]
async fn pod_identity_gives_a_credential_for_the_right_token_only() {
    let (simulator, client) = with(pod_identity()).await;
    for headers in [&[][..], &[("Authorization", "ANOTHER")]] {
        assert_eq!(client.plain("POST", "/pod-identity", headers, "{}").await.status, 401);
    }
    let credential = from_pod_identity(&client).await;
    assert_eq!(client.with(credential.clone()).tasks(CLUSTER).await.status, 200);
    let untrue = Credential { security_token: Some("another".to_owned()), ..credential };
    assert_eq!(client.with(untrue).tasks(CLUSTER).await.status, 401);
    let counts = simulator.identity_counts(IdentityCall::PodIdentity);
    assert_eq!((counts.requests, counts.issued), (3, 1));
}

#[tokio::test]
async fn what_is_issued_is_accepted_until_it_expires_and_no_longer() {
    let lifetime = SignedDuration::from_millis(1_500);
    let (_simulator, client) = with(Identity { lifetime, ..pod_identity() }).await;
    let start = Instant::now();
    let credential = from_pod_identity(&client).await;
    let client = client.with(credential);
    assert_eq!(client.tasks(CLUSTER).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1_600).saturating_sub(start.elapsed())).await;
    let answer = client.tasks(CLUSTER).await;
    assert_eq!((answer.status, answer.json()["error_code"].clone()), (401, "APIGW.0301".into()));
}

#[tokio::test]
async fn what_is_issued_can_be_revoked_and_the_static_key_stays() {
    let (simulator, client) = with(pod_identity()).await;
    let temporary = client.with(from_pod_identity(&client).await);
    simulator.revoke_issued();
    assert_eq!(temporary.tasks(CLUSTER).await.status, 401);
    assert_eq!(client.tasks(CLUSTER).await.status, 200);
}

#[tokio::test]
async fn iam_turns_an_id_token_into_a_credential_in_two_calls() {
    let (simulator, client) = with(oidc()).await;
    let stolen = ID_TOKEN.replace("ID-TOKEN", "STOLEN");
    let first = async |idp, body| {
        client.plain("POST", "/v3.0/OS-AUTH/id-token/tokens", &[("X-Idp-Id", idp)], body).await
    };
    let second = async |token| {
        client.plain("POST", "/v3.0/OS-CREDENTIAL/securitytokens", &[("X-Auth-Token", token)], BY_TOKEN).await
    };
    assert_eq!(first("another", ID_TOKEN).await.status, 401);
    assert_eq!(first("idp", &stolen).await.status, 401);
    assert_eq!(first("idp", "{}").await.json()["error_code"], "IAM.0011");
    assert_eq!(second("made up").await.status, 401);

    let answer = first("idp", ID_TOKEN).await;
    assert_eq!(answer.status, 201);
    let answer = second(&answer.headers["x-subject-token"]).await;
    assert_eq!(answer.status, 201);
    assert_eq!(client.with(credential(&answer.json())).tasks(CLUSTER).await.status, 200);
    assert_eq!(simulator.identity_counts(IdentityCall::IamToken).issued, 1);
    assert_eq!(simulator.identity_counts(IdentityCall::IamCredential).issued, 1);
}

#[tokio::test]
async fn a_service_that_is_not_configured_is_not_there() {
    let (_simulator, client) = with(Identity::default()).await;
    for (method, path, body) in [
        ("POST", "/pod-identity", "{}"),
        ("POST", "/v3.0/OS-AUTH/id-token/tokens", ID_TOKEN),
        ("POST", "/v3.0/OS-CREDENTIAL/securitytokens", BY_TOKEN),
    ] {
        assert_eq!(client.plain(method, path, &[], body).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_call_can_be_made_to_fail_for_a_while() {
    let (simulator, client) = with(pod_identity()).await;
    simulator.set_identity_fault(IdentityCall::PodIdentity, Fault::status(503).times(1)).unwrap();
    let headers = [("Authorization", "POD-TOKEN")];
    assert_eq!(client.plain("POST", "/pod-identity", &headers, "{}").await.status, 503);
    from_pod_identity(&client).await;
}
