//! The page as text: whatever manifests hold, it is a page.

use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};
use sha2::Digest as _;
use typebus::manifest::{EventContract, HandlerContract, Manifest, ReplyContract};

use super::*;

/// What a browser would run, or take for the end of what it is in.
const HOSTILE: &str =
    "</script></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='alert(1)' --><!--&lt;";

/// `text` in every place of a manifest that holds a text.
fn everywhere(text: &str) -> Manifest {
    let mut schema = json!({
        "title": text, "description": text, "examples": [{text: [text, {text: text}]}, text],
        "properties": {
            text: {"type": text, "format": text, "pattern": text, "default": {text: text}, "description": text},
            "format": {"type": "string", "format": text, "contentEncoding": text},
            "enum": {"enum": [text]}, "const": {"const": text}, "unknown": {text: {text: text}},
            "ref": {"$ref": format!("#/$defs/{}", text.replace('/', "~1").replace('%', "%25"))}, "lost": {"$ref": text},
            "forms": {"oneOf": [{"title": text, "properties": {"a": {}}}, {"properties": {text: {"const": text}}}]},
        },
        "patternProperties": {text: {"description": text}}, "additionalProperties": {"properties": {text: {}}},
        "required": [text], "$defs": {},
    });
    schema["$defs"][text] = json!({"title": text, "description": text});
    let mut event = EventContract::new(text, 1, text);
    let kind = event.kind();
    event.description = Some(text.to_owned());
    event.content_type = text.to_owned();
    (event.key, event.id) = (Some(text.to_owned()), Some(text.to_owned()));
    event.upcasts = vec![kind.clone(), text.to_owned()];
    event.reply = Some(ReplyContract::new(text, schema.clone()));
    event.schema = Some(schema);
    let mut handler = HandlerContract::new(text);
    handler.description = Some(text.to_owned());
    handler.topics = vec![text.to_owned()];
    handler.events = vec![kind.clone(), text.to_owned()];
    handler.publishes = vec![kind.clone(), text.to_owned()];
    handler.dead_letter = Some(text.to_owned());
    let policy = [
        "attempts",
        "backoff",
        "timeout",
        "concurrency",
        "unhandled",
        "unknown_version",
        "dedupe",
        "batch.max",
        text,
    ];
    handler.policy = policy.iter().map(|name| ((*name).to_owned(), json!(text))).collect();
    let mut manifest = Manifest::new(text);
    manifest.description = Some(text.to_owned());
    manifest.publishes = vec![kind.clone(), text.to_owned()];
    manifest.events.insert(kind, event);
    manifest.handlers.insert(text.to_owned(), handler);
    manifest
}

/// Names of elements, with those of their attributes, as a browser would see them.
fn elements(page: &str) -> Vec<(String, Vec<String>)> {
    let mut elements = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once('<') {
        let mut name = String::new();
        let mut attributes = Vec::new();
        let mut quoted = false;
        let mut word = String::new();
        let mut length = 0;
        for letter in after.chars() {
            length += letter.len_utf8();
            match letter {
                '"' => quoted = !quoted,
                '>' if !quoted => break,
                ' ' | '\n' | '=' if !quoted => {
                    if name.is_empty() {
                        name = std::mem::take(&mut word);
                    } else if letter == '=' {
                        attributes.push(std::mem::take(&mut word));
                    } else {
                        word.clear();
                    }
                }
                letter if !quoted => word.push(letter),
                _ => {}
            }
        }
        let name = if name.is_empty() { word } else { name };
        rest = &after[length..];
        // What a browser does not read as elements, up to its end.
        if matches!(name.as_str(), "style" | "script") {
            rest = rest.split_once(&format!("</{name}>")).unwrap().1;
        }
        elements.push((name, attributes));
    }
    elements
}

