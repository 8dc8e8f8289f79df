//! Checks that a request is signed with SDK-HMAC-SHA256, as the API gateway does.
//!
//! Written from the description of the algorithm and proven by vectors of Huawei's own signer, and kept apart from
//! the operator's signer on purpose: two implementations that agree are evidence, one that agrees with itself is not.
//! It takes the request as it came over the wire, and so undoes the client's percent-encoding before it encodes anew.
//! Who may sign is left to [`crate::credential`], and the shape of a refusal to `server::refusal`.

use axum::http::{HeaderMap, HeaderName};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::Offset};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::credential::Credential;

/// More than this between the request's date and the clock is refused.
pub const MAX_SKEW: SignedDuration = SignedDuration::from_mins(15);

const ALGORITHM: &str = "SDK-HMAC-SHA256";
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Upper case, such as `GET`.
    pub method: &'a str,
    /// The path, percent-encoded or not.
    pub path: &'a str,
    /// What follows the `?`, empty when nothing does.
    pub query: &'a str,
    /// All headers, the signed ones among them.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}

/// Why a signature is refused. Holds nothing that is secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no `Authorization`, or it has another form.
    #[error("the Authorization header is missing or has not the form of {ALGORITHM}")]
    NotSigned,
    /// No such access key is known, or it has expired.
    #[error("the access key does not exist or has expired")]
    UnknownKey,
    /// A header that has to be signed is not.
    #[error("the header {0} must be signed")]
    HeaderNotSigned(&'static str),
    /// A header named in `SignedHeaders` is missing, there twice, or no text.
    #[error("the signed header {0} is missing, not unique or not text")]
    BadHeader(String),
    /// `SignedHeaders` are not in lower case and in order, each once.
    #[error("SignedHeaders must be in lower case and sorted, each once")]
    BadHeaderList,
    /// `X-Sdk-Date` cannot be read.
    #[error("X-Sdk-Date has not the form YYYYMMDDTHHMMSSZ")]
    BadDate,
    /// `X-Sdk-Date` is too far from the clock.
    #[error("signature expired, signature time:{signed},server time:{server}")]
    Skew {
        /// `X-Sdk-Date`.
        signed: String,
        /// The clock, in the same form.
        server: String,
    },
    /// The security token is missing, wrong, or there where none belongs.
    #[error("the security token does not belong to the access key")]
    BadToken,
    /// Everything is there, and the signature is another one.
    #[error("verify aksk signature fail")]
    Mismatch,
}

/// Checks a request. `find` looks up the credential of an access key that may sign at `now`.
pub fn verify(
    request: &Request<'_>,
    now: Timestamp,
    find: impl FnOnce(&str) -> Option<Credential>,
) -> Result<(), Refusal> {
    let authorization = header(request.headers, "authorization").map_err(|_| Refusal::NotSigned)?;
    let authorization = Authorization::parse(authorization).ok_or(Refusal::NotSigned)?;
    let names: Vec<&str> = authorization.signed_headers.split(';').collect();
    check_names(&names, request.headers)?;

    let credential = find(authorization.access_key).ok_or(Refusal::UnknownKey)?;
    let date = header(request.headers, "x-sdk-date")?;
    let signed_at = parse_date(date).ok_or(Refusal::BadDate)?;
    if now.duration_since(signed_at).abs() > MAX_SKEW {
        return Err(Refusal::Skew {
            signed: date.to_owned(),
            server: now.strftime("%Y%m%dT%H%M%SZ").to_string(),
        });
    }
    check_token(request.headers, &credential)?;

    let canonical = canonical_request(request, &names)?;
    let expected = sign(&credential.secret_key, &string_to_sign(date, &canonical));
    if bool::from(expected[..].ct_eq(&authorization.signature[..])) { Ok(()) } else { Err(Refusal::Mismatch) }
}

struct Authorization<'a> {
    access_key: &'a str,
    signed_headers: &'a str,
    signature: Vec<u8>,
}

