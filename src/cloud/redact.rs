//! Overwrites the parts of a credential in what a service sent back, however JSON or a URL may spell them.
//!
//! This happens before the answer is decoded. Decoding turns `\/` and `\u002b` back into the `/` and `+` of a token, so
//! a search for the plain value alone would miss it here, and it would be shown later.

use memchr::memchr3;

/// The most backslashes before one character: enough for a JSON string within a string within a string. Without a
/// limit, the time to search an answer of nothing but backslashes would grow with the square of its length.
const MAX_ESCAPES: usize = 7;

/// Overwrites `value` with asterisks wherever it stands in `bytes`: as it is, with characters escaped as in a JSON
/// string (once, or in a string within a string), or percent-encoded. A body that was JSON stays JSON.
pub(super) fn overwrite(bytes: &mut [u8], value: &[u8]) {
    let Some(first) = value.first() else { return };
    let mut at = 0;
    // Each answer is looked through, and hardly one has anything to overwrite: so only where a spelling may begin.
    while let Some(before) = memchr3(*first, b'\\', b'%', &bytes[at..]) {
        at += before;
        let length = spelled(&bytes[at..], value);
        let end = at + length.unwrap_or(1);
        if length.is_some() {
            bytes[at..end].fill(b'*');
        }
        at = end;
    }
}

/// How many of the first bytes spell `value`.
fn spelled(bytes: &[u8], value: &[u8]) -> Option<usize> {
    if bytes.starts_with(value) {
        return Some(value.len());
    }
    // A percent sign of the value itself may be encoded, as `%25`, or stand there with digits after it that are not its code.
    [true, false].into_iter().find_map(|is_url| {
        value
            .iter()
            .try_fold(0, |length, expected| Some(length + character(&bytes[length..], *expected, is_url)?))
    })
}

/// How many of the first bytes spell one character; percent-encoded in a URL alone.
fn character(bytes: &[u8], expected: u8, is_url: bool) -> Option<usize> {
    let escapes = bytes.iter().take(MAX_ESCAPES).take_while(|byte| **byte == b'\\').count();
    let (rest, code) = (&bytes[escapes..], |digits: Option<&[u8]>| {
        digits.is_some_and(|digits| hex(digits) == Some(u32::from(expected)))
    });
    match rest.first() {
        Some(b'u') if escapes > 0 && code(rest.get(1..5)) => Some(escapes + 5),
        Some(b'%') if is_url && escapes == 0 && code(rest.get(1..3)) => Some(3),
        _ if expected == b'\\' && escapes > 0 => Some(escapes),
        Some(byte) if *byte == expected => Some(escapes + 1),
        _ => None,
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overwritten(text: &str, value: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        overwrite(&mut bytes, value.as_bytes());
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_value_is_found_however_it_is_spelled() {
        for text in [
            "gQpjbi+A/b==",
            r"gQpjbi+A\/b==",
            r"gQpjbi\u002bA\u002Fb\u003d=",
            r"\u0067Qpjbi+A/b==",
            r"gQpjbi\\u002bA\\\/b==",
            "gQpjbi%2BA%2fb%3D%3d",
            "%67%51pjbi+A/b==",
        ] {
            let found = format!("<{text}>");
            assert_eq!(overwritten(&found, "gQpjbi+A/b=="), format!("<{}>", "*".repeat(text.len())));
            let json = format!(r#"{{"m":"\n\"{text}\\{text}"}}"#);
            let left: serde_json::Value = serde_json::from_str(&overwritten(&json, "gQpjbi+A/b==")).unwrap();
            assert!(!left.to_string().contains("gQ"), "{left}");
        }
    }

    #[test]
    fn a_percent_sign_of_the_value_is_itself_or_encoded() {
        for text in [r"\u0041%25A!A0", "A%25A!A0", "A%2525A!A0", "%41%2525A!A0", r"A%25\u0041!A0"] {
            assert_eq!(
                overwritten(&format!("<{text}>"), "A%25A!A0"),
                format!("<{}>", "*".repeat(text.len()))
            );
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        for text in ["gQpjbi+A/b=", r"gQpjbi\u002cA/b==", "gQpjbi%2", r"gQpjbi\u00", r"\", "", "uuuu%%%%"] {
            assert_eq!(overwritten(text, "gQpjbi+A/b=="), text);
        }
        assert_eq!(overwritten(r"a\\b a\b", r"a\b"), "**** ***");
    }

    #[test]
    fn an_answer_of_nothing_but_backslashes_is_soon_looked_through() {
        let begun = std::time::Instant::now();
        overwrite(&mut vec![b'\\'; 1 << 20], b"gQpjbi+A/b==");
        assert!(begun.elapsed().as_secs() < 5);
    }

    proptest! {
        #[test]
        fn what_json_decodes_to_never_holds_the_value(
            value in "[!-~]{8,20}", before in "\\PC{0,6}", after in "\\PC{0,6}", escaped in any::<u32>(), slashes: bool,
        ) {
            prop_assume!(!value.contains('\\') && !value.contains("**"));
            let spelled: String = value.chars().enumerate().map(|(n, c)| match c {
                '"' => "\\\"".to_owned(),
                '/' if slashes => "\\/".to_owned(),
                c if escaped & (1 << n) != 0 => format!("\\u{:04x}", u32::from(c)),
                c => c.to_string(),
            }).collect();
            let quote = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
            let json = format!("\"{}{spelled}{}\"", quote(&before), quote(&after));
            if let Ok(text) = serde_json::from_str::<String>(&overwritten(&json, &value)) {
                prop_assert!(!text.contains(&value), "{json} gives {text}");
            }
        }

        #[test]
        fn any_bytes_keep_their_length(mut bytes in proptest::collection::vec(any::<u8>(), 0..60), value in "[!-~]{1,4}") {
            let length = bytes.len();
            overwrite(&mut bytes, value.as_bytes());
            prop_assert_eq!(bytes.len(), length);
        }
    }
}
