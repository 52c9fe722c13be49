//! What the page shows: services, events and topics, and how they belong together.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use typebus::manifest::{EventContract, HandlerContract, Manifest};

use super::{
    anchor,
    types::{Link, Links, Types},
};
use crate::{catalog::Catalog, topics};

/// Several services.
#[derive(Debug)]
pub(super) struct System<'a> {
    pub(super) manifests: &'a [Manifest],
    /// By name and version.
    pub(super) events: Vec<Event<'a>>,
    pub(super) topics: BTreeMap<&'a str, Topic<'a>>,
    /// Dead-letter topics, and whose they are.
    pub(super) dead: BTreeMap<&'a str, Vec<Handler<'a>>>,
    pub(super) types: Types<'a>,
}

/// An event in one version.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) kind: &'a str,
    /// As its publisher knows it.
    pub(super) known: Known<'a>,
    /// As others know it who do not agree.
    pub(super) others: Vec<Known<'a>>,
    /// Services, and which of their handlers; none is the program itself.
    pub(super) publishers: Vec<(&'a str, Option<&'a str>)>,
    pub(super) handlers: Vec<Handler<'a>>,
    /// Kinds that are made from it.
    pub(super) newer: Vec<&'a str>,
    /// Names of fields and values, at any depth.
    pub(super) words: BTreeSet<&'a str>,
}

/// An event as some services know it.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) services: Vec<&'a str>,
    pub(super) contract: &'a EventContract,
    pub(super) payload: Option<Shape<'a>>,
    pub(super) reply: Option<Shape<'a>>,
}

/// A schema, and where its references lead.
#[derive(Debug)]
pub(super) struct Shape<'a> {
    pub(super) schema: &'a Value,
    pub(super) links: Links,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Handler<'a> {
    pub(super) service: &'a str,
    pub(super) name: &'a str,
    pub(super) contract: &'a HandlerContract,
}

#[derive(Debug, Default)]
pub(super) struct Topic<'a> {
    pub(super) events: Vec<&'a str>,
    pub(super) publishers: BTreeSet<&'a str>,
    pub(super) listeners: Vec<Handler<'a>>,
}

impl<'a> System<'a> {
    pub(super) fn new(manifests: &'a [Manifest]) -> Self {
        let mut types = Types::default();
        let catalog = Catalog::new(manifests);
        let events =
            catalog.events.iter().map(|(kind, contract)| Event::new(kind, contract, manifests, &mut types));
        let mut events: Vec<_> = events.collect();
        events.sort_by_key(|event| (&event.known.contract.name, event.known.contract.version));
        let all = handlers(manifests);
        let mut dead: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for handler in &all {
            if let Some(topic) = &handler.contract.dead_letter {
                dead.entry(topic.as_str()).or_default().push(*handler);
            }
        }
        Self { manifests, topics: all_topics(&events, &all), events, dead, types }
    }

    pub(super) fn event(&self, kind: &str) -> Option<&Event<'a>> {
        self.events.iter().find(|event| event.kind == kind)
    }

    pub(super) fn groups(&self) -> usize {
        let groups = self.manifests.iter().flat_map(|manifest| manifest.handlers.values());
        groups.map(|handler| &handler.group).collect::<BTreeSet<_>>().len()
    }
}

