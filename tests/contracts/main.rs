//! What is told of contracts of services, from their manifests alone: what a change breaks, and what is wrong among
//! several.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod check;
mod diff;

use serde_json::{Value, json};
use typebus::manifest::{EventContract, HandlerContract, Manifest, ReplyContract};

/// A service that knows nothing.
fn service(name: &str) -> Manifest {
    Manifest::new(name)
}

/// `order.placed.v1` on `shop.orders`, with a text `id`.
fn event(kind: &str) -> EventContract {
    let (name, version) = kind.rsplit_once(".v").unwrap();
    let mut event = EventContract::new(
        name,
        version.parse().unwrap(),
        format!("shop.{}", name.split('.').next().unwrap()),
    );
    event.key = Some("id".to_owned());
    event.schema = Some(schema(&["id"], &[]));
    event
}

/// An object of texts.
fn schema(required: &[&str], optional: &[&str]) -> Value {
    let fields = required.iter().chain(optional);
    let properties: serde_json::Map<_, _> =
        fields.map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// What the programs of these tests are made of.
trait Build: Sized {
    fn knows(self, event: EventContract) -> Self;
    fn publishes(self, kind: &str) -> Self;
    /// A handler of these kinds, in the service's own group.
    fn handles(self, name: &str, kinds: &[&str]) -> Self;
    fn handler(self, name: &str, change: impl FnOnce(&mut HandlerContract)) -> Self;
    fn event(self, kind: &str, change: impl FnOnce(&mut EventContract)) -> Self;
}

impl Build for Manifest {
    fn knows(mut self, event: EventContract) -> Self {
        self.events.insert(event.kind(), event);
        self
    }

    fn publishes(mut self, kind: &str) -> Self {
        self.events.entry(kind.to_owned()).or_insert_with(|| event(kind));
        self.publishes.push(kind.to_owned());
        self.publishes.sort();
        self
    }

    fn handles(mut self, name: &str, kinds: &[&str]) -> Self {
        let mut handler = HandlerContract::new(self.service.clone());
        for kind in kinds {
            let event = self.events.entry((*kind).to_owned()).or_insert_with(|| event(kind));
            handler.topics.push(event.topic.clone());
            handler.events.push((*kind).to_owned());
        }
        handler.topics.sort();
        handler.topics.dedup();
        self.handlers.insert(name.to_owned(), handler);
        self
    }

    fn handler(mut self, name: &str, change: impl FnOnce(&mut HandlerContract)) -> Self {
        change(self.handlers.get_mut(name).unwrap());
        self
    }

    fn event(mut self, kind: &str, change: impl FnOnce(&mut EventContract)) -> Self {
        change(self.events.get_mut(kind).unwrap());
        self
    }
}

/// A request's reply, an object with these texts.
fn reply(required: &[&str]) -> ReplyContract {
    ReplyContract::new("Reply", schema(required, &[]))
}
