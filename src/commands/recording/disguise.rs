//! Replaces what could tell whose cluster an answer is from: ids, names, addresses, numbers of accounts, and every word
//! of a text that is not one of the words with which services explain a fault.
//!
//! What stays is listed, and what goes is everything else: a field that nobody has seen yet cannot give anybody away.
//! Equal values are replaced by equal ones, by a hash whose key this process makes and nobody keeps, so that a task is
//! recognised within one recording and nowhere else. No tree is made of an answer: it is written while it is read.

use std::{
    collections::BTreeMap,
    fmt,
    hash::{BuildHasher, RandomState},
};

use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::vocabulary::{USERS, VOCABULARY, WORDS};
use crate::cloud::{
    bound::bound,
    field::{Fields, Lenient, Read},
    time::parse_go_time,
};

/// Of a text no more is kept: beyond it a page of HTML says nothing.
const MAX_TEXT: usize = 4_096;
/// The most replacements that are remembered to be told.
const MAX_TOLD: usize = 1_000;

/// Replaces values, the same by the same.
pub(super) struct Disguise {
    keys: [RandomState; 2],
    told: BTreeMap<String, String>,
    untold: usize,
}

impl Disguise {
    /// With a key of its own.
    pub(super) fn new() -> Self {
        Self { keys: [RandomState::new(), RandomState::new()], told: BTreeMap::new(), untold: 0 }
    }

    /// What was replaced by what, as far as it is remembered, and how many there are at least.
    pub(super) fn replaced(&self) -> (&BTreeMap<String, String>, usize) {
        (&self.told, self.told.len() + self.untold)
    }

    /// Appends `,"body":` and the disguised JSON; nothing, and false, if it is no JSON.
    pub(super) fn json(&mut self, body: &[u8], line: &mut String) -> bool {
        let (begin, mut body) = (line.len(), body.to_vec());
        line.push_str(",\"body\":");
        let is_json = std::str::from_utf8(&body).is_ok() && bound(&mut body).is_ok() && {
            let mut json = serde_json::Deserializer::from_slice(&body);
            let node = Node { disguise: self, line, field: "", is_users: false };
            Read(node).deserialize(&mut json).and_then(|()| json.end()).is_ok()
        };
        if !is_json {
            line.truncate(begin);
        }
        is_json
    }

    /// The value of a field.
    fn value(&mut self, field: &str, text: &str) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "._-% ".contains(c);
        let is_plain = text.len() <= 64 && text.chars().all(is_word) && !is_id(text);
        let is_time = text.len() <= 64 && (parse_go_time(text).is_some() || text.starts_with("0001-01-01"));
        if text.is_empty() || is_time || (VOCABULARY.contains(&field) && is_plain) {
            text.to_owned()
        } else if text.contains(char::is_whitespace) {
            self.sentence(text)
        } else {
            self.word(text)
        }
    }

    /// A text, of which only [`WORDS`], short numbers and error codes stay.
    pub(super) fn sentence(&mut self, text: &str) -> String {
        let in_word = |c: char| c.is_alphanumeric() || "-_.:/@+=%#~".contains(c);
        let mut rest = &text[..text.floor_char_boundary(MAX_TEXT)];
        let mut out = String::new();
        while !rest.is_empty() {
            let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // A full stop or a colon at the end of a word is none of it.
            let bare = word.trim_matches(['.', ':', '-', '/', '=']);
            let place = word.find(bare).unwrap_or_default();
            out.push_str(&word[..place]);
            if stays(bare) {
                out.push_str(bare);
            } else {
                out.push_str(&self.word(bare));
            }
            out.push_str(&word[place + bare.len()..]);
            let next = after.find(in_word).unwrap_or(after.len());
            out.push_str(&after[..next]);
            rest = &after[next..];
        }
        out
    }

    /// What stands for a value: an id of the same form, or a made-up word.
    pub(super) fn word(&mut self, value: &str) -> String {
        let plain = value.to_ascii_lowercase();
        let [high, low] = [0, 1].map(|n: usize| self.keys[n].hash_one(&plain));
        let hex = format!("{high:016x}{low:016x}");
        let replacement = if is_uuid(value) {
            let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
            parts.join("-")
        } else if is_id(value) {
            hex
        } else if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
            format!("{:09}", high % 1_000_000_000)
        } else {
            format!("word-{}", &hex[..8])
        };
        if self.told.len() < MAX_TOLD || self.told.contains_key(value) {
            self.told.insert(value.chars().take(80).collect(), replacement.clone());
        } else {
            self.untold += 1;
        }
        replacement
    }
}

/// Whether a word of a text says nothing of anybody.
fn stays(word: &str) -> bool {
    let is_number = word.len() <= 3 && word.bytes().all(|b| b.is_ascii_digit());
    let is_code =
        ["CCE.", "CCE_CM.", "APIGW.", "APIG.", "IAM.", "E.CFE."].iter().any(|begin| word.starts_with(begin))
            && word.len() <= 20
            && word.bytes().skip(4).all(|b| b.is_ascii_alphanumeric() || b == b'.');
    let lower = word.to_ascii_lowercase();
    word.is_empty() || is_number || is_code || WORDS.split_ascii_whitespace().any(|known| known == lower)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(n, b)| match n {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// A UUID, or as many hexadecimal digits as only an id has.
fn is_id(text: &str) -> bool {
    is_uuid(text) || (text.len() >= 16 && text.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Appends a JSON string.
pub(super) fn quoted(text: &str, line: &mut String) {
    // A string is always JSON.
    line.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Writes one value.
struct Node<'a> {
    disguise: &'a mut Disguise,
    line: &'a mut String,
    field: &'a str,
    /// Whether its keys, where it has any, are a user's.
    is_users: bool,
}

impl<'de> Lenient<'de> for Node<'_> {
    type Out = ();

    fn text(self, text: &str) {
        let shown =
            if self.is_users { self.disguise.word(text) } else { self.disguise.value(self.field, text) };
        quoted(&shown, self.line);
    }

    fn number(self, number: impl fmt::Display) {
        let number = number.to_string();
        // An account's number is long. A number is written in the form that JSON has for it.
        if number.len() > 6 {
            let replaced = self.disguise.word(&number);
            quoted(&replaced, self.line);
        } else {
            self.line.push_str(&number);
        }
    }

    fn boolean(self, boolean: bool) {
        self.line.push_str(if boolean { "true" } else { "false" });
    }

    fn null(self) {
        self.line.push_str("null");
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { disguise, line, field, is_users } = self;
        line.push('[');
        let begin = line.len();
        loop {
            let length = line.len();
            if length > begin {
                line.push(',');
            }
            if list.next_element_seed(Read(Node { disguise, line, field, is_users }))?.is_none() {
                line.truncate(length);
                break;
            }
        }
        line.push(']');
        Ok(())
    }

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<(), A::Error> {
        let Self { disguise, line, is_users, .. } = self;
        line.push('{');
        let begin = line.len();
        while let Some(key) = object.key()? {
            if line.len() > begin {
                line.push(',');
            }
            let is_name = key.len() <= 40
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !is_id(&key);
            let shown = if is_users || !is_name { disguise.word(&key) } else { key.clone() };
            quoted(&shown, line);
            line.push(':');
            let is_users = is_users || USERS.contains(&key.as_str());
            object.read(Node { disguise, line, field: &key, is_users })?;
        }
        line.push('}');
        Ok(())
    }
}

#[cfg(test)]
mod tests;
