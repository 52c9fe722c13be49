//! Making progress durable: an offset and a record for each partition.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext},
    error::{KafkaError, KafkaResult},
};

use super::{
    errors::kind_of,
    record::{MOST, Record},
    share::{Bell, Share, Stage},
};
use crate::error::ErrorKind;

/// Commits what is settled, in its own rhythm.
#[derive(Debug)]
pub(super) struct Committer {
    share: Arc<Share>,
    /// Whose the deliveries are while they are ours.
    pub(super) owner: u64,
    every: Duration,
    after: usize,
    /// One commit is on its way, and its answer will come.
    in_flight: AtomicBool,
    /// The changes of what is recorded that it covers.
    records: AtomicU64,
    /// Why the last one failed, if it did.
    failure: Mutex<Option<KafkaError>>,
    /// What the committing thread is to do.
    work: Mutex<Work>,
    bell: Bell,
    /// Held from looking what is settled until it is committed, so that no commit undoes a later one.
    turn: Mutex<()>,
}

#[derive(Debug)]
enum Work {
    None,
    Commit { numbers: Vec<u32>, owner: u64 },
    Stop,
}

impl Committer {
    pub(super) fn new(share: Arc<Share>, every: Duration, after: usize) -> Self {
        let owner = fastrand::u32(1..).into();
        let (in_flight, records) = (AtomicBool::new(false), AtomicU64::new(0));
        Self {
            share,
            owner,
            every,
            after,
            in_flight,
            records,
            failure: Mutex::default(),
            work: Mutex::new(Work::None),
            bell: Bell::default(),
            turn: Mutex::default(),
        }
    }

    /// Commits if it is time to, and says how long there is time until the next one.
    pub(super) fn commit_if_due(&self) -> Option<Duration> {
        let mut state = self.share.lock();
        let has_records = state.records != state.durable_records;
        if state.since.is_none() && !has_records {
            return None;
        }
        let age = state.since.map_or(Duration::ZERO, |since| since.elapsed());
        let is_due = has_records || state.urgent || state.completions >= self.after || age >= self.every;
        if !is_due || self.is_waiting() {
            return Some(self.every.saturating_sub(age).max(Duration::from_millis(1)));
        }
        (state.since, state.completions, state.urgent) = (None, 0, false);
        let changed = state.in_stage(Stage::Ours).into_iter().filter(|at| state.parts[*at as usize].changed);
        let changed: Vec<u32> = changed.collect();
        if changed.is_empty() {
            // What was recorded is gone meanwhile.
            state.durable_records = state.records;
            drop(state);
            self.share.wakers.wake();
            return None;
        }
        drop(state);
        self.begin(changed, self.owner);
        None
    }

    /// Has the committing thread commit. Librdkafka tells of an asynchronous commit only whom it called back, which
    /// the binding does not do; and a synchronous one may have to wait for a rebalance, which waits for us to poll.
    pub(super) fn begin(&self, numbers: Vec<u32>, owner: u64) {
        self.records.store(self.share.lock().records, Ordering::Relaxed);
        self.in_flight.store(true, Ordering::Release);
        self.order(Work::Commit { numbers, owner });
    }

    /// Ends the committing thread.
    pub(super) fn stop(&self) {
        self.order(Work::Stop);
    }

    fn order(&self, work: Work) {
        *self.work.lock().unwrap_or_else(PoisonError::into_inner) = work;
        self.bell.ring();
    }

