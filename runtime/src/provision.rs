//! What services need on a broker, created before any of them runs.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    backend::{Plan, Subscription},
    config::{Config, Known},
    connect::IntoBackend,
    error::{Error, ErrorKind, Problem, Result},
    manifest::{EventContract, Manifest},
    names::{Names, Wishes},
    plan::replays_of,
    policy::Limits,
    topic::Topic,
};

/// What the service of a [`Manifest`] needs on a broker: topics, groups, dead-letter topics.
///
/// A service that starts does the same for itself. Beforehand it is done where its own account may not create anything,
/// or where events are to be kept for groups that run later. What belongs to one instance only is made by that instance:
/// the subscriptions of `broadcast` handlers, and the topic of its replies.
///
/// ```
/// use typebus::{Config, Provisioning, manifest::{EventContract, HandlerContract, Manifest}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// let mut billing = Manifest::new("billing"); // or `fs::read_to_string("typebus/billing.json")?.parse()?`
/// let mut charge = HandlerContract::new("billing");
/// (charge.topics, charge.events) = (vec!["shop.orders".to_owned()], vec!["order.placed.v1".to_owned()]);
/// billing.handlers.insert("charge".to_owned(), charge);
/// billing.events.insert("order.placed.v1".to_owned(), EventContract::new("order.placed", 1, "shop.orders"));
///
/// let needs = Provisioning::new(&billing, &Config::new())?;
/// assert_eq!(needs.groups().next(), Some(("billing", "shop.orders")));
/// needs.apply("memory:").await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Provisioning {
    /// With the service's own names.
    plan: Plan,
    names: Names,
    /// The same as it is on the broker.
    outward: Plan,
}

impl Provisioning {
    /// What the manifest says, with the prefix, the other names of topics and the limits of a configuration, as the
    /// service itself would read it. What that says of handlers has no part in this.
    ///
    /// # Errors
    /// `Config` with every [`Problem`](crate::Problem).
    pub fn new(manifest: &Manifest, config: &Config) -> Result<Self> {
        let mut topics: Vec<&str> = manifest.events.values().map(|event| event.topic.as_str()).collect();
        topics.sort_unstable();
        topics.dedup();
        let known = Known { service: &manifest.service, topics };
        let applied = config.apply_to_topics(&known);
        let mut problems = applied.problems;
        problems.extend(applied.tuning.problems());
        let plan = plan(manifest, applied.tuning.limits, &mut problems);
        let wishes = Wishes { prefix: applied.prefix.as_ref(), renames: &applied.renames };
        let names = wishes.check(&known, &plan).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Names::default()
        });
        if !problems.is_empty() {
            return Err(Error::from_problems(ErrorKind::Config, "provision", problems));
        }
        let outward = names.plan(&plan);
        Ok(Self { plan, names, outward })
    }

    /// The topics that it publishes on, by their names on the broker, sorted. A topic that is known only when an event is
    /// published, since a field stands in it, is a pattern.
    pub fn topics(&self) -> impl Iterator<Item = &str> {
        self.outward.publishes.iter().map(|topic| &**topic)
    }

    /// Its groups, each with a topic or pattern that it subscribes to, by their names on the broker, sorted. Replays of
    /// dead letters are one such topic.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &str)> {
        self.outward.subscriptions.iter().map(|subscription| (&*subscription.group, &*subscription.filter))
    }

    /// Its dead-letter topics by their names on the broker, sorted.
    pub fn dead_letters(&self) -> impl Iterator<Item = &str> {
        self.outward.dead_letters.iter().map(|topic| &**topic)
    }

    /// Creates what is missing, or verifies it, as the backend is [told](crate::IntoBackend) to; what is there and differs
    /// is an error, and never altered. From then on what is published reaches every group.
    ///
    /// # Errors
    /// `Config`, `Connect`, `Authentication`, `Permission`, `Topology` with every difference.
    ///
    /// # Cancel safety
    /// Dropped early, what is created stays; doing it again finds it there.
    pub async fn apply(&self, to: impl IntoBackend) -> Result<()> {
        let backend = self.names.clone().between(to.into_backend()?, &self.plan);
        let done = backend.provision(&self.plan).await;
        // The first error is the one that tells more.
        let closed = backend.close().await;
        done.and(closed)
    }
}

/// What [`plan::plan`](crate::plan::plan) makes of the types, but for what is one instance's.
fn plan(manifest: &Manifest, limits: Limits, problems: &mut Vec<Problem>) -> Plan {
    let mut subscriptions = BTreeMap::new();
    for handler in manifest.handlers.values().filter(|handler| !handler.broadcast) {
        for topic in &handler.topics {
            subscriptions.entry((&handler.group, topic)).or_insert_with(|| Subscription {
                group: handler.group.clone(),
                filter: Topic::from(topic.as_str()),
                order: handler.order,
                start: handler.start,
                limits,
                instance: None,
            });
        }
    }
    let mut publishes = BTreeSet::new();
    for kind in manifest.all_published() {
        match manifest.events.get(kind) {
            Some(event) => drop(publishes.insert(filter(event))),
            None => problems.push(Problem::new(
                format!("event `{kind}` of service {}", manifest.service),
                "it is published, and not among the events of the manifest; write the manifest anew",
            )),
        }
    }
    let letters = manifest
        .handlers
        .values()
        .filter_map(|handler| Some((&handler.group, handler.dead_letter.as_ref()?)));
    let groups: BTreeSet<_> = letters.clone().map(|(group, _)| group).collect();
    let dead_letters: BTreeSet<_> = letters.map(|(_, topic)| topic.as_str()).collect();
    let replays = groups.into_iter().map(|group| replays_of(group, limits));
    Plan {
        service: manifest.service.clone(),
        subscriptions: subscriptions.into_values().chain(replays).collect(),
        publishes: publishes.into_iter().map(Topic::from).collect(),
        dead_letters: dead_letters.into_iter().map(Topic::from).collect(),
    }
}

/// The pattern of a topic with a `{field}`, or the topic.
fn filter(event: &EventContract) -> String {
    let tokens = event.topic.split('.').map(|token| if token.starts_with('{') { "*" } else { token });
    tokens.collect::<Vec<_>>().join(".")
}