impl<'a> Event<'a> {
    fn new(kind: &'a str, best: &'a EventContract, manifests: &'a [Manifest], types: &mut Types<'a>) -> Self {
        let mut versions = vec![(best, Vec::new())];
        for manifest in manifests {
            if let Some(contract) = manifest.events.get(kind) {
                match versions.iter_mut().find(|(known, _)| *known == contract) {
                    Some((_, services)) => services.push(manifest.service.as_str()),
                    None => versions.push((contract, vec![manifest.service.as_str()])),
                }
            }
        }
        let mut words = BTreeSet::new();
        let mut all = versions.into_iter().enumerate().map(|(nth, (contract, services))| {
            let mut shape = |schema: &'a Value, part: &str| {
                let title = schema.get("title").and_then(Value::as_str).unwrap_or(kind);
                let own = Link { name: title.to_owned(), id: own_id(kind, nth, part) };
                let (links, fields) = types.add(schema, kind, own);
                words.extend(fields);
                Shape { schema, links }
            };
            let payload = contract.schema.as_ref().map(|schema| shape(schema, ""));
            let reply = contract.reply.as_ref().map(|reply| shape(&reply.schema, "reply"));
            Known { services, contract, payload, reply }
        });
        let known =
            all.next().unwrap_or(Known { services: Vec::new(), contract: best, payload: None, reply: None });
        let others = all.collect();
        let taking = |handler: &Handler<'_>| takes(handler.contract, kind, &best.topic);
        Self {
            kind,
            known,
            others,
            publishers: publishers(manifests, kind),
            handlers: handlers(manifests).into_iter().filter(taking).collect(),
            newer: newer(manifests, kind),
            words,
        }
    }

    pub(super) fn id(&self) -> String {
        anchor("", self.kind)
    }

    pub(super) fn is_published(&self) -> bool {
        !self.publishers.is_empty()
    }
}

/// Where a schema is shown: `order.placed.v2`, `order.placed.v2/reply`, and for those who know another
/// `order.placed.v2/2`.
pub(super) fn own_id(kind: &str, nth: usize, part: &str) -> String {
    let mut id = anchor("", kind);
    if nth > 0 {
        id += &format!("/{}", nth + 1);
    }
    if !part.is_empty() {
        id += &format!("/{part}");
    }
    id
}

fn handlers(manifests: &[Manifest]) -> Vec<Handler<'_>> {
    let mut all = Vec::new();
    for manifest in manifests {
        let handlers = manifest.handlers.iter();
        all.extend(handlers.map(|(name, contract)| Handler { service: &manifest.service, name, contract }));
    }
    all
}

fn publishers<'a>(manifests: &'a [Manifest], kind: &str) -> Vec<(&'a str, Option<&'a str>)> {
    let is_in = |kinds: &[String]| kinds.iter().any(|published| published == kind);
    let mut found = Vec::new();
    for manifest in manifests {
        found.extend(is_in(&manifest.publishes).then_some((manifest.service.as_str(), None)));
        let handlers = manifest.handlers.iter().filter(|(_, handler)| is_in(&handler.publishes));
        found.extend(handlers.map(|(name, _)| (manifest.service.as_str(), Some(name.as_str()))));
    }
    found
}

fn newer<'a>(manifests: &'a [Manifest], kind: &str) -> Vec<&'a str> {
    let events = manifests.iter().flat_map(|manifest| &manifest.events);
    let made = events.filter(|(_, event)| event.upcasts.iter().any(|older| older == kind));
    made.map(|(newer, _)| newer.as_str()).collect::<BTreeSet<_>>().into_iter().collect()
}

fn takes(handler: &HandlerContract, kind: &str, topic: &str) -> bool {
    if handler.takes_any() {
        listens(handler, topic)
    } else {
        handler.events.iter().any(|taken| taken == kind)
    }
}

fn listens(handler: &HandlerContract, topic: &str) -> bool {
    handler.topics.iter().any(|pattern| topics::takes(pattern, topic))
}

/// Every topic of an event, and every other that a handler listens to.
fn all_topics<'a>(events: &[Event<'a>], handlers: &[Handler<'a>]) -> BTreeMap<&'a str, Topic<'a>> {
    let mut topics: BTreeMap<&str, Topic<'_>> = BTreeMap::new();
    for event in events {
        let topic = topics.entry(&event.known.contract.topic).or_default();
        topic.events.push(event.kind);
        topic.publishers.extend(event.publishers.iter().map(|(service, _)| service));
    }
    for handler in handlers {
        for pattern in &handler.contract.topics {
            if !topics.keys().any(|topic| topics::takes(pattern, topic)) {
                topics.entry(pattern).or_default();
            }
        }
    }
    for (name, topic) in &mut topics {
        let listening = handlers.iter().filter(|handler| {
            listens(handler.contract, name) || handler.contract.topics.iter().any(|topic| topic == name)
        });
        topic.listeners = listening.copied().collect();
    }
    topics
}
