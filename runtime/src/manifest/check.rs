//! What is wrong among services, as far as their contracts tell.

mod cycle;
mod pairs;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{
    EventContract, HandlerContract, Manifest,
    roles::{Roles, overlap},
};

/// A rule of [`check`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// Two services of one name, an event on two topics or with two keys, topics that Kafka cannot keep apart.
    NameClash,
    /// Two services with a group and a topic in common, so that each gets a part of the messages; two that answer one
    /// request.
    GroupClash,
    /// A service does not read what another writes: a version that it does not know, or another schema.
    ReaderBehind,
    /// A handler waits for what nobody publishes.
    DeadHandler,
    /// An event is published and nobody handles it.
    OrphanEvent,
    /// An event leads to itself.
    Cycle,
}

impl Rule {
    /// `reader-behind`
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameClash => "name-clash",
            Self::GroupClash => "group-clash",
            Self::ReaderBehind => "reader-behind",
            Self::DeadHandler => "dead-handler",
            Self::OrphanEvent => "orphan-event",
            Self::Cycle => "cycle",
        }
    }
}

/// Something that is wrong among services.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it is about: the kind of an event, or a handler, a group, a service, by name.
    pub subject: String,
    /// The services that have to do with it, sorted.
    pub services: Vec<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
}

/// `orphan-event: nobody handles ..; ..`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.rule.as_str(), self.what, self.advice)
    }
}

/// What the services of a check do not know of each other: the lists of [`topology!`](crate::topology), as kinds
/// (`order.placed.v1`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beyond {
    /// Published by somebody else.
    pub from_outside: BTreeSet<String>,
    /// Handled by somebody else.
    pub to_outside: BTreeSet<String>,
    /// May lead to themselves, since something ends it.
    pub may_repeat: BTreeSet<String>,
}

/// Checks services against each other: the rules of [`topology!`](crate::topology) that their contracts can tell, and
/// what only separate programs can get wrong, in the order of [`Rule`], sorted.
///
/// ```
/// use typebus::manifest::{Beyond, EventContract, Manifest, Rule, check};
///
/// let mut shop = Manifest::new("shop");
/// shop.events.insert("order.placed.v1".to_owned(), EventContract::new("order.placed", 1, "shop.orders"));
/// shop.publishes.push("order.placed.v1".to_owned());
///
/// let findings = check(&[shop.clone()], &Beyond::default());
/// assert_eq!((findings.len(), findings[0].rule), (1, Rule::OrphanEvent));
///
/// let beyond = Beyond { to_outside: ["order.placed.v1".to_owned()].into(), ..Beyond::default() };
/// assert!(check(&[shop], &beyond).is_empty());
/// ```
#[must_use]
pub fn check(manifests: &[Manifest], beyond: &Beyond) -> Vec<Finding> {
    let system = System::of(manifests, beyond);
    let mut findings = Vec::new();
    system.names(&mut findings);
    system.groups(&mut findings);
    system.readers(&mut findings);
    system.dead_handlers(&mut findings);
    system.orphans(&mut findings);
    system.cycles(&mut findings);
    findings.sort_unstable();
    findings.dedup();
    findings
}

/// All services, and what they know together.
#[derive(Debug)]
struct System<'a> {
    services: Vec<(&'a Manifest, Roles<'a>)>,
    handlers: Vec<Handling<'a>>,
    beyond: &'a Beyond,
    /// Every event, with the services that know it.
    events: BTreeMap<&'a str, Vec<(&'a Manifest, &'a EventContract)>>,
    /// Kinds that somebody writes.
    written: BTreeSet<&'a str>,
}

/// A handler, and where it is.
#[derive(Debug)]
struct Handling<'a> {
    service: &'a Manifest,
    name: &'a str,
    contract: &'a HandlerContract,
    /// Kinds that it takes, and of older versions that these are made from.
    reads: BTreeSet<&'a str>,
}

