//! What an error body says, in any of the cloud's shapes: its codes, its sentences, and the id of the request.
//!
//! CCE sends two families of fields at once, with a general sentence in each and the cause in `message`; the gateway,
//! IAM and older services have shapes of their own. Every field is optional and may be of any type, and the body may be
//! empty, HTML or anything else. What a code means is left to [`super::refusal`]. Pure; only the fields of interest are
//! kept while the body is read.

use std::fmt;

use serde::de::MapAccess;

use super::{
    field::{self, Fields, Lenient},
    http::MAX_SHORT_BODY,
};

/// The longest text that is kept of a field, in characters: a message is shortened further once its ids are replaced.
const MAX_TEXT: usize = 2_048;
const MAX_CODE: usize = 64;
/// The fields with a code, and those with a sentence, from the most specific one on.
const CODES: [&str; 3] = ["errorCode", "error_code", "code"];
const SENTENCES: [&str; 4] = ["message", "error_msg", "errorMessage", "title"];
const REQUEST_ID: &str = "request_id";

/// An error body, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ErrorBody {
    /// Each different code; the first is the one to show.
    pub codes: Vec<String>,
    /// Each different sentence, as it came, the most specific one first.
    pub sentences: Vec<String>,
    /// The id of the request.
    pub request_id: Option<String>,
}

impl ErrorBody {
    /// Reads the first 64 KiB of a body, which may be cut off: what stands before the cut counts.
    pub fn read(body: &[u8]) -> Self {
        let mut said = Said::default();
        // An error is no obstacle: what was read before it stays.
        let _ = field::read(
            &body[..body.len().min(MAX_SHORT_BODY)],
            SaidReader { said: &mut said, is_error: false },
        );
        // IAM puts its errors into an object `error`.
        let own = said.error.unwrap_or(said.own);
        let mut read = Self { request_id: own.request_id, ..Self::default() };
        for code in own.codes.into_iter().flatten().filter(|code| is_code(code)) {
            if !read.codes.contains(&code) {
                read.codes.push(code);
            }
        }
        for sentence in own.sentences.into_iter().flatten() {
            read.tell(sentence);
        }
        read
    }

    /// Adds a sentence, unless one of the others says it already.
    fn tell(&mut self, sentence: String) {
        let plain = |text: &str| text.trim().trim_end_matches(['.', '!', '。']).to_lowercase();
        let said = plain(&sentence);
        if self.sentences.iter().any(|known| plain(known).contains(&said)) {
            return;
        }
        self.sentences.retain(|known| !said.contains(&plain(known)));
        self.sentences.push(sentence);
    }
}

/// Whether a text may be an error code. CCE's field `code` repeats the HTTP status, which is none.
fn is_code(text: &str) -> bool {
    let is_status = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    !is_status
        && text.len() <= MAX_CODE
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The fields of interest of one object; of one that is repeated the last counts.
#[derive(Default)]
struct Own {
    codes: [Option<String>; CODES.len()],
    sentences: [Option<String>; SENTENCES.len()],
    request_id: Option<String>,
}

/// What was read so far.
#[derive(Default)]
struct Said {
    own: Own,
    /// The fields of the object `error`.
    error: Option<Own>,
}

/// Reads into `said`, so that what was read stays when the body ends early.
struct SaidReader<'a> {
    said: &'a mut Said,
    is_error: bool,
}

