//! CCE pod identity: an agent beside the pod exchanges the pod's token for a temporary credential.

use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use secrecy::ExposeSecret;

use super::{
    Environment, Fetched,
    issued::{Issuer, read, sensitive, token_file},
};
use crate::cloud::{
    fault::{Fault, FaultKind, Program},
    http::exchange,
};

const URI: &str = "HC_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN_FILE: &str = "HC_CONTAINER_AUTHORIZATION_TOKEN_FILE";
const WHOM: &str = "the pod identity agent";

pub(super) fn is_set_up(environment: &Environment) -> bool {
    environment.get(URI).is_some()
}

pub(super) async fn fetch(
    http: &reqwest::Client,
    environment: &Environment,
    program: Program,
) -> Result<Fetched, Fault> {
    let what = "is set by CCE in pods whose ServiceAccount has a pod identity association";
    let uri = environment.need(URI, what)?;
    let uri = Url::parse(&uri).map_err(|_| {
        Fault::new(FaultKind::SecretInvalid, format!("{URI} is no URL: CCE sets it, so unset your own"))
    })?;
    let token = token_file(&environment.need(TOKEN_FILE, what)?, TOKEN_FILE)?;
    let request = http
        .post(uri)
        .header(AUTHORIZATION, sensitive(token.expose_secret(), WHOM)?)
        .header(CONTENT_TYPE, "application/json")
        .body("{}");
    let advice = "check the pod identity association of this pod's ServiceAccount and its agency";
    read(exchange(request, WHOM).await?, Issuer { whom: WHOM, program, advice })
}
