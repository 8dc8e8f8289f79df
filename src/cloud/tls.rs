//! What a refused TLS connection means, and what to do about it.
//!
//! The library has one error for each reason, and its words hold addresses and dates of the moment. Here each reason gets
//! a message of its own that is the same from try to try. Pure; certificates are checked by the library alone.

use std::error::Error;
use std::io;

use rustls::CertificateError::{
    BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
    NotValidYetContext, Other, UnknownIssuer,
};

/// The TLS error that is the cause of another one, if one is.
pub(super) fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>() {
            // A rustls error is wrapped in an io::Error, whose source() skips the wrapped error itself.
            Some(error) => error.get_ref().map(|inner| -> &(dyn Error + 'static) { inner }),
            None => error.source(),
        };
    }
    None
}

/// The message on a refused connection to `whom`.
pub(super) fn told(error: &rustls::Error, whom: &str) -> String {
    let rustls::Error::InvalidCertificate(reason) = error else {
        return format!(
            "there is no TLS connection to {whom}: check that it speaks TLS 1.2 or newer at this port, and that nothing \
             on the way breaks it off"
        );
    };
    let (what, advice) = match reason {
        // A trusted authority of the same name has another key.
        UnknownIssuer | BadSignature => (
            "is issued by an authority that is not trusted",
            "give the certificate of that authority with --ca-file",
        ),
        NotValidForName | NotValidForNameContext { .. } => (
            "is for another name",
            "it needs the host that is asked for as a subjectAltName; check the host of the endpoint",
        ),
        Expired | ExpiredContext { .. } => ("has expired", "renew it, and check the clock of this host"),
        NotValidYet | NotValidYetContext { .. } => {
            ("is not valid yet", "check the clock of this host, and when the certificate begins")
        }
        // The library that says so is not ours to name, so its word is compared.
        Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => (
            "is that of an authority (CA:TRUE), as `openssl req -x509` makes one",
            "give the server a certificate of its own with CA:FALSE, signed by that authority",
        ),
        _ => ("is refused", "check it and its chain, as with openssl s_client and openssl verify"),
    };
    format!("the certificate of {whom} {what}: {advice}")
}
