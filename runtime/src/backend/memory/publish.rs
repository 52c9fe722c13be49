//! Publishing: at once where there is room, in turn where there is none.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout, timeout_at},
};

use super::{
    broker::{Broker, Channel, Reader, State},
    error,
    faults::Plans,
    later::How,
    wakes::Wakes,
};
use crate::{
    backend::{Confirmation, Message, Outgoing, Position, Publishing, Sender, Topic},
    duration::FOR_EVER,
    error::{Error, ErrorKind, Result},
};

/// The publishing side of one connection.
#[derive(Debug)]
pub(super) struct Door {
    id: u64,
    /// Written and read under the broker's lock, so that nothing gets through once it is closed.
    gate: AtomicU8,
    pub(super) faults: Plans,
    /// Every publish that waits holds a receiver.
    waiting: watch::Sender<()>,
}

impl Door {
    pub(super) fn new() -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            gate: AtomicU8::new(OPEN),
            faults: Plans::default(),
            waiting: watch::Sender::new(()),
        }
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn is_closed(&self) -> bool {
        self.gate.load(Ordering::Relaxed) >= CLOSED
    }

    pub(super) fn is_killed(&self) -> bool {
        self.gate.load(Ordering::Relaxed) == KILLED
    }

    /// Looks at every publish closely from now on. To be called under the broker's lock, as whatever moves the gate.
    pub(super) fn guard(&self) {
        self.gate.fetch_max(GUARDED, Ordering::Relaxed);
    }

    pub(super) fn kill(&self) {
        self.gate.store(KILLED, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn publish(&self, broker: &Arc<Broker>, outgoing: Outgoing) -> Publishing {
        let (size, limit) = (outgoing.message.size(), broker.options().max_message);
        if size > limit {
            return Publishing::ready(Err(too_large(&outgoing.topic, size, limit)));
        }
        let mut wakes = Wakes::default();
        let mut state = broker.lock();
        if outgoing.options.is_some() || self.gate.load(Ordering::Relaxed) != OPEN {
            drop(state);
            return self.publish_oddly(broker, outgoing);
        }
        let Some(channel) = state.channel_or_create(&outgoing.topic, &mut wakes) else {
            return Publishing::ready(Err(not_exact(&outgoing.topic)));
        };
        if !state.admits(channel, size, outgoing.sender) {
            return Publishing::pending(state.wait(channel, outgoing, How::default(), (self, broker)));
        }
        let confirmation = state.store(channel, outgoing.message, &mut wakes);
        drop(state);
        wakes.tell();
        Publishing::ready(Ok(confirmation))
    }

    /// Closes, and completes when every publish is answered. What still waits when its time is over is given up,
    /// even if nobody polls it.
    pub(super) async fn close(&self, broker: &Broker) {
        broker.run(|state, _| {
            self.gate.fetch_max(CLOSED, Ordering::Relaxed);
            state.forget_watchers(self.id)
        });
        self.faults.close();
        if self.waiting.is_closed() {
            return;
        }
        if timeout(broker.options().full_after, self.waiting.closed()).await.is_err() {
            broker.run(|state, wakes| state.give_up(self.id, wakes));
        }
    }
}

/// What the gate is, from the first publish to the last.
const OPEN: u8 = 0;
const GUARDED: u8 = 1;
const CLOSED: u8 = 2;
const KILLED: u8 = 3;

/// A message in the queue for room.
#[derive(Debug)]
pub(super) struct Waiting {
    ticket: u64,
    door: u64,
    message: Message,
    how: How,
    answer: oneshot::Sender<Result<Confirmation>>,
    /// For the door to know that somebody waits.
    _open: watch::Receiver<()>,
}

impl Waiting {
    /// Answers; whoever published may have gone.
    pub(super) fn answer(self, answer: Result<Confirmation>) {
        let _ = self.answer.send(answer);
    }
}

impl State {
    /// Whether a message may be stored now. Whoever waits goes first; handlers and dead letters never wait.
    #[inline(always)]
    pub(super) fn admits(&mut self, channel: usize, size: usize, sender: Sender) -> bool {
        let queue = !self.channels[channel].waiting.is_empty();
        let fits = !queue && self.make_room(channel, size);
        if fits || sender == Sender::Program {
            return fits;
        }
        self.crowd(channel);
        true
    }

    #[inline]
    fn store(&mut self, channel: usize, message: Message, wakes: &mut Wakes) -> Confirmation {
        let Channel { log, readers, .. } = &mut self.channels[channel];
        let (partition, position) = log.append(message);
        for Reader { group, first } in readers {
            self.groups[*group].published(*first + partition, wakes);
        }
        Confirmation { partition: u32::try_from(partition).ok(), position: Some(Position::new(position)) }
    }

    pub(super) fn wait(
        &mut self,
        channel: usize,
        Outgoing { topic, message, .. }: Outgoing,
        how: How,
        (door, broker): (&Door, &Arc<Broker>),
    ) -> impl Future<Output = Result<Confirmation>> + use<> {
        let (sender, answer) = oneshot::channel();
        let ticket = self.next_id();
        let waiting =
            Waiting { ticket, door: door.id, message, how, answer: sender, _open: door.waiting.subscribe() };
        self.channels[channel].waiting.push_back(waiting);
        self.crowd(channel);
        let deadline = Instant::now() + self.bound.full_after.min(FOR_EVER);
        Waiter { broker: broker.clone(), topic, ticket, answer }.wait(deadline)
    }

    pub(super) fn crowd(&mut self, channel: usize) {
        if !self.crowded.contains(&channel) {
            self.crowded.push(channel);
        }
    }

    /// Makes room in crowded channels, and stores what waits for it, first come, first served.
    pub(super) fn serve(&mut self, wakes: &mut Wakes) {
        let mut crowded = std::mem::take(&mut self.crowded);
        crowded.retain(|channel| !self.serve_channel(*channel, wakes));
        self.crowded = crowded;
    }

    /// Says whether the channel is crowded no more.
    fn serve_channel(&mut self, channel: usize, wakes: &mut Wakes) -> bool {
        while let Some(first) = self.channels[channel].waiting.front() {
            let size = first.message.size();
            if !self.make_room(channel, size) {
                return false;
            }
            if let Some(mut first) = self.channels[channel].waiting.pop_front() {
                let how = std::mem::take(&mut first.how);
                let confirmation = match self.odd {
                    true => self.store_oddly(channel, first.message.clone(), how, wakes),
                    false => self.store(channel, first.message.clone(), wakes),
                };
                wakes.stored(first, confirmation);
            }
        }
        self.trim(channel)
    }

    /// Takes one message out of the queue, unless it was stored.
    fn withdraw(&mut self, topic: &Topic, ticket: u64, wakes: &mut Wakes) -> Option<Waiting> {
        let channel = self.channel(topic)?;
        let queue = &mut self.channels[channel].waiting;
        let at = queue.binary_search_by_key(&ticket, |waiting| waiting.ticket).ok()?;
        let waiting = queue.remove(at);
        // Behind a large message a small one may have waited that fits.
        self.serve(wakes);
        waiting
    }

    /// Takes everything of one connection out of all queues.
    pub(super) fn give_up(&mut self, door: u64, wakes: &mut Wakes) -> Vec<Waiting> {
        let mut given_up = Vec::new();
        for channel in &mut self.channels {
            let (ours, others): (VecDeque<_>, _) =
                channel.waiting.drain(..).partition(|waiting| waiting.door == door);
            channel.waiting = others;
            given_up.extend(ours);
        }
        self.serve(wakes);
        given_up
    }

    /// Why a topic is full, and what to do.
    fn full(&self, topic: &Topic) -> Error {
        let Some(channel) = self.channel(topic).map(|at| &self.channels[at]) else {
            return error(ErrorKind::Full, "publish", format!("topic `{topic}` is full"));
        };
        let (messages, bytes) = channel.log.held();
        let behind = |Reader { group, first }: &Reader| {
            let shares = &self.groups[*group].shares;
            let lag = |at| channel.log.end(at) - shares[first + at].progress.cursor();
            ((0..channel.log.partitions()).map(lag).sum::<u64>(), &self.groups[*group])
        };
        let why = match channel.readers.iter().map(behind).max_by_key(|(lag, _)| *lag) {
            Some((lag, group)) if lag > 0 => format!(
                "group `{}` on `{}` holds it with {lag} messages that are not settled; let it catch up, or raise",
                group.name, group.filter
            ),
            _ if channel.keeps_all => "dead letters never give way; raise".to_owned(),
            _ => "larger messages waited before; raise".to_owned(),
        };
        let after = self.bound.full_after;
        let (capacity, capacity_bytes) = (self.bound.capacity, self.bound.capacity_bytes);
        error(
            ErrorKind::Full,
            "publish",
            format!(
                "topic `{topic}` stayed full for {after:?}, with {messages} of {capacity} messages and {bytes} of \
                 {capacity_bytes} bytes: {why} `capacity` or `capacity_bytes`"
            ),
        )
    }
}

/// The side of a waiting message that its publisher holds.
///
/// Dropping it takes the message out of the queue, unless it was stored, and lets others move up.
struct Waiter {
    broker: Arc<Broker>,
    topic: Topic,
    ticket: u64,
    answer: oneshot::Receiver<Result<Confirmation>>,
}

impl Waiter {
    async fn wait(mut self, deadline: Instant) -> Result<Confirmation> {
        let answer = loop {
            // Groups that hold the topic may be forgotten meanwhile.
            let next = self.broker.run(|state, wakes| {
                if state.forget_instances(wakes) {
                    state.serve(wakes);
                }
                state.instances.next().filter(|next| *next < deadline)
            });
            match timeout_at(next.unwrap_or(deadline), &mut self.answer).await {
                Ok(answer) => break answer,
                Err(_) if next.is_some() => {}
                // Out of the queue first: then either it is stored, and the answer is certain to come, or it never is.
                Err(_) => match self.withdraw() {
                    Some(waiting) => {
                        drop(waiting);
                        return Err(self.full());
                    }
                    None => break (&mut self.answer).await,
                },
            }
        };
        // A connection that closes gives up what waits longer than its time.
        answer.unwrap_or_else(|_| Err(self.full()))
    }

    fn withdraw(&self) -> Option<Waiting> {
        self.broker.run(|state, wakes| state.withdraw(&self.topic, self.ticket, wakes))
    }

    fn full(&self) -> Error {
        self.broker.run(|state, _| state.full(&self.topic))
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if !self.answer.is_terminated() {
            drop(self.withdraw());
        }
    }
}

pub(super) fn too_large(topic: &Topic, size: usize, limit: usize) -> Error {
    error(
        ErrorKind::TooLarge,
        "publish",
        format!(
            "a message for `{topic}` has {size} bytes, and the limit is {limit}; make it smaller, or raise \
             `max_message`"
        ),
    )
}

pub(super) fn not_exact(topic: &Topic) -> Error {
    error(ErrorKind::InvalidTopic, "publish", format!("`{topic}` is a pattern; publish on an exact topic"))
}
