//! JSON for people: indented, and what is what has a colour.

use maud::{Markup, PreEscaped, Render as _, html};
use serde_json::Value;

/// As it would be written by hand; what is short stays on its line.
pub(super) fn render(value: &Value) -> Markup {
    let mut shown = String::new();
    write(value, 0, &mut shown);
    PreEscaped(shown)
}

fn write(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Array(values) if !values.is_empty() => {
            let is_short = values.iter().all(is_plain) && value.to_string().len() <= 60;
            out.push('[');
            for (nth, value) in values.iter().enumerate() {
                separate(nth, is_short, indent + 1, out);
                write(value, indent + 1, out);
            }
            if !is_short {
                line(indent, out);
            }
            out.push(']');
        }
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (nth, (name, value)) in fields.iter().enumerate() {
                separate(nth, false, indent + 1, out);
                span("k", &Value::from(name.as_str()).to_string(), out);
                out.push_str(": ");
                write(value, indent + 1, out);
            }
            line(indent, out);
            out.push('}');
        }
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::String(_) => span("s", &value.to_string(), out),
        Value::Number(_) => span("n", &value.to_string(), out),
        Value::Null | Value::Bool(_) => span("l", &value.to_string(), out),
    }
}

fn separate(nth: usize, is_short: bool, indent: usize, out: &mut String) {
    match (nth, is_short) {
        (0, true) => {}
        (_, true) => out.push_str(", "),
        (0, false) => line(indent, out),
        (_, false) => {
            out.push(',');
            line(indent, out);
        }
    }
}

fn line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", indent));
}

fn span(class: &str, text: &str, out: &mut String) {
    html! { span class=(class) { (text) } }.render_to(out);
}

fn is_plain(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Without the colours.
    fn text(value: &Value) -> String {
        let shown = render(value).into_string();
        let mut parts = shown.split('<');
        let first = parts.next().unwrap_or_default().to_owned();
        let text = parts.fold(first, |text, part| text + part.split_once('>').unwrap().1);
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    #[test]
    fn it_is_the_same_json() {
        let value = json!({
            "a": [], "b": {}, "c": [1, 2.5, -3], "d": {"e": [{"f": null}, [true]]},
            "<g>&\"\\": "</script>\u{0}\n", "h": ["x".repeat(50), "y".repeat(50)],
        });
        assert_eq!(serde_json::from_str::<Value>(&text(&value)).unwrap(), value);
    }

    #[test]
    fn it_has_lines_and_colours() {
        let value = json!({"a": [1, "b"], "c": {"d": null}});
        assert_eq!(text(&value), "{\n  \"a\": [1, \"b\"],\n  \"c\": {\n    \"d\": null\n  }\n}");
        assert_eq!(render(&json!("<b>")).into_string(), "<span class=\"s\">&quot;&lt;b&gt;&quot;</span>");
    }
}
