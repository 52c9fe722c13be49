//! Values and lists of them in messages.

use serde_json::Value;

/// As many characters of a value are shown.
const LONGEST: usize = 60;

/// A value as JSON, cut where it is long.
pub(in crate::schema) fn short(value: &Value) -> String {
    let text = match value {
        Value::Array(items) if items.len() > 8 => return format!("an array of {} items", items.len()),
        Value::Object(fields) if fields.len() > 8 => return format!("an object of {} fields", fields.len()),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// "a", "a or b", "a, b or c".
pub(in crate::schema) fn list<T: AsRef<str>>(words: impl IntoIterator<Item = T>, between: &str) -> String {
    let words: Vec<T> = words.into_iter().collect();
    let words: Vec<&str> = words.iter().map(T::as_ref).collect();
    match words[..] {
        [] => "nothing".to_owned(),
        [only] => only.to_owned(),
        [ref rest @ .., last] => format!("{} {between} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(short(&json!({ "a": [1] })), r#"{"a":[1]}"#);
        assert_eq!(short(&json!(vec![0; 9])), "an array of 9 items");
        let long = short(&json!("ä".repeat(100)));
        assert!(long.ends_with("ä…") && long.chars().count() == LONGEST + 1, "{long}");
    }

    #[test]
    fn a_list_reads_as_one() {
        assert_eq!(list(["a"], "or"), "a");
        assert_eq!(list(["a", "b"], "or"), "a or b");
        assert_eq!(list(["a", "b", "c"], "and"), "a, b and c");
    }
}
