//! A manifest as text.

use std::fmt;

use serde_json::{Map, Value, json};

use super::{EventContract, FORMAT, HandlerContract, Manifest, ReplyContract};
use crate::policy::{Guarantee, Order, Start};

/// As it stands in the file, with a newline at its end.
impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:#}", self.to_value())
    }
}

impl Manifest {
    /// As JSON; every object is sorted by name.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let Self { service, description, events, publishes, handlers } = self;
        let events: Map<_, _> = events.iter().map(|(kind, event)| (kind.clone(), event.to_value())).collect();
        let handlers: Map<_, _> =
            handlers.iter().map(|(name, handler)| (name.clone(), handler.to_value())).collect();
        object([
            ("manifest", json!(FORMAT)),
            ("service", json!(service)),
            ("description", json!(description)),
            ("events", Value::Object(events)),
            ("publishes", json!(publishes)),
            ("handlers", Value::Object(handlers)),
        ])
    }
}

impl EventContract {
    fn to_value(&self) -> Value {
        let Self { name, version, topic, description, content_type, key, id, upcasts, reply, schema } = self;
        object([
            ("name", json!(name)),
            ("version", json!(version)),
            ("topic", json!(topic)),
            ("description", json!(description)),
            ("content_type", json!(content_type)),
            ("key", json!(key)),
            ("id", json!(id)),
            ("upcasts", list(upcasts)),
            ("reply", reply.as_ref().map_or(Value::Null, ReplyContract::to_value)),
            ("schema", schema.clone().unwrap_or_default()),
        ])
    }
}

impl ReplyContract {
    fn to_value(&self) -> Value {
        object([("name", json!(self.name)), ("schema", self.schema.clone())])
    }
}

impl HandlerContract {
    pub(super) fn to_value(&self) -> Value {
        let Self { description, group, topics, events, publishes, .. } = self;
        let Self { order, start, delivery, broadcast, dead_letter, policy, .. } = self;
        object([
            ("description", json!(description)),
            ("group", json!(group)),
            ("topics", list(topics)),
            ("events", list(events)),
            ("publishes", list(publishes)),
            ("order", json!(word(&ORDERS, order))),
            ("start", json!(start.map(|start| word(&STARTS, &start)))),
            ("delivery", json!(word(&DELIVERIES, delivery))),
            ("broadcast", if *broadcast { json!(true) } else { Value::Null }),
            ("dead_letter", json!(dead_letter.as_deref().unwrap_or(DISCARD))),
            ("policy", policy.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
        ])
    }
}

/// Words are written as the macros write them.
pub(super) const ORDERS: [(&str, Order); 3] =
    [("key", Order::Key), ("partition", Order::Partition), ("none", Order::None)];
pub(super) const STARTS: [(&str, Start); 2] = [("earliest", Start::Earliest), ("latest", Start::Latest)];
pub(super) const DELIVERIES: [(&str, Guarantee); 3] = [
    ("at_least_once", Guarantee::AtLeastOnce),
    ("at_most_once", Guarantee::AtMostOnce),
    ("exactly_once", Guarantee::ExactlyOnce),
];
pub(super) const DISCARD: &str = "discard";

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> &'static str {
    words.iter().find(|(_, known)| known == value).map_or("", |(word, _)| word)
}

/// `null` where it is empty, so that it is not written.
fn list(names: &[String]) -> Value {
    if names.is_empty() { Value::Null } else { json!(names) }
}

/// Without what is `null`, sorted in whatever order a map of JSON keeps its entries.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut fields: Vec<_> = fields.into_iter().filter(|(_, value)| !value.is_null()).collect();
    fields.sort_unstable_by_key(|(name, _)| *name);
    fields.into_iter().map(|(name, value)| (name.to_owned(), sorted(value))).collect()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().map(|(name, value)| (name, sorted(value))).collect()
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}
