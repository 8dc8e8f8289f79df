//! The rules of the schema, in CEL, each with a message for the person whose manifest breaks it.
//!
//! A rule takes the place of a `pattern`, because the API server reports a broken pattern as the bare expression. Each
//! rule is safe on any text of the allowed length: one that fails to evaluate would be reported in CEL's own words.

use kube::core::Rule;

use super::duration;

/// The field keeps the value that it was created with.
pub fn immutable(field: &str) -> Rule {
    Rule::new("self == oldSelf").message(&*format!("{field} is immutable"))
}

/// The text of the field matches the expression; the message says what is allowed.
pub fn matches(pattern: &str, field: &str, allowed: &str) -> Rule {
    Rule::new(format!("self.matches(r'{pattern}')")).message(&*format!("{field} must be {allowed}"))
}

/// The field is a duration between two others.
pub fn duration(field: &str, min: &str, max: &str) -> Rule {
    let pattern = duration::PATTERN;
    Rule::new(format!(
        "self.matches(r'{pattern}') && duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"
    ))
    .message(&*format!(
        "{field} must be between {min} and {max}, in the units h, m, s and ms, such as 1m30s; a day is 24h"
    ))
}

/// The first duration is not above the second. The rule holds if one of them is no duration, the first is above
/// `greatest` or the second below `least`: the field's own rule reports that, and one mistake must be one error.
pub fn not_above(lower: &str, greatest: &str, upper: &str, least: &str) -> Rule {
    let pattern = duration::PATTERN;
    Rule::new(format!(
        "!self.{lower}.matches(r'{pattern}') || !self.{upper}.matches(r'{pattern}') \
         || duration(self.{lower}) <= duration(self.{upper}) \
         || duration(self.{lower}) > duration('{greatest}') || duration(self.{upper}) < duration('{least}')"
    ))
    .message(&*format!("{lower} must not be above {upper}"))
    .field_path(format!(".{lower}"))
}