#[test]
fn nothing_of_a_manifest_becomes_more_than_text() {
    let page = page(&[everywhere(HOSTILE)], HOSTILE);
    let harmless = super::page(&[everywhere("harmless")], "harmless");
    let elements = elements(&page);
    assert_eq!(elements.iter().filter(|(name, _)| name == "script").count(), 1);
    assert_eq!(elements.iter().filter(|(name, _)| name == "style").count(), 1);
    let known = super::tests::elements(&harmless);
    for (name, attributes) in &elements {
        assert!(known.iter().any(|(known, _)| known == name), "<{name}>");
        for attribute in attributes {
            assert!(
                !attribute.starts_with("on") && attribute != "style" && attribute != "src",
                "<{name} {attribute}>"
            );
        }
    }
    // Of their number, only the marks differ that Markdown makes of it.
    for name in ["article", "table", "section", "figure", "details", "svg"] {
        let count =
            |elements: &[(String, Vec<String>)]| elements.iter().filter(|(other, _)| other == name).count();
        assert_eq!(count(&elements), count(&known), "<{name}>");
    }
    assert!(page.matches("&lt;script&gt;").count() > 50);
}

#[test]
fn links_of_a_description_lead_to_the_web_or_into_the_page() {
    let text = "[a](javascript:alert(1)) <javascript:alert(1)> [b](data:text/html,x) ![c](https://example.org/c.png)";
    let page = page(&[everywhere(text)], "page");
    let targets = page.split(" href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0);
    for target in targets.filter(|target| !target.starts_with("data:image/svg+xml,")) {
        assert!(target.starts_with('#'), "{target}");
    }
    assert!(!page.contains("<img"));
}

#[test]
fn the_policy_allows_what_is_embedded_and_nothing_else() {
    for (embedded, known, file) in
        [(STYLE, STYLE_HASH, "src/docs/page.css.sha256"), (SCRIPT, SCRIPT_HASH, "src/docs/page.js.sha256")]
    {
        let hash = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(embedded));
        if std::env::var_os("TYPEBUS_BLESS").is_some() {
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), format!("{hash}\n")).unwrap();
        }
        // It is compiled in, so that what was just written holds from the next run on.
        assert_eq!(known.trim_end(), hash, "`TYPEBUS_BLESS=1 cargo test` writes {file}; call it twice");
    }
    assert!(policy().starts_with("default-src 'none'; ") && !policy().contains("unsafe"));
    // Else an element would end within it.
    assert!(!STYLE.contains("</") && !SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
}

#[test]
fn nothing_at_all_is_a_page_too() {
    let none = page(&[], "none");
    assert!(none.contains("0 services, 0 events on 0 topics, 0 groups that listen."));
    let empty = page(&[Manifest::new("empty")], "one");
    assert!(empty.contains("It publishes nothing and handles nothing."));
}

#[test]
fn who_knows_another_shape_is_shown_beside_the_publisher() {
    let manifest = |service: &str, kind: &str, publishes: bool| {
        let mut event = EventContract::new("order.placed", 1, "shop.orders");
        event.schema = Some(json!({"type": "object", "properties": {"total": {"type": kind}}}));
        let mut manifest = Manifest::new(service);
        manifest.publishes.extend(publishes.then(|| event.kind()));
        manifest.events.insert(event.kind(), event);
        manifest
    };
    let manifests = [
        manifest("billing", "string", false),
        manifest("shipping", "string", false),
        manifest("shop", "integer", true),
    ];
    let page = page(&manifests, "page");
    let (first, second) = page.split_once("As billing and shipping know it").unwrap();
    assert!(first.contains("services disagree"));
    assert!(first.rsplit_once("<table class=\"fields\">").unwrap().1.contains("integer"));
    assert!(second.split_once("</table>").unwrap().0.contains("string"));
}

