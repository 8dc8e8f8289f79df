//! Reads YAML documents of others, within limits, and says what is wrong with one without repeating its text: the Secret
//! beside a watch, in the same file, must not reach a log. Pure.

use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Options, alias_limits, budget, options};

/// The largest file, in bytes. A manifest of ten thousand watches with their status has half of it.
pub const MAX_BYTES: usize = 64 << 20;
/// The most nodes of one document: a List of as many watches.
const MAX_NODES: usize = 20_000_000;
/// What aliases may add to one document, in events, and what their anchors may hold, in bytes.
const MAX_ALIASED: usize = 100_000;
const MAX_ANCHORED: usize = 64 << 10;

/// The documents of a text, or where one is wrong, in the form `document 3, line 41: what`.
pub fn documents<T: DeserializeOwned>(text: &str) -> Result<Vec<T>, String> {
    let mut reader = text.trim_start_matches('\u{feff}').as_bytes();
    serde_saphyr::read_with_options(&mut reader, limits())
        .collect::<Result<_, _>>()
        .map_err(|error| without_text(&error, text))
}

fn limits() -> Options {
    options! {
        budget: budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_events: 2 * MAX_NODES,
            max_nodes: MAX_NODES,
            max_total_scalar_bytes: MAX_BYTES,
            max_recorded_anchor_bytes: MAX_ANCHORED,
            // Limits what is expanded, where this ratio would refuse one anchor that many documents share.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: alias_limits! { max_total_replayed_events: MAX_ALIASED },
        with_snippet: false,
        // A namespace may be named `n`, which is a boolean of YAML 1.1.
        strict_booleans: true,
    }
}

/// The text of a file, which must be UTF-8.
pub fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("line {line} is not UTF-8")
    })
}

fn without_text(error: &Error, text: &str) -> String {
    let mut cause = error.without_snippet();
    // Whatever is wrong within an alias is told as an error of the alias.
    while let Error::AliasError { error, .. } = cause {
        cause = error.without_snippet();
    }
    let what = match cause {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            "is too large, too deep, or expands too far by its aliases"
        }
        Error::DuplicateMappingKey { .. } => "has a key twice",
        Error::UnknownAnchor { .. } => "has an alias without an anchor",
        Error::Eof { .. } => "ends too early",
        _ => "is no valid YAML",
    };
    let Some(line) = error.location().map(|place| place.line()).filter(|line| *line > 0) else {
        return format!("it {what}");
    };
    let above = usize::try_from(line).unwrap_or(usize::MAX) - 1;
    let is_separator = |line: &&str| line.starts_with("---");
    let is_content = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
    let separators = text.lines().take(above).filter(is_separator).count();
    // The first separator may stand before the first document.
    let leading = text.lines().take(above).find(is_content).is_some_and(|line| is_separator(&line));
    format!("document {}, line {line}: it {what}", 1 + separators - usize::from(leading))
}

/// A node of a manifest, of which only the fields named in [`FIELDS`] are kept: whatever else a file holds, such as the
/// managed fields of a thousand objects, costs no memory.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// A string.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// A mapping.
    Map(Vec<(String, Node)>),
    /// A sequence.
    List(Vec<Node>),
    /// Anything else.
    Other,
}

/// The fields on the way to what a watch is recognised by.
const FIELDS: [&str; 17] = [
    "apiVersion",
    "kind",
    "items",
    "metadata",
    "name",
    "namespace",
    "deletionTimestamp",
    "spec",
    "region",
    "projectID",
    "clusterID",
    "clusterType",
    "suspend",
    "status",
    "lastSuccess",
    "time",
    "credentials",
];

impl Node {
    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        let Some((key, rest)) = path.split_first() else { return Some(self) };
        let Self::Map(fields) = self else { return None };
        fields.iter().find(|(name, _)| name == key)?.1.at(rest)
    }

    /// The string at a path of keys.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        match self.at(path)? {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kept)
    }
}

struct Kept;

impl<'de> Visitor<'de> for Kept {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Other)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = fields.next_key()? {
            match key {
                Node::Text(key) if FIELDS.contains(&key.as_str()) => map.push((key, fields.next_value()?)),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Node::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn error(text: &str) -> String {
        documents::<Node>(text).unwrap_err()
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_without_its_text() {
        for (text, told) in [
            ("a: b\n---\nc: [CANARY\n", "document 2, line"),
            ("# x\n---\na: b\n---\nc: d\n---\n\tCANARY: {", "document 3, line"),
            ("stringData:\n  secretKey: \"CANARY\n  x: y\n", "document 1, line"),
            ("a: &CANARY x\nb: *CANARI\n", "document 1, line 2"),
            ("CANARY: 1\nCANARY: 2\n", "it has a key twice"),
        ] {
            let error = error(text);
            assert!(error.contains(told) && !error.contains("CANAR"), "{text:?}: {error}");
        }
        assert_eq!(utf8(b"a\nb\xe4".to_vec()).unwrap_err(), "line 2 is not UTF-8");
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = "items:\n- &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let alias = format!("*a{}", n - 1);
            writeln!(text, "- &a{n} [{}]", vec![alias; 9].join(", ")).unwrap();
        }
        assert!(error(&text).contains("aliases"), "{}", error(&text));
        let large =
            format!("a: &a {}\nitems: [{}]\n", "x".repeat(MAX_ANCHORED + 1), vec!["*a"; 1_000].join(", "));
        assert!(error(&large).contains("aliases"), "{}", error(&large));
        // What people write is far below.
        let shared = format!("kind: &a {}\nitems: [{}]\n", "x".repeat(100), vec!["*a"; 5_000].join(", "));
        assert_eq!(documents::<Node>(&shared).unwrap().len(), 1);
    }

    #[test]
    fn thousands_of_documents_are_read_and_only_what_is_needed_is_kept() {
        let text = "metadata: {name: a, annotations: {b: c}, 1: 2}\nitems: [true, 1, 1.5, null, x]\n---\n"
            .repeat(3_000);
        let documents: Vec<Node> = documents(&text).unwrap();
        assert_eq!(documents.len(), 3_000);
        let text = |text: &str| Node::Text(text.to_owned());
        assert_eq!(documents[0].at(&["metadata"]), Some(&Node::Map(vec![("name".to_owned(), text("a"))])));
        let items = [Node::Bool(true), Node::Other, Node::Other, Node::Other, text("x")];
        assert_eq!(documents[0].at(&["items"]), Some(&Node::List(items.into())));
    }
}
