//! What comes and goes: partitions are taken over with what is known of them, and given up when what runs is settled.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr as Event,
};

use super::{
    commit::{Committer, committed},
    config::Kafka,
    connect::{Trouble, log},
    errors::{kind_of, of_client},
    ledger::Ledger,
    record::Record,
    share::{Arrived, End, Share, Stage},
};
use crate::{
    backend::{Message, Subscription, Topic},
    error::ErrorKind,
};

/// What the client calls back, on the thread that polls it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) share: Arc<Share>,
    pub(super) options: Arc<Kafka>,
    pub(super) committer: Committer,
    pub(super) trouble: Trouble,
    /// What was polled and is not in the share yet: it belongs to the assignment before a rebalance.
    pub(super) pulled: Mutex<Vec<Pulled>>,
    /// How often partitions came or went.
    pub(super) rebalances: AtomicU64,
    /// Nothing is committed: the subscription ends with its consumer.
    forgetful: bool,
    /// How many deliveries a process that died may have held beyond what it last committed.
    suspects: u64,
}

#[derive(Debug)]
pub(super) struct Pulled {
    pub(super) topic: Topic,
    /// The topic by which the program knows it, where it is another one.
    pub(super) name: Option<Topic>,
    pub(super) partition: i32,
    pub(super) offset: u64,
    pub(super) message: Message,
    pub(super) age: Option<Duration>,
}

type Client = BaseConsumer<Watch>;

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, failure: KafkaError, reason: &str) {
        let kind = failure.rdkafka_error_code().map_or(ErrorKind::Connect, kind_of);
        self.trouble.note(kind, reason.to_owned());
    }
}

impl ConsumerContext for Watch {
    fn rebalance(&self, consumer: &Client, event: Event, list: &mut TopicPartitionList) {
        self.flush();
        self.rebalances.fetch_add(1, Ordering::Relaxed);
        let is_incremental = matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative);
        let answer = if event == Event::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.assigned(consumer, list);
            if is_incremental { consumer.incremental_assign(list) } else { consumer.assign(list) }
        } else {
            self.revoked(consumer, list);
            if is_incremental { consumer.incremental_unassign(list) } else { consumer.unassign() }
        };
        if let Err(failure) = answer {
            tracing::warn!(target: "typebus::kafka", %failure, "a rebalance failed; the group tries again");
        }
        self.share.wakers.wake();
    }
}

impl Watch {
    pub(super) fn new(share: Arc<Share>, options: Arc<Kafka>, subscription: &Subscription) -> Self {
        let committer = Committer::new(share.clone(), options.commit_every, options.commit_after);
        let suspects = (subscription.limits.held.saturating_add(options.commit_after)) as u64;
        let (trouble, pulled) = (Trouble::default(), Mutex::default());
        let (rebalances, forgetful) = (AtomicU64::new(0), subscription.instance.is_some());
        Self { share, options, committer, trouble, pulled, rebalances, forgetful, suspects }
    }

    pub(super) const fn is_forgetful(&self) -> bool {
        self.forgetful
    }

    /// Hands what was polled to the worker.
    pub(super) fn flush(&self) {
        let mut pulled = self.pulled.lock().unwrap_or_else(PoisonError::into_inner);
        if pulled.is_empty() {
            return;
        }
        let mut state = self.share.lock();
        // What the client gives comes partition by partition.
        let mut last = None;
        for Pulled { topic, name, partition, offset, message, age } in pulled.drain(..) {
            let number = match last {
                Some((ref of, at, number)) if at == partition && *of == topic => number,
                _ => {
                    let Some(number) = state.find(&topic, partition) else { continue };
                    last = Some((topic.clone(), partition, number));
                    number
                }
            };
            let Some(part) = state.part(number).filter(|part| part.stage == Stage::Ours) else { continue };
            part.fetched = offset + 1;
            state.push(Arrived { part: number, topic: name.unwrap_or(topic), offset, message, age });
        }
        drop(state);
        self.share.wakers.wake();
    }

    /// What ends the consumer, if it does.
    pub(super) fn fail_if_fatal(&self, failure: &KafkaError) {
        let is_fatal = matches!(failure, KafkaError::MessageConsumptionFatal(_));
        let kind = failure.rdkafka_error_code().map_or(ErrorKind::Connect, kind_of);
        if is_fatal || matches!(kind, ErrorKind::Fatal | ErrorKind::Permission) {
            let what =
                "this consumer was expelled (another process has its `instance`, or its group is fenced)";
            let what = if kind == ErrorKind::Permission { "the group or its topics" } else { what };
            let error = of_client(failure, "consume", what);
            self.share.lock().fatal.get_or_insert(error);
            self.share.wakers.wake();
        }
    }

