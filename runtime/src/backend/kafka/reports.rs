//! What the client tells of publishes: confirmations, refusals, and that it had to give up.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::{
    ClientContext, Message as _, Timestamp, config::RDKafkaLogLevel, error::KafkaError,
    message::DeliveryResult, producer::ProducerContext, types::RDKafkaErrorCode as Code,
};

use super::{
    clock::Clock,
    connect::{Trouble, log},
    errors::{closed, error, kind_of},
    poll::now,
    window::{Pending, Window},
};
use crate::{
    backend::{Confirmation, Position},
    error::{Error, ErrorKind},
};

/// What the client calls back, on its own thread.
pub(super) struct Reports(pub(super) Arc<Signals>);

/// What the sending side learns of it.
pub(super) struct Signals {
    window: Arc<Window>,
    clock: Arc<Clock>,
    pub(super) trouble: Trouble,
    /// The client gave up: idempotence is at an end, and nothing can be sent by it any more.
    pub(super) gave_up: AtomicBool,
    /// What it threw away, to be answered when it has said why.
    orphans: Mutex<Vec<(Arc<Pending>, String, bool)>>,
    pub(super) closed: AtomicBool,
}

impl Signals {
    pub(super) fn new(window: Arc<Window>, clock: Arc<Clock>) -> Self {
        Self {
            window,
            clock,
            trouble: Trouble::default(),
            gave_up: AtomicBool::new(false),
            orphans: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Answers what the client threw away; `why` is what it said when it gave up.
    pub(super) fn answer_orphans(&self, why: Option<&(Code, String)>) {
        let orphans = std::mem::take(&mut *self.orphans.lock().unwrap_or_else(PoisonError::into_inner));
        for (pending, topic, may_be_stored) in orphans {
            let (kind, reason) = match why {
                Some((code, reason)) if kind_of(*code) == ErrorKind::Permission => {
                    (ErrorKind::Permission, format!("{reason}; the user needs an ACL to write"))
                }
                Some((_, reason)) => (ErrorKind::Connect, reason.clone()),
                None => (ErrorKind::Connect, "the client gave up".to_owned()),
            };
            let refusal = error(kind, "publish", format!("topic `{topic}`: {reason}"));
            pending.answer(Err(if may_be_stored { refusal.with_unknown_outcome() } else { refusal }));
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if message.contains("SSL handshake failed") || message.contains("authentication") {
            let kind = if message.contains("SSL") { ErrorKind::Connect } else { ErrorKind::Authentication };
            self.0.trouble.note(kind, message.to_owned());
        }
        log(level, facility, message);
    }

    fn error(&self, failure: KafkaError, reason: &str) {
        let code = failure.rdkafka_error_code();
        self.0.trouble.note(code.map_or(ErrorKind::Connect, kind_of), reason.to_owned());
        if code == Some(Code::Fatal) || code.map(kind_of) == Some(ErrorKind::Fatal) {
            self.0.gave_up.store(true, Ordering::Release);
        }
        tracing::debug!(target: "typebus::kafka", %failure, "{reason}");
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
        let signals = &*self.0;
        signals.window.leave(pending.bytes);
        if let Err((failure, message)) = result
            && let Some(code @ (Code::PurgeQueue | Code::PurgeInflight)) = failure.rdkafka_error_code()
            && !signals.closed.load(Ordering::Acquire)
        {
            let orphan = (pending, message.topic().to_owned(), code == Code::PurgeInflight);
            signals.orphans.lock().unwrap_or_else(PoisonError::into_inner).push(orphan);
            signals.gave_up.store(true, Ordering::Release);
            return signals.window.notify();
        }
        pending.answer(match result {
            Ok(stored) => {
                if let Timestamp::LogAppendTime(time) = stored.timestamp() {
                    signals.clock.note(time, now());
                }
                Ok(Confirmation {
                    partition: u32::try_from(stored.partition()).ok(),
                    position: u64::try_from(stored.offset()).ok().map(Position::new),
                })
            }
            Err((failure, message)) => Err(refused(failure, message.topic())),
        });
    }
}

/// What the broker's refusal means; what may be stored has an unknown outcome.
pub(super) fn refused(failure: &KafkaError, topic: &str) -> Error {
    let code = failure.rdkafka_error_code().unwrap_or(Code::Unknown);
    let what = |text: String| format!("topic `{topic}`: {text}");
    match (kind_of(code), code) {
        (_, Code::PurgeQueue) => closed("publish"),
        (_, Code::PurgeInflight) => closed("publish").with_unknown_outcome(),
        (ErrorKind::Unroutable, Code::UnknownPartition) => error(
            ErrorKind::Config,
            "publish",
            what("it has no such partition; choose one that is there".to_owned()),
        ),
        (ErrorKind::Unroutable, _) => unroutable(topic),
        (ErrorKind::TooLarge, _) => error(
            ErrorKind::TooLarge,
            "publish",
            what(
                "the message is larger than the broker takes; see the topic's `max.message.bytes`".to_owned(),
            ),
        ),
        (ErrorKind::Permission, _) => error(
            ErrorKind::Permission,
            "publish",
            what(format!("{code}; the user needs an ACL to write to it")),
        ),
        (_, Code::InvalidRecord | Code::InvalidTopic | Code::PolicyViolation) => {
            error(ErrorKind::Topology, "publish", what(code.to_string()))
        }
        (kind, code) => {
            let kind = if kind == ErrorKind::Topology { ErrorKind::Connect } else { kind };
            error(kind, "publish", what(code.to_string())).with_unknown_outcome()
        }
    }
}

pub(super) fn unroutable(topic: &str) -> Error {
    let text = format!("topic `{topic}` does not exist; create it, or let `provision = create` do so");
    error(ErrorKind::Unroutable, "publish", text)
}
