//! `docs/reference.md` lists every field of the definition and every reason; `make generate` writes it.

use std::fmt::Write;

use cce_backup_watch::api::{
    EventReason, Reason,
    condition::{Truth, types},
    crd,
};
use serde_json::Value;

/// One field: where it stands, its schema, and whether whoever holds it must give it.
struct Field<'a> {
    path: String,
    schema: &'a Value,
    required: bool,
}

/// The fields below a schema, each before what it holds.
fn fields<'a>(schema: &'a Value, at: &str, all: &mut Vec<Field<'a>>) {
    if schema["items"].is_object() {
        return fields(&schema["items"], &format!("{at}[]"), all);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        let required = schema["required"].as_array().into_iter().flatten().any(|required| required == name);
        all.push(Field { path: path.clone(), schema: property, required });
        fields(property, &path, all);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// In one line, and with nothing that would end the cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', r"\|")
}

fn code(text: &str) -> String {
    format!("`{}`", cell(text))
}

/// Each word of a list in code.
fn words(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(|word| code(text(word))).collect::<Vec<_>>().join(", ")
}

/// A duration is a string to the server, and a duration to its rule.
fn is_duration(schema: &Value) -> bool {
    let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
    schema["type"] == "string" && rules.into_iter().any(|rule| text(&rule["rule"]).contains("duration(self)"))
}

fn kind(schema: &Value) -> String {
    match (text(&schema["type"]), text(&schema["format"])) {
        ("array", _) => format!("list of {}s", kind(&schema["items"])),
        (_, "date-time") => "time".to_owned(),
        ("string", _) if is_duration(schema) => "duration".to_owned(),
        (kind, _) => kind.to_owned(),
    }
}

fn default(schema: &Value) -> String {
    match &schema["default"] {
        Value::Null => String::new(),
        Value::String(word) => code(word),
        other => code(&other.to_string()),
    }
}

/// "1 to 63 characters"
fn range(low: &Value, high: &Value, what: &str) -> Option<String> {
    match (low.as_i64(), high.as_i64()) {
        (Some(low), Some(high)) if low == high => Some(format!("{low}{what}")),
        (Some(low), Some(high)) => Some(format!("{low} to {high}{what}")),
        (Some(low), None) => Some(format!("at least {low}{what}")),
        (None, Some(high)) => Some(format!("at most {high}{what}")),
        (None, None) => None,
    }
}

fn messages(schema: &Value) -> impl Iterator<Item = &str> {
    schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(|rule| text(&rule["message"]))
}

fn limits(field: &Field<'_>) -> String {
    let schema = field.schema;
    let mut limits = Vec::new();
    if field.required {
        limits.push("required".to_owned());
    }
    if schema["enum"].is_array() {
        limits.push(words(&schema["enum"]));
    }
    limits.extend(range(&schema["minimum"], &schema["maximum"], ""));
    limits.extend(range(&schema["minLength"], &schema["maxLength"], " characters"));
    limits.extend(range(&schema["minItems"], &schema["maxItems"], " items"));
    if schema["x-kubernetes-list-map-keys"].is_array() {
        limits.push(format!("one for each {}", words(&schema["x-kubernetes-list-map-keys"])));
    }
    limits.extend(messages(schema).map(cell));
    limits.join("; ")
}

fn section(page: &mut String, name: &str, schema: &Value) {
    writeln!(page, "\n## {name}\n\n{}\n", text(&schema["description"])).unwrap();
    let rules: Vec<_> = messages(schema).collect();
    if !rules.is_empty() {
        writeln!(page, "Over several fields: {}.\n", rules.join("; ")).unwrap();
    }
    page.push_str("| field | type | default | limits | meaning |\n|---|---|---|---|---|\n");
    let mut all = Vec::new();
    fields(schema, "", &mut all);
    for field in all {
        let (path, kind, default, limits) =
            (code(&field.path), kind(field.schema), default(field.schema), limits(&field));
        let meaning = cell(text(&field.schema["description"]));
        writeln!(page, "| {path} | {kind} | {default} | {limits} | {meaning} |").unwrap();
    }
}

