//! A temporary credential as IAM, the pod identity agent and the metadata service issue it.
//!
//! The three send one JSON shape with two sets of field names. No message repeats any of an answer: even one that
//! cannot be read may hold a credential, or the token that was sent.

use std::{fs::File, io::Read};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString, zeroize::Zeroize};
use serde::Deserialize;

use super::{Fetched, credential::trimmed};
use crate::cloud::{
    credentials::Credential,
    fault::{Fault, FaultKind, Program},
    http::{Body, Reply},
    time::parse_go_time,
};

/// The longest token file that is accepted, in bytes.
const MAX_TOKEN_FILE: u64 = 64 * 1024;

#[derive(Deserialize)]
struct Answer {
    #[serde(alias = "credentials")]
    credential: Issued,
}

#[derive(Deserialize)]
struct Issued {
    #[serde(alias = "accessKeyId")]
    access: SecretString,
    #[serde(alias = "secretAccessKey")]
    secret: SecretString,
    #[serde(alias = "securityToken")]
    securitytoken: SecretString,
    #[serde(alias = "expiration")]
    expires_at: String,
}

/// Who is asked for a credential and by whom, and what to do about a refusal.
#[derive(Clone, Copy)]
pub(super) struct Issuer {
    pub whom: &'static str,
    pub program: Program,
    pub advice: &'static str,
}

/// The credential in a successful answer.
pub(super) fn read(reply: Reply, issuer: Issuer) -> Result<Fetched, Fault> {
    let mut body = successful(reply, issuer)?;
    let Issuer { whom, .. } = issuer;
    let answer = serde_json::from_slice::<Answer>(&body);
    body.zeroize();
    let invalid = |what: &str| Fault::new(FaultKind::InvalidResponse, format!("{whom} answered {what}"));
    let given = answer.map_err(|_| invalid("with no temporary credential in it"))?.credential;
    let expires =
        parse_go_time(&given.expires_at).ok_or_else(|| invalid("with an unreadable time of expiry"))?;
    let credential = Credential::new(
        given.access.expose_secret(),
        given.secret.expose_secret(),
        Some(given.securitytoken.expose_secret()),
    )
    .map_err(|error| invalid(&format!("with an unusable credential: {error}")))?;
    Ok(Fetched { credential, expires: Some(expires) })
}

/// The body of a 200 or 201.
pub(super) fn successful(reply: Reply, issuer: Issuer) -> Result<Vec<u8>, Fault> {
    if !matches!(reply.status, 200 | 201) {
        return Err(refused(reply.status, issuer));
    }
    let Issuer { whom, .. } = issuer;
    match reply.body {
        Body::Whole(body) => Ok(body),
        Body::TooLarge(_) => {
            Err(Fault::new(FaultKind::InvalidResponse, format!("{whom} answered with more than 64 KiB")))
        }
        Body::Broken(fault) => Err(fault),
    }
}

/// What a refusal means here. It differs from the table of [`crate::cloud::refusal`], because the service judges who
/// asks and not a cluster.
fn refused(status: u16, Issuer { whom, program, advice }: Issuer) -> Fault {
    let (kind, what) = match status {
        401 | 403 => {
            (FaultKind::AuthenticationFailed, program.either("refuses the operator", "refuses this command"))
        }
        404 => (
            FaultKind::CredentialsNotAllowed,
            program.either("has no credential for the operator", "has no credential for this command"),
        ),
        429 => (FaultKind::Throttled, program.either("throttles the operator", "throttles this command")),
        400..=499 => (FaultKind::RequestRejected, "rejects the request"),
        500..=599 => (FaultKind::CloudUnavailable, "reports an error of its own"),
        _ => (FaultKind::InvalidResponse, "answered with something else than a credential"),
    };
    Fault {
        http_status: Some(status),
        ..Fault::new(kind, format!("{whom} {what} (HTTP {status}): {advice}"))
    }
}

/// The token in a file, which is read with each call because the platform rotates it.
pub(super) fn token_file(path: &str, variable: &str) -> Result<SecretString, Fault> {
    let invalid = |what: &str| {
        Fault::new(FaultKind::SecretInvalid, format!("the token file named by {variable} {what}"))
    };
    let mut token = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_TOKEN_FILE + 1).read_to_string(&mut token));
    let trimmed = SecretString::from(trimmed(&token));
    token.zeroize();
    match read {
        Err(error) => Err(invalid(&format!("cannot be read: {}", error.kind()))),
        Ok(read) if read as u64 > MAX_TOKEN_FILE => {
            Err(invalid(&format!("is longer than {MAX_TOKEN_FILE} bytes")))
        }
        Ok(_) if trimmed.expose_secret().is_empty() => Err(invalid("is empty")),
        Ok(_) if !trimmed.expose_secret().bytes().all(|b| b.is_ascii_graphic()) => {
            Err(invalid("holds no token"))
        }
        Ok(_) => Ok(trimmed),
    }
}

