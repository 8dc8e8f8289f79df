//! The alerts as they are shipped, and with a second in place of each minute.

use std::fs;

use cbw_testkit::{chart::CHART, program::ROOT};
use serde_json::{Value, json};

/// An alert as it is shipped.
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Its severity.
    pub severity: String,
}

/// What a file of the chart holds.
pub fn file(name: &str) -> String {
    fs::read_to_string(format!("{ROOT}/{CHART}/files/{name}")).unwrap()
}

/// The rules as they are shipped.
pub fn shipped() -> Value {
    serde_saphyr::from_str(&file("alerts.yaml")).unwrap()
}

/// The alerts as they are shipped.
pub fn alerts() -> Vec<Alert> {
    let shipped = shipped();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rules =
        shipped["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap());
    let alerts = rules.filter(|rule| rule["alert"].is_string());
    alerts
        .map(|rule| Alert { name: text(&rule["alert"]), severity: text(&rule["labels"]["severity"]) })
        .collect()
}

/// The rules with a second in place of each minute. What an alert waits for is a second, however long it was.
pub fn shortened(rules: &Value) -> Value {
    match rules {
        Value::String(text) => json!(shorten(text)),
        Value::Array(values) => values.iter().map(shortened).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), if name == "for" { json!("1s") } else { shortened(value) })
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// Shortens the windows of a text, such as `[5m:1m]`, and the thresholds of whole minutes, such as `+ 600`.
fn shorten(text: &str) -> String {
    let mut short = String::new();
    for (before, number, unit) in numbers(text) {
        short += before;
        let Ok(count) = number.parse::<u64>() else { return short };
        let minutes = match unit {
            "m" => Some(count),
            "h" => Some(count * 60),
            "" if count >= 60 && count % 60 == 0 => Some(count / 60),
            _ => None,
        };
        let replaced = match minutes.filter(|_| short.ends_with(['[', ':', ' '])) {
            Some(minutes) if unit.is_empty() => minutes.to_string(),
            Some(minutes) => format!("{minutes}s"),
            None => format!("{number}{unit}"),
        };
        short += &replaced;
    }
    short
}

/// A text without its numbers and their units.
pub fn without_times(text: &str) -> String {
    numbers(text).map(|(before, _, _)| before).collect()
}

/// Takes a text apart: what stands before each number, the number, and its unit of time. The last number is empty.
fn numbers(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(begin) = text.find(|c: char| c.is_ascii_digit()) else { return Some((text, "", "")) };
        let (before, from) = text.split_at(begin);
        let (number, after) = from.split_at(from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len()));
        let word = after.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(after.len());
        let unit = if matches!(&after[..word], "s" | "m" | "h" | "d") { word } else { 0 };
        rest = Some(&after[unit..]);
        Some((before, number, &after[..unit]))
    })
}
