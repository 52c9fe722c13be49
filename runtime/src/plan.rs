//! From a service's descriptor to what it needs from a broker, and what start-up refuses.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    backend::{Capabilities, Plan, Subscription},
    dedupe::DedupeStore,
    dispatch::redrive,
    error::Problem,
    handler::HandlerDescriptor,
    policy::{DeadLetterTo, Guarantee, Limits, Order, Policy, Start},
    service::ServiceDescriptor,
    topic::{Topic, is_pattern},
};

/// One subscription with the handlers that share it.
#[derive(Debug, Clone)]
pub(crate) struct Wiring {
    pub(crate) subscription: Subscription,
    pub(crate) handlers: Vec<Mounted>,
    /// It gets the dead letters of the group that are replayed, whatever their topics.
    pub(crate) replays: bool,
}

/// A handler with the policy that holds for it, which a configuration may have changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mounted {
    pub(crate) handler: &'static HandlerDescriptor,
    pub(crate) policy: Policy,
}

/// Groups the handlers by (group, topic or pattern); one that names no topic is in one for each topic of its events.
/// One with `broadcast` is alone. The policies are in the order of the handlers.
pub(crate) fn wire(service: &ServiceDescriptor, policies: &[Policy], limits: Limits) -> Vec<Wiring> {
    type Place = (&'static str, &'static str, Option<&'static str>);
    let mut wirings: BTreeMap<Place, Vec<Mounted>> = BTreeMap::new();
    for (handler, policy) in service.handlers.iter().zip(policies) {
        for filter in handler.filters() {
            let alone = policy.broadcast.then_some(handler.name);
            let sharing = wirings.entry((service.group_of(handler), filter, alone)).or_default();
            if !sharing.iter().any(|other| other.handler.is(handler)) {
                sharing.push(Mounted { handler, policy: *policy });
            }
        }
    }
    let wiring = |((group, filter, alone), handlers): (Place, Vec<Mounted>)| {
        let first = handlers.first().map(|first| first.policy).unwrap_or(Policy::DEFAULT);
        let (group, filter) = (group.to_owned(), Topic::from_static(filter));
        let (order, start) = (first.order, first.start);
        let subscription =
            Subscription { group, filter, order, start, limits, instance: alone.map(|_| instance()) };
        Wiring { subscription, handlers, replays: false }
    };
    let wirings: Vec<Wiring> = wirings.into_iter().map(wiring).collect();
    let replays = replays(service, policies, limits);
    wirings.into_iter().chain(replays).collect()
}

/// For each group that has dead letters, the subscription by which it gets replays of them.
fn replays(service: &ServiceDescriptor, policies: &[Policy], limits: Limits) -> Vec<Wiring> {
    let mut groups: BTreeMap<&str, Vec<Mounted>> = BTreeMap::new();
    for (handler, policy) in service.handlers.iter().zip(policies) {
        let mounted = groups.entry(service.group_of(handler)).or_default();
        if !mounted.iter().any(|other| other.handler.is(handler)) {
            // Beside the handler's own, and one at a time.
            mounted.push(Mounted { handler, policy: Policy { concurrency: 1, ..*policy } });
        }
    }
    let has_letters = |(group, _): &(&str, _)| !dead_letter_topics(service, group).is_empty();
    let wiring = |(group, handlers): (&str, Vec<Mounted>)| Wiring {
        subscription: replays_of(group, limits),
        handlers,
        replays: true,
    };
    groups.into_iter().filter(has_letters).map(wiring).collect()
}

/// The subscription by which a group gets replays of its dead letters.
pub(crate) fn replays_of(group: &str, limits: Limits) -> Subscription {
    Subscription {
        group: group.to_owned(),
        filter: redrive::topic(group),
        order: Order::Key,
        start: None,
        limits: Limits { held: limits.held.min(HELD_REPLAYS), ..limits },
        instance: None,
    }
}

/// How many replays a group takes at once, at most.
const HELD_REPLAYS: usize = 64;

/// The name of a subscription that only this instance has.
pub(crate) fn instance() -> String {
    format!("{:032x}", fastrand::u128(..))
}

/// Everything that the service needs from the broker.
pub(crate) fn plan(service: &ServiceDescriptor, wirings: &[Wiring]) -> Plan {
    let sorted = |topics: Vec<&'static str>| {
        let mut topics = topics;
        topics.sort_unstable();
        topics.dedup();
        topics
    };
    let publishes = sorted(service.all_published().map(|event| event.topic.filter()).collect());
    let groups: std::collections::BTreeSet<&str> =
        service.handlers.iter().map(|h| service.group_of(h)).collect();
    let mut dead_letters: Vec<Topic> =
        groups.into_iter().flat_map(|group| dead_letter_topics(service, group)).collect();
    dead_letters.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    dead_letters.dedup();
    Plan {
        service: service.name.to_owned(),
        subscriptions: wirings.iter().map(|wiring| wiring.subscription.clone()).collect(),
        publishes: publishes.into_iter().map(Topic::from_static).collect(),
        dead_letters,
    }
}