/// A token as a header that the HTTP stack never prints.
pub(super) fn sensitive(token: &str, whom: &str) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::from_str(token).map_err(|_| {
        Fault::new(FaultKind::InvalidResponse, format!("{whom} issued a token that is no header value"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    fn of(status: u16, body: impl Into<Vec<u8>>) -> Result<Fetched, Fault> {
        asked_by(Program::Operator, status, body)
    }

    fn asked_by(program: Program, status: u16, body: impl Into<Vec<u8>>) -> Result<Fetched, Fault> {
        read(
            Reply { status, headers: HeaderMap::new(), body: Body::Whole(body.into()), place: None },
            Issuer { whom: "whoever", program, advice: "do this" },
        )
    }

    #[test]
    fn both_spellings_of_a_credential_are_read() {
        for body in [
            r#"{"credential":{"access":"a","secret":"s","securitytoken":"t","expires_at":"2023-11-25T09:03:46.5Z"}}"#,
            r#"{"subject":{},"credentials":
                {"accessKeyId":"a","secretAccessKey":"s","securityToken":"t","expiration":"2023-11-25T09:03:46.5Z"}}"#,
        ] {
            for status in [200, 201] {
                let Fetched { credential, expires } =
                    of(status, body).unwrap_or_else(|fault| panic!("{fault}"));
                assert!(credential.same_as(&Credential::new("a", "s", Some("t")).unwrap()));
                assert_eq!(expires, "2023-11-25T09:03:46.5Z".parse().ok());
            }
        }
    }

    #[test]
    fn anything_else_is_a_fault_that_shows_nothing_of_it() {
        let issued = |secret: &str, expires: &str| {
            format!(
                r#"{{"credential":{{"access":"canary","secret":"{secret}","securitytoken":"canary","expires_at":"{expires}"}}}}"#
            )
        };
        for body in [
            String::new(),
            "canary".into(),
            "{}".into(),
            r#"{"credential":"canary"}"#.into(),
            r#"{"credential":{"access":"canary"}}"#.into(),
            issued("canary", "tomorrow"),
            issued("", "2023-11-25T09:03:46Z"),
            issued("can ary", "2023-11-25T09:03:46Z"),
        ] {
            let Err(fault) = of(200, body.clone()) else { panic!("{body}") };
            assert_eq!(fault.kind, FaultKind::InvalidResponse, "{body}");
            assert!(!format!("{fault:?}").contains("can"), "{fault:?}");
        }
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        use FaultKind::{
            AuthenticationFailed, CloudUnavailable, CredentialsNotAllowed, InvalidResponse, RequestRejected,
            Throttled,
        };
        for (status, kind) in [
            (401, AuthenticationFailed),
            (403, AuthenticationFailed),
            (404, CredentialsNotAllowed),
            (429, Throttled),
            (400, RequestRejected),
            (500, CloudUnavailable),
            (302, InvalidResponse),
            (204, InvalidResponse),
        ] {
            let Err(fault) = of(status, "canary") else { panic!("{status}") };
            assert_eq!((fault.kind, fault.http_status), (kind, Some(status)));
            assert!(fault.message.starts_with("whoever ") && fault.message.ends_with(": do this"), "{fault}");
            let Err(fault) = asked_by(Program::Command, status, "") else { panic!("{status}") };
            assert!(!fault.message.contains("operator"), "a command is none: {fault}");
        }
    }

    #[test]
    fn a_token_file_that_is_of_no_use_is_reported_by_its_variable() {
        let path = std::env::temp_dir().join(format!("cbw-token-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let long = "canary".repeat(11_000);
        for (content, error) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("can\u{0}ary", "holds no token"),
            (&long, "is longer than 65536 bytes"),
        ] {
            std::fs::write(path, content).unwrap();
            let fault = token_file(path, "TOKEN_FILE").unwrap_err();
            assert_eq!(fault.message, format!("the token file named by TOKEN_FILE {error}"));
        }
        std::fs::write(path, " token\n").unwrap();
        assert_eq!(token_file(path, "TOKEN_FILE").unwrap().expose_secret(), "token");
        std::fs::remove_file(path).unwrap();
        let fault = token_file(path, "TOKEN_FILE").unwrap_err();
        assert_eq!(fault.kind, FaultKind::SecretInvalid);
        assert!(fault.message.contains("cannot be read"), "{fault}");
    }
}