    /// The committing thread.
    pub(super) fn run<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>, fail: impl Fn(&KafkaError)) {
        loop {
            let work =
                std::mem::replace(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner), Work::None);
            match work {
                Work::Stop => return,
                Work::None => self.bell.wait(Duration::from_secs(60)),
                Work::Commit { numbers, owner } => {
                    let answer = self.commit(consumer, &numbers, owner);
                    if let Err(failure) = &answer {
                        fail(failure);
                    }
                    self.answered(answer);
                    self.share.bell.ring();
                }
            }
        }
    }

    /// Whether an answer is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Why the last one failed, if it did.
    pub(super) fn take_failure(&self) -> Option<KafkaError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Commits what is recorded of suspects, before they run, in a rebalance, where nothing can be polled.
    pub(super) fn commit_records<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) {
        let state = self.share.lock();
        let wanted = state.records;
        if wanted == state.durable_records {
            return;
        }
        let ours = [Stage::Ours, Stage::Revoking].into_iter().flat_map(|stage| state.in_stage(stage));
        let ours: Vec<u32> = ours.filter(|at| state.parts[*at as usize].changed).collect();
        drop(state);
        // What is gone meanwhile needs no record. What fails is tried again, and the suspect waits.
        if ours.is_empty() || self.commit(consumer, &ours, self.owner).is_ok() {
            self.share.lock().durable_records = wanted;
            self.share.wakers.wake();
        }
    }

    /// Commits these partitions.
    pub(super) fn commit<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        numbers: &[u32],
        owner: u64,
    ) -> KafkaResult<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list = TopicPartitionList::with_capacity(numbers.len());
        let mut state = self.share.lock();
        for number in numbers {
            let Some(part) = state.part(*number) else { continue };
            let (floor, record) = part.ledger.commit(owner);
            add(&mut list, (&part.topic, part.number), floor, &record)?;
            part.changed = false;
        }
        drop(state);
        let answer = if list.count() == 0 { Ok(()) } else { consumer.commit(&list, CommitMode::Sync) };
        if answer.is_err() {
            self.again(numbers);
        }
        answer
    }

    /// The same, again and again until it is done or it is too late.
    pub(super) fn insist<C: ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        numbers: &[u32],
        owner: u64,
        patience: Duration,
    ) -> KafkaResult<()> {
        let deadline = Instant::now() + patience;
        loop {
            let answer = self.commit(consumer, numbers, owner);
            let heals = answer.as_ref().is_err_and(|failure| {
                failure.rdkafka_error_code().is_some_and(|code| kind_of(code) == ErrorKind::Connect)
            });
            if !heals || consumer.assignment_lost() || Instant::now() >= deadline {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// A commit that was on its way is answered.
    fn answered(&self, answer: KafkaResult<()>) {
        let failed = answer.is_err();
        if let Err(failure) = &answer {
            tracing::debug!(target: "typebus::kafka", %failure, "a commit failed and is made again");
        }
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = answer.err();
        self.in_flight.store(false, Ordering::Release);
        if failed {
            return;
        }
        let mut state = self.share.lock();
        let covered = self.records.load(Ordering::Relaxed);
        if state.durable_records < covered {
            state.durable_records = covered;
            drop(state);
            self.share.wakers.wake();
        }
    }

    fn again(&self, numbers: &[u32]) {
        let mut state = self.share.lock();
        for number in numbers {
            if let Some(part) = state.part(*number) {
                part.changed = true;
            }
        }
        state.since.get_or_insert_with(Instant::now);
    }
}

/// Adds what is to be committed for one partition.
pub(super) fn add(
    list: &mut TopicPartitionList,
    (topic, partition): (&str, i32),
    floor: u64,
    record: &Record,
) -> KafkaResult<()> {
    let mut entry = list.add_partition(topic, partition);
    entry.set_offset(Offset::Offset(i64::try_from(floor).unwrap_or(i64::MAX)))?;
    entry.set_metadata(record.encode(floor, MOST));
    Ok(())
}

/// What a group committed for partitions: `None` where it is new. Metadata that is not ours says nothing.
pub(super) fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    partitions: &[(String, i32)],
    timeout: Duration,
) -> KafkaResult<Vec<Option<(u64, Record)>>> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    let list = consumer.committed_offsets(list, timeout)?;
    let mut found = Vec::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        let Some(entry) = list.find_partition(topic, *partition) else {
            found.push(None);
            continue;
        };
        entry.error()?;
        let Offset::Offset(offset) = entry.offset() else {
            found.push(None);
            continue;
        };
        let floor = u64::try_from(offset).unwrap_or_default();
        // The client panics at metadata that is not UTF-8, which others may have written.
        let text = catch_unwind(AssertUnwindSafe(|| entry.metadata().to_owned())).unwrap_or_default();
        found.push(Some((floor, Record::decode(&text, floor).unwrap_or_default())));
    }
    Ok(found)
}
