//! Settings in TOML.

use std::sync::Arc;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    Config, HandlerName, Key,
    fields::{HandlerField, Raw, TuningField},
    origin::SettingOrigin,
};
use crate::{
    error::{Error, ErrorKind, Problem, Result},
    nearest::suggest,
};

/// Reads a whole file.
pub(super) fn read(text: &str, path: Option<&str>) -> Result<Config> {
    let mut file = File { text, path: path.map(Arc::from), config: Config::default() };
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        file.top(table.get_ref());
        return Ok(file.config);
    }
    // Neither the parser's errors nor their sources: they quote the line, and a line may hold a password.
    let problem = |error: &toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        Problem::new(file.origin(at).to_string(), format!("it is not TOML: {}", error.message()))
    };
    let problems = errors.iter().map(problem).collect();
    Err(Error::from_problems(ErrorKind::Config, "read the configuration", problems))
}

struct File<'a> {
    text: &'a str,
    path: Option<Arc<str>>,
    config: Config,
}

/// A key of a table with its place and its value.
type Item<'a> = (&'a str, usize, &'a DeValue<'a>);

impl File<'_> {
    fn origin(&self, at: usize) -> SettingOrigin {
        let before = self.text.get(..at).unwrap_or_default();
        SettingOrigin::File { path: self.path.clone(), line: 1 + before.matches('\n').count() }
    }

    fn add(&mut self, key: Key, at: usize, value: &DeValue<'_>) {
        let origin = self.origin(at);
        self.config.add(key, raw(value), origin);
    }

    fn refuse(&mut self, name: &str, at: usize, message: String) {
        let place = format!("`{name}` ({})", self.origin(at));
        self.config.problems.push(Problem::new(place, message));
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (name, at, value) in items(table) {
            match name {
                "url" => self.add(Key::Url, at, value),
                "prefix" => self.add(Key::Prefix, at, value),
                "rename" => self.renames("rename", "", at, value),
                "tuning" => self.tuning(at, value),
                "handlers" => self.handlers(at, value),
                _ => {
                    let known = suggest(name, "setting", ["url", "prefix", "rename", "tuning", "handlers"]);
                    self.refuse(name, at, format!("unknown setting; {known}"));
                }
            }
        }
    }

    /// The items of a table, or an error.
    fn table<'v>(&mut self, name: &str, at: usize, value: &'v DeValue<'_>) -> Vec<Item<'v>> {
        match value.as_table() {
            Some(table) => items(table),
            None => {
                self.refuse(name, at, format!("{} is not a table; write `[{name}]`", raw(value)));
                Vec::new()
            }
        }
    }

    /// A topic is `"shop.orders"` or `shop.orders`, which to TOML is a table in a table.
    fn renames(&mut self, name: &str, topic: &str, at: usize, value: &DeValue<'_>) {
        if value.as_str().is_some() && !topic.is_empty() {
            return self.add(Key::Rename(topic.to_owned()), at, value);
        }
        for (token, at, value) in self.table(name, at, value) {
            let topic = if topic.is_empty() { token.to_owned() } else { format!("{topic}.{token}") };
            match value {
                DeValue::Table(_) => self.renames(&format!("rename.{topic}"), &topic, at, value),
                _ => self.add(Key::Rename(topic), at, value),
            }
        }
    }

    fn tuning(&mut self, at: usize, value: &DeValue<'_>) {
        for (name, at, value) in self.table("tuning", at, value) {
            match TuningField::ALL.into_iter().find(|known| known.name() == name) {
                Some(field) => self.add(Key::Tuning(field), at, value),
                None => {
                    let known = suggest(name, "setting", TuningField::ALL.map(TuningField::name));
                    self.refuse(&format!("tuning.{name}"), at, format!("unknown setting; {known}"));
                }
            }
        }
    }

    fn handlers(&mut self, at: usize, value: &DeValue<'_>) {
        for (name, at, value) in self.table("handlers", at, value) {
            let whole = format!("handlers.{name}");
            for (field, at, value) in self.table(&whole, at, value) {
                if field == "batch" {
                    let batch = format!("{whole}.batch");
                    for (field, at, value) in self.table(&batch, at, value) {
                        self.handler(name, &format!("batch.{field}"), at, value);
                    }
                } else {
                    self.handler(name, field, at, value);
                }
            }
        }
    }

    fn handler(&mut self, name: &str, field: &str, at: usize, value: &DeValue<'_>) {
        match HandlerField::ALL.into_iter().find(|known| known.name() == field) {
            Some(known) => self.add(Key::Handler(HandlerName::Exact(name.to_owned()), known), at, value),
            None => {
                let known = suggest(field, "setting", HandlerField::ALL.map(HandlerField::name));
                let message = match field {
                    "order" | "start" | "delivery" | "group" | "topic" | "dead_letter" => format!(
                        "`{field}` is for `#[handler(..)]` alone, since the compiler checks what follows from it; {known}"
                    ),
                    _ => format!("unknown setting; {known}"),
                };
                self.refuse(&format!("handlers.{name}.{field}"), at, message);
            }
        }
    }
}

/// In the order of the file, which a table does not keep.
fn items<'v>(table: &'v DeTable<'_>) -> Vec<Item<'v>> {
    let item = |(key, value): (&'v Spanned<_>, &'v Spanned<DeValue<'_>>)| -> Item<'v> {
        let name: &std::borrow::Cow<'_, str> = key.get_ref();
        (&**name, key.span().start, value.get_ref())
    };
    let mut items: Vec<Item<'v>> = table.iter().map(item).collect();
    items.sort_by_key(|(_, at, _)| *at);
    items
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Raw::Other("a number of more than 64 bits"), Raw::Number),
        DeValue::Boolean(flag) => Raw::Flag(*flag),
        DeValue::Float(_) => Raw::Other("a number with a fraction"),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(_) => Raw::Other("a list"),
        DeValue::Table(_) => Raw::Other("a table"),
    }
}
