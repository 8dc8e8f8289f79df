//! Bounds a JSON text in place, before it is decoded: how deep it is nested, and how long a string is in it.
//!
//! The decoder needs memory of its own for the longest string with an escape in it and for the deepest nesting, up to
//! three times the answer while it grows. No string of the API is used beyond its first few hundred characters, so
//! what is longer loses its tail here. Whether the text is JSON at all is left to the decoder.

/// The deepest nesting that is read. The API's own is six.
const MAX_DEPTH: usize = 128;
/// The most that is left of a string, in bytes as it is spelled: more than 256 characters of `\u0041`.
const MAX_STRING: usize = 4 * 1024;

/// A text that is certainly no JSON that the API sends: nested too deeply, or ended within a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unbounded;

/// Overwrites the tail of each long string with spaces behind its end.
pub(crate) fn bound(json: &mut [u8]) -> Result<(), Unbounded> {
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => at = bound_string(json, at + 1).ok_or(Unbounded)?,
            b'{' | b'[' if depth == MAX_DEPTH => return Err(Unbounded),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Bounds the string that begins at `begin`, and returns where its closing quote stood.
fn bound_string(json: &mut [u8], begin: usize) -> Option<usize> {
    let (mut at, mut cut) = (begin, begin);
    loop {
        // A string may be cut before any character, and so not within an escape, a pair of surrogates or UTF-8.
        if at <= begin + MAX_STRING && json.get(at)? & 0xC0 != 0x80 {
            cut = at;
        }
        match json.get(at)? {
            b'"' => break,
            b'\\' if is_high_surrogate(&json[at..]) => at += 12,
            b'\\' if json.get(at + 1) == Some(&b'u') => at += 6,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    if cut < at {
        json[cut] = b'"';
        json[cut + 1..=at].fill(b' ');
    }
    Some(at)
}

/// Whether the first half of a pair of `\u` escapes begins here, with the second one behind it.
fn is_high_surrogate(json: &[u8]) -> bool {
    matches!(json, [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'b' | b'A'..=b'B', _, _, b'\\', b'u', ..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn bounded(json: &str) -> Result<String, Unbounded> {
        let mut bytes = json.as_bytes().to_vec();
        bound(&mut bytes).map(|()| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_is_short_and_flat_stays_as_it_is() {
        let long = format!("{{\"a\":[\"{}\"]}}", "x".repeat(MAX_STRING));
        for json in ["", "{}", r#"{"a\"":"\\","b":["\ud83d\ude00",1]}"#, "]]}}", "<html>", &long] {
            assert_eq!(bounded(json).as_deref(), Ok(json));
        }
    }

    #[test]
    fn a_long_string_loses_its_tail_between_two_characters() {
        for piece in ["x", "\\u0041", "\\ud83d\\ude00", "\\\\", "\\\"", "备", "\u{1F600}"] {
            for offset in 0..14 {
                let text = format!("{}{}", "x".repeat(offset), piece.repeat(MAX_STRING));
                let json = format!("{{\"{text}\":1,\"b\":\"{text}\",\"c\":2}}");
                let short = bounded(&json).unwrap();
                assert_eq!(short.len(), json.len());
                let read: Value = serde_json::from_str(&short).unwrap();
                assert_eq!(read["c"], 2, "{piece} at {offset}");
                let (whole, left) = (json.parse::<Value>().unwrap()["b"].clone(), read["b"].clone());
                let (whole, left) = (whole.as_str().unwrap(), left.as_str().unwrap());
                assert!(whole.starts_with(left) && left.chars().count() > 256, "{piece} at {offset}");
            }
        }
    }

    #[test]
    fn what_is_deep_or_broken_off_is_refused() {
        let deep = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(bounded(&deep(MAX_DEPTH)).is_ok());
        for json in [deep(MAX_DEPTH + 1), "[".repeat(100_000), "\"".into(), "{\"a\\\"".into(), "\"\\".into()]
        {
            assert_eq!(bounded(&json), Err(Unbounded), "{}", &json[..json.len().min(20)]);
        }
        let wide = json!(vec![json!([{}]); 1_000]).to_string();
        assert!(bounded(&wide).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_keep_their_length(mut bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let length = bytes.len();
            let _ = bound(&mut bytes);
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
