//! Reads what an error body says, in any of the cloud's shapes: JSON of two families at once, IAM's object `error`, or
//! something else, of which nothing is read.
//!
//! The body may be cut off: what stands before the cut counts. Only the fields that are known are kept, so an error
//! takes little memory whatever it holds. What the code means is left to [`super::refusal`].

use std::fmt;

use serde::de::MapAccess;

use super::field::{Fields, Lenient, read};

/// The fields that are read, the telling ones of each kind first.
const CODES: [&str; 3] = ["errorCode", "error_code", "code"];
const MESSAGES: [&str; 3] = ["errorMessage", "error_msg", "message"];
const MAX_CODE: usize = 64;
/// The longest text that is kept of a field, in characters: a message is shortened further once its ids are replaced.
const MAX_TEXT: usize = 2_048;

/// What an error body says.
#[derive(Default)]
pub(super) struct ErrorBody {
    /// The code, such as `CCE.01400001`.
    pub code: Option<String>,
    /// What is said to a person.
    pub message: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads the beginning of a body.
    pub fn read(body: &[u8]) -> Self {
        let mut said = Said::default();
        // An error is no obstacle: the body may be cut off, and what was read before stays.
        let _ = read(body, SaidReader { said: &mut said, is_outer: true });
        // IAM puts its errors into an object `error`.
        let Fieldset { codes, messages, request_id } = said.inner.unwrap_or(said.outer);
        let is_code = |code: &String| {
            code.len() <= MAX_CODE && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        Self {
            code: codes.into_iter().flatten().next().filter(is_code),
            message: messages.into_iter().flatten().next(),
            request_id,
        }
    }
}

/// The fields of one object.
#[derive(Default)]
struct Fieldset {
    codes: [Option<String>; CODES.len()],
    messages: [Option<String>; MESSAGES.len()],
    request_id: Option<String>,
}

/// What was read so far.
#[derive(Default)]
struct Said {
    outer: Fieldset,
    inner: Option<Fieldset>,
}

/// Reads into `said`, so that what was read stays when the body ends early.
struct SaidReader<'a> {
    said: &'a mut Said,
    is_outer: bool,
}

impl<'de> Lenient<'de> for SaidReader<'_> {
    type Out = ();

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<(), A::Error> {
        let Self { said, is_outer } = self;
        while let Some(key) = object.key()? {
            if is_outer && key == "error" {
                object.read(SaidReader { said, is_outer: false })?;
                continue;
            }
            let fields = if is_outer { &mut said.outer } else { said.inner.get_or_insert_default() };
            let place = |names: &[&str]| names.iter().position(|name| *name == key);
            if let Some(n) = place(&CODES) {
                fields.codes[n] = object.read(Text)?;
            } else if let Some(n) = place(&MESSAGES) {
                fields.messages[n] = object.read(Text)?;
            } else if key == "request_id" {
                fields.request_id = object.read(Text)?;
            } else {
                object.skip()?;
            }
        }
        if !is_outer {
            said.inner.get_or_insert_default();
        }
        Ok(())
    }
}

/// A string that is not blank, or a number; cut to [`MAX_TEXT`] characters.
struct Text;

impl Lenient<'_> for Text {
    type Out = Option<String>;

    fn text(self, text: &str) -> Option<String> {
        (!text.trim().is_empty()).then(|| text.chars().take(MAX_TEXT).collect())
    }

    fn number(self, number: impl fmt::Display) -> Option<String> {
        Some(number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_cut_off_says_what_stands_before_the_cut() {
        let body = r#"{"kind":"Status","code":400,"errorCode":"CCE.01400001","errorMessage":"Invalid request.","x":[{"#;
        let said = ErrorBody::read(body.as_bytes());
        assert_eq!(said.code.as_deref(), Some("CCE.01400001"));
        assert_eq!(said.message.as_deref(), Some("Invalid request."));
        let said = ErrorBody::read(br#"{"error":{"code":"IAM.1","message":"cut in the mid"#);
        assert_eq!((said.code.as_deref(), said.message), (Some("IAM.1"), None));
    }

    #[test]
    fn an_object_error_says_more_than_what_is_around_it() {
        let said = ErrorBody::read(br#"{"code":"A.1","error":{"code":"IAM.1"},"message":"m"}"#);
        assert_eq!((said.code.as_deref(), said.message), (Some("IAM.1"), None));
        let said = ErrorBody::read(br#"{"code":"A.1","error":"e","message":"m"}"#);
        assert_eq!((said.code.as_deref(), said.message.as_deref()), (Some("A.1"), Some("m")));
    }
}
