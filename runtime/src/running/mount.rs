//! From a subscription of a bus and its consumer to the workers that will run it.

use std::{collections::HashMap, sync::Arc};

use tokio::runtime::Handle;

use super::{Member, Pulse};
use crate::{
    backend::Consumer,
    bus::Core,
    dispatch::{
        Conditions, Control, Counters, MOST_SHARDS, Part, Permits, Routes, Runner, Setup, Worker,
        redrive::Redriven, split,
    },
    event::EventDescriptor,
    handler::HandlerDescriptor,
    plan::{Mounted, Wiring},
    policy::{Guarantee, Unhandled},
    scope::Scope,
    tuning::Tuning,
};

/// What the workers of several buses share.
pub(super) struct Mounts<'a> {
    /// One suspect at a time.
    gate: Arc<Permits>,
    /// Of handlers that stand in several subscriptions, by bus and name.
    permits: HashMap<(usize, &'a str), Arc<Permits>>,
}

impl<'a> Mounts<'a> {
    pub(super) fn new() -> Self {
        Self { gate: Arc::new(Permits::new(1)), permits: HashMap::new() }
    }

    /// Makes the workers of one subscription of the bus `core`, which is number `at`.
    pub(super) fn mount(
        &mut self,
        at: usize,
        core: &'a Core,
        wiring: &Wiring,
        consumer: Box<dyn Consumer>,
    ) -> (Member, Vec<Worker>) {
        let accepted = core.service.handlers.iter().flat_map(|handler| handler.accepts.iter());
        let known: Vec<&'static EventDescriptor> = accepted.chain(core.service.all_published()).collect();
        let subscription = &wiring.subscription;
        let consumer: Box<dyn Consumer> =
            if wiring.replays { Box::new(Redriven(consumer)) } else { consumer };
        let count = workers_for(wiring, &core.tuning);
        let consumers = match count {
            1 => vec![consumer],
            _ => split(consumer, count, subscription.order, subscription.limits),
        };
        let all_counters: Arc<[_]> = consumers.iter().map(|_| Arc::new(Counters::default())).collect();
        let mut pulses = Vec::new();
        let mut workers = Vec::new();
        for (nth, consumer) in consumers.into_iter().enumerate() {
            let pulse = Pulse {
                control: Arc::new(Control::new(wiring.handlers.len())),
                counters: Arc::clone(&all_counters[nth]),
                conditions: Arc::new(Conditions::default()),
            };
            let runners = wiring.handlers.iter().map(|mounted| {
                let concurrency = usize::from(mounted.policy.concurrency).max(1);
                // Together they have as many slots as the handler may run.
                let slots = concurrency / count + usize::from(nth < concurrency % count);
                self.runner(at, core, wiring, mounted, slots)
            });
            workers.push(Worker::new(Setup {
                subscription: subscription.clone(),
                routes: routes(core, wiring, known.clone()),
                consumer,
                runners: runners.collect(),
                unhandled: strictest(wiring),
                outlet: Arc::clone(&core.outlet),
                control: Arc::clone(&pulse.control),
                counters: Arc::clone(&pulse.counters),
                all_counters: Arc::clone(&all_counters),
                conditions: Arc::clone(&pulse.conditions),
                dedupe: core.dedupe.clone(),
                gate: Arc::clone(&self.gate),
                tuning: core.tuning,
            }));
            pulses.push(pulse);
        }
        let handlers = wiring.handlers.iter().map(|mounted| mounted.handler.name).collect();
        let (service, subscription) = (core.service.name, subscription.clone());
        (Member { core: at, service, subscription, handlers, workers: pulses }, workers)
    }

    fn runner(
        &mut self,
        at: usize,
        core: &'a Core,
        wiring: &Wiring,
        Mounted { handler, policy }: &Mounted,
        slots: usize,
    ) -> Runner {
        // Replays are beside what the handler may run at once.
        let shares =
            |other: &&Wiring| !other.replays && other.handlers.iter().any(|h| h.handler.name == handler.name);
        let shared = core.wirings.iter().filter(shares).nth(1).filter(|_| !wiring.replays);
        let permits = shared.map(|_| {
            let free = usize::from(policy.concurrency).max(1);
            let entry = self.permits.entry((at, handler.name));
            Arc::clone(entry.or_insert_with(|| Arc::new(Permits::new(free))))
        });
        let scope = Scope {
            handler: handler.name,
            group: wiring.subscription.group.clone(),
            attempts: policy.attempts,
            write_reply: handler
                .accepts
                .iter()
                .find_map(|event| event.replying)
                .map(|replying| replying.write),
            state: Arc::clone(&core.state),
            outlet: Arc::clone(&core.outlet),
            shutdown: core.shutdown.subscribe(),
        };
        let mut runner = Runner::new(handler, *policy, Arc::new(scope), permits, slots);
        if let Some(wrap) = &core.wrap {
            runner.attempts = wrap(&wiring.subscription, runner.attempts);
        }
        runner
    }
}

/// At which handlers deliveries arrive: replays have had those of their group.
fn routes(core: &Core, wiring: &Wiring, known: Vec<&'static EventDescriptor>) -> Routes {
    let number =
        |handler: &HandlerDescriptor| wiring.handlers.iter().position(|other| other.handler.is(handler));
    let part = |of: &Wiring| {
        let handlers =
            of.handlers.iter().filter_map(|mounted| Some((number(mounted.handler)?, mounted.handler)));
        Part { filter: of.subscription.filter.clone(), handlers: handlers.collect() }
    };
    if !wiring.replays {
        return Routes::new(part(wiring), known);
    }
    let group = &wiring.subscription.group;
    let group = core.wirings.iter().filter(|other| !other.replays && other.subscription.group == *group);
    Routes::of_replays(group.map(part).collect(), known)
}

/// How many workers share a subscription: no more than every handler has attempts for, and no two where a handler
/// collects batches, which take from every lane.
fn workers_for(wiring: &Wiring, tuning: &Tuning) -> usize {
    // What is settled before it runs must be so when `settle` returns, and a shard may have to wait for its turn.
    let is_whole =
        |mounted: &Mounted| mounted.handler.batch || mounted.policy.delivery == Guarantee::AtMostOnce;
    if wiring.handlers.iter().any(is_whole) {
        return 1;
    }
    let least = wiring.handlers.iter().map(|mounted| usize::from(mounted.policy.concurrency)).min();
    let wished = tuning.workers.unwrap_or_else(|| Handle::current().metrics().num_workers());
    wished.min(least.unwrap_or(1)).clamp(1, MOST_SHARDS)
}

fn strictest(wiring: &Wiring) -> Unhandled {
    if wiring.replays {
        // It was handled once: nothing of it is skipped.
        return Unhandled::DeadLetter;
    }
    let wishes = wiring.handlers.iter().map(|mounted| mounted.policy.unhandled);
    wishes.fold(Unhandled::Skip, |strictest, wish| match (strictest, wish) {
        (Unhandled::Stop, _) | (_, Unhandled::Stop) => Unhandled::Stop,
        (Unhandled::DeadLetter, _) | (_, Unhandled::DeadLetter) => Unhandled::DeadLetter,
        (Unhandled::Skip, Unhandled::Skip) => Unhandled::Skip,
    })
}
