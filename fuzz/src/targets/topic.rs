//! Topics that others make up, and patterns.

use std::sync::{Arc, Mutex, PoisonError};

use typebus::{ErrorKind, prelude::*, testing::Foreign};

use crate::shop::{alone, broker};

pub(super) const WORDS: &[&str] = &[
    "shop",
    "orders",
    "placed",
    "eu",
    ".",
    "..",
    "*",
    ">",
    "dead",
    "dead.one",
    "reply",
    ".redrive",
    "ü",
    "{region}",
    "shop.orders",
];

type Heard = Arc<Mutex<Vec<(&'static str, String)>>>;

fn hear(heard: &Heard, group: &'static str, event: &AnyEvent) {
    let topic = event.metadata().topic().to_owned();
    heard.lock().unwrap_or_else(PoisonError::into_inner).push((group, topic));
}

#[handler(topic = "shop.*", group = "one")]
async fn one(event: AnyEvent, heard: State<Heard>) {
    hear(&heard, "one", &event);
}

#[handler(topic = "shop.>", group = "rest")]
async fn rest(event: AnyEvent, heard: State<Heard>) {
    hear(&heard, "rest", &event);
}

#[handler(topic = "*.orders.*", group = "between")]
async fn between(event: AnyEvent, heard: State<Heard>) {
    hear(&heard, "between", &event);
}

#[handler(topic = ">", group = "all")]
async fn all(event: AnyEvent, heard: State<Heard>) {
    hear(&heard, "all", &event);
}

#[handler(topic = "shop.orders", group = "exact")]
async fn exact(event: AnyEvent, heard: State<Heard>) {
    hear(&heard, "exact", &event);
}

service! { Ears = "ears" { handles: [one, rest, between, all, exact], state: [Heard], manifest: none } }

const GROUPS: [(&str, &str); 5] = [
    ("one", "shop.*"),
    ("rest", "shop.>"),
    ("between", "*.orders.*"),
    ("all", ">"),
    ("exact", "shop.orders"),
];

/// The name of a topic, which any other program may publish on: each group gets what its pattern says.
pub fn topic(input: &[u8]) {
    let topic = String::from_utf8_lossy(input).into_owned();
    let heard = alone(async {
        let (url, heard) = (broker(), Heard::default());
        let bus = Bus::<Ears>::builder()
            .state(Arc::clone(&heard))
            .connect(&url)
            .await
            .expect("the service is sound");
        let foreign = Foreign::connect(&url).expect("the broker is there");
        // Topics with groups, and those that nobody has heard of.
        for name in [&*topic, "shop.orders", &*topic] {
            let sent = foreign.message(name).header("ce_type", "made.up.v1").send().await;
            match sent {
                Ok(_) => assert!(!is_pattern(name), "{name:?} is no topic"),
                Err(error) => assert!(error.kind() == ErrorKind::InvalidTopic && is_pattern(name), "{error}"),
            }
        }
        let running = bus.start().await.expect("it starts");
        running.caught_up().await.expect("it catches up");
        for group in running.stats().groups() {
            assert_eq!(group.received, group.settled(), "{group:?}");
        }
        running.stop().await.expect("it stops");
        std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner))
    });
    for (group, pattern) in GROUPS {
        let of_group: Vec<_> = heard.iter().filter(|(other, _)| *other == group).collect();
        let times = |name: &str| of_group.iter().filter(|(_, topic)| topic == name).count();
        let expected = if receives(pattern, &topic) && !is_pattern(&topic) { 2 } else { 0 };
        let of_orders = usize::from(receives(pattern, "shop.orders"));
        let both = if topic == "shop.orders" { [3 * of_orders; 2] } else { [expected, of_orders] };
        assert_eq!([times(&topic), times("shop.orders")], both, "{pattern} and {topic:?}");
    }
}

/// Nobody can publish on one.
fn is_pattern(topic: &str) -> bool {
    topic.contains(['*', '>'])
}

/// Said once more, token by token.
fn receives(pattern: &str, topic: &str) -> bool {
    fn rest(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            (["*", pattern @ ..], [_, topic @ ..]) => rest(pattern, topic),
            ([one, pattern @ ..], [other, topic @ ..]) => one == other && rest(pattern, topic),
            _ => false,
        }
    }
    let (pattern, topic): (Vec<_>, Vec<_>) = (pattern.split('.').collect(), topic.split('.').collect());
    !["dead", "reply"].contains(&topic[0]) && rest(&pattern, &topic)
}
