//! The side of a subscription that the worker polls. What talks to the server is a task beside it, see `drive.rs`.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use tokio::sync::Notify;

use super::{
    Core,
    config::Nats,
    connect,
    drive::Driver,
    failure::closed,
    not_provisioned,
    sources::{self, Source},
};
use crate::{
    backend::{Consumer, Delivery, Floor, Intake, Note, Partitions, Room, Subscription, Token},
    error::{Error, Result},
};

/// What the worker and the task say to each other.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Tells the task that there is something for it.
    pub(super) told: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// What is delivered, oldest first, of one generation.
    pub(super) queue: VecDeque<Delivery>,
    pub(super) queued_bytes: usize,
    /// What was delivered before is lost.
    pub(super) is_lost: bool,
    pub(super) failed: Option<Error>,
    /// What the worker would still take.
    pub(super) room: Wish,
    pub(super) settled: Vec<Token>,
    pub(super) record: Record,
    pub(super) notes: Vec<Note>,
    pub(super) is_closing: bool,
    pub(super) closed: Option<Result<()>>,
    /// Nobody polls any more.
    pub(super) is_dropped: bool,
    waker: Option<Waker>,
}

/// Deliveries and bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Wish {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

/// A suspect that is to be recorded.
#[derive(Default)]
pub(super) enum Record {
    #[default]
    Idle,
    Asked(Option<Token>),
    Done(Option<Token>, Result<()>),
}

impl Wish {
    pub(super) const fn is_open(self) -> bool {
        self.count > 0 && self.bytes > 0
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what the worker sees, and wakes it.
    pub(super) fn tell<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (told, waker) = {
            let mut state = self.lock();
            (change(&mut state), state.waker.take())
        };
        if let Some(waker) = waker {
            waker.wake();
        }
        told
    }
}

/// A member of a group. Dropping it is a crash.
pub(super) struct NatsConsumer {
    /// One for each stream that the subscription reads, which are its partitions.
    lanes: Vec<Arc<Shared>>,
    /// Where to look first.
    next: usize,
    has_left: bool,
    is_recorded: bool,
    name: String,
}

impl NatsConsumer {
    pub(super) async fn open(core: &Core, subscription: &Subscription) -> Result<Self> {
        let options: &Arc<Nats> = &core.options;
        let sources: Vec<Source> = sources::sources(options, &subscription.filter);
        let mut lanes = Vec::new();
        let mut drivers = Vec::new();
        for (partition, source) in (0..).zip(sources) {
            let shared = Arc::new(Shared::default());
            drivers.push(Driver::open(options, subscription, source, partition, &shared).await?);
            lanes.push(shared);
        }
        if lanes.is_empty() {
            return Err(not_provisioned("subscribe", subscription));
        }
        drivers.into_iter().for_each(|driver| connect::run(driver.run()));
        let name = format!("{} on {}", subscription.group, subscription.filter);
        Ok(Self { lanes, next: 0, has_left: false, is_recorded: false, name })
    }

    fn partitions(&self, lane: usize) -> Partitions {
        match self.lanes.len() {
            1 => Partitions::All,
            _ => Partitions::These(vec![u32::try_from(lane).unwrap_or(u32::MAX)]),
        }
    }

    fn lane(&self, partition: u32) -> Option<&Arc<Shared>> {
        self.lanes.get(usize::try_from(partition).ok()?)
    }
}

impl Consumer for NatsConsumer {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        if self.has_left {
            return Poll::Ready(Err(closed("consume")));
        }
        let before = into.len();
        let mut room = Wish { count: room.count, bytes: if room.count == 0 { 0 } else { room.bytes } };
        for step in 0..self.lanes.len() {
            let at = (self.next + step) % self.lanes.len();
            let mut state = self.lanes[at].lock();
            if let Some(failed) = &state.failed {
                return Poll::Ready(Err(failed.clone()));
            }
            if state.is_lost {
                if into.len() > before {
                    break;
                }
                state.is_lost = false;
                drop(state);
                return Poll::Ready(Ok(Intake::Lost(self.partitions(at))));
            }
            let mut taken = false;
            while room.count > 0 && room.bytes > 0 {
                let Some(delivery) = state.queue.pop_front() else { break };
                let size = delivery.message.size();
                state.queued_bytes = state.queued_bytes.saturating_sub(size);
                room.count -= 1;
                room.bytes = room.bytes.saturating_sub(size);
                taken = true;
                into.push(delivery);
            }
            let has_grown = taken || room.count > state.room.count || room.is_open() && !state.room.is_open();
            state.room = room;
            if !taken && !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                state.waker = Some(cx.waker().clone());
            }
            drop(state);
            if has_grown {
                self.lanes[at].told.notify_one();
            }
        }
        self.next = (self.next + 1) % self.lanes.len();
        if into.len() > before { Poll::Ready(Ok(Intake::Deliveries)) } else { Poll::Pending }
    }

    /// The floors say nothing here that the tokens do not.
    fn settle(&mut self, settled: &[Token], _floors: &[Floor]) {
        if let [lane] = &self.lanes[..] {
            lane.lock().settled.extend_from_slice(settled);
            lane.told.notify_one();
            return;
        }
        for token in settled {
            if let Some(lane) = self.lane(token.partition) {
                lane.lock().settled.push(*token);
                lane.told.notify_one();
            }
        }
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        if suspect.is_none() && !self.is_recorded {
            return Poll::Ready(Ok(()));
        }
        let wanted = suspect.map(|token| token.partition);
        for (partition, lane) in (0..).zip(&self.lanes) {
            if wanted.is_some_and(|wanted| wanted != partition) {
                continue;
            }
            let mut state = lane.lock();
            if let Some(failed) = &state.failed {
                return Poll::Ready(Err(failed.clone()));
            }
            state.waker = Some(cx.waker().clone());
            match std::mem::take(&mut state.record) {
                Record::Done(token, result) if token == suspect => {
                    drop(state);
                    self.is_recorded = suspect.is_some();
                    return Poll::Ready(result);
                }
                Record::Asked(token) if token == suspect => state.record = Record::Asked(token),
                Record::Idle | Record::Asked(_) | Record::Done(..) => {
                    state.record = Record::Asked(suspect);
                    lane.told.notify_one();
                }
            }
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn note(&mut self, notes: &[Note]) {
        for note in notes {
            if let Some(lane) = self.lane(note.token.partition) {
                lane.lock().notes.push(*note);
            }
        }
    }

    /// Nothing is ever asked back here: it is lost at once, or stays.
    fn release(&mut self, _partitions: &Partitions) {}

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.has_left = true;
        let mut result = Ok(());
        let mut is_open = false;
        for lane in &self.lanes {
            let mut state = lane.lock();
            state.waker = Some(cx.waker().clone());
            match &state.closed {
                Some(Ok(())) => {}
                Some(Err(cause)) => result = Err(cause.clone()),
                None => {
                    is_open = true;
                    if !std::mem::replace(&mut state.is_closing, true) {
                        lane.told.notify_one();
                    }
                }
            }
        }
        if is_open { Poll::Pending } else { Poll::Ready(result) }
    }
}

impl Drop for NatsConsumer {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.lock().is_dropped = true;
            lane.told.notify_one();
        }
    }
}

impl fmt::Debug for NatsConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsConsumer").field("subscription", &self.name).finish_non_exhaustive()
    }
}
