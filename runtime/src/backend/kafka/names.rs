//! What things are called on the broker.

use crate::{
    backend::{Subscription, Topic},
    topic::{self, RESERVED},
};

/// The name of a subscription's consumer group. A group is one token, so that no two of (group, filter, instance)
/// have one name: `billing.shop.orders`, `billing.shop.*`. Subscriptions are groups of their own, since a rebalance of
/// one must not stop the others.
pub(super) fn group_of(subscription: &Subscription) -> String {
    let Subscription { group, filter, instance, .. } = subscription;
    match instance {
        None => format!("{group}.{filter}"),
        // A `,` is in no topic.
        Some(instance) => format!("{group}.{filter},{instance}"),
    }
}

/// What the client is told to subscribe to: the topic, or a regular expression that begins with `^`. Brokers match it
/// too (KIP-848), so it keeps away from reserved topics by itself, and without looking ahead, which nobody can.
pub(super) fn expression(filter: &str) -> String {
    if !topic::is_pattern(filter) {
        return filter.to_owned();
    }
    let mut text = String::from("^");
    for (nth, token) in filter.split('.').enumerate() {
        if nth > 0 {
            text.push_str("\\.");
        }
        match token {
            "*" if nth == 0 => text.push_str(&unreserved()),
            "*" => text.push_str("[^.]+"),
            ">" if nth == 0 => text.push_str(&format!("{}(\\..+)?", unreserved())),
            ">" => text.push_str(".+"),
            // `-` and `_` mean nothing outside of brackets.
            token => text.push_str(token),
        }
    }
    text.push('$');
    text
}

/// A token that is none of the reserved ones: it begins with another letter, or leaves one of them at some place, or is
/// longer. No two of them begin with the same letter.
fn unreserved() -> String {
    let initials: String = RESERVED.iter().map(|word| &word[..1]).collect();
    let mut ways = vec![format!("[^{initials}.][^.]*")];
    for word in RESERVED {
        for at in 1..word.len() {
            let (begin, next) = (&word[..at], &word[at..=at]);
            ways.push(format!("{begin}([^{next}.][^.]*)?"));
        }
        ways.push(format!("{word}[^.]+"));
    }
    format!("({})", ways.join("|"))
}

/// The topic on the broker. The replies to all instances of a service share one, since a topic for each instance would
/// outlive it; in that one a header says for which instance a reply is.
pub(super) fn physical(topic: &str) -> &str {
    match topic.strip_prefix("reply.").and_then(|rest| rest.find('.')) {
        Some(at) => &topic[.."reply.".len() + at],
        None => topic,
    }
}

/// The header that says for which instance a reply is.
pub(super) const ADDRESSEE: &str = "typebus-topic";

/// Where it is noted which letters of a dead-letter topic were taken out.
pub(super) fn discarded(letters: &Topic) -> String {
    let rest = letters.strip_prefix("dead.").unwrap_or(letters);
    format!("dead.discarded-letters.{rest}")
}

/// Whether the broker cannot keep two topics apart in its metrics, and so refuses the second.
pub(super) fn collide(one: &str, other: &str) -> bool {
    one != other && one.len() == other.len() && one.replace('_', ".") == other.replace('_', ".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Limits, Order};

    fn subscription(group: &str, filter: &str, instance: Option<&str>) -> Subscription {
        Subscription {
            group: group.to_owned(),
            filter: filter.into(),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: instance.map(str::to_owned),
        }
    }

    #[test]
    fn no_two_subscriptions_are_one_group() {
        let names = [
            group_of(&subscription("a", "b.c", None)),
            group_of(&subscription("a-b", "c", None)),
            group_of(&subscription("a", "b.*", None)),
            group_of(&subscription("a", "b.c", Some("d"))),
            group_of(&subscription("a", "b.c.d", None)),
        ];
        for (nth, name) in names.iter().enumerate() {
            assert!(!names[..nth].contains(name), "{name}");
        }
    }

    #[test]
    fn patterns_become_expressions() {
        assert_eq!(expression("shop.orders"), "shop.orders");
        assert_eq!(expression("shop.*.v-1"), "^shop\\.[^.]+\\.v-1$");
        assert_eq!(expression("shop.>"), "^shop\\..+$");
        let any = expression("*.x");
        assert!(
            any.starts_with("^([^dr.][^.]*|d([^e.][^.]*)?|de([^a.]") && any.ends_with("|reply[^.]+)\\.x$"),
            "{any}"
        );
        assert_eq!(
            (physical("reply.shop.a1"), physical("shop.a.b"), physical("reply.x")),
            ("reply.shop", "shop.a.b", "reply.x")
        );
        assert!(collide("a.b_c", "a_b.c") && !collide("a.b", "a.b") && !collide("a.b", "a.c"));
    }
}