impl<'de> Lenient<'de> for SaidReader<'_> {
    type Out = ();

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<(), A::Error> {
        let Self { said, is_error } = self;
        if is_error {
            said.error = Some(Own::default());
        }
        while let Some(key) = object.key()? {
            if key == "error" && !is_error {
                object.read(SaidReader { said, is_error: true })?;
                continue;
            }
            let own = said.error.as_mut().filter(|_| is_error).unwrap_or(&mut said.own);
            let place = |names: &[&str]| names.iter().position(|name| *name == key);
            if let Some(at) = place(&CODES) {
                own.codes[at] = object.read(Text)?;
            } else if let Some(at) = place(&SENTENCES) {
                own.sentences[at] = object.read(Text)?;
            } else if key == REQUEST_ID {
                own.request_id = object.read(Text)?;
            } else {
                object.skip()?;
            }
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

    fn read(body: &str) -> (Vec<String>, Vec<String>) {
        let ErrorBody { codes, sentences, .. } = ErrorBody::read(body.as_bytes());
        (codes, sentences)
    }

    #[test]
    fn both_families_of_a_body_are_heard_and_the_cause_comes_first() {
        let body = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","code":400,
            "errorCode":"CCE.01400001","errorMessage":"Invalid request.","error_code":"CCE_CM.0004",
            "error_msg":"Request is invalid","message":"clusterID is malformed","reason":"BadRequest"}"#;
        let (codes, sentences) = read(body);
        assert_eq!(codes, ["CCE.01400001", "CCE_CM.0004"]);
        assert_eq!(sentences, ["clusterID is malformed", "Request is invalid", "Invalid request."]);
    }

    #[test]
    fn a_sentence_that_another_one_says_is_left_out() {
        for (body, sentences) in [
            (r#"{"message":"Not found","error_msg":"not found."}"#, vec!["Not found"]),
            (r#"{"message":"Not found","error_msg":"Not found: c1"}"#, vec!["Not found: c1"]),
            (r#"{"message":"Not found: c1","errorMessage":"Not found"}"#, vec!["Not found: c1"]),
            (r#"{"message":" ","errorMessage":"x"}"#, vec!["x"]),
            (r#"{"message":["x"],"errorMessage":{"a":1},"error_msg":true}"#, vec![]),
        ] {
            assert_eq!(read(body).1, sentences, "{body}");
        }
    }

    #[test]
    fn every_shape_is_read_and_everything_else_is_empty() {
        for (body, code, sentence) in [
            (r#"{"error_code":"APIGW.0308","error_msg":"m","request_id":"r"}"#, "APIGW.0308", "m"),
            (r#"{"code":"E.1","message":"m"}"#, "E.1", "m"),
            (r#"{"error":{"code":401,"message":"m","title":"t"}}"#, "", "m"),
            (r#"{"error":{"error_code":"IAM.0011","message":"m"},"code":"X.1"}"#, "IAM.0011", "m"),
            (r#"{"error":"m","code":"X.1"}"#, "X.1", ""),
            (r#"{"message":"API not found","request_id":"r"}"#, "", "API not found"),
            (r#"{"errorCode":"X.1","errorCode":"X.2"}"#, "X.2", ""),
            (r#"{"errorCode":"a b","code":1234567}"#, "1234567", ""),
        ] {
            let (codes, sentences) = read(body);
            assert_eq!(codes.first().map_or("", String::as_str), code, "{body}");
            assert_eq!(sentences.first().map_or("", String::as_str), sentence, "{body}");
        }
        for body in ["", "null", "[]", "7", "<html>", "{", r#"["message"]"#, r#"{"a":[[{"code":"X.1"}]]}"#] {
            assert_eq!(ErrorBody::read(body.as_bytes()), ErrorBody::default(), "{body:.40}");
        }
    }
    #[test]
    fn a_body_that_is_cut_off_says_what_stands_before_the_cut() {
        for (body, code, sentence) in [
            (r#"{"errorCode":"X.1","errorMessage":"m","x":[{"#.to_owned(), "X.1", "m"),
            (r#"{"error":{"code":"IAM.1","message":"cut in the mid"#.to_owned(), "IAM.1", ""),
            (format!(r#"{{"code":"X.1","message":"m","a":"{}"}}"#, "a".repeat(MAX_SHORT_BODY)), "X.1", "m"),
            (format!(r#"{{"code":"X.1","a":"{}","message":"m"}}"#, "备".repeat(MAX_SHORT_BODY)), "X.1", ""),
        ] {
            let (codes, sentences) = read(&body);
            assert_eq!(codes, [code], "{body:.40}");
            assert_eq!(sentences.first().map_or("", String::as_str), sentence, "{body:.40}");
        }
    }
}