/// What is shown of a schema, without its marks; a line for each cell and paragraph.
fn text(schema: &Value) -> Vec<String> {
    let mut event = EventContract::new("a", 1, "a");
    event.schema = Some(schema.clone());
    let mut manifest = Manifest::new("service");
    manifest.events.insert(event.kind(), event);
    let page = page(std::slice::from_ref(&manifest), "page");
    let shape = page.split_once("<div class=\"shape\">").unwrap().1;
    let shape = shape.split_once("</details>").unwrap().0;
    let mut text = String::new();
    for part in shape.split('<') {
        let (tag, after) = part.split_once('>').unwrap_or(("", part));
        let is_inline = ["code", "/code", "span", "/span", "a ", "/a", "strong", "/strong"];
        if !is_inline.iter().any(|inline| tag.starts_with(inline)) {
            text.push('\n');
        }
        text.push_str(after);
    }
    let text = text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty() && !["Field", "Type", "Meaning"].contains(&line.as_str())).collect()
}

/// A field's type and rules.
fn field(schema: Value) -> Vec<String> {
    let mut lines = text(&json!({"properties": {"f": schema}, "$defs": {"Money": {}, "Map<a, b>": {}}}));
    assert_eq!(lines.remove(0), "f optional");
    lines
}

#[test]
fn types_are_told_in_words() {
    for (schema, lines) in [
        (json!(true), ["anything"].as_slice()),
        (json!(false), &["nothing"]),
        (json!({}), &["anything"]),
        (json!({"type": "boolean"}), &["true or false"]),
        (json!({"type": "string", "format": "uuid"}), &["UUID"]),
        (json!({"type": ["string", "null"], "format": "date-time"}), &["date and time or null"]),
        (json!({"type": "string", "format": "semver"}), &["string in the format semver"]),
        (json!({"type": "integer", "format": "uint32", "minimum": 0}), &["integer uint32"]),
        (json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255}), &["integer uint8"]),
        (json!({"const": "web"}), &["\"web\""]),
        (json!({"type": "string", "enum": ["a", "b"]}), &["one of \"a\" \"b\""]),
        (json!({"$ref": "#/$defs/Money"}), &["Money"]),
        (json!({"$ref": "#/$defs/Map%3Ca,%20b%3E"}), &["Map<a, b>"]),
        (json!({"$ref": "https://example.org/x.json"}), &["https://example.org/x.json"]),
        (json!({"anyOf": [{"$ref": "#/$defs/Money"}, {"type": "null"}]}), &["Money or null"]),
        (json!({"allOf": [{"$ref": "#/$defs/Money"}]}), &["Money"]),
        (json!({"oneOf": [{"type": "integer"}, {"type": "string", "format": "date"}]}), &["integer or date"]),
        (json!({"type": "array", "items": {"$ref": "#/$defs/Money"}}), &["list of Money"]),
        (json!({"type": "array"}), &["list of anything"]),
        (json!({"type": "array", "items": {"type": "string"}, "uniqueItems": true}), &["set of string"]),
        (
            json!({"type": "array", "prefixItems": [{"type": "number"}, {"type": "string"}], "items": false, "minItems": 2}),
            &["tuple of number, string"],
        ),
        (
            json!({"type": "array", "prefixItems": [{"type": "number"}], "items": {"type": "string"}}),
            &["tuple of number, then any number of string"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            &["map from string to string"],
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "integer"}, "propertyNames": {"enum": ["a"]}}),
            &["map from one of \"a\" to integer"],
        ),
        (json!({"type": "object", "additionalProperties": false}), &["empty object"]),
        (json!({"type": "object"}), &["object"]),
    ] {
        assert_eq!(field(schema.clone()), lines, "{schema}");
    }
}