    /// Partitions are ours: what is known of them is read, and it is noted that they are, before anything is
    /// delivered. Where the group committed nothing it begins at the oldest message: it is a partition that is new.
    fn assigned(&self, consumer: &Client, list: &mut TopicPartitionList) {
        let new: Vec<(String, i32)> =
            list.elements().iter().map(|entry| (entry.topic().to_owned(), entry.partition())).collect();
        if new.is_empty() || self.share.lock().end != End::None {
            return;
        }
        match self.take_over(consumer, &new) {
            Ok(floors) => {
                for ((topic, partition), floor) in new.iter().zip(floors) {
                    let offset = Offset::Offset(i64::try_from(floor).unwrap_or(i64::MAX));
                    if let Err(failure) = list.set_partition_offset(topic, *partition, offset) {
                        tracing::warn!(target: "typebus::kafka", %failure, topic, partition, "no offset can be set");
                    }
                }
            }
            Err(failure) => {
                let error = of_client(&failure, "consume", "what the group committed cannot be read");
                self.share.lock().fatal.get_or_insert(error);
            }
        }
    }

    fn take_over(&self, consumer: &Client, new: &[(String, i32)]) -> KafkaResult<Vec<u64>> {
        let found = self.patiently(consumer, |timeout| committed(consumer, new, timeout))?;
        let mut numbers = Vec::new();
        let mut floors = Vec::new();
        for ((topic, partition), found) in new.iter().zip(found) {
            let watermarks =
                || self.patiently(consumer, |timeout| consumer.fetch_watermarks(topic, *partition, timeout));
            let ledger = match found {
                None => Ledger::new(unsigned(watermarks()?.0), Record::default(), None),
                Some((floor, record)) => {
                    let crashed = match record.owner {
                        0 => None,
                        owner if owner == self.committer.owner => None,
                        _ => {
                            let held = record.high.max(floor).saturating_add(self.suspects);
                            Some(unsigned(watermarks()?.1).min(held))
                        }
                    };
                    Ledger::new(floor, record, crashed)
                }
            };
            floors.push(ledger.floor());
            let mut state = self.share.lock();
            let number = state.number(topic, *partition);
            state.begin(number, ledger);
            numbers.push(number);
        }
        let patience = self.options.timeout;
        if let Err(failure) = self.committer.insist(consumer, &numbers, self.committer.owner, patience) {
            tracing::warn!(target: "typebus::kafka", %failure, "a crash will not be seen until the next commit");
            self.fail_if_fatal(&failure);
        }
        Ok(floors)
    }

    /// Asks until there is an answer; a rebalance may take long, but no longer than the group waits.
    fn patiently<T>(&self, consumer: &Client, ask: impl Fn(Duration) -> KafkaResult<T>) -> KafkaResult<T> {
        let deadline = Instant::now() + self.options.max_poll / 2;
        loop {
            let answer = ask(self.options.timeout.min(Duration::from_secs(5)));
            let Err(failure) = &answer else { return answer };
            let kind = failure.rdkafka_error_code().map_or(ErrorKind::Connect, kind_of);
            let heals = matches!(kind, ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Unroutable);
            let is_over = self.share.lock().end != End::None || consumer.assignment_lost();
            if !heals || is_over || Instant::now() >= deadline {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Partitions go: the worker is asked to finish what runs, and what is settled is committed.
    fn revoked(&self, consumer: &Client, list: &TopicPartitionList) {
        let mut state = self.share.lock();
        let gone =
            list.elements().iter().filter_map(|entry| state.find(entry.topic(), entry.partition())).collect();
        let gone: Vec<u32> = gone_of(&state, gone);
        if state.end != End::None || gone.is_empty() {
            return;
        }
        if consumer.assignment_lost() {
            return state.lose(&gone);
        }
        state.revoke(&gone);
        drop(state);
        self.share.wakers.wake();
        let deadline = Instant::now() + self.options.revoke.min(self.options.max_poll / 2);
        let mut lost = false;
        while !lost && Instant::now() < deadline {
            let state = self.share.lock();
            let waits = gone.iter().any(|at| state.parts[*at as usize].stage == Stage::Revoking);
            if !waits || state.end == End::Crash {
                break;
            }
            drop(state);
            self.committer.commit_records(consumer);
            self.share.bell.wait(Duration::from_millis(50));
            lost = consumer.assignment_lost();
        }
        if self.share.lock().end == End::Crash {
            return;
        }
        // What still runs is taken away from it, and whoever is next must not think that it did harm.
        if !lost && let Err(failure) = self.committer.commit(consumer, &gone, 0) {
            tracing::warn!(target: "typebus::kafka", %failure, "a commit failed; what was settled may come again");
        }
        let mut state = self.share.lock();
        let (released, late): (Vec<u32>, Vec<u32>) =
            gone.into_iter().partition(|at| state.parts[*at as usize].stage == Stage::Released);
        released.into_iter().for_each(|number| state.leave(number));
        if !late.is_empty() {
            state.lose(&late);
        }
    }
}

/// Those that are ours.
fn gone_of(state: &super::share::State, gone: Vec<u32>) -> Vec<u32> {
    gone.into_iter().filter(|at| state.parts[*at as usize].stage == Stage::Ours).collect()
}

/// Offsets and watermarks are never negative where they are known.
pub(super) fn unsigned(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or_default()
}
