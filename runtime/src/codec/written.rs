//! What is always written, noted in the schema of what is read.
//!
//! A field with a default may be missing where it is read, so that the schema does not require it. Whether its own
//! type ever leaves it out is something else: with `#[serde(default)]` alone it never does, and those who require the
//! field still read whatever is written. Only the schema of what is written knows that.

use serde_json::{Map, Value};

/// A keyword of our own in schemas of objects: the fields that are not required and yet always written.
pub(crate) const ALWAYS_WRITTEN: &str = "x-always-written";

/// Notes in the schema of what is read as a type which fields the same type always writes.
pub(super) fn note(read: &mut Value, written: &Value) {
    match (read, written) {
        (Value::Object(read), Value::Object(written)) => {
            let always = always(read, written);
            for (keyword, read) in read.iter_mut() {
                // What looks like a schema there is a value.
                if !matches!(keyword.as_str(), "const" | "default" | "enum" | "examples")
                    && let Some(written) = written.get(keyword)
                {
                    note(read, written);
                }
            }
            if !always.is_empty() {
                read.insert(ALWAYS_WRITTEN.to_owned(), always.into());
            }
        }
        // Where there are more or fewer alternatives, nobody knows which belongs to which.
        (Value::Array(read), Value::Array(written)) if read.len() == written.len() => {
            for (read, written) in read.iter_mut().zip(written) {
                note(read, written);
            }
        }
        _ => {}
    }
}

/// The names that one schema of an object requires and the other knows without requiring them. A field that may be
/// `null` is left out: nobody requires one, so that the note would tell nothing.
fn always(read: &Map<String, Value>, written: &Map<String, Value>) -> Vec<Value> {
    let Some(Value::Object(properties)) = read.get("properties") else { return Vec::new() };
    let required =
        |of: &Map<String, Value>| of.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let read = required(read);
    let may_be_missing = |name: &Value| {
        !read.contains(name)
            && name.as_str().and_then(|name| properties.get(name)).is_some_and(|field| !may_be_null(field))
    };
    required(written).into_iter().filter(may_be_missing).collect()
}

/// As schemars writes an `Option`.
fn may_be_null(field: &Value) -> bool {
    let is_null = |of: &Value| of.get("type").is_some_and(|name| name == "null");
    let is_named =
        |types: &Value| types.as_array().is_some_and(|types| types.iter().any(|name| name == "null"));
    field.get("type").is_some_and(is_named)
        || field.get("anyOf").and_then(Value::as_array).is_some_and(|any| any.iter().any(is_null))
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Line {
        size: u32,
        #[serde(default)]
        gift: bool,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Order {
        id: String,
        #[serde(default)]
        note: String,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        remark: String,
        coupon: Option<String>,
        lines: Vec<Line>,
        #[serde(default)]
        required: String,
    }

    #[test]
    fn a_default_is_told_from_what_may_be_left_out() {
        let schema = crate::codec::schema::<Order>();
        assert_eq!(schema["required"], json!(["id", "lines"]));
        assert_eq!(schema[ALWAYS_WRITTEN], json!(["note", "required"]));
        assert_eq!(schema["$defs"]["Line"][ALWAYS_WRITTEN], json!(["gift"]));
        assert_eq!(schema["properties"]["required"].get(ALWAYS_WRITTEN), None);
    }
}