/// ``` `charge` of `billing` ```
impl fmt::Display for Handling<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}`", self.name, self.service.service)
    }
}

impl<'a> System<'a> {
    fn of(manifests: &'a [Manifest], beyond: &'a Beyond) -> Self {
        let services: Vec<_> = manifests.iter().map(|manifest| (manifest, Roles::of(manifest))).collect();
        let mut events = BTreeMap::<_, Vec<_>>::new();
        for manifest in manifests {
            for (kind, event) in &manifest.events {
                events.entry(kind.as_str()).or_default().push((manifest, event));
            }
        }
        let handlers = manifests.iter().flat_map(|service| {
            service.handlers.iter().map(move |(name, contract)| {
                let reads = contract.reads(service);
                Handling { service, name, contract, reads }
            })
        });
        let own = services.iter().flat_map(|(_, roles)| roles.writes.iter().copied());
        let written = own.chain(beyond.from_outside.iter().map(String::as_str)).collect();
        Self { services, handlers: handlers.collect(), beyond, events, written }
    }

    fn event(&self, kind: &str) -> Option<&'a EventContract> {
        self.events.get(kind).and_then(|known| known.first()).map(|(_, event)| *event)
    }

    /// Whether messages of a kind reach a handler.
    fn reaches(&self, kind: &str, handler: &Handling<'_>) -> bool {
        if handler.contract.takes_any() {
            self.event(kind).is_some_and(|event| handler.contract.hears(&event.topic))
        } else {
            handler.reads.contains(kind)
        }
    }

    fn dead_handlers(&self, findings: &mut Vec<Finding>) {
        for handler in &self.handlers {
            let mut add = |what| {
                findings.push(Finding {
                    rule: Rule::DeadHandler,
                    subject: handler.name.to_owned(),
                    services: vec![handler.service.service.clone()],
                    what,
                    advice: "publish it, or say that it comes from outside; or delete the handler".to_owned(),
                });
            };
            let Handling { contract, service, .. } = handler;
            if contract.takes_any() {
                if !self.written.iter().any(|kind| self.reaches(kind, handler)) {
                    add(format!("{handler} listens to {}, where nobody publishes", quoted(&contract.topics)));
                }
                continue;
            }
            for kind in contract.events.iter().filter(|kind| !self.may_come(kind, service)) {
                add(format!("{handler} waits for `{kind}`, which nobody publishes"));
            }
        }
    }

    /// Whether a kind, an older one that it is made from, or a newer version of it is written: messages of an older
    /// version wait in topics long after it was the newest.
    fn may_come(&self, kind: &str, manifest: &Manifest) -> bool {
        let Some(event) = manifest.events.get(kind) else { return self.written.contains(kind) };
        let mut one = HandlerContract::new("");
        one.events.push(kind.to_owned());
        one.reads(manifest).iter().any(|kind| self.written.contains(kind))
            || self.written.iter().any(|written| {
                self.event(written)
                    .is_some_and(|newer| newer.name == event.name && newer.version > event.version)
            })
    }

    fn orphans(&self, findings: &mut Vec<Finding>) {
        for (writer, roles) in &self.services {
            for kind in &roles.writes {
                if self.beyond.to_outside.contains(*kind)
                    || self.handlers.iter().any(|handler| self.reaches(kind, handler))
                    || self.is_read_otherwise(kind)
                {
                    continue;
                }
                findings.push(Finding {
                    rule: Rule::OrphanEvent,
                    subject: (*kind).to_owned(),
                    services: vec![writer.service.clone()],
                    what: format!("`{}` publishes `{kind}`, which nobody handles", writer.service),
                    advice: "handle it, or say that it goes to somebody outside; or publish it no more"
                        .to_owned(),
                });
            }
        }
    }

    /// Another version of it is handled: what is wrong then is the reader's version.
    fn is_read_otherwise(&self, kind: &str) -> bool {
        let Some(event) = self.event(kind) else { return false };
        self.services.iter().any(|(manifest, roles)| {
            manifest
                .events
                .iter()
                .any(|(kind, other)| other.name == event.name && roles.reads.contains(kind.as_str()))
        })
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Both names, sorted, and one if they are the same.
fn both(one: &Manifest, other: &Manifest) -> Vec<String> {
    let mut names = vec![one.service.clone(), other.service.clone()];
    names.sort_unstable();
    names.dedup();
    names
}
