//! Names on the broker that are not the program's own: a prefix for all, and another name for some.

mod check;
mod renamed;

use std::{collections::HashMap, sync::Arc};

pub(crate) use self::{check::Wishes, renamed::Renamed};
use crate::{
    backend::{Plan, Subscription},
    topic::{Topic, is_reserved},
};

/// How the program's names and the broker's lead to each other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    /// The name of an environment; its own and everybody else's topics have nothing in common.
    prefix: Option<String>,
    /// From a topic to its other name, which has no prefix yet.
    renames: HashMap<Topic, Topic>,
    /// The other way round.
    back: HashMap<Topic, Topic>,
}

impl Names {
    pub(crate) fn new(prefix: Option<String>, renames: impl IntoIterator<Item = (Topic, Topic)>) -> Self {
        let renames: HashMap<Topic, Topic> = renames.into_iter().collect();
        let back = renames.iter().map(|(own, other)| (other.clone(), own.clone())).collect();
        Self { prefix, renames, back }
    }

    /// Whether every name is the program's own.
    pub(crate) fn are_own(&self) -> bool {
        self.prefix.is_none() && self.renames.is_empty()
    }

    /// What the broker calls a topic or pattern: `staging.shop.orders`; `dead.staging-billing`, since the first token
    /// says whose the topic is.
    fn outward(&self, own: &Topic) -> Topic {
        let name = self.renames.get(own).unwrap_or(own);
        match (&self.prefix, name.split_once('.')) {
            (None, _) => name.clone(),
            (Some(prefix), Some((first, rest))) if is_reserved(name) => {
                Topic::from(format!("{first}.{prefix}-{rest}"))
            }
            (Some(prefix), _) => Topic::from(format!("{prefix}.{name}")),
        }
    }

    /// What the program calls a topic of the broker.
    fn inward(&self, topic: &Topic) -> Topic {
        let bare = match (&self.prefix, topic.split_once('.')) {
            (None, _) | (_, None) => None,
            (Some(prefix), Some((first, rest))) if is_reserved(topic) => {
                let rest = rest.strip_prefix(prefix.as_str()).and_then(|rest| rest.strip_prefix('-'));
                rest.map(|rest| Topic::from(format!("{first}.{rest}")))
            }
            (Some(prefix), Some((first, rest))) => (first == prefix).then(|| Topic::from(rest)),
        };
        let bare = bare.unwrap_or_else(|| topic.clone());
        self.back.get(&bare).cloned().unwrap_or(bare)
    }

    /// What the broker calls a group: `staging-billing`.
    fn group(&self, own: &str) -> String {
        self.prefix.as_ref().map_or_else(|| own.to_owned(), |prefix| format!("{prefix}-{own}"))
    }

    fn subscription(&self, own: &Subscription) -> Subscription {
        let (group, filter) = (self.group(&own.group), self.outward(&own.filter));
        Subscription { group, filter, ..own.clone() }
    }

    pub(crate) fn plan(&self, own: &Plan) -> Plan {
        let topics = |own: &[Topic]| {
            let mut topics: Vec<Topic> = own.iter().map(|topic| self.outward(topic)).collect();
            topics.sort_by(|one, other| one.as_str().cmp(other));
            topics
        };
        Plan {
            subscriptions: own.subscriptions.iter().map(|own| self.subscription(own)).collect(),
            publishes: topics(&own.publishes),
            dead_letters: topics(&own.dead_letters),
            ..own.clone()
        }
    }

    /// The same, for those names that are known already: nothing is made of them again.
    fn known(&self, own: &Plan) -> HashMap<Topic, Topic> {
        let filters = own.subscriptions.iter().map(|subscription| &subscription.filter);
        let topics = own.publishes.iter().chain(&own.dead_letters).chain(filters);
        topics.map(|own| (own.clone(), self.outward(own))).collect()
    }

    /// Puts itself between the program and its broker; without a wish it is not there.
    pub(crate) fn between(
        self,
        backend: Arc<dyn crate::backend::Backend>,
        plan: &Plan,
    ) -> Arc<dyn crate::backend::Backend> {
        if self.are_own() { backend } else { Arc::new(Renamed::new(backend, self, plan)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_again() {
        let names = Names::new(
            Some("staging".into()),
            [(Topic::from_static("shop.orders"), Topic::from_static("Orders_v1"))],
        );
        for (own, broker) in [
            ("shop.payments", "staging.shop.payments"),
            ("shop", "staging.shop"),
            ("shop.>", "staging.shop.>"),
            ("*.orders", "staging.*.orders"),
            (">", "staging.>"),
            ("staging.x", "staging.staging.x"),
            ("dead.billing", "dead.staging-billing"),
            ("reply.billing.x", "reply.staging-billing.x"),
            ("shop.orders", "staging.Orders_v1"),
        ] {
            let (own, broker) = (Topic::from_static(own), Topic::from_static(broker));
            assert_eq!((names.outward(&own), names.inward(&broker)), (broker, own));
        }
        assert_eq!(names.group("billing"), "staging-billing");
        assert!(Names::default().are_own() && !names.are_own());
    }
}
