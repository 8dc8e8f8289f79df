//! Makes text from outside safe to show in a status, an Event, a terminal or a log line.
//!
//! A character that must not be shown is replaced and never removed: removing it would turn the phase
//! `Succ<zero-width>ess` into `Success`, and a backup that is not finished into a good one.

/// Stands for a character that must not be shown.
const REPLACEMENT: char = '\u{FFFD}';

/// The text with every line break and tab as a space, every other control, bidirectional or invisible character as
/// U+FFFD, and cut to `max_chars` characters, the last of them `…` when something was cut.
///
/// It takes any text, and cleaning twice changes nothing more. The result equals a word without such characters only if
/// the text was that word.
pub fn clean(text: &str, max_chars: usize) -> String {
    let mut chars = text.chars().map(shown);
    let mut cleaned: String = chars.by_ref().take(max_chars).collect();
    if chars.next().is_some() && cleaned.pop().is_some() {
        cleaned.push('…');
    }
    cleaned
}

/// The text with the user and password of every URL in it replaced by `***`. Errors of libraries name the proxy or the server that
/// they could not reach, whatever stands in its URL. A password may hold characters that end a host, so everything from `://` to the
/// last `@` of the word goes; it costs the host of a URL that has an `@` in its path.
pub fn without_userinfo(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (scheme, tail) = rest.split_at(at + "://".len());
        shown.push_str(scheme);
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
        let word = &tail[..tail.find(ends).unwrap_or(tail.len())];
        let host = word.rfind('@').unwrap_or_default();
        if host > 0 {
            shown.push_str("***");
        }
        rest = &tail[host..];
    }
    shown.push_str(rest);
    shown
}

/// The text with every line disarmed that a CI system would take for a command of its own: GitHub's `::error::`, which may
/// be indented, and `##[group]` or `##vso[…]` anywhere in a line. The first character of the command is replaced.
pub fn inert(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.split('\n') {
        let mut line = line.replace("##[", "\u{FFFD}#[").replace("##vso[", "\u{FFFD}#vso[");
        let rest = line.trim_start();
        if rest.starts_with("::") {
            line = format!("{}{REPLACEMENT}{}", &line[..line.len() - rest.len()], &rest[1..]);
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn shown(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || is_invisible(c) => REPLACEMENT,
        c => c,
    }
}

/// Unicode's `Default_Ignorable_Code_Point` (zero-width, bidirectional, fillers, tags, variation selectors), the line
/// and paragraph separators, and the interlinear annotation marks.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unshowable_characters_are_replaced_one_for_one() {
        for (text, cleaned) in [
            ("", ""),
            ("备份 etcd ok", "备份 etcd ok"),
            ("a\nb\r\tc", "a b  c"),
            ("a\0b\u{1b}[31m\u{7f}\u{85}", "a\u{fffd}b\u{fffd}[31m\u{fffd}\u{fffd}"),
            ("\u{202e}gnp\u{2066}.\u{200f}", "\u{fffd}gnp\u{fffd}.\u{fffd}"),
            ("Succ\u{200b}ess", "Succ\u{fffd}ess"),
            ("\u{feff}Success\u{2028}\u{2029}", "\u{fffd}Success\u{fffd}\u{fffd}"),
            ("Success\u{fe0f}\u{e0041}", "Success\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(clean(text, 64), cleaned, "{text:?}");
        }
    }

    #[test]
    fn no_url_keeps_its_user_and_password() {
        for (text, shown) in [
            ("", ""),
            ("http://127.0.0.1:8080/readyz answers 503", "http://127.0.0.1:8080/readyz answers 503"),
            ("via http://user:CANARY@proxy:3128/ no", "via http://***@proxy:3128/ no"),
            ("'a=https://CANARY@h', 'b=https://u:CANARY@i'", "'a=https://***@h', 'b=https://***@i'"),
            ("http://u:CANARY/?#@CANARY@h", "http://***@h"),
            ("socks5://u:CANARY://CANARY@h", "socks5://***@h"),
            ("http:// me@example.com", "http:// me@example.com"),
            ("http://@h", "http://@h"),
        ] {
            assert_eq!(without_userinfo(text), shown);
            assert_eq!(without_userinfo(shown), shown);
        }
    }

    #[test]
    fn a_cut_shows() {
        for (max, cut) in [(0, ""), (1, "…"), (6, "Succe…"), (7, "Succes…"), (10, "Successful")] {
            assert_eq!(clean("Successful", max), cut);
        }
        assert_eq!(clean(&"备".repeat(5_000), 256).chars().count(), 256);
    }

    /// Words near the two that decide verdicts, with all sorts of characters mixed in.
    fn near_verdicts() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("Success".to_owned()),
            Just("Failed".to_owned()),
            Just("Succ".to_owned()),
            Just("ess".to_owned()),
            any::<char>().prop_map(String::from),
            "[\\p{Cc}\\p{Cf}\\p{Z}]",
        ];
        proptest::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn cleaning_is_total_bounded_and_idempotent(text in any::<String>(), max in 0_usize..40) {
            let once = clean(&text, max);
            prop_assert!(once.chars().count() <= max);
            prop_assert!(!once.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(clean(&once, max), once);
        }

        #[test]
        fn leaving_out_userinfo_takes_any_text(text in "(http|x|:|/|@| |é|'){0,30}") {
            let once = without_userinfo(&text);
            prop_assert_eq!(without_userinfo(&once), once);
        }

        #[test]
        fn cleaning_never_makes_another_phase_a_verdict(text in near_verdicts(), max in 0_usize..20) {
            let cleaned = clean(&text, max);
            for verdict in ["Success", "Failed"] {
                prop_assert!(cleaned != verdict || text == verdict);
                prop_assert!(cleaned.trim() != verdict || text.trim() == verdict);
            }
        }
    }
}
