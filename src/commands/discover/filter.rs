//! Decides which clusters the flags ask for. Pure.

use super::listed::ListedCluster;
use crate::cli::discover::DiscoverArgs;

/// Whether the flags ask for this cluster.
pub fn is_wanted(args: &DiscoverArgs, found: &ListedCluster) -> bool {
    let cluster = &found.cluster;
    let has = |text: &Option<String>, wanted: &str| text.as_deref() == Some(wanted);
    args.tag.iter().all(|tag| cluster.tags.get(&tag.key) == Some(&tag.value))
        && args.name.as_deref().is_none_or(|glob| matches(glob, cluster.name.as_deref().unwrap_or_default()))
        && (args.phase.is_empty() || args.phase.iter().any(|phase| has(&cluster.phase, phase)))
}

/// Whether a text matches a glob in which `*` stands for any text and `?` for one character. The time is at most
/// proportional to the product of both lengths.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // Where to resume after a mismatch: behind the last star, which then stands for one character more.
    let mut back = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                g += 1;
                back = Some((g, t));
            }
            Some(c) if *c == '?' || *c == text[t] => {
                g += 1;
                t += 1;
            }
            _ => match back {
                Some((after_star, from)) => {
                    g = after_star;
                    t = from + 1;
                    back = Some((after_star, t));
                }
                None => return false,
            },
        }
    }
    glob[g..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        for (glob, text, matched) in [
            ("prod", "prod", true),
            ("prod", "prod-1", false),
            ("prod-*", "prod-1", true),
            ("prod-*", "prod-", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "备", true),
            ("?", "", false),
            ("*-eu-*", "a-b-eu-c", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**a", "ba", true),
            ("[a-z]", "a", false),
        ] {
            assert_eq!(matches(glob, text), matched, "{glob} {text}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_with_any_part_as_a_star(text in "[a-c]{0,8}", from in 0_usize..9, to in 0_usize..9) {
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let (from, to) = (from.min(to), from.max(to));
            prop_assert!(matches(&text, &text));
            let glob = format!("{}*{}", &text[..from], &text[to..]);
            prop_assert!(matches(&glob, &text));
        }
    }
}
