//! The real consumer, and what waits between it and its shards.

use std::{
    collections::VecDeque,
    hash::BuildHasher,
    mem,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use hashbrown::DefaultHashBuilder;

use super::{
    hand::{Hand, Told},
    ledger::Ledger,
};
use crate::{
    backend::{Consumer, Delivery, Intake, Note, Partitions, Room, Token},
    dispatch::{
        held::INTAKE,
        sync::{AtomicWaker, Mutex, MutexGuard},
    },
    error::{Error, ErrorKind, Result},
    policy::{Limits, Order},
};

#[derive(Debug)]
pub(super) struct Split {
    state: Mutex<State>,
    bell: Arc<Bell>,
    /// Rings the bell. What the consumer keeps of it must not keep the consumer.
    waker: Waker,
}

/// Wakes the shards that sleep.
#[derive(Debug)]
struct Bell(Box<[AtomicWaker]>);

#[derive(Debug)]
struct State {
    /// Nothing while someone has the turn.
    hand: Option<Hand>,
    ledger: Ledger,
    parts: Vec<Part>,
    /// The last of the shards to leave.
    closer: Option<usize>,
    revocations: Vec<Revocation>,
    /// How many revocations there were.
    revoked: u64,
    /// What the consumer is to be told next.
    told: Told,
    over: Over,
    routes: Routes,
}

/// What waits for one shard.
#[derive(Debug, Default)]
struct Part {
    /// They come before the deliveries: none of those is of partitions that the news are about, or it came later.
    news: VecDeque<News>,
    queue: VecDeque<Delivery>,
    /// Its worker had room when it was last polled.
    wants: bool,
    /// It was polled while another had the turn.
    missed: bool,
    /// It let others go first when it was last polled.
    yielded: bool,
    left: bool,
}

#[derive(Debug)]
pub(super) enum News {
    Deliveries,
    /// With the number of the revocation.
    Revoking(u64, Partitions),
    Lost(Partitions),
    End,
}

/// A revocation that some shards have not answered.
#[derive(Debug)]
struct Revocation {
    number: u64,
    /// Less what was lost meanwhile.
    partitions: Partitions,
    open: Set,
}

/// Whether the consumer may be polled.
#[derive(Debug)]
enum Over {
    No,
    Ended,
    Failed(Error),
}

/// What a turn came to.
#[derive(Debug, Default)]
struct Turn {
    /// The consumer may have more.
    more: bool,
    /// Others slept, and have something to do now.
    roused: bool,
}

/// Shards, as bits.
type Set = u64;

#[derive(Debug)]
struct Routes {
    order: Order,
    hasher: DefaultHashBuilder,
    next: usize,
}

impl Split {
    pub(super) fn new(consumer: Box<dyn Consumer>, count: usize, order: Order, limits: Limits) -> Self {
        let bell = Arc::new(Bell((0..count).map(|_| AtomicWaker::new()).collect()));
        let state = State {
            hand: Some(Hand::new(consumer)),
            ledger: Ledger::new(limits),
            parts: (0..count).map(|_| Part::default()).collect(),
            closer: None,
            revocations: Vec::new(),
            revoked: 0,
            told: Told::default(),
            over: Over::No,
            routes: Routes { order, hasher: DefaultHashBuilder::default(), next: 0 },
        };
        Self { state: Mutex::new(state), waker: Waker::from(Arc::clone(&bell)), bell }
    }

    pub(super) fn poll(
        &self,
        at: usize,
        cx: &Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<News>> {
        // Before anything is looked at, so that whatever comes later wakes this shard.
        self.bell.0[at].register(cx.waker());
        let hand = self.lock().begin(at, !room.is_empty());
        let Turn { more, roused } = hand.map_or_else(Turn::default, |hand| self.take_turn(at, hand));
        {
            let mut state = self.lock();
            // Tokio runs whom a task wakes on its own thread, after it, where no other takes it from. So this one
            // does not keep who was asleep waiting while it works: it goes on behind them, or elsewhere.
            let yields = roused && !state.parts[at].yielded;
            state.parts[at].yielded = yields;
            if !yields && let Some(answer) = state.serve(at, room, into) {
                return Poll::Ready(answer);
            }
            if !yields && !more {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(super) fn settle(&self, settled: &[Token]) {
        let hand = {
            let State { ledger, told, hand, .. } = &mut *self.lock();
            told.settled.extend(settled.iter().copied().filter(|token| ledger.settle(*token)));
            hand.take()
        };
        self.give_back(hand);
    }

    /// What is known of deliveries that a shard gives back next; told right before that.
    pub(super) fn note(&self, notes: &[Note]) {
        self.lock().told.notes.extend_from_slice(notes);
    }

    pub(super) fn poll_record(
        &self,
        at: usize,
        cx: &mut Context<'_>,
        suspect: Option<Token>,
    ) -> Poll<Result<()>> {
        self.bell.0[at].register(cx.waker());
        let hand = {
            let mut state = self.lock();
            if let Over::Failed(error) = &state.over {
                return Poll::Ready(Err(error.clone()));
            }
            let hand = state.hand.take();
            state.parts[at].missed |= hand.is_none();
            hand
        };
        let Some(mut hand) = hand else { return Poll::Pending };
        let recorded = hand.consumer.poll_record(&mut Context::from_waker(&self.waker), suspect);
        self.give_back(Some(hand));
        recorded
    }

    /// A shard has nothing more of a revocation.
    pub(super) fn release(&self, at: usize, number: u64) {
        let hand = {
            let mut state = self.lock();
            state.answer(at, |revocation| revocation.number == number);
            state.hand.take()
        };
        self.give_back(hand);
    }

    /// A shard is no more: nothing is handed to it, and nothing expected.
    pub(super) fn leave(&self, at: usize) {
        let (hand, gone) = {
            let mut state = self.lock();
            state.answer(at, |_| true);
            let part = &mut state.parts[at];
            (part.left, part.wants) = (true, false);
            let gone = (mem::take(&mut part.queue), mem::take(&mut part.news));
            if state.parts.iter().all(|part| part.left) {
                state.closer.get_or_insert(at);
            }
            (state.hand.take(), gone)
        };
        self.give_back(hand);
        // What this one settled last may have made room, and it does not come back for it.
        self.wake(ALL);
        drop(gone);
    }

    /// The last that closes closes the consumer.
    pub(super) fn poll_close(&self, at: usize, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.bell.0[at].register(cx.waker());
        let mut hand = {
            let mut state = self.lock();
            if matches!(state.over, Over::Failed(_)) || state.closer != Some(at) {
                return Poll::Ready(Ok(()));
            }
            let Some(hand) = state.hand.take() else {
                state.parts[at].missed = true;
                return Poll::Pending;
            };
            hand
        };
        let closed = hand.consumer.poll_close(cx);
        self.give_back(Some(hand));
        closed
    }

    /// Polls the consumer until it has no more, or has given a worker's fill.
    fn take_turn(&self, at: usize, mut hand: Hand) -> Turn {
        let _unwinding = Unwinding::new(self);
        let (mut taken, mut roused) = (0, false);
        let more = loop {
            let room = self.lock().prepare(&mut hand, INTAKE - taken);
            hand.tell();
            let cx = &mut Context::from_waker(&self.waker);
            let polled = hand.consumer.poll_batch(cx, room, &mut hand.arrived);
            let rests = polled.is_pending();
            // News count as one, so that a consumer that has nothing else lets the worker go on.
            taken += hand.arrived.len().max(1);
            let (woken, over) = {
                let mut state = self.lock();
                (state.hand_out(&mut hand.arrived, room, polled), !matches!(state.over, Over::No))
            };
            roused |= self.wake(woken & !(1 << at));
            if rests || over || taken >= INTAKE {
                break !rests && !over;
            }
        };
        self.give_back(Some(hand));
        if more {
            // The consumer knows no waker, and the others must not depend on this one's coming back soon.
            self.wake(ALL & !(1 << at));
        }
        Turn { more, roused }
    }

    /// Ends a turn, after the consumer was told everything.
    fn give_back(&self, hand: Option<Hand>) {
        let Some(mut hand) = hand else { return };
        let _unwinding = Unwinding::new(self);
        let missed = loop {
            {
                let mut state = self.lock();
                if state.told.is_empty() || matches!(state.over, Over::Failed(_)) {
                    break state.end(hand);
                }
                state.move_told(&mut hand);
            }
            hand.tell();
        };
        self.wake(missed);
    }

    /// Wakes these; `true` if one of them slept.
    fn wake(&self, set: Set) -> bool {
        let meant = |at: &usize| set & (1 << at) != 0;
        let wakers = (0..self.bell.0.len()).filter(meant).filter_map(|at| self.bell.0[at].take());
        wakers.map(Waker::wake).count() > 0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const ALL: Set = Set::MAX;

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.iter().for_each(AtomicWaker::wake);
    }
}

/// A consumer that panics takes the turn along: there is nothing to wait for any more.
struct Unwinding<'a> {
    split: &'a Split,
    /// It is not the consumer that panicked, but a worker, which is being dropped.
    already: bool,
}

impl<'a> Unwinding<'a> {
    fn new(split: &'a Split) -> Self {
        Self { split, already: std::thread::panicking() }
    }
}

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.already {
            let text = "the backend's consumer panicked";
            self.split.lock().over = Over::Failed(Error::new(ErrorKind::Fatal, "consume", text));
            self.split.wake(ALL);
        }
    }
}

impl State {
    /// Takes the turn, if nobody has it and there is something to expect.
    fn begin(&mut self, at: usize, wants: bool) -> Option<Hand> {
        self.parts[at].wants = wants;
        if !matches!(self.over, Over::No) {
            return None;
        }
        let hand = self.hand.take();
        self.parts[at].missed = hand.is_none();
        hand
    }

    /// Moves what is to be told into the hand, and says how much may be taken.
    fn prepare(&mut self, hand: &mut Hand, most: usize) -> Room {
        self.move_told(hand);
        if self.parts.iter().any(|part| part.wants) { self.ledger.room(most) } else { Room::NONE }
    }

    fn move_told(&mut self, hand: &mut Hand) {
        if !self.told.is_empty() {
            self.ledger.floors(&mut self.told.floors);
            mem::swap(&mut self.told, &mut hand.told);
        }
    }

    /// Ends the turn, and says who wanted it meanwhile.
    fn end(&mut self, hand: Hand) -> Set {
        self.hand = Some(hand);
        let parts = (0..).zip(&mut self.parts);
        parts.fold(0, |set, (at, part): (usize, _)| set | (Set::from(mem::take(&mut part.missed)) << at))
    }

    /// Takes in what the consumer said, and says who is to be woken.
    fn hand_out(&mut self, arrived: &mut Vec<Delivery>, room: Room, polled: Poll<Result<Intake>>) -> Set {
        if let Some(delivery) = arrived.get(room.count) {
            let text = format!("the consumer delivered {:?} beyond the room it was given", delivery.token);
            self.over = Over::Failed(Error::new(ErrorKind::Fatal, "consume", text));
            return ALL;
        }
        let mut woken = 0;
        for delivery in arrived.drain(..) {
            let at = self.routes.shard_of(&delivery, self.parts.len());
            self.ledger.take(&delivery);
            self.parts[at].queue.push_back(delivery);
            woken |= 1 << at;
        }
        match polled {
            Poll::Pending | Poll::Ready(Ok(Intake::Deliveries)) => return woken,
            Poll::Ready(Ok(Intake::Revoking(partitions))) => self.revoke(&partitions),
            Poll::Ready(Ok(Intake::Lost(partitions))) => self.lose(&partitions),
            Poll::Ready(Ok(Intake::End)) => self.over = Over::Ended,
            Poll::Ready(Err(error)) => self.over = Over::Failed(error),
        }
        ALL
    }

    fn revoke(&mut self, partitions: &Partitions) {
        self.revoked += 1;
        let (number, mut open) = (self.revoked, 0);
        self.ledger.leave(partitions);
        for (at, part) in self.parts.iter_mut().enumerate().filter(|(_, part)| !part.left) {
            open |= 1 << at;
            part.drop_queued(partitions);
            part.news.push_back(News::Revoking(number, partitions.clone()));
        }
        self.revocations.push(Revocation { number, partitions: partitions.clone(), open });
    }

    fn lose(&mut self, partitions: &Partitions) {
        self.ledger.forget(partitions);
        self.told.forget(partitions);
        self.revocations.retain_mut(|revocation| !revocation.partitions.lose(partitions));
        for part in self.parts.iter_mut().filter(|part| !part.left) {
            part.drop_queued(partitions);
            part.lose(partitions);
        }
    }

    /// A shard answers revocations. Where it is the last to do so, the consumer is to be told.
    fn answer(&mut self, at: usize, is_answered: impl Fn(&Revocation) -> bool) {
        let Self { revocations, ledger, told, .. } = self;
        revocations.retain_mut(|revocation| {
            if is_answered(revocation) {
                revocation.open &= !(1 << at);
            }
            if revocation.open == 0 {
                // Before the floors of these partitions are forgotten.
                ledger.floors(&mut told.floors);
                ledger.forget(&revocation.partitions);
                told.releases.push(revocation.partitions.clone());
            }
            revocation.open != 0
        });
    }

    /// What a shard is told next.
    fn serve(&mut self, at: usize, room: Room, into: &mut Vec<Delivery>) -> Option<Result<News>> {
        if let Over::Failed(error) = &self.over {
            return Some(Err(error.clone()));
        }
        let part = &mut self.parts[at];
        if let Some(news) = part.news.pop_front() {
            return Some(Ok(news));
        }
        if part.queue.is_empty() {
            return matches!(self.over, Over::Ended).then_some(Ok(News::End));
        }
        part.serve(room, into).then_some(Ok(News::Deliveries))
    }
}

impl Part {
    fn drop_queued(&mut self, gone: &Partitions) {
        self.queue.retain(|delivery| !gone.contains(delivery.token.partition));
    }

    /// A loss is heard first, and with every other at once: nothing that is lost begins while the worker hears of the rest.
    fn lose(&mut self, lost: &Partitions) {
        self.news.retain_mut(|news| match news {
            News::Revoking(_, asked) => !asked.lose(lost),
            News::Deliveries | News::Lost(_) | News::End => true,
        });
        match (self.news.front_mut(), lost) {
            (Some(News::Lost(Partitions::All)), _) => {}
            (Some(News::Lost(Partitions::These(before))), Partitions::These(lost)) => {
                lost.iter().for_each(|one| {
                    if !before.contains(one) {
                        before.push(*one);
                    }
                });
            }
            (Some(News::Lost(before)), Partitions::All) => *before = Partitions::All,
            _ => self.news.push_front(News::Lost(lost.clone())),
        }
    }

    /// Hands out what there is room for; a large one gets through alone.
    fn serve(&mut self, room: Room, into: &mut Vec<Delivery>) -> bool {
        if room.is_empty() {
            return false;
        }
        let mut bytes = room.bytes;
        for count in 0..room.count {
            let size = self.queue.front().map(|delivery| delivery.message.size());
            let Some(size) = size.filter(|size| *size <= bytes || count == 0) else { return count > 0 };
            into.extend(self.queue.pop_front());
            bytes = bytes.saturating_sub(size);
        }
        true
    }
}

impl Routes {
    /// The shard of a delivery's lane; any, where it has none.
    fn shard_of(&mut self, delivery: &Delivery, count: usize) -> usize {
        let among = count as u64;
        let at = match (self.order, delivery.message.key()) {
            (Order::Key, Some(key)) => self.hasher.hash_one(key) % among,
            (Order::Partition, _) => u64::from(delivery.token.partition) % among,
            (Order::Key | Order::None, _) => {
                self.next = self.next.wrapping_add(1);
                self.next as u64 % among
            }
        };
        usize::try_from(at).unwrap_or_default()
    }
}