#[test]
fn rules_are_told_in_words_and_none_is_left_out() {
    for (schema, lines) in [
        (json!({"type": "integer", "minimum": 1}), ["integer", "at least 1"].as_slice()),
        (json!({"type": "integer", "minimum": 1, "maximum": 9}), &["integer", "1 to 9"]),
        (
            json!({"type": "integer", "format": "uint8", "minimum": 1, "maximum": 255}),
            &["integer uint8", "at least 1"],
        ),
        (
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5, "multipleOf": 0.5}),
            &["number", "more than 0, less than 1.5", "a multiple of 0.5"],
        ),
        (json!({"type": "string", "minLength": 3, "maxLength": 3}), &["string", "exactly 3 characters"]),
        (
            json!({"type": "string", "maxLength": 1, "pattern": "^a"}),
            &["string", "at most 1 character", "matches ^a"],
        ),
        (
            json!({"type": "array", "items": true, "minItems": 1, "maxItems": 5}),
            &["list of anything", "1 to 5 items"],
        ),
        (json!({"type": "object", "maxProperties": 1}), &["object", "at most 1 entry"]),
        (
            json!({"type": "string", "default": "a", "deprecated": true}),
            &["string", "deprecated", "default \"a\""],
        ),
        (json!({"type": "string", "default": null}), &["string", "default null"]),
        (json!({"format": "uuid"}), &["anything", "in the format uuid"]),
        (json!({"type": "string", "not": {"const": "a"}}), &["string", "not: {\"const\":\"a\"}"]),
        (json!({"type": "string", "x-unit": "m"}), &["string", "x-unit: \"m\""]),
    ] {
        assert_eq!(field(schema.clone()), lines, "{schema}");
    }
}

#[test]
fn what_is_nested_has_lines_of_its_own() {
    let inner = json!({"type": "object", "properties": {"g": {"type": "string"}}, "required": ["g"]});
    for (schema, lines) in [
        (inner.clone(), ["object", "g required", "string"].as_slice()),
        (json!({"type": "array", "items": inner}), &["list of object", "Each item:", "g required", "string"]),
        (json!({"anyOf": [inner, {"type": "null"}]}), &["object or null", "g required", "string"]),
        (
            json!({"type": "object", "additionalProperties": inner}),
            &["map from string to object", "Each value:", "g required", "string"],
        ),
        (
            json!({"type": "array", "prefixItems": [true, inner]}),
            &["tuple of anything, object", "Item 2:", "g required", "string"],
        ),
        (
            json!({"type": "object", "patternProperties": {"^x-": inner}}),
            &["object", "Each field that matches ^x-: object", "g required", "string"],
        ),
        (
            json!({"oneOf": [
                {"const": "web", "description": "Ours."},
                {"type": "object", "properties": {"partner": {"type": "string"}}, "required": ["partner"]},
                {"type": "object", "properties": {"kind": {"const": "shop"}, "no": {}}},
                {"title": "Phone", "type": "object", "properties": {"a": {}, "b": {}}},
            ]}),
            &[
                "one of 4 forms",
                "\"web\"",
                "Ours.",
                "with partner",
                "partner required",
                "string",
                "kind is \"shop\"",
                "kind optional",
                "\"shop\"",
                "no optional",
                "anything",
                "Phone",
                "a optional",
                "anything",
                "b optional",
                "anything",
            ],
        ),
        (
            json!({"allOf": [{"$ref": "#/$defs/Money"}, inner]}),
            &["all of these", "And all of: Money", "And all of: object", "g required", "string"],
        ),
    ] {
        assert_eq!(field(schema.clone()), lines, "{schema}");
    }
}

#[test]
fn a_payload_may_be_anything() {
    assert_eq!(text(&json!({"type": "string"})), ["string"]);
    assert_eq!(text(&json!({"type": "array", "items": {"$ref": "#"}})), ["list of a.v1"]);
    assert_eq!(
        text(
            &json!({"type": "object", "properties": {"a": {}}, "additionalProperties": false, "oneOf": [{"properties": {"b": {}}}, {"properties": {"c": {}}}]})
        ),
        [
            "no other fields",
            "a optional",
            "anything",
            "And one of:",
            "with b",
            "b optional",
            "anything",
            "with c",
            "c optional",
            "anything"
        ]
    );
    // Deep, and without an end.
    let mut deep = json!({"type": "object", "properties": {"f": {"$ref": "#"}}});
    for _ in 0..100 {
        deep = json!({"type": "object", "properties": {"f": deep}});
    }
    assert!(text(&deep).len() > 200);
}
