//! What a schema says about a value, in words: its type, its bounds, its format.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::types::Links;

/// The type, in a line.
pub(super) fn of(schema: &Value, links: &Links) -> Markup {
    let Value::Object(fields) = schema else {
        return html! { (if *schema == Value::Bool(false) { "nothing" } else { "anything" }) };
    };
    let alternatives = ["oneOf", "anyOf"].into_iter().find_map(|keyword| fields.get(keyword)?.as_array());
    if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
        referred(reference, links)
    } else if let Some(value) = fields.get("const") {
        literal(value)
    } else if let Some(values) = fields.get("enum").and_then(Value::as_array) {
        html! { "one of " @for value in values { (literal(value)) " " } }
    } else if let Some(alternatives) = alternatives {
        one_of(alternatives, links)
    } else if let Some([only]) = fields.get("allOf").and_then(Value::as_array).map(Vec::as_slice) {
        of(only, links)
    } else {
        match fields.get("type") {
            Some(Value::String(name)) => of_type(name, fields, links),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str).enumerate();
                html! { @for (nth, name) in names { @if nth > 0 { " or " } (of_type(name, fields, links)) } }
            }
            _ if fields.contains_key("properties") => html! { "object" },
            _ if fields.contains_key("items") || fields.contains_key("prefixItems") => list(fields, links),
            _ if fields.contains_key("allOf") => html! { "all of these" },
            _ => html! { "anything" },
        }
    }
}

/// A value as it stands in JSON.
pub(super) fn literal(value: &Value) -> Markup {
    html! { code.value { (value.to_string()) } }
}

/// Whether everything about it fits into its line; otherwise it needs lines of its own.
pub(super) fn is_plain(schema: &Value) -> bool {
    let Value::Object(fields) = schema else { return true };
    let all_plain = |keyword: &str| match fields.get(keyword) {
        Some(Value::Array(schemas)) => schemas.iter().all(is_plain),
        Some(Value::Object(_)) => is_plain(&fields[keyword]),
        _ => true,
    };
    let is_silent = |schema: &Value| schema.get("description").is_none() && schema.get("title").is_none();
    let alternatives = |keyword: &str| {
        fields
            .get(keyword)
            .and_then(Value::as_array)
            .is_none_or(|all| all.len() == 1 || all.iter().all(is_silent))
    };
    !fields.contains_key("properties")
        && !fields.contains_key("patternProperties")
        && ["items", "prefixItems", "additionalProperties", "oneOf", "anyOf", "allOf"]
            .into_iter()
            .all(all_plain)
        && ["oneOf", "anyOf"].into_iter().all(alternatives)
        && fields.get("allOf").and_then(Value::as_array).is_none_or(|all| all.len() == 1)
}

fn referred(reference: &str, links: &Links) -> Markup {
    match links.get(reference) {
        Some(link) => html! { a.type href={ "#" (link.id) } { (link.name) } },
        None => html! { code { (reference) } },
    }
}

fn one_of(alternatives: &[Value], links: &Links) -> Markup {
    let is_null = |schema: &&Value| schema.get("type").is_some_and(|name| name == "null");
    let others: Vec<_> = alternatives.iter().filter(|schema| !is_null(schema)).collect();
    let is_optional = others.len() < alternatives.len();
    html! {
        @if others.iter().all(|schema| is_plain(schema)) && others.len() <= 8 {
            @for (nth, schema) in others.iter().enumerate() { @if nth > 0 { " or " } (of(schema, links)) }
        } @else if let [only] = others[..] {
            (of(only, links))
        } @else {
            "one of " (others.len()) " forms"
        }
        @if is_optional { " or null" }
    }
}

fn of_type(name: &str, fields: &Map<String, Value>, links: &Links) -> Markup {
    let format = fields.get("format").and_then(Value::as_str);
    match (name, format) {
        ("string", Some(format)) => html! { (text(format)) },
        ("integer" | "number", Some(format)) => html! { (name) " " span.dim { (format) } },
        ("boolean", _) => html! { "true or false" },
        ("array", _) => list(fields, links),
        ("object", _) => object(fields, links),
        (other, _) => html! { (other) },
    }
}

/// A text in a format that has a name.
fn text(format: &str) -> String {
    match format {
        "uuid" => "UUID".to_owned(),
        "date-time" => "date and time".to_owned(),
        "uri" => "URI".to_owned(),
        "email" => "e-mail address".to_owned(),
        "ipv4" => "IPv4 address".to_owned(),
        "ipv6" => "IPv6 address".to_owned(),
        "date" | "time" | "duration" | "hostname" => format.to_owned(),
        other => format!("string in the format {other}"),
    }
}

fn list(fields: &Map<String, Value>, links: &Links) -> Markup {
    let items = fields.get("items");
    if let Some(first) = fields.get("prefixItems").and_then(Value::as_array) {
        let rest = items.filter(|items| **items != Value::Bool(false));
        return html! {
            "tuple of "
            @for (nth, item) in first.iter().enumerate() { @if nth > 0 { ", " } (of(item, links)) }
            @if let Some(rest) = rest { ", then any number of " (of(rest, links)) }
        };
    }
    let noun = if fields.get("uniqueItems") == Some(&Value::Bool(true)) { "set of " } else { "list of " };
    html! { (noun) @match items { Some(items) => { (of(items, links)) } None => "anything" } }
}

fn object(fields: &Map<String, Value>, links: &Links) -> Markup {
    if fields.contains_key("properties") || fields.contains_key("patternProperties") {
        return html! { "object" };
    }
    match fields.get("additionalProperties") {
        Some(Value::Bool(false)) => html! { "empty object" },
        Some(values @ Value::Object(_)) => {
            let names = fields.get("propertyNames");
            html! {
                "map from " @match names { Some(names) => { (of(names, links)) } None => "string" }
                " to " (of(values, links))
            }
        }
        _ => html! { "object" },
    }
}
