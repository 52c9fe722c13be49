//! What changes are told with.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::{
    number::Range,
    shape::{Array, Numbers, Texts},
    validate::list,
};

/// Keywords whose value is an object of schemas by names that somebody chose.
const NAMED: [&str; 4] = ["$defs", "dependentSchemas", "patternProperties", "properties"];

/// Whether two schemas read the same but for remarks. References are compared by what they say.
pub(super) fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            kept(one).count() == kept(other).count()
                && kept(one).all(|(keyword, one)| {
                    other.get(keyword).is_some_and(|other| are_values_alike(keyword, one, other))
                })
        }
        (Value::Array(one), Value::Array(other)) => all_alike(one, other),
        _ => one == other,
    }
}

pub(super) fn all_alike(one: &[Value], other: &[Value]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
}

fn are_values_alike(keyword: &str, one: &Value, other: &Value) -> bool {
    match (one, other) {
        _ if matches!(keyword, "const" | "enum") => one == other,
        (Value::Object(one), Value::Object(other)) if NAMED.contains(&keyword) => {
            let is_alike = |(name, one)| other.get(name).is_some_and(|other| alike(one, other));
            one.len() == other.len() && one.iter().all(is_alike)
        }
        _ => alike(one, other),
    }
}

fn kept(keywords: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    keywords.iter().filter(|(name, _)| !is_remark(name))
}

/// Whether a keyword says nothing about what a message may be.
pub(super) fn is_remark(keyword: &str) -> bool {
    matches!(
        keyword,
        "$comment"
            | "$id"
            | "$schema"
            | "default"
            | "deprecated"
            | "description"
            | "examples"
            | "readOnly"
            | "title"
            | "writeOnly"
    )
}

/// "1 item", "2 items".
pub(super) fn count(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

impl Numbers<'_> {
    /// "`uint8`", "an integer from 1 to 9".
    pub(super) fn words(&self) -> String {
        let mut words = match (self.format, self.is_integer) {
            (Some(format), _) => format!("`{format}`"),
            (None, true) => "an integer".to_owned(),
            (None, false) => "a number".to_owned(),
        };
        if self.range != self.format.map_or(Range::default(), Range::of_format) {
            let _ = write!(words, " {}", self.range);
        }
        if !self.units.is_empty() {
            let _ =
                write!(words, " in multiples of {}", list(self.units.iter().map(ToString::to_string), "and"));
        }
        words
    }
}

impl Texts<'_> {
    /// "a text", "a text of the format `uuid`".
    pub(super) fn words(&self) -> String {
        let mut words = "a text".to_owned();
        if !self.formats.is_empty() {
            let formats = self.formats.iter().map(|format| format!("`{format}`"));
            let _ = write!(words, " of the format {}", list(formats, "and"));
        }
        words.push_str(&length(self.min, self.max, "character"));
        words
    }
}

impl Array<'_> {
    /// "an array", "an array of 2 items".
    pub(super) fn words(&self) -> String {
        let once = if self.is_unique { ", each once" } else { "" };
        format!("an array{}{once}", length(self.min, self.max, "item"))
    }
}

fn length(min: usize, max: Option<usize>, noun: &str) -> String {
    match (min, max) {
        (0, None) => String::new(),
        (min, None) => format!(" of {} or more", count(min, noun)),
        (0, Some(max)) => format!(" of {} or fewer", count(max, noun)),
        (min, Some(max)) if min == max => format!(" of {}", count(max, noun)),
        (min, Some(max)) => format!(" of {min} to {}", count(max, noun)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn remarks_are_no_difference_and_fields_of_their_names_are() {
        assert!(alike(
            &json!({ "type": "string", "title": "A" }),
            &json!({ "description": "B", "type": "string" })
        ));
        assert!(!alike(&json!({ "type": "string" }), &json!({ "type": "string", "maxLength": 1 })));
        let titled = |of: &str| json!({ "properties": { "title": { "type": of, "default": 1 } } });
        assert!(!alike(&titled("string"), &titled("integer")));
        assert!(!alike(&titled("string"), &json!({ "properties": {} })));
        assert!(!alike(&json!({ "properties": {} }), &titled("string")));
        assert!(!alike(&json!({ "const": { "title": 1 } }), &json!({ "const": { "title": 2 } })));
    }
}
