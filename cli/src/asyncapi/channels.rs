//! Channels: the topics, and where replies go.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use typebus::manifest::Manifest;

use super::{Context, fields, messages::reply_name, server::Broker};
use crate::{catalog::Catalog, topics};

/// By topic.
#[derive(Debug)]
pub(super) struct Channels<'a> {
    topics: BTreeMap<&'a str, Channel<'a>>,
    /// Kinds of the requests.
    requests: Vec<&'a str>,
}

#[derive(Debug)]
struct Channel<'a> {
    name: String,
    /// Kinds of what is published there.
    kinds: Vec<&'a str>,
}

impl<'a> Channels<'a> {
    /// Every topic of the events, and every pattern that a handler of whatever comes listens to and that none of these is.
    pub(super) fn of(manifests: &'a [Manifest], catalog: &Catalog<'a>) -> Self {
        let mut kinds: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (kind, event) in &catalog.events {
            kinds.entry(&event.topic).or_default().push(kind);
        }
        let handlers = manifests.iter().flat_map(|manifest| manifest.handlers.values());
        let patterns: BTreeSet<&str> = handlers
            .filter(|handler| handler.takes_any())
            .flat_map(|handler| &handler.topics)
            .map(String::as_str)
            .filter(|pattern| !kinds.keys().any(|topic| topics::takes(pattern, topic)))
            .collect();
        kinds.extend(patterns.into_iter().map(|pattern| (pattern, Vec::new())));
        let mut names = BTreeSet::new();
        let named =
            kinds.into_iter().map(|(topic, kinds)| (topic, Channel { name: name(topic, &mut names), kinds }));
        let topics = named.collect();
        let requests = catalog.events.iter().filter(|(_, event)| event.reply.is_some());
        Self { topics, requests: requests.map(|(kind, _)| *kind).collect() }
    }

    /// The name of a topic's channel, and a reference to it.
    pub(super) fn at(&self, topic: &str) -> Option<(&str, Value)> {
        let channel = self.topics.get(topic)?;
        Some((&channel.name, json!({"$ref": format!("#/channels/{}", channel.name)})))
    }

    /// The topics that a pattern takes.
    pub(super) fn taken_by(&self, pattern: &str) -> impl Iterator<Item = &'a str> {
        self.topics.keys().copied().filter(move |topic| topics::takes(pattern, topic) || *topic == pattern)
    }

    /// References to messages of a topic, as operations have them.
    pub(super) fn messages(&self, topic: &str, kinds: &BTreeSet<&str>) -> Value {
        let Some(channel) = self.topics.get(topic) else { return Value::Null };
        let ours = channel.kinds.iter().filter(|kind| kinds.contains(*kind));
        ours.map(|kind| json!({"$ref": format!("#/channels/{}/messages/{kind}", channel.name)})).collect()
    }

    pub(super) fn to_value(&self, context: &Context<'_>) -> Value {
        let mut all: Map<_, _> = self
            .topics
            .iter()
            .map(|(topic, channel)| (channel.name.clone(), write(topic, channel, context)))
            .collect();
        for kind in &self.requests {
            let name = reply_name(kind);
            let messages = json!({&name: {"$ref": format!("#/components/messages/{name}")}});
            all.insert(name, json!({
                "address": null,
                "description": "Each instance of a service has a topic of its own for what answers its requests: `reply.<service>.<instance>`.",
                "messages": messages,
            }));
        }
        Value::Object(all)
    }
}

fn write(topic: &str, channel: &Channel<'_>, context: &Context<'_>) -> Value {
    if topics::is_pattern(topic) {
        return json!({
            "address": null,
            "title": topic,
            "description": format!("Every topic that `{topic}` takes, whatever is published there."),
            "x-typebus-pattern": topic,
        });
    }
    let messages = channel
        .kinds
        .iter()
        .map(|kind| ((*kind).to_owned(), json!({"$ref": format!("#/components/messages/{kind}")})));
    let parameters: Map<_, _> = topics::fields(topic)
        .map(|field| {
            let description = described(field, channel, context)
                .unwrap_or_else(|| format!("The field `{field}` of the event."));
            let location = format!("$message.payload#/{}", field.replace('.', "/"));
            (field.to_owned(), json!({"description": description, "location": location}))
        })
        .collect();
    let bindings = context.bindings(|broker| match broker {
        Broker::Kafka => (parameters.is_empty()).then(|| json!({"topic": topic})),
        Broker::RabbitMq => {
            let server = context.server(broker);
            let exchange = server.and_then(|server| server.exchange.as_deref()).unwrap_or("events");
            let mut exchange =
                json!({"name": exchange, "type": "topic", "durable": true, "autoDelete": false});
            if let Some(vhost) = server.and_then(|server| server.path.as_deref()) {
                exchange["vhost"] = json!(vhost);
            }
            Some(json!({"is": "routingKey", "exchange": exchange}))
        }
        Broker::Pulsar => {
            let path = context.server(broker).and_then(|server| server.path.as_deref());
            let namespace = path.and_then(|path| path.split('/').nth(1)).unwrap_or("default");
            Some(json!({"namespace": namespace, "persistence": "persistent"}))
        }
        Broker::Nats => None,
    });
    fields([
        ("address", json!(topic)),
        ("messages", Value::Object(messages.collect())),
        ("parameters", if parameters.is_empty() { Value::Null } else { Value::Object(parameters) }),
        ("bindings", bindings.unwrap_or_default()),
    ])
}

/// What the schema of an event says of a field.
fn described(field: &str, channel: &Channel<'_>, context: &Context<'_>) -> Option<String> {
    let pointer =
        field.split('.').map(|field| format!("/properties/{field}")).collect::<String>() + "/description";
    let schemas = channel.kinds.iter().filter_map(|kind| context.catalog.events[kind].schema.as_ref());
    schemas.filter_map(|schema| schema.pointer(&pointer)?.as_str()).map(str::to_owned).next()
}

/// With what a channel may be called by in a reference.
fn name(topic: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = topic.replace('*', "any").replace('>', "all");
    let plain: String = plain.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let numbered = (2..).map(|nth: u32| format!("{plain}-{nth}"));
    let free =
        [plain.clone()].into_iter().chain(numbered).find(|name| !taken.contains(name)).unwrap_or(plain);
    taken.insert(free.clone());
    free
}
