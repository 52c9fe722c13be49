//! Creating what a plan needs, and what a broker refuses of it.

use super::{SYSTEM, broker::State, streams::first_token, wakes::Wakes};
use crate::{
    backend::{Plan, Topic},
    error::{Error, ErrorKind, Problem, Result},
    topic,
};

impl State {
    /// Creates the topics of a plan, then its groups.
    pub(super) fn provision(&mut self, plan: &Plan, wakes: &mut Wakes) -> Result<()> {
        self.forget_instances(wakes);
        let problems = self.problems(plan);
        if !problems.is_empty() {
            return Err(Error::from_problems(ErrorKind::Topology, "provision", problems).at(SYSTEM));
        }
        if self.nature.streams {
            for topic in topics(plan).filter(|topic| !is_wild(topic)) {
                self.streams.create(topic);
            }
        }
        for name in topics(plan).filter(|topic| !topic::is_pattern(topic)) {
            self.channel_or_create(name, wakes);
        }
        for name in &plan.dead_letters {
            if let Some(channel) = self.channel(name) {
                self.channels[channel].provisioned = true;
            }
        }
        for subscription in &plan.subscriptions {
            if self.group(subscription).is_none() {
                self.create_group(subscription);
            }
        }
        Ok(())
    }

    /// Everything that the broker would not have.
    fn problems(&self, plan: &Plan) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.nature.names_collide {
            self.find_collisions(plan, &mut problems);
        }
        for subscription in &plan.subscriptions {
            let (group, filter) = (&subscription.group, &subscription.filter);
            let place = format!("group `{group}` on `{filter}`");
            if self.nature.streams && is_wild(filter) {
                let text = "a pattern that begins with a wildcard belongs to no stream; begin it with a plain token, or \
                            name the streams";
                problems.push(Problem::new(place.clone(), text));
            }
            let existing = self.group(subscription).map(|at| &self.groups[at]);
            let wanted = self.nature.sharing(subscription.order);
            if self.nature.order_is_fixed && existing.is_some_and(|existing| existing.sharing != wanted) {
                let text = "its queue exists with another `order`, and a queue cannot be switched; give the handler \
                            another `group`, let the old one run dry, and delete its queue";
                problems.push(Problem::new(place, text));
            }
        }
        problems
    }

    fn find_collisions(&self, plan: &Plan, problems: &mut Vec<Problem>) {
        let exact = topics(plan).filter(|topic| !topic::is_pattern(topic));
        let mut names: Vec<&Topic> = Vec::new();
        for name in self.channels.iter().map(|channel| &channel.name).chain(exact) {
            if names.contains(&name) {
                continue;
            }
            if let Some(other) = names.iter().find(|other| collide(other, name)) {
                let text = format!("it is the same to the broker as `{other}`; rename one of them");
                problems.push(Problem::new(format!("topic `{name}`"), text));
            }
            names.push(name);
        }
    }

    /// A topic that exists and is the same to the broker as this one, which does not.
    pub(super) fn collision(&self, name: &Topic) -> Option<&Topic> {
        if !self.nature.names_collide || self.channel(name).is_some() {
            return None;
        }
        self.channels.iter().map(|channel| &channel.name).find(|other| collide(other, name))
    }
}

fn topics(plan: &Plan) -> impl Iterator<Item = &Topic> {
    let filters = plan.subscriptions.iter().map(|subscription| &subscription.filter);
    filters.chain(&plan.publishes).chain(&plan.dead_letters)
}

fn collide(one: &str, other: &str) -> bool {
    one != other && one.len() == other.len() && one.replace('_', ".") == other.replace('_', ".")
}

fn is_wild(topic: &str) -> bool {
    topic::is_pattern(first_token(topic))
}
