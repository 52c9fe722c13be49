//! Waiting until a group has settled what was published so far.
//!
//! AMQP tells how many messages wait in a queue, not how many are out unacknowledged. So a marker is put behind them: the
//! consumer that gets it answers when everything that its channel got before is settled. Where consumers compete, others
//! may still hold something that stood before the marker; each of them is then asked the same, on its own channel, by a
//! question that it hears beside its deliveries. Two rounds in which the same consumers answered leave no gap in which one
//! died and what it held went to the next.

use std::{collections::BTreeSet, pin::Pin, time::Duration};

use futures_core::Stream;
use lapin::{
    Channel,
    options::{BasicConsumeOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::{Instant, sleep, timeout};

use super::{Core, connect::Link, failure, names::short, not_provisioned, note, wire};
use crate::{
    backend::{Message, MessageBuilder, Order, Subscription},
    error::{Error, ErrorKind, Result},
};

/// The header that makes a message a marker, whose value is the question's name.
pub(super) const MARKER: &str = "typebus-marker";
/// How long a marker waits in a queue; then it is sent again.
const EXPIRES: &str = "30000";
const PATIENCE: Duration = Duration::from_secs(29);
/// How often it is looked whether anybody consumes.
const GLANCE: Duration = Duration::from_millis(200);
/// How long answers of competing consumers are waited for before they are counted again.
const ROUND: Duration = Duration::from_secs(1);

/// Completes when the group has settled what is in its queue now.
///
/// # Errors
/// `Topology`: there is no queue; `Connect`, `Closed`.
pub(super) async fn wait(core: &Core, subscription: &Subscription) -> Result<()> {
    let mut last = None;
    loop {
        core.open_for("catch up")?;
        match attempt(core, subscription, &mut last).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // The connection may heal; whoever waits may give up.
            Err(failed) if failed.is_transient() => {
                tracing::debug!(error = %failed, "asking again whether a group has caught up");
                sleep(Duration::from_millis(200)).await;
            }
            Err(failed) => return Err(failed),
        }
    }
}

/// Asks once; `false` is to be asked again.
async fn attempt(
    core: &Core,
    subscription: &Subscription,
    last: &mut Option<BTreeSet<String>>,
) -> Result<bool> {
    let link = core.control().await?;
    let queue = core.names.queue(subscription);
    let state = look(core, &link, subscription, &queue).await?;
    if state.messages == 0 && state.consumers == 0 {
        return Ok(true);
    }
    let question = Question::open(core, &link).await?;
    // Expired, or its consumer was lost with it.
    let marker = question.ask(core, short(""), queue.clone(), Some(EXPIRES)).await;
    marker.map_err(|failed| missing(failed, subscription))?;
    let until = Instant::now() + PATIENCE;
    let answered = loop {
        match timeout(GLANCE, question.next()).await {
            Ok(answered) => break answered?,
            Err(_) if Instant::now() >= until => return Ok(false),
            Err(_) => {}
        }
        // Its last consumer left just now: what was out unacknowledged is back, so that the marker, which expires, is all
        // that is left.
        let state = look(core, &link, subscription, &queue).await?;
        if state.consumers == 0 && state.messages <= 1 {
            return Ok(true);
        }
    };
    if subscription.order != Order::None || subscription.instance.is_some() {
        return Ok(answered.is_some());
    }
    let count = look(core, &link, subscription, &queue).await?.consumers;
    let all = Question::open(core, &link).await?;
    match all.ask(core, core.names.control_exchange(), queue, None).await {
        Ok(()) => {}
        // Nobody listens any more.
        Err(failed) if failed.kind() == ErrorKind::Unroutable => return Ok(false),
        Err(failed) => return Err(failed),
    }
    let mut answers = BTreeSet::new();
    while answers.len() < count {
        match timeout(ROUND, all.next()).await {
            Ok(answer) => answers.extend(answer?),
            Err(_)
                if look(core, &link, subscription, &core.names.queue(subscription)).await?.consumers
                    == count => {}
            Err(_) => return Ok(false),
        }
    }
    let same = last.as_ref() == Some(&answers);
    *last = Some(answers);
    Ok(same)
}

fn missing(failed: Error, subscription: &Subscription) -> Error {
    if failed.kind() == ErrorKind::Unroutable { not_provisioned("catch up", subscription) } else { failed }
}

struct Seen {
    messages: u32,
    consumers: usize,
}

async fn look(core: &Core, link: &Link, subscription: &Subscription, queue: &ShortString) -> Result<Seen> {
    let limit = core.options.request_timeout;
    let channel = link.channel(limit).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let declared = channel.queue_declare(queue.clone(), passive, FieldTable::default());
    let declared =
        failure::within(limit, "catch up", declared).await.map_err(|failed| match failed.kind() {
            ErrorKind::Topology => not_provisioned("catch up", subscription),
            _ => failed,
        })?;
    let consumers = usize::try_from(declared.consumer_count()).unwrap_or(usize::MAX);
    let _ = timeout(limit, channel.close(200, "seen".into())).await;
    Ok(Seen { messages: declared.message_count(), consumers })
}

/// A question that consumers answer, and where the answers come.
struct Question {
    nonce: String,
    answers: std::sync::Mutex<lapin::Consumer>,
    _channel: Channel,
}

impl Question {
    async fn open(core: &Core, link: &Link) -> Result<Self> {
        let limit = core.options.request_timeout;
        let channel = link.channel(limit).await?;
        let nonce = format!("{:032x}", fastrand::u128(..));
        let queue = core.names.answers(&nonce);
        let consume = async {
            let options =
                QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(queue.clone(), options, FieldTable::default()).await?;
            let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
            channel.basic_consume(queue, short("answers"), options, FieldTable::default()).await
        };
        let answers = failure::within(limit, "catch up", consume).await?;
        Ok(Self { nonce, answers: std::sync::Mutex::new(answers), _channel: channel })
    }

    async fn ask(
        &self,
        core: &Core,
        exchange: ShortString,
        key: ShortString,
        expires: Option<&str>,
    ) -> Result<()> {
        let message = marker(&self.nonce);
        let mut properties = wire::properties(&message)?;
        if let Some(expires) = expires {
            properties = properties.with_expiration(short(expires));
        }
        super::answer(core.send(exchange, key, message, properties)).await.map(|_| ())
    }

    /// The name of one that answers; `None` if the connection is gone.
    async fn next(&self) -> Result<Option<String>> {
        let next = std::future::poll_fn(|cx| Pin::new(&mut *super::lock(&self.answers)).poll_next(cx)).await;
        match next {
            Some(Ok(delivery)) => Ok(Some(String::from_utf8_lossy(&delivery.data).into_owned())),
            Some(Err(cause)) => Err(failure::of(&cause, "catch up")),
            None => Ok(None),
        }
    }
}

fn marker(nonce: &str) -> Message {
    let mut builder = MessageBuilder::new();
    builder.header(MARKER.as_bytes(), nonce.as_bytes());
    builder.build()
}

/// Answers a question; nobody may be interested any more.
pub(super) fn answer(core: &Core, nonce: &str, instance: &str) {
    let queue = core.names.answers(nonce);
    let message = note(instance);
    if let Ok(properties) = wire::properties(&message)
        && core.open_for("catch up").is_ok()
    {
        drop(core.send(short(""), queue, message, properties));
    }
}
