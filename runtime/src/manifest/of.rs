//! A manifest from a service's types.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{EventContract, HandlerContract, Manifest, ReplyContract};
use crate::{
    duration::Shown,
    event::EventDescriptor,
    handler::HandlerDescriptor,
    policy::{DeadLetterTo, Policy, Unhandled, UnknownVersion},
    service::Service,
};

impl Manifest {
    /// That of a service as it is compiled.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// use typebus::{manifest::Manifest, prelude::*};
    ///
    /// /// A customer has ordered.
    /// #[derive(Serialize, Deserialize, JsonSchema, Event)]
    /// #[event(topic = "shop.orders", name = "order.placed")]
    /// struct OrderPlaced {
    ///     order_id: u64,
    /// }
    ///
    /// service! { Shop = "shop" { publishes: [OrderPlaced] } }
    ///
    /// let manifest = Manifest::of::<Shop>();
    /// assert_eq!(manifest.publishes, ["order.placed.v1"]);
    /// assert_eq!(manifest.events["order.placed.v1"].description.as_deref(), Some("A customer has ordered."));
    /// ```
    #[must_use]
    pub fn of<S: Service>() -> Self {
        let service = S::DESCRIPTOR;
        let mut events = BTreeMap::new();
        let handled = service.handlers().iter().flat_map(|handler| handler.accepts().iter());
        for event in service.all_published().chain(handled) {
            add(event, &mut events);
        }
        let handlers = service.handlers().iter().map(|handler| {
            let group = service.group_of(handler);
            (handler.name().to_owned(), contract(handler, group))
        });
        Self {
            service: service.name().to_owned(),
            description: text(service.docs),
            events,
            publishes: kinds(service.publishes().iter()),
            handlers: handlers.collect(),
        }
    }
}

/// An event and the older versions that it is made from.
fn add(event: &EventDescriptor, events: &mut BTreeMap<String, EventContract>) {
    if events.contains_key(event.kind()) {
        return;
    }
    let reply = event.reply().zip(event.replying);
    let read = EventContract {
        name: event.name().to_owned(),
        version: event.version(),
        topic: event.topic().to_owned(),
        description: text(event.docs),
        content_type: event.content_type().to_owned(),
        key: event.key.map(str::to_owned),
        id: event.id.map(str::to_owned),
        upcasts: kinds(event.upcasts().iter()),
        reply: reply.map(|(name, replying)| ReplyContract::new(name, (replying.schema)())),
        schema: (event.schema)(),
    };
    events.insert(event.kind().to_owned(), read);
    for older in event.upcasts().iter() {
        add(older, events);
    }
}

fn contract(handler: &HandlerDescriptor, group: &str) -> HandlerContract {
    let policy = handler.policy();
    let mut topics: Vec<String> = handler.filters().into_iter().map(str::to_owned).collect();
    topics.sort_unstable();
    HandlerContract {
        description: text(handler.docs),
        group: group.to_owned(),
        topics,
        events: kinds(handler.accepts().iter()),
        publishes: kinds(handler.publishes[0].iter().chain(handler.publishes[1].iter())),
        order: policy.order,
        start: policy.start,
        delivery: policy.delivery,
        broadcast: policy.broadcast,
        dead_letter: match policy.dead_letter {
            DeadLetterTo::Group => Some(format!("dead.{group}")),
            DeadLetterTo::Topic(topic) => Some(topic.to_owned()),
            DeadLetterTo::Discard => None,
        },
        policy: written(policy, handler.batch),
    }
}

/// The rest of a policy, as the macro's arguments are written.
fn written(policy: &Policy, is_batch: bool) -> BTreeMap<String, Value> {
    let shown = |duration| Value::String(Shown(duration).to_string());
    let backoff = format!("{}..{}", Shown(policy.backoff.min), Shown(policy.backoff.max));
    let mut all = vec![
        ("concurrency", json!(policy.concurrency)),
        ("attempts", json!(policy.attempts)),
        ("backoff", json!(backoff)),
        ("jitter", json!(policy.backoff.jitter)),
        ("timeout", policy.timeout.map_or(json!("none"), shown)),
        (
            "unhandled",
            json!(match policy.unhandled {
                Unhandled::Skip => "skip",
                Unhandled::DeadLetter => "dead_letter",
                Unhandled::Stop => "stop",
            }),
        ),
        (
            "unknown_version",
            match policy.unknown_version {
                UnknownVersion::Hold(window) => json!(format!("hold {}", Shown(window))),
                UnknownVersion::DeadLetter => json!("dead_letter"),
            },
        ),
    ];
    if is_batch {
        all.push(("batch.max", json!(policy.batch_max)));
        all.push(("batch.wait", shown(policy.batch_wait)));
    }
    all.extend(policy.breaker.map(|after| ("breaker.after", json!(after))));
    all.extend(policy.dedupe.map(|window| ("dedupe", shown(window))));
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn kinds<'a>(events: impl Iterator<Item = &'a EventDescriptor>) -> Vec<String> {
    let mut kinds: Vec<String> = events.map(|event| event.kind().to_owned()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

fn text(docs: &str) -> Option<String> {
    let docs = docs.trim();
    (!docs.is_empty()).then(|| docs.to_owned())
}
