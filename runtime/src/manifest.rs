//! What a service handles and publishes, as data: kept beside its code, reviewed as a diff, read by tools.
//!
//! [`Manifest::of`] takes it from the types. The test that `service!` generates compares it with
//! `typebus/<service>.json` beside the crate's `Cargo.toml`, and the command `typebus` makes JSON Schemas, AsyncAPI
//! documents, diagrams and pages of such files, without the program and without a broker.
//!
//! The file is JSON. Objects are sorted by name and lists of names are sorted too, so that a change shows where it was
//! made and nowhere else. `manifest` is the version of the format, [`FORMAT`].

mod check;
mod diff;
mod keep;
mod lines;
mod of;
mod read;
mod roles;
mod write;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::policy::{Guarantee, Order, Start};

#[doc(hidden)]
pub use self::keep::keep_manifest;
pub use self::{
    check::{Beyond, Finding, Rule, check},
    diff::Difference,
    read::Unreadable,
};

/// The version of the file's format that is written, and the only one that is read.
pub const FORMAT: u64 = 1;

/// A service's contract.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Manifest {
    /// The service's name.
    pub service: String,
    /// Its documentation.
    pub description: Option<String>,
    /// Every event that it handles or publishes, and the older versions that these are made from, by
    /// [kind](crate::EventDescriptor::kind): `order.placed.v2`.
    pub events: BTreeMap<String, EventContract>,
    /// Kinds of what the program itself publishes, sorted.
    pub publishes: Vec<String>,
    /// Its handlers by name.
    pub handlers: BTreeMap<String, HandlerContract>,
}

/// An event in one version.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EventContract {
    /// Its stable name, `order.placed`.
    pub name: String,
    /// The version of its payload's shape, from 1.
    pub version: u16,
    /// The topic; a token may be a `{field}`.
    pub topic: String,
    /// Its documentation.
    pub description: Option<String>,
    /// The content type of its payload.
    pub content_type: String,
    /// The field that is the key of order.
    pub key: Option<String>,
    /// The field that is the id.
    pub id: Option<String>,
    /// Kinds of the older versions that it is made from, sorted.
    pub upcasts: Vec<String>,
    /// What answers it, if it is a request.
    pub reply: Option<ReplyContract>,
    /// The JSON Schema, draft 2020-12, of what is read: whatever is published is valid too. Its `examples` are the
    /// event's. `None` where another codec than JSON, MessagePack or CBOR says what the payload is.
    pub schema: Option<Value>,
}

/// What answers a request.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReplyContract {
    /// The Rust type's name, for people.
    pub name: String,
    /// The JSON Schema, draft 2020-12.
    pub schema: Value,
}

/// A handler.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HandlerContract {
    /// Its documentation.
    pub description: Option<String>,
    /// The group.
    pub group: String,
    /// The topics and patterns that it listens to, sorted.
    pub topics: Vec<String>,
    /// Kinds of the events that it takes, sorted; none for one that takes whatever comes.
    pub events: Vec<String>,
    /// Kinds of what it may publish, sorted.
    pub publishes: Vec<String>,
    /// The order of its subscription.
    pub order: Order,
    /// Where a new group begins; `None` leaves it to the broker.
    pub start: Option<Start>,
    /// How often it may see a delivery.
    pub delivery: Guarantee,
    /// Every instance gets its own copy.
    pub broadcast: bool,
    /// Where dead letters go; `None` where they are discarded.
    pub dead_letter: Option<String>,
    /// Everything else that its arguments decide, as they are written: `"timeout": "10s"`, `"attempts": 5`.
    pub policy: BTreeMap<String, Value>,
}

impl Manifest {
    /// A service with nothing but its name.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            description: None,
            events: BTreeMap::new(),
            publishes: Vec::new(),
            handlers: BTreeMap::new(),
        }
    }

    /// Kinds of everything that is published, by the program and by its handlers, each once, sorted.
    #[must_use]
    pub fn all_published(&self) -> Vec<&str> {
        let of_handlers = self.handlers.values().flat_map(|handler| &handler.publishes);
        let mut kinds: Vec<&str> = self.publishes.iter().chain(of_handlers).map(String::as_str).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }
}

impl EventContract {
    /// An event in JSON with nothing but its name, version and topic.
    pub fn new(name: impl Into<String>, version: u16, topic: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version,
            topic: topic.into(),
            description: None,
            content_type: crate::message::JSON.to_owned(),
            key: None,
            id: None,
            upcasts: Vec::new(),
            reply: None,
            schema: None,
        }
    }

    /// `order.placed.v2`
    #[must_use]
    pub fn kind(&self) -> String {
        format!("{}.v{}", self.name, self.version)
    }

    /// The examples of its schema.
    pub fn examples(&self) -> impl Iterator<Item = &Value> {
        let examples = self.schema.as_ref().and_then(|schema| schema.get("examples"));
        examples.and_then(Value::as_array).into_iter().flatten()
    }
}

impl ReplyContract {
    /// A reply of this type.
    pub fn new(name: impl Into<String>, schema: Value) -> Self {
        Self { name: name.into(), schema }
    }
}

impl HandlerContract {
    /// A handler of a group, with all defaults.
    pub fn new(group: impl Into<String>) -> Self {
        let group = group.into();
        Self {
            description: None,
            dead_letter: Some(format!("dead.{group}")),
            group,
            topics: Vec::new(),
            events: Vec::new(),
            publishes: Vec::new(),
            order: Order::Key,
            start: None,
            delivery: Guarantee::AtLeastOnce,
            broadcast: false,
            policy: BTreeMap::new(),
        }
    }

    /// Whether it takes whatever comes.
    #[must_use]
    pub fn takes_any(&self) -> bool {
        self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in [
            include_str!("../../cli/tests/manifests/storefront.json"),
            include_str!("../../cli/tests/manifests/billing.json"),
            include_str!("../../cli/tests/manifests/shipping.json"),
        ] {
            let manifest: Manifest = text.parse().unwrap();
            assert_eq!(manifest.to_string(), text);
        }
    }

    #[test]
    fn a_mistake_is_told_by_its_place() {
        let good = include_str!("../../cli/tests/manifests/billing.json");
        for (from, to, told) in [
            (
                "\"manifest\": 1",
                "\"manifest\": 2",
                "`/manifest`: format 2 is not known here, only 1; take a newer `typebus`",
            ),
            (
                "\"version\": 2",
                "\"version\": 0",
                "`/events/order.placed.v2/version`: 0 is not a whole number from 1 to 65535",
            ),
            (
                "\"order\": \"key\"",
                "\"order\": \"keys\"",
                "`/handlers/charge/order`: `keys` is not known; did you mean `key`?",
            ),
            ("\"group\"", "\"grupp\"", "`/handlers/charge/group`: it is missing"),
            (
                "\"key\": \"order_id\"",
                "\"kex\": \"order_id\"",
                "`/events/order.placed.v1/kex`: did you mean `key`?",
            ),
            ("\"publishes\": []", "\"publishes\": [7]", "`/publishes`: expected texts, found a number"),
            (
                "\"order.placed.v2\": {",
                "\"order.placed.v3\": {",
                "name and version say `order.placed.v2`, and its place `order.placed.v3`",
            ),
        ] {
            assert!(good.contains(from), "{from}");
            let wrong = good.replacen(from, to, 1).parse::<Manifest>().unwrap_err().to_string();
            assert!(wrong.contains(told), "{wrong}");
        }
    }
}