fn page(definition: &Value) -> String {
    let spec = &definition["spec"];
    let version = &spec["versions"][0];
    let schema = &version["schema"]["openAPIV3Schema"];
    let mut page = format!(
        "# {kind}\n\n<!-- Written by `make generate` from src/api. -->\n\n{about}\n\n\
         | | |\n|---|---|\n\
         | API version | `{group}/{version}` |\n| scope | {scope} |\n\
         | names for kubectl | `{plural}`, `{singular}`, {short} |\n| category | {categories} |\n\
         | field selectors | {selectors} |\n\n\
         [Concepts](concepts.md) explains the words, and [the README](../README.md#troubleshooting) what to do about a reason.\n\
         A duration is one or more numbers with a unit, such as `90s`, `5m` or `1h30m`; a time is in RFC 3339 and\n\
         UTC. The API server refuses what is outside the limits. Descriptions of conditions are those of Kubernetes.\n",
        kind = text(&spec["names"]["kind"]),
        about = text(&schema["description"]),
        group = text(&spec["group"]),
        version = text(&version["name"]),
        scope = text(&spec["scope"]),
        plural = text(&spec["names"]["plural"]),
        singular = text(&spec["names"]["singular"]),
        short = words(&spec["names"]["shortNames"]),
        categories = words(&spec["names"]["categories"]),
        selectors = version["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| code(text(&field["jsonPath"]).trim_start_matches('.')))
            .collect::<Vec<_>>()
            .join(", "),
    );
    section(&mut page, "spec", &schema["properties"]["spec"]);
    section(&mut page, "status", &schema["properties"]["status"]);
    page.push_str("\n## Columns of kubectl get\n\n| column | where | meaning |\n|---|---|---|\n");
    for column in version["additionalPrinterColumns"].as_array().into_iter().flatten() {
        let (name, path, about) =
            (text(&column["name"]), code(text(&column["jsonPath"])), text(&column["description"]));
        let wide =
            if column["priority"].as_i64().is_some_and(|p| p > 0) { ", with `--output wide`" } else { "" };
        writeln!(page, "| {name}{wide} | {path} | {about} |").unwrap();
    }
    reasons(&mut page);
    page
}

fn reasons(page: &mut String) {
    page.push_str("\n## Reasons of Ready\n\n| reason | status | also True | when |\n|---|---|---|---|\n");
    for reason in Reason::ALL.iter().filter(|reason| reason.is_of(types::READY)) {
        let also = match reason.status().as_str() {
            "True" => "",
            "False" if reason.stalls() => types::STALLED,
            _ => types::RECONCILING,
        };
        let (status, when) = (reason.status().as_str(), cell(reason.when()));
        writeln!(page, "| `{reason}` | {status} | {also} | {when} |").unwrap();
    }
    page.push_str("\n## Reasons of BackupHealthy\n\n| reason | status | when |\n|---|---|---|\n");
    for reason in Reason::ALL.iter().filter(|reason| reason.is_of(types::BACKUP_HEALTHY)) {
        writeln!(page, "| `{reason}` | {} | {} |", reason.status().as_str(), cell(reason.when())).unwrap();
    }
    page.push_str("\n## Reasons of UpgradeProtected\n\n| reason | status | when |\n|---|---|---|\n");
    for reason in Reason::ALL.iter().filter(|reason| reason.is_of(types::UPGRADE_PROTECTED)) {
        // A reason of Ready is here that of a fault, and nothing is known then.
        let (status, when) = if reason.is_of(types::READY) && *reason != Reason::NotYetPolled {
            (Truth::Unknown, "the list of upgrades cannot be read for this reason")
        } else {
            (reason.status(), reason.when())
        };
        writeln!(page, "| `{reason}` | {} | {} |", status.as_str(), cell(when)).unwrap();
    }
    page.push_str("\n## Reasons of Events\n\n| reason | type | when |\n|---|---|---|\n");
    for reason in EventReason::ALL {
        writeln!(page, "| `{reason}` | {:?} | {} |", reason.event_type(), cell(reason.when())).unwrap();
    }
}

fn definition() -> Value {
    serde_saphyr::from_str(&crd::yaml().unwrap()).unwrap()
}

#[test]
fn the_page_lists_what_the_definition_holds() {
    super::is_current("docs/reference.md", &page(&definition()));
}

/// A key of the schema that the page does not know would be missing from it unseen.
#[test]
fn the_page_knows_every_key_of_the_schema() {
    const KNOWN: [&str; 19] = [
        "default",
        "description",
        "enum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "nullable", // the API server drops the null
        "pattern",  // of the conditions, as Kubernetes has it
        "properties",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    ];
    let definition = definition();
    let mut all = Vec::new();
    fields(&definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "", &mut all);
    assert!(all.len() > 40, "{} fields", all.len());
    assert_eq!(all.iter().filter(|field| is_duration(field.schema)).count(), 4, "durations");
    for field in all {
        for key in field.schema.as_object().into_iter().flat_map(|schema| schema.keys()) {
            assert!(KNOWN.contains(&key.as_str()), "{}: {key}", field.path);
        }
        assert!(!text(&field.schema["description"]).is_empty(), "{} has no description", field.path);
    }
}
