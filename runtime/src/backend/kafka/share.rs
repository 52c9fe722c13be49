//! What a consumer and its polling thread share: the partitions, what arrived, and what each has to tell the other.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{ledger::Ledger, wakers::Wakers};
use crate::{
    backend::{Delivery, Intake, Message, Partitions, Past, Position, Room, Token, Topic},
    error::{Error, Result},
};

#[derive(Debug)]
pub(super) struct Share {
    state: Mutex<State>,
    /// Wakes the worker.
    pub(super) wakers: Wakers,
    /// Wakes the thread.
    pub(super) bell: Bell,
    /// How much may wait for the worker: messages, and their bytes.
    most: (usize, usize),
}

/// Wakes a thread, also one that is about to sleep.
#[derive(Debug, Default)]
pub(super) struct Bell {
    rung: Mutex<bool>,
    condition: Condvar,
}

impl Bell {
    pub(super) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.condition.notify_one();
    }

    pub(super) fn wait(&self, patience: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.condition.wait_timeout_while(rung, patience, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) parts: Vec<Part>,
    index: HashMap<String, HashMap<i32, u32>>,
    buffer: VecDeque<Arrived>,
    buffered_bytes: usize,
    news: VecDeque<Intake>,
    pub(super) fatal: Option<Error>,
    /// Settled since the last commit.
    pub(super) completions: usize,
    /// When the first of them was.
    pub(super) since: Option<Instant>,
    /// A commit is to be made at once.
    pub(super) urgent: bool,
    /// Counts the changes of what is recorded, and those of them that are durable.
    pub(super) records: u64,
    pub(super) durable_records: u64,
    pub(super) end: End,
    /// The answer to a close.
    pub(super) closed: Option<Result<()>>,
}

/// How the consumer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum End {
    #[default]
    None,
    /// Everything settled is committed first.
    Close,
    /// Nothing is.
    Crash,
}

/// One partition of one topic, numbered by its place.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) topic: Topic,
    pub(super) number: i32,
    pub(super) generation: u32,
    pub(super) stage: Stage,
    pub(super) ledger: Ledger,
    /// What the client will give next.
    pub(super) fetched: u64,
    /// Something is to be committed.
    pub(super) changed: bool,
}

/// Whose a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Another's.
    Absent,
    Ours,
    /// It is being given up.
    Revoking,
    /// It was given up by the worker.
    Released,
}

#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) part: u32,
    pub(super) topic: Topic,
    pub(super) offset: u64,
    pub(super) message: Message,
    pub(super) age: Option<Duration>,
}

impl Share {
    pub(super) fn new(most: (usize, usize)) -> Self {
        Self { state: Mutex::default(), wakers: Wakers::default(), bell: Bell::default(), most }
    }

    /// For how many more messages there is room, and for how many of their bytes.
    pub(super) fn room(&self) -> (usize, usize) {
        let (count, bytes) = self.lock().load();
        (self.most.0.saturating_sub(count), self.most.1.saturating_sub(bytes))
    }

    /// Whether what waits for the worker has come down to half of what may: the thread that fills it is told then.
    pub(super) const fn has_emptied(&self, before: (usize, usize), after: (usize, usize)) -> bool {
        let (count, bytes) = (self.most.0 / 2, self.most.1 / 2);
        (before.0 > count && after.0 <= count) || (before.1 > bytes && after.1 <= bytes)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The number of a partition, which it keeps.
    pub(super) fn number(&mut self, topic: &str, number: i32) -> u32 {
        if let Some(part) = self.find(topic, number) {
            return part;
        }
        let part = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        self.index.entry(topic.to_owned()).or_default().insert(number, part);
        self.parts.push(Part {
            topic: Topic::from(topic),
            number,
            generation: 0,
            stage: Stage::Absent,
            ledger: Ledger::default(),
            fetched: 0,
            changed: false,
        });
        part
    }

    pub(super) fn find(&self, topic: &str, number: i32) -> Option<u32> {
        self.index.get(topic)?.get(&number).copied()
    }

    pub(super) fn part(&mut self, part: u32) -> Option<&mut Part> {
        self.parts.get_mut(part as usize)
    }

    /// What waits for the worker: messages, and their bytes.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.buffer.len(), self.buffered_bytes)
    }

