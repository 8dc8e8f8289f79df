//! What the signature check promises, shown with the vectors of Huawei's own signer.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::ToSpan;
use serde_json::Value;

use super::*;

const VECTORS: &str = include_str!("../../../tests/data/signature-vectors.json");

struct Vector {
    name: String,
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
    credential: Credential,
    date: Timestamp,
    canonical: String,
    string_to_sign: String,
}

impl Vector {
    fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &self.headers,
            body: self.body.as_bytes(),
        }
    }

    fn verify(&self, now: Timestamp) -> Result<(), Refusal> {
        verify(&self.request(), now, |key| {
            (key == self.credential.access_key).then(|| self.credential.clone())
        })
    }
}

fn vectors() -> Vec<Vector> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parsed: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
    let vectors: Vec<_> = parsed
        .iter()
        .map(|vector| {
            let url = vector["url"].as_str().unwrap();
            let after_host = url.splitn(4, '/').nth(3).unwrap();
            let (path, query) = after_host.split_once('?').unwrap_or((after_host, ""));
            let mut headers = HeaderMap::new();
            for (name, value) in vector["request_headers"].as_object().unwrap() {
                let value = HeaderValue::from_bytes(value.as_str().unwrap().as_bytes()).unwrap();
                headers.insert(name.parse::<HeaderName>().unwrap(), value);
            }
            headers.insert("authorization", text(&vector["authorization"]).parse().unwrap());
            let mut credential = Credential::new(text(&vector["ak"]), text(&vector["sk"]));
            credential.security_token = vector["security_token"].as_str().map(str::to_owned);
            Vector {
                name: text(&vector["name"]),
                method: text(&vector["method"]),
                path: format!("/{path}"),
                query: query.to_owned(),
                headers,
                body: text(&vector["body"]),
                credential,
                date: parse_date(vector["date"].as_str().unwrap()).unwrap(),
                canonical: text(&vector["canonical_request"]),
                string_to_sign: text(&vector["string_to_sign"]),
            }
        })
        .collect();
    assert_eq!(vectors.len(), 20);
    vectors
}

fn with_token() -> Vector {
    vectors().into_iter().find(|vector| vector.credential.security_token.is_some()).unwrap()
}

#[test]
fn what_huaweis_signer_signed_is_accepted() {
    for vector in vectors() {
        assert_eq!(vector.verify(vector.date), Ok(()), "{}", vector.name);
    }
}

#[test]
fn the_canonical_form_is_that_of_huaweis_signer() {
    for vector in vectors() {
        let authorization = vector.headers["authorization"].to_str().unwrap();
        let names = Authorization::parse(authorization).unwrap().signed_headers;
        let names: Vec<_> = names.split(';').collect();
        let canonical = canonical_request(&vector.request(), &names).unwrap();
        assert_eq!(canonical, vector.canonical, "{}", vector.name);
        let date = vector.headers["x-sdk-date"].to_str().unwrap();
        assert_eq!(string_to_sign(date, &canonical), vector.string_to_sign, "{}", vector.name);
    }
}

#[test]
fn a_changed_request_is_refused() {
    for mut vector in vectors() {
        let name = vector.name.clone();
        let method = std::mem::replace(&mut vector.method, "DELETE".to_owned());
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{name}: method");
        vector.method = method;

        vector.path.push('x');
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{name}: path");
        vector.path.pop();

        let query = vector.query.clone();
        vector.query.push_str("&added=1");
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{name}: query");
        vector.query = query;

        vector.body.push('x');
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{name}: body");
        vector.body.pop();

        vector.headers.insert("host", HeaderValue::from_static("elsewhere.example"));
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{name}: host");
    }
}

#[test]
fn a_wrong_key_is_refused() {
    for mut vector in vectors() {
        vector.credential.secret_key.push('x');
        assert_eq!(vector.verify(vector.date), Err(Refusal::Mismatch), "{}", vector.name);
        vector.credential.access_key.push('x');
        assert_eq!(vector.verify(vector.date), Err(Refusal::UnknownKey), "{}", vector.name);
    }
}

