//! Several services as one system: each event once.

use std::collections::{BTreeMap, BTreeSet};

use typebus::{
    __private::suggest,
    manifest::{EventContract, Manifest},
};

use crate::error::Error;

/// The events of several manifests, by kind.
#[derive(Debug)]
pub(crate) struct Catalog<'a> {
    pub(crate) events: BTreeMap<&'a str, &'a EventContract>,
    /// What services do not agree about: a sentence for each.
    pub(crate) disagreements: Vec<String>,
}

impl<'a> Catalog<'a> {
    /// Where services do not agree about an event, a publisher knows best: what it says is what is sent.
    pub(crate) fn new(manifests: &'a [Manifest]) -> Self {
        let mut entries: BTreeMap<&str, Vec<Entry<'_>>> = BTreeMap::new();
        for manifest in manifests {
            let published = manifest.all_published();
            for (kind, event) in &manifest.events {
                let is_published = published.contains(&kind.as_str());
                entries.entry(kind).or_default().push(Entry {
                    service: &manifest.service,
                    event,
                    is_published,
                });
            }
        }
        let mut catalog = Self { events: BTreeMap::new(), disagreements: Vec::new() };
        for (kind, mut entries) in entries {
            // Stable: among publishers the first by name, as the manifests are sorted.
            entries.sort_by_key(|entry| !entry.is_published);
            let Some((first, others)) = entries.split_first() else { continue };
            let others: Vec<_> = others.iter().filter(|other| !agree(first.event, other.event)).collect();
            catalog.disagreements.extend(others.iter().map(|other| {
                format!(
                    "{kind} is another thing to `{}` than to `{}`, whose word counts here; `typebus check` says more",
                    other.service, first.service
                )
            }));
            catalog.events.insert(kind, first.event);
        }
        catalog
    }

    /// These kinds, and the older versions that are read as them.
    pub(crate) fn accepted(&self, kinds: &'a [String]) -> BTreeSet<&'a str> {
        let mut accepted = BTreeSet::new();
        let mut left: Vec<&str> = kinds.iter().map(String::as_str).collect();
        while let Some(kind) = left.pop() {
            if accepted.insert(kind)
                && let Some(event) = self.events.get(kind)
            {
                left.extend(event.upcasts.iter().map(String::as_str));
            }
        }
        accepted
    }

    /// The event of this kind, `order.placed.v2`, or the newest of this name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn find(&self, name: &str) -> Result<&'a EventContract, Error> {
        if let Some(event) = self.events.get(name) {
            return Ok(event);
        }
        let of_name = self.events.values().filter(|event| event.name == name);
        of_name.max_by_key(|event| event.version).copied().ok_or_else(|| {
            let near = suggest(name, "event", self.events.keys().copied());
            Error::Use(format!("no event is `{name}`; {near}"))
        })
    }
}

struct Entry<'a> {
    service: &'a str,
    event: &'a EventContract,
    is_published: bool,
}

/// About what is on the wire.
fn agree(one: &EventContract, other: &EventContract) -> bool {
    one.topic == other.topic
        && one.content_type == other.content_type
        && one.schema == other.schema
        && one.reply.as_ref().map(|reply| &reply.schema) == other.reply.as_ref().map(|reply| &reply.schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_found_by_kind_or_as_the_newest_of_its_name() {
        let mut manifest = Manifest::new("shop");
        for version in [1, 2, 10] {
            let event = EventContract::new("order.placed", version, "shop.orders");
            manifest.events.insert(event.kind(), event);
        }
        let manifests = [manifest];
        let catalog = Catalog::new(&manifests);
        assert_eq!(catalog.find("order.placed.v2").unwrap().version, 2);
        assert_eq!(catalog.find("order.placed").unwrap().version, 10);
        let error = catalog.find("order.plaecd.v2").unwrap_err().to_string();
        assert!(error.contains("no event is `order.plaecd.v2`; did you mean `order.placed.v2`?"), "{error}");
    }

    #[test]
    fn a_publishers_word_counts() {
        let manifest = |service: &str, title: &str, publishes: &[&str]| {
            let mut manifest = Manifest::new(service);
            let mut event = EventContract::new("order.placed", 1, "shop.orders");
            event.schema = Some(json!({"title": title}));
            manifest.events.insert(event.kind(), event);
            manifest.publishes = publishes.iter().map(|&kind| kind.to_owned()).collect();
            manifest
        };
        let manifests = [
            manifest("billing", "reader", &[]),
            manifest("shop", "writer", &["order.placed.v1"]),
            manifest("shipping", "writer", &[]),
        ];
        let catalog = Catalog::new(&manifests);
        let event = catalog.events["order.placed.v1"];
        assert_eq!(event.schema, Some(json!({"title": "writer"})));
        assert_eq!(
            catalog.disagreements,
            [
                "order.placed.v1 is another thing to `billing` than to `shop`, whose word counts here; `typebus check` says more"
            ]
        );
    }
}
