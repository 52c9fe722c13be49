//! Operations: what each service sends, and what each of its handlers receives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use typebus::{
    Guarantee, Order, Start,
    manifest::{HandlerContract, Manifest},
};

use super::{Context, channels::Channels, fields, longer, messages::reply_name, server::Broker, summary};

/// All operations, by name.
pub(super) fn of(manifests: &[Manifest], channels: &Channels<'_>, context: &Context<'_>) -> Value {
    let mut all = Map::new();
    for manifest in manifests {
        all.extend(sent(manifest, channels, context));
        for (name, handler) in &manifest.handlers {
            all.extend(received(manifest, name, handler, channels, context));
        }
    }
    Value::Object(all)
}

/// One for each topic, and one for each request.
fn sent(manifest: &Manifest, channels: &Channels<'_>, context: &Context<'_>) -> Vec<(String, Value)> {
    let service = &manifest.service;
    let published = manifest.all_published();
    let mut by_topic: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut operations = Vec::new();
    for kind in published {
        let Some(event) = context.catalog.events.get(kind) else { continue };
        if event.reply.is_none() {
            by_topic.entry(&event.topic).or_default().insert(kind);
        } else if let Some((_, channel)) = channels.at(&event.topic) {
            let request = fields([
                ("action", json!("send")),
                ("channel", channel),
                ("summary", json!(format!("`{service}` asks with {kind}."))),
                ("messages", channels.messages(&event.topic, &BTreeSet::from([kind]))),
                ("reply", reply(kind)),
                ("tags", tags(service)),
                ("x-typebus-service", json!(service)),
            ]);
            operations.push((format!("{service}.request.{kind}"), request));
        }
    }
    for (topic, kinds) in by_topic {
        let Some((name, channel)) = channels.at(topic) else { continue };
        let handlers: Vec<_> = manifest
            .handlers
            .iter()
            .filter(|(_, handler)| handler.publishes.iter().any(|kind| kinds.contains(kind.as_str())))
            .map(|(name, _)| name)
            .collect();
        let operation = fields([
            ("action", json!("send")),
            ("channel", channel),
            ("summary", json!(format!("`{service}` publishes."))),
            ("messages", channels.messages(topic, &kinds)),
            ("tags", tags(service)),
            ("x-typebus-service", json!(service)),
            ("x-typebus-handlers", if handlers.is_empty() { Value::Null } else { json!(handlers) }),
        ]);
        operations.push((format!("{service}.send.{name}"), operation));
    }
    operations
}

/// One for each topic that a handler listens to.
fn received(
    manifest: &Manifest,
    name: &str,
    handler: &HandlerContract,
    channels: &Channels<'_>,
    context: &Context<'_>,
) -> Vec<(String, Value)> {
    let service = &manifest.service;
    let kinds = context.catalog.accepted(&handler.events);
    let topics: BTreeSet<&str> =
        handler.topics.iter().flat_map(|pattern| channels.taken_by(pattern)).collect();
    let topics =
        topics.into_iter().filter(|topic| handler.takes_any() || is_list(&channels.messages(topic, &kinds)));
    let topics: Vec<_> = topics.collect();
    let mut operations = Vec::new();
    for topic in &topics {
        let Some((channel_name, channel)) = channels.at(topic) else { continue };
        let is_on_topic =
            |kind: &&&str| context.catalog.events.get(**kind).is_some_and(|event| event.topic == *topic);
        let request =
            kinds.iter().filter(is_on_topic).find(|kind| context.catalog.events[**kind].reply.is_some());
        let id = match topics.len() {
            1 => format!("{service}.receive.{name}"),
            _ => format!("{service}.receive.{name}.{channel_name}"),
        };
        let operation = fields([
            ("action", json!("receive")),
            ("channel", channel),
            ("title", json!(name)),
            ("summary", json!(handler.description.as_deref().map(summary))),
            ("description", longer(handler.description.as_deref())),
            ("messages", if handler.takes_any() { Value::Null } else { channels.messages(topic, &kinds) }),
            ("reply", request.map_or(Value::Null, |kind| reply(kind))),
            ("bindings", bindings(handler, context)),
            ("tags", tags(service)),
            ("x-typebus-service", json!(service)),
            ("x-typebus-handler", json!(name)),
            ("x-typebus-group", json!(handler.group)),
            ("x-typebus-topics", json!(handler.topics)),
            (
                "x-typebus-publishes",
                if handler.publishes.is_empty() { Value::Null } else { json!(handler.publishes) },
            ),
            ("x-typebus-order", json!(order(handler.order))),
            ("x-typebus-start", json!(handler.start.map(start))),
            ("x-typebus-delivery", json!(delivery(handler.delivery))),
            ("x-typebus-broadcast", if handler.broadcast { json!(true) } else { Value::Null }),
            ("x-typebus-dead-letter", json!(handler.dead_letter.as_deref().unwrap_or("discard"))),
            ("x-typebus-policy", json!(handler.policy)),
        ]);
        operations.push((id, operation));
    }
    operations
}

fn is_list(messages: &Value) -> bool {
    messages.as_array().is_some_and(|messages| !messages.is_empty())
}

fn bindings(handler: &HandlerContract, context: &Context<'_>) -> Value {
    let bindings = context.bindings(|broker| match broker {
        // A copy for each instance needs a group for each instance, which no document can name.
        Broker::Kafka if !handler.broadcast => {
            Some(json!({"groupId": {"type": "string", "const": handler.group}}))
        }
        Broker::Nats if !handler.broadcast => Some(json!({"queue": handler.group})),
        Broker::RabbitMq => Some(json!({"ack": true})),
        Broker::Kafka | Broker::Nats | Broker::Pulsar => None,
    });
    bindings.unwrap_or_default()
}

fn reply(kind: &str) -> Value {
    let name = reply_name(kind);
    json!({
        "address": {"location": "$message.header#/typebus-reply-to"},
        "channel": {"$ref": format!("#/channels/{name}")},
        "messages": [{"$ref": format!("#/channels/{name}/messages/{name}")}],
    })
}

fn tags(service: &str) -> Value {
    json!([{"name": service}])
}

const fn order(order: Order) -> &'static str {
    match order {
        Order::Key => "key",
        Order::Partition => "partition",
        Order::None => "none",
    }
}

const fn start(start: Start) -> &'static str {
    match start {
        Start::Earliest => "earliest",
        Start::Latest => "latest",
    }
}

const fn delivery(delivery: Guarantee) -> &'static str {
    match delivery {
        Guarantee::AtLeastOnce => "at_least_once",
        Guarantee::AtMostOnce => "at_most_once",
        Guarantee::ExactlyOnce => "exactly_once",
    }
}