/// Where the dead letters of a group go; empty for a group that the service does not have.
pub(crate) fn dead_letter_topics(service: &ServiceDescriptor, group: &str) -> Vec<Topic> {
    let mut topics = Vec::new();
    for handler in service.handlers.iter().filter(|handler| service.group_of(handler) == group) {
        let topic = match handler.policy.dead_letter {
            DeadLetterTo::Group => Topic::from(format!("dead.{group}")),
            DeadLetterTo::Topic(topic) => Topic::from_static(topic),
            DeadLetterTo::Discard => continue,
        };
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    topics
}

/// What this version or this backend cannot do, all at once.
pub(crate) fn problems(
    service: &ServiceDescriptor,
    wirings: &[Wiring],
    backend: &str,
    can: &Capabilities,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for event in service.requests().into_iter().filter(|_| !can.broadcast) {
        let text = format!(
            "{backend} cannot give this instance a topic of its own, on which the replies come; take the request out of \
             `publishes`, or connect to a backend that can"
        );
        problems.push(Problem::new(format!("request `{}`", event.type_name()), text));
    }
    for handler in service.handlers {
        let mut report =
            |text: String| problems.push(Problem::new(format!("handler `{}`", handler.name), text));
        match handler.policy.delivery {
            Guarantee::ExactlyOnce => report(format!(
                "`delivery = exactly_once` cannot be had on {backend}: no transaction spans its handler; leave it out, and \
                 make the handler bear a repeat (`dedupe` skips repeats of finished work)"
            )),
            Guarantee::AtMostOnce if !can.at_most_once => {
                report(format!("{backend} cannot keep `delivery = at_most_once`; leave it out"));
            }
            Guarantee::AtLeastOnce | Guarantee::AtMostOnce => {}
        }
        if let Some(bound) = can.longest_hold {
            // A configuration may have changed what the handler says.
            let mut mounted = wirings.iter().flat_map(|wiring| &wiring.handlers);
            let policy = mounted.find(|mounted| mounted.handler.is(handler)).map(|mounted| &mounted.policy);
            report_long_hold(policy.unwrap_or(&handler.policy), backend, bound, &mut report);
        }
        if handler.policy.broadcast && !can.broadcast {
            report(format!("{backend} cannot give every instance its own copy (`broadcast`); leave it out"));
        }
        let patterns = handler.filters().into_iter().filter(|filter| is_pattern(filter) && !can.patterns);
        patterns.for_each(|pattern| {
            report(format!("the pattern \"{pattern}\" cannot be subscribed to on {backend}"));
        });
        match handler.policy.order {
            Order::Key if !can.key_order => {
                report(format!("{backend} cannot keep `order = key`; say `order = none`"));
            }
            Order::Partition if !can.partition_order => {
                report(format!("{backend} cannot keep `order = partition`"));
            }
            Order::Key | Order::Partition | Order::None => {}
        }
        match handler.policy.start {
            Some(Start::Earliest) if !can.start_earliest => {
                report(format!(
                    "{backend} keeps no history, so `start = earliest` cannot be had; leave `start` out"
                ));
            }
            Some(Start::Latest) if !can.start_latest => report(format!("{backend} has no `start = latest`")),
            Some(_) | None => {}
        }
    }
    problems
}

/// What handlers with `dedupe` lack.
pub(crate) fn dedupe_problems(
    wirings: &[Wiring],
    store: Option<&dyn DedupeStore>,
    backend: &str,
    can: &Capabilities,
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    let mounted = wirings.iter().filter(|wiring| !wiring.replays).flat_map(|wiring| &wiring.handlers);
    for Mounted { handler, policy } in mounted.filter(|mounted| mounted.policy.dedupe.is_some()) {
        let mut report = |text: String| {
            let problem = Problem::new(format!("handler `{}`", handler.name), text);
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        };
        match store {
            None => report(
                "`dedupe` needs a store that remembers finished work; give the builder one with `.dedupe_store(..)`"
                    .to_owned(),
            ),
            Some(store) if store.is_local() && can.shared => report(format!(
                "`dedupe` on {backend} needs a store that all processes share, and the one that was given is of this \
                 process alone"
            )),
            Some(_) => {}
        }
        if policy.timeout.is_none() {
            report("`dedupe` needs a `timeout`: a claim lasts as long as an attempt may".to_owned());
        }
        if handler.batch {
            report("`dedupe` works on single deliveries; leave it out, or take them one by one instead of in a `Batch`".to_owned());
        }
        if policy.delivery == Guarantee::AtMostOnce {
            report(
                "`dedupe` is pointless with `delivery = at_most_once`, which has no repeats; leave one out"
                    .to_owned(),
            );
        }
    }
    problems
}

/// A delivery that is held too long is given to somebody else, while its handler runs.
fn report_long_hold(policy: &Policy, backend: &str, bound: Duration, report: &mut impl FnMut(String)) {
    let half = bound / 2;
    if policy.delivery == Guarantee::AtMostOnce {
        return;
    }
    let Some(timeout) = policy.timeout else {
        report(format!(
            "{backend} lets a delivery be held for {bound:?} at most, and `timeout = none` has no end; give it a time-out"
        ));
        return;
    };
    let longest = (timeout + policy.backoff.max).saturating_mul(policy.attempts);
    if longest > half {
        report(format!(
            "{} attempts of {timeout:?} and up to {:?} between them may hold a delivery for {longest:?}, and {backend} \
             allows {bound:?}, of which half must stay free; ask for fewer attempts, a shorter `timeout` or a shorter \
             `backoff`",
            policy.attempts, policy.backoff.max
        ));
    }
}
