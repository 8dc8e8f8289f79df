//! What an error body says, in any of the cloud's shapes: its codes, its sentences, and the id of the request.
//!
//! CCE sends two families of fields at once, with a general sentence in each and the cause in `message`; the gateway,
//! IAM and older services have shapes of their own. Every field is optional and may be of any type, and the body may be
//! empty, HTML or anything else. What a code means is left to [`super::refusal`]. Pure; only the fields of interest are
//! kept while the body is read.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// The most that is read of an error body. The live service sends less than one kilobyte.
const MAX_READ: usize = 64 * 1024;
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
    /// Reads a body; nothing is found in one that is longer than 64 KiB, or no JSON object.
    pub fn read(body: &[u8]) -> Self {
        if body.len() > MAX_READ {
            return Self::default();
        }
        let fields = serde_json::from_slice::<Fields>(body).unwrap_or_default();
        // IAM puts its errors into an object `error`.
        let fields = fields.error.map_or(fields.own, |error| *error);
        let codes = CODES.iter().filter_map(|name| fields.get(name)).filter(|code| is_code(code));
        let mut read = Self { request_id: fields.get(REQUEST_ID).map(str::to_owned), ..Self::default() };
        for code in codes {
            if !read.codes.iter().any(|known| known == code) {
                read.codes.push(code.to_owned());
            }
        }
        for sentence in SENTENCES.iter().filter_map(|name| fields.get(name)) {
            read.tell(sentence);
        }
        read
    }

    /// Adds a sentence, unless one of the others says it already.
    fn tell(&mut self, sentence: &str) {
        let plain = |text: &str| text.trim().trim_end_matches(['.', '!', '。']).to_lowercase();
        let said = plain(sentence);
        if self.sentences.iter().any(|known| plain(known).contains(&said)) {
            return;
        }
        self.sentences.retain(|known| !said.contains(&plain(known)));
        self.sentences.push(sentence.to_owned());
    }
}

/// Whether a text may be an error code. CCE's field `code` repeats the HTTP status, which is none.
fn is_code(text: &str) -> bool {
    let is_status = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
    !is_status
        && text.len() <= MAX_CODE
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// The fields of an object that have a name of interest, and those of its object `error`.
#[derive(Default)]
struct Fields {
    own: Own,
    error: Option<Box<Own>>,
}

/// Each at most once: of a field that is repeated the last counts.
#[derive(Default)]
struct Own(Vec<(&'static str, String)>);

impl Own {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str())
    }

    fn set(&mut self, name: &'static str, text: Option<String>) {
        self.0.retain(|(known, _)| *known != name);
        self.0.extend(text.map(|text| (name, text)));
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient).map(|any| match any {
            Any::Object(fields) => *fields,
            Any::Text(_) | Any::Other => Self::default(),
        })
    }
}

/// A value of any type, of which only what may be of interest is kept.
enum Any {
    Text(String),
    Object(Box<Fields>),
    Other,
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Lenient)
    }
}

struct Lenient;

impl<'de> Visitor<'de> for Lenient {
    type Value = Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<String>()? {
            let names = CODES.iter().chain(&SENTENCES).chain([&REQUEST_ID]);
            let Some(name) = names.copied().find(|name| *name == key) else {
                if key == "error" {
                    if let Any::Object(error) = map.next_value()? {
                        fields.error = Some(Box::new(error.own));
                    }
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
                continue;
            };
            let text = match map.next_value()? {
                Any::Text(text) if !text.trim().is_empty() => Some(text),
                _ => None,
            };
            fields.own.set(name, text);
        }
        Ok(Any::Object(Box::new(fields)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Any, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Any::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Any, E> {
        Ok(Any::Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Any, E> {
        Ok(Any::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Any, E> {
        Ok(Any::Text(number.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Any, E> {
        Ok(Any::Other)
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Other)
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
        let long = format!(r#"{{"code":"X.1","message":"{}"}}"#, "m".repeat(MAX_READ));
        for body in
            ["", "null", "[]", "7", "<html>", "{", r#"["message"]"#, r#"{"a":[[{"code":"X.1"}]]}"#, &long]
        {
            assert_eq!(ErrorBody::read(body.as_bytes()), ErrorBody::default(), "{body:.40}");
        }
    }
}
