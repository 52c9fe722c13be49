//! A schema as a table of fields, or as the forms that a value may have.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{
    bounds, markdown,
    types::Links,
    words::{self, is_plain, literal},
};

/// Where something stands out in the table of an event.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks<'a> {
    pub(super) key: Option<&'a str>,
    pub(super) id: Option<&'a str>,
}

/// All that a schema says, without its description, which stands where the reader looks first.
pub(super) fn whole(schema: &Value, links: &Links, marks: Marks<'_>) -> Markup {
    html! {
        div.shape {
            @let rules = bounds::of(schema);
            @if has_forms(schema) && !has_own_lines(schema) {
                p.lead { "One of:" }
            } @else if !has_own_lines(schema) {
                p { (words::of(schema, links)) }
            }
            @if !rules.is_empty() {
                (list_of(&rules))
            }
            (lines(schema, links, marks))
        }
    }
}

/// What does not fit into one line: fields, forms, and what is in a list or a map.
fn lines(schema: &Value, links: &Links, marks: Marks<'_>) -> Markup {
    let Value::Object(parts) = schema else { return Markup::default() };
    let many =
        |keyword: &str| parts.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let inner = |keyword: &str| parts.get(keyword).filter(|schema| !is_plain(schema));
    html! {
        @if let Some(Value::Object(fields)) = parts.get("properties") && !fields.is_empty() {
            (table(fields, many("required"), links, marks))
        }
        @for (pattern, schema) in parts.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            @let what = html! { "Each field that matches " code { (pattern) } ": " (words::of(schema, links)) };
            (part(what, schema, links))
        }
        @for keyword in ["oneOf", "anyOf"] {
            @if let Some(only) = but_for_null(many(keyword)) {
                (lines(only, links, marks))
            } @else if !many(keyword).is_empty() && !is_plain(schema) {
                (forms(many(keyword), parts.contains_key("properties"), links))
            }
        }
        @match many("allOf") {
            [only] => { (lines(only, links, marks)) }
            all => @for schema in all {
                (part(html! { "And all of: " (words::of(schema, links)) }, schema, links))
            }
        }
        @if let Some(schema) = inner("items") { (part(html! { "Each item:" }, schema, links)) }
        @if let Some(schema) = inner("additionalProperties") {
            @let those = if parts.contains_key("properties") { "Each other field:" } else { "Each value:" };
            (part(html! { (those) }, schema, links))
        }
        @for (nth, schema) in many("prefixItems").iter().enumerate() {
            @if !is_plain(schema) { (part(html! { "Item " (nth + 1) ":" }, schema, links)) }
        }
    }
}

/// Whether its forms have lines.
fn has_forms(schema: &Value) -> bool {
    let forms = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
    let is_shown = |forms: &Vec<Value>| !forms.is_empty() && but_for_null(forms).is_none();
    !is_plain(schema) && ["oneOf", "anyOf"].into_iter().filter_map(forms).any(is_shown)
}

/// The only form beside null: that it may be null is said in words.
fn but_for_null(forms: &[Value]) -> Option<&Value> {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|name| name == "null");
    match forms {
        [only, null] | [null, only] if is_null(null) && !is_null(only) => Some(only),
        _ => None,
    }
}

/// Whether its lines say more than its type in words.
fn has_own_lines(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|fields| !fields.is_empty())
}

fn table(fields: &Map<String, Value>, required: &[Value], links: &Links, marks: Marks<'_>) -> Markup {
    let is_required = |name: &str| required.iter().any(|required| required == name);
    // In the order of the file: required ones first, as that is what a reader asks.
    let (first, then): (Vec<_>, Vec<_>) = fields.iter().partition(|(name, _)| is_required(name));
    html! {
        table.fields {
            thead { tr { th scope="col" { "Field" } th scope="col" { "Type" } th scope="col" { "Meaning" } } }
            tbody {
                @for (name, schema) in first.into_iter().chain(then) {
                    (row(name, schema, is_required(name), links, marks)) "\n"
                }
            }
        }
    }
}

fn row(name: &str, schema: &Value, is_required: bool, links: &Links, marks: Marks<'_>) -> Markup {
    let rules = bounds::of(schema);
    html! {
        tr {
            th scope="row" {
                code.field { (name) } " "
                @if is_required { span.must { "required" } } @else { span.dim { "optional" } }
                @if marks.key == Some(name) {
                    " " span.mark title="Deliveries with the same value run in order" { "key" }
                }
                @if marks.id == Some(name) {
                    " " span.mark title="A message with the same value is the same" { "id" }
                }
            }
            td {
                span.words { (words::of(schema, links)) }
                @if !rules.is_empty() { (list_of(&rules)) }
            }
            td {
                @if let Some(title) = schema.get("title").and_then(Value::as_str) { strong { (title) } " " }
                (description(schema))
            }
        }
        @if !is_plain(schema) {
            tr.inner { td colspan="3" { (lines(schema, links, Marks::default())) } }
        }
    }
}

fn forms(schemas: &[Value], is_beside_fields: bool, links: &Links) -> Markup {
    html! {
        @if is_beside_fields { p.lead { "And one of:" } }
        ul.forms {
            @for (nth, schema) in schemas.iter().enumerate() {
                li.short[is_plain(schema)] {
                    p {
                        (label(nth, schema, links))
                        @if !is_plain(schema) && !has_own_lines(schema) { " " (words::of(schema, links)) }
                    }
                    @let rules = bounds::of(schema);
                    @if !rules.is_empty() { (list_of(&rules)) }
                    (description(schema))
                    (lines(schema, links, Marks::default()))
                }
                "\n"
            }
        }
    }
}

/// What people call a form: its title, its value, or the field that tells it from the others.
fn label(nth: usize, schema: &Value, links: &Links) -> Markup {
    let fields = schema.get("properties").and_then(Value::as_object);
    let tag =
        fields.and_then(|fields| fields.iter().find_map(|(name, schema)| Some((name, schema.get("const")?))));
    let only = fields.filter(|fields| fields.len() == 1).and_then(|fields| fields.keys().next());
    html! {
        @if let Some(title) = schema.get("title").and_then(Value::as_str) { strong { (title) } }
        @else if let Some((name, value)) = tag { code.field { (name) } " is " (literal(value)) }
        @else if let Some(name) = only { "with " code.field { (name) } }
        @else if is_plain(schema) { (words::of(schema, links)) }
        @else { "form " (nth + 1) }
    }
}

fn part(what: Markup, schema: &Value, links: &Links) -> Markup {
    html! {
        div.part {
            p.lead { (what) }
            (description(schema))
            (lines(schema, links, Marks::default()))
        }
    }
}

fn list_of(rules: &[Markup]) -> Markup {
    html! { ul.rules { @for rule in rules { li { (rule) } } } }
}

fn description(schema: &Value) -> Markup {
    let text = schema.get("description").and_then(Value::as_str);
    html! { @if let Some(text) = text { div.prose { (markdown::render(text)) } } }
}
