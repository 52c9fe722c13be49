//! What streams, consumers and subjects are called: injective, and in the characters that NATS allows.
//!
//! A token of a topic never has `=`, `+`, `~` or `$`, and a group has none of them either, so that these can stand for
//! what is not allowed.

use crate::{
    backend::{Subscription, Topic},
    topic,
};

/// The stream with what the crash guard remembers.
pub(super) const STATE: &str = "typebus=state";
/// Its subjects.
pub(super) const STATES: &str = "$TYPEBUS.state.>";
/// The priority group of an ordered consumer.
pub(super) const PINNED: &str = "typebus";
/// The first token of dead-letter topics, each of which has a stream of its own.
const DEAD: &str = "dead";

/// The stream of a topic or pattern, unless one is named for it; `None` for a pattern that begins with a wildcard.
pub(super) fn stream(filter: &str) -> Option<String> {
    let first = first_token(filter);
    match first {
        _ if topic::is_pattern(first) => None,
        DEAD => Some(plain(filter)),
        first => Some(first.to_owned()),
    }
}

/// The subjects of that stream.
pub(super) fn subjects(filter: &str) -> Vec<String> {
    let first = first_token(filter);
    match first {
        DEAD => vec![filter.to_owned()],
        first => vec![first.to_owned(), format!("{first}.>"), laters(first)],
    }
}

/// Where messages wait for their time, in the stream of this first token.
pub(super) fn laters(first: &str) -> String {
    format!("$TYPEBUS.later.{first}.>")
}

/// Where one message waits.
pub(super) fn later(topic: &str, id: &str) -> String {
    format!("$TYPEBUS.later.{}.{id}", first_token(topic))
}

/// The consumer of a subscription.
pub(super) fn consumer(Subscription { group, filter, instance, .. }: &Subscription) -> String {
    let name = format!("{group}={}", plain(filter));
    match instance {
        Some(instance) => format!("{name}${instance}"),
        None => name,
    }
}

/// Where the state of a consumer is kept.
pub(super) fn state(stream: &str, consumer: &str) -> String {
    format!("$TYPEBUS.state.{stream}.{consumer}")
}

pub(super) fn first_token(topic: &str) -> &str {
    topic.split('.').next().unwrap_or(topic)
}

/// Whether dead letters are kept there.
pub(super) fn is_dead(topic: &Topic) -> bool {
    first_token(topic) == DEAD
}

fn plain(filter: &str) -> String {
    filter
        .chars()
        .map(|c| {
            if let '.' = c {
                '='
            } else if c == '*' {
                '+'
            } else if c == '>' {
                '~'
            } else {
                c
            }
        })
        .collect()
}

/// Whether two filters of subjects have one in common.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('.'), other.split('.'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(a), Some(b)) if a == b || a == "*" || b == "*" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Limits, Order};

    fn name(group: &str, filter: &str, instance: Option<&str>) -> String {
        consumer(&Subscription {
            group: group.to_owned(),
            filter: Topic::from(filter),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: instance.map(str::to_owned),
        })
    }

    #[test]
    fn different_subscriptions_have_different_names() {
        let names = [
            name("a", "b.c", None),
            name("a-b", "c", None),
            name("a", "b_c", None),
            name("a", "b-c", None),
            name("a", "b.*", None),
            name("a", "b.>", None),
            name("a", "b", Some("c")),
            name("a", "b", None),
        ];
        for (nth, one) in names.iter().enumerate() {
            assert!(!names[nth + 1..].contains(one), "{one}");
            assert!(!one.contains(['.', '*', '>', '/', '\\', ' ']), "{one}");
        }
        let longest = name(&"g".repeat(40), &"t".repeat(180), Some(&"i".repeat(32)));
        assert!(longest.len() <= 255);
    }

    #[test]
    fn a_stream_is_named_by_the_first_token_and_dead_letters_have_their_own() {
        assert_eq!(stream("shop.orders").as_deref(), Some("shop"));
        assert_eq!(stream("shop").as_deref(), Some("shop"));
        assert_eq!(stream("dead.billing").as_deref(), Some("dead=billing"));
        assert_eq!(stream("dead.billing.redrive").as_deref(), Some("dead=billing=redrive"));
        assert_eq!(stream("*.orders"), None);
        assert_eq!(subjects("dead.billing"), ["dead.billing"]);
        assert_eq!(subjects("shop.x")[..2], ["shop", "shop.>"]);
    }

    #[test]
    fn filters_that_share_a_subject_overlap() {
        assert!(overlap("shop.>", "shop.orders") && overlap("*.orders", "shop.*") && overlap(">", "a"));
        assert!(!overlap("shop", "shop.>") && !overlap("shop.a", "shop.b") && !overlap("a.b", "a"));
    }
}
