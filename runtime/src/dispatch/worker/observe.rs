//! What layers are told, what `tracing` is, and what everybody may see of a worker's load.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{End, Worker, attempts::id_of};
use crate::{
    backend::{Confirmation, Delivery, Outgoing, Subscription, Token},
    clock::Moment,
    dead_letter::DeadLetter,
    dispatch::held::Entry,
    error::Result,
    event::EventDescriptor,
    layer::{Layers, Load, Received, Settlement, Trail, Watch},
    outcome::Outcome,
    outputs::{Reason, Rejection},
    scope::Scope,
};

/// How often layers are told the load while it does not change, and something is held.
const SAMPLE: Duration = Duration::from_secs(1);

/// What a worker keeps for its layers.
#[derive(Debug)]
pub(super) struct Observing {
    /// Of what is in the worker's outbox.
    pub(super) trails: VecDeque<Trail>,
    /// Running, held, bytes: as last told.
    told: Option<[usize; 3]>,
    /// When the load is told again at the latest.
    next: Option<Moment>,
}

impl Observing {
    /// `None` where there are no layers.
    pub(super) fn new(layers: &Layers) -> Option<Box<Self>> {
        (!layers.is_empty()).then(|| Box::new(Self { trails: VecDeque::new(), told: None, next: None }))
    }

    /// The first publication of the outbox that was not is confirmed.
    pub(super) fn confirmed(&mut self, stored: &Confirmation) {
        if let Some(trail) = self.trails.pop_front() {
            trail.end(Ok(stored));
        }
    }

    pub(super) const fn next(&self) -> Option<Moment> {
        self.next
    }
}

/// What a worker has in hand, as others may read it.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) running: AtomicU64,
    pub(crate) held: AtomicU64,
    pub(crate) held_bytes: AtomicU64,
    /// In nanoseconds after the origin, and one more; 0 for none.
    oldest: AtomicU64,
    origin: Instant,
}

impl Default for Shown {
    fn default() -> Self {
        let [running, held, held_bytes, oldest] = [(); 4].map(|()| AtomicU64::new(0));
        Self { running, held, held_bytes, oldest, origin: Instant::now() }
    }
}

impl Shown {
    /// For how long the oldest delivery is held.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        let nanos = self.oldest.load(Ordering::Acquire).checked_sub(1)?;
        Some((self.origin + Duration::from_nanos(nanos)).elapsed())
    }
}