impl<'a> Authorization<'a> {
    fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split(',').map(str::trim);
        let access_key = parts.next()?.strip_prefix("Access=")?;
        let signed_headers = parts.next()?.strip_prefix("SignedHeaders=")?;
        let signature = hex::decode(parts.next()?.strip_prefix("Signature=")?).ok()?;
        parts.next().is_none().then_some(Self { access_key, signed_headers, signature })
    }
}

fn check_names(names: &[&str], headers: &HeaderMap) -> Result<(), Refusal> {
    let lower = names.iter().all(|name| !name.is_empty() && *name == name.to_ascii_lowercase());
    if !lower || !names.is_sorted_by(|a, b| a < b) {
        return Err(Refusal::BadHeaderList);
    }
    for required in ["host", "x-sdk-date"] {
        if !names.contains(&required) {
            return Err(Refusal::HeaderNotSigned(required));
        }
    }
    // A token that is not signed could be replaced by anyone on the way.
    if headers.contains_key("x-security-token") && !names.contains(&"x-security-token") {
        return Err(Refusal::HeaderNotSigned("x-security-token"));
    }
    Ok(())
}

fn check_token(headers: &HeaderMap, credential: &Credential) -> Result<(), Refusal> {
    match (&credential.security_token, headers.contains_key("x-security-token")) {
        (None, false) => Ok(()),
        (Some(token), true) => {
            let sent = header(headers, "x-security-token")?;
            if bool::from(sent.as_bytes().ct_eq(token.as_bytes())) { Ok(()) } else { Err(Refusal::BadToken) }
        }
        _ => Err(Refusal::BadToken),
    }
}

/// The one value of a header, trimmed.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    let bad = || Refusal::BadHeader(name.to_owned());
    let name = name.parse::<HeaderName>().map_err(|_| bad())?;
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(std::str::from_utf8(value.as_bytes()).map_err(|_| bad())?.trim()),
        _ => Err(bad()),
    }
}

fn parse_date(date: &str) -> Option<Timestamp> {
    // strptime alone would accept shorter numbers.
    if date.len() != "20060102T150405Z".len() {
        return None;
    }
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", date).ok()?;
    Offset::UTC.to_timestamp(date).ok()
}

fn canonical_request(request: &Request<'_>, names: &[&str]) -> Result<String, Refusal> {
    let mut canonical =
        format!("{}\n{}\n{}\n", request.method, canonical_path(request.path), canonical_query(request.query));
    for name in names {
        canonical.push_str(name);
        canonical.push(':');
        canonical.push_str(header(request.headers, name)?);
        canonical.push('\n');
    }
    canonical.push('\n');
    canonical.push_str(&names.join(";"));
    canonical.push('\n');
    canonical.push_str(&hex::encode(Sha256::digest(request.body)));
    Ok(canonical)
}

fn canonical_path(path: &str) -> String {
    let mut canonical = path.split('/').map(encode_anew).collect::<Vec<_>>().join("/");
    if !canonical.ends_with('/') {
        canonical.push('/');
    }
    canonical
}

fn canonical_query(query: &str) -> String {
    let decoded = |text: &str| percent_decode_str(text).collect::<Vec<u8>>();
    let mut pairs: Vec<_> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (decoded(key), decoded(value)))
        .collect();
    // Sorted by the decoded key first: sorting the joined text would put `a-b=3` before `a=2`.
    pairs.sort();
    let encoded = |text: &[u8]| percent_encode(text, UNRESERVED).to_string();
    pairs
        .iter()
        .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

fn encode_anew(text: &str) -> String {
    percent_encode(&percent_decode_str(text).collect::<Vec<u8>>(), UNRESERVED).to_string()
}

fn string_to_sign(date: &str, canonical: &str) -> String {
    format!("{ALGORITHM}\n{date}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())))
}

fn sign(secret_key: &str, text: &str) -> Vec<u8> {
    // HMAC takes a key of any length, so there is no error to report.
    Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    )
}

#[cfg(test)]
mod tests;
