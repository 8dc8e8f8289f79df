//! Signs a request with SDK-HMAC-SHA256, the scheme of Huawei Cloud's API gateway.
//!
//! Pure: the same request, credential and time always give the same headers. The tests compare them with headers made
//! by Huawei's own signer. `super::request` builds the request, which must hold exactly the bytes that were signed.

use std::borrow::Cow;
use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::credentials::Credential;

const ALGORITHM: &str = "SDK-HMAC-SHA256";

/// Everything but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parts of a request that a signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Upper case, such as `GET`.
    pub method: &'a str,
    /// As it is sent in the Host header: with the port when it is not the scheme's default.
    pub host: &'a str,
    /// Not percent-encoded, from the first `/`.
    pub path: &'a str,
    /// Not percent-encoded; sent in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// Further headers to sign, besides those that [`sign`] adds and Host.
    pub headers: &'a [(&'a str, &'a str)],
    /// Empty for a GET.
    pub body: &'a [u8],
}

/// The headers to add to the request: the date, the security token of a temporary credential, and Authorization, whose
/// value holds the access key and must not be logged.
pub fn sign(request: &Request<'_>, credential: &Credential, now: Timestamp) -> Vec<(&'static str, String)> {
    let date = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let mut added = vec![("x-sdk-date", date.clone())];
    if let Some(token) = credential.security_token() {
        added.push(("x-security-token", token.to_owned()));
    }

    let mut headers: Vec<(String, &str)> = std::iter::once(("host", request.host))
        .chain(request.headers.iter().copied())
        .chain(added.iter().map(|(name, value)| (*name, value.as_str())))
        .map(|(name, value)| (name.to_lowercase(), value.trim()))
        .collect();
    headers.sort();
    let names = headers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");

    let to_sign = format!("{ALGORITHM}\n{date}\n{}", hash(canonical(request, &headers, &names).as_bytes()));
    let signature = hex::encode(hmac(credential.secret_key().as_bytes(), to_sign.as_bytes()));
    let access = credential.access_key();
    added.push((
        "authorization",
        format!("{ALGORITHM} Access={access}, SignedHeaders={names}, Signature={signature}"),
    ));
    added
}

/// The canonical request: the spelling that the gateway and this signer both hash.
fn canonical(request: &Request<'_>, headers: &[(String, &str)], names: &str) -> String {
    let mut path = request.path.split('/').map(encode).collect::<Vec<_>>().join("/");
    // The gateway adds this slash to what it hashes; the request is sent without it.
    if !path.ends_with('/') {
        path.push('/');
    }
    let mut query = request.query.to_vec();
    query.sort_unstable();
    let query =
        query.iter().map(|(k, v)| format!("{}={}", encode(k), encode(v))).collect::<Vec<_>>().join("&");

    let mut text = format!("{}\n{path}\n{query}\n", request.method);
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{}", hash(request.body));
    text
}

fn encode(text: &str) -> Cow<'_, str> {
    utf8_percent_encode(text, RESERVED).into()
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn hmac(key: &[u8], bytes: &[u8]) -> impl AsRef<[u8]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104)");
    mac.update(bytes);
    mac.finalize().into_bytes()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::civil::DateTime;
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// One vector made with Huawei's own signer.
    #[derive(Deserialize)]
    struct Vector {
        name: String,
        method: String,
        host: String,
        path: String,
        query: Vec<(String, String)>,
        request_headers: BTreeMap<String, String>,
        body: String,
        ak: String,
        sk: String,
        security_token: Option<String>,
        date: String,
        authorization: String,
    }

    #[test]
    fn huaweis_own_signer_agrees() {
        let text = include_str!("../../tests/data/signature-vectors.json");
        let vectors: Vec<Vector> = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.len(), 20);
        for vector in vectors {
            let query: Vec<_> = vector.query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            // Left out, because `sign` adds these three itself.
            let own = ["Host", "X-Sdk-Date", "X-Security-Token"];
            let headers: Vec<_> = vector
                .request_headers
                .iter()
                .filter(|(name, _)| !own.contains(&name.as_str()))
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            let request = Request {
                method: &vector.method,
                host: &vector.host,
                path: &vector.path,
                query: &query,
                headers: &headers,
                body: vector.body.as_bytes(),
            };
            let credential =
                Credential::new(&vector.ak, &vector.sk, vector.security_token.as_deref()).unwrap();
            let now = DateTime::strptime("%Y%m%dT%H%M%SZ", &vector.date).unwrap();
            let now = jiff::tz::Offset::UTC.to_timestamp(now).unwrap();

            let mut expected = vec![("x-sdk-date", vector.date.clone())];
            expected.extend(vector.security_token.map(|token| ("x-security-token", token)));
            expected.push(("authorization", vector.authorization));
            assert_eq!(sign(&request, &credential, now), expected, "{}", vector.name);
        }
    }

    proptest! {
        #[test]
        fn any_request_signs_without_panic(
            path in any::<String>(), host in any::<String>(), body in proptest::collection::vec(any::<u8>(), 0..64),
            query in proptest::collection::vec(any::<(String, String)>(), 0..4),
            headers in proptest::collection::vec(any::<(String, String)>(), 0..4),
            key in "[A-Za-z0-9+/=_.-]{1,80}", seconds in -377_705_023_201_i64..=253_402_207_200,
        ) {
            let query: Vec<_> = query.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let headers: Vec<_> = headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let request =
                Request { method: "GET", host: &host, path: &path, query: &query, headers: &headers, body: &body };
            let credential = Credential::new(&key, &key, Some(&key)).unwrap();
            let now = Timestamp::from_second(seconds).unwrap();
            let signed = sign(&request, &credential, now);
            prop_assert_eq!(signed.len(), 3);
            let signature = signed[2].1.rsplit('=').next().unwrap();
            prop_assert!(signature.len() == 64 && signature.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
}
