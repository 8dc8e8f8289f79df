//! An operator with pod identity, as a node of CCE gives it to a pod: a URI and the file of a token.

use std::{fs, path::PathBuf};

use cbw_testkit::{operator::Operator, program::folder, scene::Scene};
use cce_simulator::Identity;
use jiff::SignedDuration;

/// The token that the simulated service of pod identity accepts.
pub const TOKEN: &str = "pod-token-canary";

/// Writes the token file of a test, and returns its path.
pub fn token_file(scene: &Scene, content: &str) -> PathBuf {
    let path = folder().join(format!("{}.token", scene.test));
    fs::write(&path, content).unwrap();
    path
}

/// Starts an operator whose identity serves these namespaces, with credentials of this lifetime.
pub async fn operator(scene: &Scene, lifetime: SignedDuration, namespaces: &str) -> Operator {
    let identity = Identity { pod_token: Some(TOKEN.to_owned()), lifetime, ..Identity::default() };
    scene.cloud.set_identity(identity);
    let token = token_file(scene, &format!("{TOKEN}\n"));
    let uri = format!("{}/pod-identity", scene.cloud.url());
    let variables = [
        ("HC_CONTAINER_CREDENTIALS_FULL_URI", uri.as_str()),
        ("HC_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
    ];
    let flags = ["--operator-credentials-namespace", namespaces];
    Operator::start_with(scene, &flags, &variables).await
}
