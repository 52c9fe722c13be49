//! The names of exchanges and queues, which differ where what they stand for differs.
//!
//! A group, a filter and an instance have no `/`, `#` or `!`, and the exchange's name has no `/`, so that a name can be
//! taken apart again: `typebus/billing/shop.orders`.

use lapin::types::ShortString;
use uuid::Uuid;

use crate::backend::{Subscription, Topic};

/// What AMQP allows.
const MAX: usize = 255;

/// The names that one prefix gives.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Where everything is published but what follows.
    pub(super) fn exchange(&self) -> ShortString {
        short(&self.prefix)
    }

    /// Where dead letters and replays are published, out of the reach of patterns.
    pub(super) fn dead_exchange(&self) -> ShortString {
        short(&format!("{}.dead", self.prefix))
    }

    /// Where replies are published, out of the reach of patterns.
    pub(super) fn reply_exchange(&self) -> ShortString {
        short(&format!("{}.reply", self.prefix))
    }

    /// Where the server publishes what it gave up.
    pub(super) fn backstop_exchange(&self) -> ShortString {
        short(&format!("{}.backstop", self.prefix))
    }

    /// Where competing consumers are asked what they still hold.
    pub(super) fn control_exchange(&self) -> ShortString {
        short(&format!("{}.control", self.prefix))
    }

    /// The exchange of a topic, or of a filter.
    pub(super) fn exchange_of(&self, topic: &str) -> ShortString {
        match topic.split('.').next() {
            Some("dead") => self.dead_exchange(),
            Some("reply") => self.reply_exchange(),
            _ => self.exchange(),
        }
    }

    /// The queue of a subscription.
    pub(super) fn queue(&self, Subscription { group, filter, instance, .. }: &Subscription) -> ShortString {
        let instance = instance.as_ref().map(|instance| format!("@{instance}")).unwrap_or_default();
        self.fit(group, filter, &instance)
    }

    /// The queue that keeps the letters of a dead-letter topic.
    pub(super) fn letters(&self, topic: &Topic) -> ShortString {
        self.fit("!letters", topic, "")
    }

    /// The queue that keeps what the server gave up of a group.
    pub(super) fn backstop(&self, group: &str) -> ShortString {
        short(&format!("{}/{group}/!backstop", self.prefix))
    }

    /// The stream in which the instances of a group note who runs what.
    pub(super) fn journal(&self, group: &str) -> ShortString {
        short(&format!("{}/{group}/!journal", self.prefix))
    }

    /// Where a competing consumer hears questions.
    pub(super) fn ear(&self) -> ShortString {
        short(&format!("{}/!ear/{:032x}", self.prefix, fastrand::u128(..)))
    }

    /// Where the answers to a question go.
    pub(super) fn answers(&self, nonce: &str) -> ShortString {
        short(&format!("{}/!answers/{nonce}", self.prefix))
    }

    fn fit(&self, group: &str, filter: &str, tail: &str) -> ShortString {
        let name = format!("{}/{group}/{filter}{tail}", self.prefix);
        if name.len() <= MAX {
            return short(&name);
        }
        let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, filter.as_bytes()).simple();
        short(&format!("{}/{group}/#{hash}{tail}", self.prefix))
    }
}

/// The key of a binding. Here `>` means one token or more, there `#` means none or more.
pub(super) fn binding_key(filter: &str) -> String {
    match filter.strip_suffix('>') {
        Some(before) => format!("{before}*.#"),
        None => filter.to_owned(),
    }
}

/// A name that fits; all of ours do, and a longer one of somebody else's cannot exist.
pub(super) fn short(name: &str) -> ShortString {
    ShortString::try_new(name).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Limits, Order};

    fn queue(group: &str, filter: &str, instance: Option<&str>) -> String {
        let subscription = Subscription {
            group: group.to_owned(),
            filter: Topic::from(filter),
            order: Order::Key,
            start: None,
            limits: Limits::default(),
            instance: instance.map(str::to_owned),
        };
        Names::new("typebus").queue(&subscription).to_string()
    }

    #[test]
    fn names_differ_where_what_they_stand_for_differs() {
        let long = "a".repeat(180);
        let (longer, exchange) = (format!("{}b", &long[1..]), "e".repeat(60));
        let all = [
            queue("a", "b.c", None),
            queue("a-b", "c", None),
            queue("a", "b.c", Some("x")),
            queue("a", "b.>", None),
            queue("a", &long, None),
            queue("a", &longer, None),
        ];
        for (at, name) in all.iter().enumerate() {
            assert!(!all[..at].contains(name) && name.len() <= 255, "{name}");
        }
        let names = Names::new(&exchange);
        let fits = |filter: &str, tail: &str| names.fit(&"g".repeat(40), filter, tail).to_string();
        let instance = format!("@{}", "i".repeat(32));
        assert_ne!(fits(&long, &instance), fits(&longer, &instance));
        assert!(fits(&long, &instance).len() <= 255 && !fits(&long, &instance).is_empty());
    }

    #[test]
    fn a_pattern_becomes_a_key() {
        let keys = ["shop.orders", "shop.*", "shop.>", ">", "*.a.>"].map(binding_key);
        assert_eq!(keys, ["shop.orders", "shop.*", "shop.*.#", "*.#", "*.a.*.#"]);
    }

    #[test]
    fn what_is_reserved_is_out_of_the_reach_of_patterns() {
        let names = Names::new("typebus");
        let exchanges =
            ["shop.a", "dead.billing", "reply.x.y", "deadly.a"].map(|topic| names.exchange_of(topic));
        assert_eq!(
            exchanges.map(|name| name.to_string()),
            ["typebus", "typebus.dead", "typebus.reply", "typebus"]
        );
    }
}
