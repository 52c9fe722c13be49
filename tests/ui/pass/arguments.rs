//! What a handler's arguments say stands in its descriptor.

#[path = "../common.rs"]
mod common;

use common::*;

use std::time::Duration;

use typebus::{DeadLetterTo, Guarantee, Handler, Order, Policy, Start, Unhandled, UnknownVersion};

#[handler(
    topic = "shop.orders",
    group = "charges",
    concurrency = 32,
    order = partition,
    retry(attempts = 5, backoff = "100ms..1m", jitter = false),
    timeout = "10s",
    dead_letter = "dead.charges",
    start = latest,
    unhandled = stop,
    delivery = at_least_once,
)]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "shop.>", timeout = none, dead_letter = discard, order = none, batch(max = 7, wait = "0ms"))]
async fn audit(_: Batch<AnyEvent>) {}

#[handler(retry(jitter = false))]
async fn steady(_: OrderPlaced) {}

#[handler(
    delivery = exactly_once,
    dedupe = "24h",
    unknown_version = hold("1m"),
    breaker(after = 20),
    order = key,
    unhandled = dead_letter,
)]
async fn later(_: OrderPlaced) {}

#[handler(broadcast, unknown_version = dead_letter, delivery = at_most_once)]
async fn everywhere(_: OrderPlaced) {}

fn main() {
    let charge = charge::DESCRIPTOR;
    assert_eq!((charge.name(), charge.topic(), charge.group()), ("charge", Some("shop.orders"), Some("charges")));
    let policy = charge.policy();
    assert_eq!((policy.concurrency, policy.order, policy.attempts), (32, Order::Partition, 5));
    assert_eq!((policy.backoff.min, policy.backoff.max), (Duration::from_millis(100), Duration::from_secs(60)));
    assert_eq!((policy.backoff.jitter, policy.timeout), (false, Some(Duration::from_secs(10))));
    assert_eq!(policy.dead_letter, DeadLetterTo::Topic("dead.charges"));
    assert_eq!((policy.start, policy.unhandled), (Some(Start::Latest), Unhandled::Stop));
    assert_eq!((policy.broadcast, policy.breaker, policy.dedupe), (false, None, None));
    assert_eq!(policy.unknown_version, UnknownVersion::Hold(Duration::from_secs(900)));

    let audit = audit::DESCRIPTOR;
    let policy = audit.policy();
    assert_eq!((policy.timeout, policy.order, policy.dead_letter), (None, Order::None, DeadLetterTo::Discard));
    assert_eq!((policy.batch_max, policy.batch_wait), (7, Duration::ZERO));

    let steady = steady::DESCRIPTOR;
    assert_eq!(steady.policy().backoff.min, Policy::DEFAULT.backoff.min);
    assert!(!steady.policy().backoff.jitter);
    assert_eq!((steady.topic(), steady.group()), (None, None));

    let later = later::DESCRIPTOR;
    let policy = later.policy();
    assert_eq!((policy.delivery, policy.dedupe), (Guarantee::ExactlyOnce, Some(Duration::from_secs(86_400))));
    assert_eq!((policy.unknown_version, policy.breaker), (UnknownVersion::Hold(Duration::from_secs(60)), Some(20)));
    let policy = everywhere::DESCRIPTOR.policy();
    assert_eq!((policy.broadcast, policy.delivery), (true, Guarantee::AtMostOnce));
    assert_eq!(policy.unknown_version, UnknownVersion::DeadLetter);
}