#[test]
fn fifteen_minutes_of_skew_are_accepted_and_no_more() {
    let vector = &vectors()[0];
    for (seconds, passes) in [(900, true), (-900, true), (901, false), (-901, false)] {
        let now = vector.date.checked_add(seconds.seconds()).unwrap();
        let time = |time: Timestamp| time.strftime("%Y%m%dT%H%M%SZ").to_string();
        let skew = Refusal::Skew { signed: time(vector.date), server: time(now) };
        assert_eq!(vector.verify(now), if passes { Ok(()) } else { Err(skew) }, "{seconds} s");
    }
}

#[test]
fn the_security_token_must_be_the_credentials_own() {
    let mut vector = with_token();
    vector.credential.security_token = Some("another".to_owned());
    assert_eq!(vector.verify(vector.date), Err(Refusal::BadToken));
    vector.credential.security_token = None;
    assert_eq!(vector.verify(vector.date), Err(Refusal::BadToken), "a token where none belongs");

    let mut vector = vectors().remove(0);
    vector.credential.security_token = Some("token".to_owned());
    assert_eq!(vector.verify(vector.date), Err(Refusal::BadToken), "no token where one belongs");
}

#[test]
fn an_authorization_of_another_form_is_refused() {
    let good = vectors().remove(0);
    let authorization = good.headers["authorization"].to_str().unwrap().to_owned();
    let cases = [
        ("", Refusal::NotSigned),
        ("Bearer abc", Refusal::NotSigned),
        ("SDK-HMAC-SHA256", Refusal::NotSigned),
        ("SDK-HMAC-SHA256 Access=a, SignedHeaders=host", Refusal::NotSigned),
        ("SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=xyz", Refusal::NotSigned),
        (
            "SDK-HMAC-SHA256 Access=a, SignedHeaders=x-sdk-date, Signature=00",
            Refusal::HeaderNotSigned("host"),
        ),
        (
            "SDK-HMAC-SHA256 Access=a, SignedHeaders=host, Signature=00",
            Refusal::HeaderNotSigned("x-sdk-date"),
        ),
        ("SDK-HMAC-SHA256 Access=a, SignedHeaders=x-sdk-date;host, Signature=00", Refusal::BadHeaderList),
        ("SDK-HMAC-SHA256 Access=a, SignedHeaders=Host;x-sdk-date, Signature=00", Refusal::BadHeaderList),
        ("SDK-HMAC-SHA256 Access=a, SignedHeaders=, Signature=00", Refusal::BadHeaderList),
    ];
    for (value, expected) in cases {
        let mut vector = vectors().remove(0);
        vector.headers.insert("authorization", value.parse().unwrap());
        assert_eq!(vector.verify(vector.date), Err(expected), "{value}");
    }
    let mut twice = vectors().remove(0);
    twice.headers.append("authorization", authorization.parse().unwrap());
    assert_eq!(twice.verify(twice.date), Err(Refusal::NotSigned), "there twice");
}

#[test]
fn a_signed_header_must_be_there_once_and_a_date_readable() {
    let mut vector = vectors().remove(0);
    vector.headers.append("x-project-id", HeaderValue::from_static("another"));
    assert_eq!(vector.verify(vector.date), Err(Refusal::BadHeader("x-project-id".to_owned())));
    vector.headers.remove("x-project-id");
    assert_eq!(vector.verify(vector.date), Err(Refusal::BadHeader("x-project-id".to_owned())));

    for date in
        ["", "20231125", "20231125T09034Z", "2023-11-25T09:03:46Z", "20231332T090346Z", "20231125T090346"]
    {
        let mut vector = vectors().remove(0);
        vector.headers.insert("x-sdk-date", date.parse().unwrap());
        assert_eq!(vector.verify(vector.date), Err(Refusal::BadDate), "{date}");
    }
}

#[test]
fn a_token_that_is_not_signed_is_refused() {
    let mut vector = vectors().remove(0);
    vector.headers.insert("x-security-token", HeaderValue::from_static("added"));
    assert_eq!(vector.verify(vector.date), Err(Refusal::HeaderNotSigned("x-security-token")));
}
