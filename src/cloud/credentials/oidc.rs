//! OIDC federation: IAM exchanges a token of the cluster's own issuer for a temporary credential, in two steps.

use std::net::IpAddr;

use reqwest::{
    Url,
    header::{CONTENT_TYPE, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{
    Environment, Fetched,
    issued::{Issuer, read, sensitive, successful, token_file},
};
use crate::cloud::{
    fault::{Fault, FaultKind, Program},
    http::exchange,
};

const IDP_ID: &str = "HUAWEICLOUD_SDK_IDP_ID";
const TOKEN_FILE: &str = "HUAWEICLOUD_SDK_ID_TOKEN_FILE";
const IAM: &str = "HUAWEICLOUD_SDK_IAM_ENDPOINT";
const WHOM: &str = "IAM";
/// The lifetime that the SDK asks for, in seconds.
const LIFETIME: u32 = 21_600;

pub(super) fn is_set_up(environment: &Environment) -> bool {
    environment.get(IDP_ID).is_some() || environment.get(TOKEN_FILE).is_some()
}

/// Whether the environment says which IAM to ask.
pub(super) fn names_iam(environment: &Environment) -> bool {
    environment.get(IAM).is_some()
}

/// `iam` is used where the environment names no other.
pub(super) async fn fetch(
    http: &reqwest::Client,
    environment: &Environment,
    iam: &str,
    program: Program,
) -> Result<Fetched, Fault> {
    let what = "is needed for OIDC federation";
    let provider = HeaderValue::from_str(&environment.need(IDP_ID, what)?).map_err(|_| {
        Fault::new(
            FaultKind::SecretInvalid,
            format!("{IDP_ID} has a control character: it is the name of an identity provider of IAM"),
        )
    })?;
    let id_token = token_file(&environment.need(TOKEN_FILE, what)?, TOKEN_FILE)?;
    let iam = endpoint(environment.get(IAM).as_deref().unwrap_or(iam))?;

    let advice = "check the identity provider, its protocol mapping and the token's audience";
    let issuer = Issuer { whom: WHOM, program, advice };
    let body = json!({"auth": {"id_token": {"id": id_token.expose_secret()}}}).to_string();
    let request = http
        .post(format!("{iam}/v3.0/OS-AUTH/id-token/tokens"))
        .header("x-idp-id", provider)
        .header(CONTENT_TYPE, "application/json;charset=UTF-8")
        .body(body);
    let reply = exchange(request, WHOM).await?;
    let subject =
        reply.headers.get("x-subject-token").and_then(|token| token.to_str().ok()).map(SecretString::from);
    successful(reply, issuer)?;
    let subject = subject
        .ok_or_else(|| Fault::new(FaultKind::InvalidResponse, "IAM answered without a subject token"))?;

    // The API page asks for the token in the header, the SDK sends it in the body; the header takes precedence.
    let token = json!({"id": subject.expose_secret(), "duration_seconds": LIFETIME});
    let request = http
        .post(format!("{iam}/v3.0/OS-CREDENTIAL/securitytokens"))
        .header("x-auth-token", sensitive(subject.expose_secret(), WHOM)?)
        .header(CONTENT_TYPE, "application/json;charset=UTF-8")
        .body(json!({"auth": {"identity": {"methods": ["token"], "token": token}}}).to_string());
    read(exchange(request, WHOM).await?, issuer)
}

/// As in the SDK, a host alone means `https://`. Plain HTTP would show the token to the network, so it is allowed for
/// the loopback interface only.
fn endpoint(text: &str) -> Result<String, Fault> {
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&text).ok().filter(|url| match url.scheme() {
        "https" => url.has_host(),
        "http" => url.host_str().is_some_and(is_loopback),
        _ => false,
    });
    let bare = |url: &Url| {
        url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    match url.filter(bare) {
        Some(url) => Ok(url.as_str().trim_end_matches('/').to_owned()),
        None => Err(Fault::new(
            FaultKind::SecretInvalid,
            format!(
                "there is no IAM that may be sent the identity token: set {IAM} to an https:// URL without user name, \
                 query and fragment"
            ),
        )),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_token_goes_to_https_or_stays_on_this_host() {
        for (text, base) in [
            ("iam.example.com", "https://iam.example.com"),
            ("https://iam.example.com/", "https://iam.example.com"),
            ("https://iam.example.com:8443", "https://iam.example.com:8443"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("http://localhost:1", "http://localhost:1"),
        ] {
            assert_eq!(endpoint(text).as_deref(), Ok(base));
        }
        for text in [
            "http://iam.example.com",
            "http://10.0.0.1",
            "ftp://h",
            "https://",
            "https://a:canary@h",
            "h?a",
            "h#a",
        ] {
            let fault = endpoint(text).unwrap_err();
            assert_eq!(fault.kind, FaultKind::SecretInvalid, "{text}");
            assert!(!fault.message.contains("canary"));
        }
    }
}