    pub(super) fn push(&mut self, arrived: Arrived) {
        self.buffered_bytes += arrived.message.size();
        self.buffer.push_back(arrived);
    }

    /// The parts in this stage.
    pub(super) fn in_stage(&self, stage: Stage) -> Vec<u32> {
        let numbered = (0_u32..).zip(&self.parts);
        numbered.filter(|(_, part)| part.stage == stage).map(|(at, _)| at).collect()
    }

    /// A partition is ours from now on.
    pub(super) fn begin(&mut self, number: u32, ledger: Ledger) {
        let Some(part) = self.part(number) else { return };
        part.generation += 1;
        part.stage = Stage::Ours;
        part.fetched = ledger.floor();
        part.ledger = ledger;
        part.changed = false;
    }

    /// Partitions are to be given up: nothing of them is delivered any more.
    pub(super) fn revoke(&mut self, numbers: &[u32]) {
        for number in numbers {
            if let Some(part) = self.part(*number) {
                part.stage = Stage::Revoking;
            }
        }
        self.purge(numbers);
        self.news.push_back(Intake::Revoking(Partitions::These(numbers.to_vec())));
    }

    /// Partitions are gone.
    pub(super) fn lose(&mut self, numbers: &[u32]) {
        self.purge(numbers);
        for number in numbers {
            self.leave(*number);
        }
        self.news.push_back(Intake::Lost(Partitions::These(numbers.to_vec())));
    }

    /// A partition is not ours any more, and its tokens are stale.
    pub(super) fn leave(&mut self, number: u32) {
        if let Some(part) = self.part(number) {
            part.stage = Stage::Absent;
            part.generation += 1;
            part.changed = false;
            part.ledger = Ledger::default();
        }
    }

    fn purge(&mut self, numbers: &[u32]) {
        self.buffer.retain(|arrived| !numbers.contains(&arrived.part));
        self.buffered_bytes = self.buffer.iter().map(|arrived| arrived.message.size()).sum();
    }

    /// Appends what there is room for, or says what happened.
    pub(super) fn take(&mut self, room: Room, into: &mut Vec<Delivery>) -> Option<Intake> {
        if let Some(news) = self.news.pop_front() {
            return Some(news);
        }
        let before = into.len();
        let mut room = room;
        while !room.is_empty() {
            let Some(first) = self.buffer.front() else { break };
            let size = first.message.size();
            if size > room.bytes && into.len() > before {
                break;
            }
            let Some(arrived) = self.buffer.pop_front() else { break };
            self.buffered_bytes -= size;
            let Some(delivery) = self.deliver(arrived) else { continue };
            into.push(delivery);
            room.count -= 1;
            room.bytes = room.bytes.saturating_sub(size);
        }
        (into.len() > before).then_some(Intake::Deliveries)
    }

    fn deliver(
        &mut self,
        Arrived { part: number, topic, offset, message, age }: Arrived,
    ) -> Option<Delivery> {
        let part = self.part(number).filter(|part| part.stage == Stage::Ours)?;
        let mut past = part.ledger.deliver(offset)?;
        if age.is_some() {
            past = Some(Box::new(Past { age, ..past.map_or_else(Past::default, |past| *past) }));
        }
        Some(Delivery {
            token: Token { partition: number, generation: part.generation, position: offset },
            topic,
            message,
            partition: u32::try_from(part.number).ok(),
            position: Some(Position::new(offset)),
            past,
        })
    }

    /// The part of a token that is not stale.
    pub(super) fn of(&mut self, token: &Token) -> Option<&mut Part> {
        let part = self.parts.get_mut(token.partition as usize)?;
        let holds = matches!(part.stage, Stage::Ours | Stage::Revoking);
        (holds && part.generation == token.generation).then_some(part)
    }
}
