//! What the recorder tells of one instance.

use std::collections::HashMap;

use typebus::{
    Result, Stats,
    backend::{Confirmation, Delivery, Outgoing, Partitions, Room, Subscription, Token},
};

use super::{Intake, World, group};

impl World {
    pub(crate) fn call(&self, instance: usize, outgoing: &Outgoing) -> usize {
        self.state().call(instance, outgoing)
    }

    pub(crate) fn answered(&self, call: usize, answer: &Result<Confirmation>) {
        self.state().answered(call, answer);
    }

    pub(crate) fn consumer(&self, instance: usize, subscription: &Subscription) -> usize {
        let mut state = self.state();
        state.consumers.push(Intake {
            instance,
            group: group(&subscription.group),
            filter: subscription.filter.to_string(),
            replays: subscription.filter.starts_with("dead."),
            order: subscription.order,
            limits: subscription.limits,
            held: Vec::new(),
            by_token: HashMap::new(),
            from: 0,
            settled: 0,
            revoking: false,
            recorded: None,
        });
        state.consumers.len() - 1
    }

    pub(crate) fn delivered(&self, consumer: usize, room: Room, deliveries: &[Delivery]) {
        self.state().delivered(consumer, room, deliveries);
    }

    pub(crate) fn settled(&self, consumer: usize, tokens: &[Token]) {
        let mut state = self.state();
        tokens.iter().for_each(|token| state.settled(consumer, *token));
    }

    pub(crate) fn recorded(&self, consumer: usize, suspect: Option<Token>) {
        let intake = &mut self.state().consumers[consumer];
        intake.recorded = suspect.and_then(|suspect| intake.by_token.get(&suspect).copied());
    }

    pub(crate) fn revoking(&self, consumer: usize, partitions: &Partitions) {
        let mut state = self.state();
        state.note(format!("consumer {consumer} is asked for {partitions:?}"));
        let intake = &mut state.consumers[consumer];
        intake.revoking = true;
        let held = intake.held.iter_mut().filter(|held| partitions.contains(held.token.partition));
        held.for_each(|held| held.leaving = true);
    }

    /// Released, lost, or closed.
    pub(crate) fn gone(&self, consumer: usize, partitions: &Partitions, how: &str) {
        let mut state = self.state();
        state.note(format!("consumer {consumer}: {partitions:?} {how}"));
        let intake = &mut state.consumers[consumer];
        let held = intake.held.iter_mut().filter(|held| !held.gone);
        held.filter(|held| partitions.contains(held.token.partition)).for_each(|held| held.gone = true);
        // Another revocation may not be answered yet.
        intake.revoking = intake.held.iter().any(|held| held.leaving && !held.gone);
    }
}

impl World {
    /// Looks at the counters of an instance that has ended.
    pub(crate) fn counted(&self, instance: usize, stats: &Stats) {
        let mut state = self.state();
        stats.groups().iter().for_each(|counts| state.check_counts(instance, counts));
    }
}
