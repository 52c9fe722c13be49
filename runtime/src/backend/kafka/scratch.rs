//! Consumers that join no group: for looking at topics, and at what groups committed.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::{FromClientConfigAndContext as _, RDKafkaLogLevel},
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
};

use super::{
    config::Kafka,
    connect::{created, log, spawn},
    errors::{error, kind_of, of_client},
    patience::patiently,
};
use crate::error::{ErrorKind, Result};

/// Says nothing but in the log.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, failure: KafkaError, reason: &str) {
        tracing::debug!(target: "typebus::kafka", %failure, "{reason}");
    }
}

impl ConsumerContext for Quiet {}

/// One that is dropped on a thread of its own, since that blocks.
pub(super) struct OffThread(Option<BaseConsumer<Quiet>>);

impl OffThread {
    pub(super) const fn new(consumer: BaseConsumer<Quiet>) -> Self {
        Self(Some(consumer))
    }

    pub(super) const fn get(&self) -> Option<&BaseConsumer<Quiet>> {
        self.0.as_ref()
    }
}

impl Drop for OffThread {
    fn drop(&mut self) {
        if let Some(consumer) = self.0.take() {
            // Where no thread can be started it is dropped here.
            let _ = spawn("drop", move || drop(consumer));
        }
    }
}

/// One that asks for what `group` committed.
pub(super) fn scratch(options: &Kafka, group: &str, operation: &'static str) -> Result<BaseConsumer<Quiet>> {
    created(BaseConsumer::from_config_and_context(&options.scratch(group), Quiet), operation)
}

/// Why something failed: a question to which nobody answers times out, and why nobody does is told beside.
pub(super) fn why(consumer: &BaseConsumer<Quiet>, failure: KafkaError) -> KafkaError {
    for _ in 0..20 {
        if let Some(Err(reason)) = consumer.poll(Duration::ZERO)
            && let Some(kind) = reason.rdkafka_error_code().map(kind_of)
            && matches!(kind, ErrorKind::Permission | ErrorKind::Authentication)
        {
            return reason;
        }
    }
    failure
}

/// What a partition holds now: from its beginning up to `high`, message by message, until `take` has enough.
pub(super) fn read(
    consumer: &BaseConsumer<Quiet>,
    (topic, partition): (&str, i32),
    from: Option<u64>,
    timeout: Duration,
    mut take: impl FnMut(&BorrowedMessage<'_>) -> bool,
) -> Result<()> {
    let what = format!("topic `{topic}`");
    let failed = |failure| of_client(&failure, "read", &what);
    let ask = || consumer.fetch_watermarks(topic, partition, timeout);
    let (low, high) = patiently(timeout, ask).map_err(failed)?;
    let from = i64::try_from(from.unwrap_or_default()).unwrap_or(i64::MAX).max(low);
    if from >= high {
        return Ok(());
    }
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(from)).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    let mut deadline = Instant::now() + timeout;
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                deadline = Instant::now() + timeout;
                if message.offset() >= high || !take(&message) || message.offset() + 1 >= high {
                    return Ok(());
                }
            }
            // What is left below `high` are no messages.
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
            Some(Err(failure)) if failure.rdkafka_error_code().map(kind_of) != Some(ErrorKind::Connect) => {
                return Err(failed(failure));
            }
            Some(Err(_)) | None => {}
        }
        if Instant::now() >= deadline {
            return Err(error(ErrorKind::Timeout, "read", format!("{what}: no answer within {timeout:?}")));
        }
    }
}