impl Worker {
    /// Says what it has in hand, once per round.
    pub(super) fn show_load(&mut self) {
        let running: usize = self.setup.runners.iter().map(|runner| runner.running()).sum();
        let shown = &self.setup.counters.load;
        for (value, to) in [
            (running, &shown.running),
            (self.held.len(), &shown.held),
            (self.held.bytes(), &shown.held_bytes),
        ] {
            to.store(value as u64, Ordering::Release);
        }
        let oldest = self.held.oldest();
        let nanos = oldest.map_or(0, |oldest| {
            let since = self.clock.instant(oldest).saturating_duration_since(shown.origin);
            u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1) + 1
        });
        shown.oldest.store(nanos, Ordering::Release);
        if self.observing.is_some() {
            self.observe_load(running);
        }
    }

    #[cold]
    fn observe_load(&mut self, running: usize) {
        let Self { setup, observing, held, now, .. } = self;
        let Some(observing) = observing else { return };
        let told = [running, held.len(), held.bytes()];
        if observing.told == Some(told) && observing.next.is_none_or(|next| next > *now) {
            return;
        }
        observing.told = Some(told);
        observing.next = (!held.is_empty()).then(|| *now + SAMPLE);
        // Several workers may share the subscription.
        let all = || setup.all_counters.iter().map(|counters| &counters.load);
        let sum = |value: fn(&Shown) -> &AtomicU64| {
            let sum: u64 = all().map(|load| value(load).load(Ordering::Acquire)).sum();
            usize::try_from(sum).unwrap_or(usize::MAX)
        };
        let load = Load {
            service: setup.outlet.source(),
            system: setup.outlet.backend.system(),
            subscription: &setup.subscription,
            running: sum(|load| &load.running),
            held: sum(|load| &load.held),
            held_bytes: sum(|load| &load.held_bytes),
            oldest: all().filter_map(Shown::oldest).max(),
        };
        setup.outlet.layers.tell(|layer| layer.load(&load));
    }

    #[cold]
    pub(super) fn observe_arrivals(&self, arrived: &[Delivery]) {
        for delivery in arrived {
            let received = self.received(delivery, None, None, 0);
            self.setup.outlet.layers.tell(|layer| layer.receive(&received));
        }
    }

    /// A delivery ended that never was in the window.
    #[cold]
    pub(super) fn observe_passed(&self, delivery: &Delivery, settlement: Settlement) {
        let received = self.received(delivery, None, None, 0);
        self.setup.outlet.layers.tell(|layer| layer.settle(&received, settlement));
    }

    #[cold]
    pub(super) fn observe_end(&self, entry: &Entry, end: End) {
        let settlement = match end {
            End::Handled => Settlement::Handled,
            End::Discarded => Settlement::Discarded,
            End::DeadLettered(reason) => Settlement::DeadLettered(reason),
            End::Repeated => Settlement::Repeated,
            End::Expired => Settlement::Expired,
        };
        let received = self.received_of(entry);
        self.setup.outlet.layers.tell(|layer| layer.settle(&received, settlement));
    }

    #[cold]
    pub(super) fn observe_retry(&self, id: u32, attempt: u32, after: Duration) {
        let Some(entry) = self.held.get(id) else { return };
        // The delivery may have the number of the next already.
        let received = Received { attempt, ..self.received_of(entry) };
        self.setup.outlet.layers.tell(|layer| layer.retry(&received, after));
    }

    #[cold]
    pub(super) fn observe_dead_letter(&self, letter: &Outgoing, stored: Confirmation) {
        let Confirmation { partition, position } = stored;
        let (topic, message) = (letter.topic.clone(), letter.message.clone());
        let token = Token { partition: 0, generation: 0, position: 0 };
        let delivery = Delivery { token, topic, message, partition, position, past: None };
        let letter = DeadLetter::new(&delivery);
        self.setup.outlet.layers.tell(|layer| layer.dead_letter(&letter));
    }

    /// Puts the layers around the attempt that is to begin in a slot.
    #[cold]
    pub(super) fn watch(&mut self, handler: usize, slot: usize) -> Result<(), Rejection> {
        let members = &self.setup.runners[handler].members[slot];
        let entries = members.iter().filter_map(|id| self.held.get(*id));
        let received: Vec<_> = entries.map(|entry| self.received_of(entry)).collect();
        if received.is_empty() {
            return Ok(());
        }
        let watch = self.setup.outlet.layers.attempt(&received)?;
        self.setup.runners[handler].watches[slot] = Some(watch);
        Ok(())
    }

    /// An attempt ended. What it returned is about to be published, within what surrounds it.
    #[cold]
    pub(super) fn observe_ended(
        &mut self,
        mut watch: Watch,
        members: &[u32],
        result: Result<(), Rejection>,
    ) -> Result<(), Rejection> {
        let mut result = result;
        if result.is_ok() && !self.outgoing.is_empty() {
            let Self { setup, held, outgoing, observing, .. } = self;
            let cause = members.first().and_then(|id| held.get(*id)).map(|entry| &entry.delivery);
            let mut surround = || {
                let Some(observing) = observing else { return };
                for outgoing in outgoing.iter_mut() {
                    match setup.outlet.surround(outgoing, cause) {
                        Ok(trail) => observing.trails.push_back(trail),
                        Err(error) => {
                            observing.trails.clear();
                            let outcome = match error.is_transient() {
                                true => Outcome::Retry { after: None },
                                false => Outcome::DeadLetter,
                            };
                            result = Err(Rejection::new(outcome, Reason::PublishFailed, &error));
                            return;
                        }
                    }
                }
            };
            watch.within(&mut surround);
        }
        watch.end(result.as_ref().err().map(|rejection| &**rejection));
        result
    }

    /// No member of a batch could be read.
    pub(super) fn observe_unreadable(&mut self, handler: usize, slot: usize, rejection: &Rejection) {
        let watch = self.setup.runners[handler].watches.get_mut(slot).and_then(Option::take);
        if let Some(watch) = watch {
            watch.end(Some(rejection));
        }
    }

    fn received_of<'a>(&'a self, entry: &'a Entry) -> Received<'a> {
        let handler = self.setup.runners[entry.handler].scope.handler;
        self.received(&entry.delivery, entry.event, Some(handler), entry.attempt)
    }

    fn received<'a>(
        &'a self,
        delivery: &'a Delivery,
        event: Option<&'static EventDescriptor>,
        handler: Option<&'static str>,
        attempt: u32,
    ) -> Received<'a> {
        let (outlet, subscription) = (&*self.setup.outlet, &self.setup.subscription);
        Received { outlet, subscription, delivery, event, handler, attempt }
    }
}

/// A span around every poll of an attempt, with OpenTelemetry's names; free while nobody listens.
pub(super) fn span(
    subscription: &Subscription,
    scope: &Scope,
    delivery: &Delivery,
    attempt: u32,
    count: usize,
) -> tracing::Span {
    tracing::info_span!(
        "process",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.system = scope.outlet.backend.system(),
        messaging.destination.name = %delivery.topic,
        messaging.consumer.group.name = %subscription.group,
        messaging.message.id = %id_of(delivery),
        messaging.batch.message_count = (count > 1).then_some(count),
        handler = scope.handler,
        attempt,
    )
}
