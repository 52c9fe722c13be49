//! Dead letters: read without being taken, and taken out one by one.
//!
//! AMQP reads by taking: letters are fetched without an acknowledgement and handed back before anybody is told of them.
//! Meanwhile nobody else sees them, so that one reads at a time.

use std::{
    collections::HashSet,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use futures_core::Stream;
use lapin::{
    Channel,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, BasicQosOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tokio::time::timeout;
use uuid::Uuid;

use super::{Core, failure, wire};
use crate::{
    backend::{BoxStream, Delivery, Token, Topic},
    error::{ErrorKind, Result},
};

/// What the topic holds now, oldest first.
///
/// # Errors
/// `Connect`, `Permission`, `Timeout`.
pub(super) async fn browse(core: &Core, topic: &Topic) -> Result<BoxStream<Result<Delivery>>> {
    let _one = core.letters.lock().await;
    let mut found = Vec::new();
    let mut box_of_letters = Box::pin(Drawer::open(core, core.names.letters(topic))).await?;
    if let Some(drawer) = &mut box_of_letters {
        drawer
            .each(|letter| {
                found.push(Ok(read(topic, &letter)));
                Verdict::Keep
            })
            .await?;
    }
    Ok(Box::pin(Letters(found.into_iter())))
}

/// Takes letters out.
///
/// # Errors
/// As for [`browse`].
pub(super) async fn discard(core: &Core, topic: &Topic, letters: &[Delivery]) -> Result<()> {
    let _one = core.letters.lock().await;
    let mut wanted: HashSet<u64> = letters.iter().map(|letter| letter.token.position).collect();
    let mut kept = false;
    let Some(mut drawer) = Box::pin(Drawer::open(core, core.names.letters(topic))).await? else {
        return Ok(());
    };
    drawer
        .each(|letter| match wanted.remove(&name_of(&letter)) {
            // What is handed back goes behind what was handed back before, so that either all is, or nothing.
            true if wanted.is_empty() && !kept => Verdict::TakeLast,
            true => Verdict::Take,
            false => {
                kept = true;
                Verdict::Keep
            }
        })
        .await
}

fn read(topic: &Topic, letter: &lapin::message::Delivery) -> Delivery {
    Delivery {
        token: Token { partition: 0, generation: 0, position: name_of(letter) },
        topic: topic.clone(),
        message: wire::message(&letter.properties, &letter.data),
        partition: None,
        position: None,
        past: None,
    }
}

/// A number by which a letter is known again: of its id, which the publisher gave to no other.
fn name_of(letter: &lapin::message::Delivery) -> u64 {
    let id = letter.properties.message_id().as_ref().map(ShortString::as_str).unwrap_or_default();
    let bytes = if id.is_empty() { &letter.data[..] } else { id.as_bytes() };
    Uuid::new_v5(&Uuid::NAMESPACE_OID, bytes).as_u64_pair().0
}

/// What becomes of a letter.
enum Verdict {
    Keep,
    Take,
    /// And no other is looked at.
    TakeLast,
}

/// How many letters more than there seemed to be are read.
const NEWER: u32 = 10_000;

/// A queue that is read from its begin.
struct Drawer<'a> {
    core: &'a Core,
    channel: Channel,
    queue: ShortString,
    count: u32,
}

impl<'a> Drawer<'a> {
    /// `None`: there is no such queue.
    async fn open(core: &'a Core, queue: ShortString) -> Result<Option<Self>> {
        let limit = core.options.request_timeout;
        let link = core.control().await?;
        let channel = link.channel(limit).await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let declared = channel.queue_declare(queue.clone(), passive, FieldTable::default());
        match failure::within(limit, "browse", declared).await {
            Ok(declared) => Ok(Some(Self { core, channel, queue, count: declared.message_count() })),
            Err(failed) if failed.kind() == ErrorKind::Topology => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// Asks about each letter that was there, and hands back those that are kept.
    async fn each(&mut self, mut judge: impl FnMut(lapin::message::Delivery) -> Verdict) -> Result<()> {
        let limit = self.core.options.request_timeout;
        let mut last = None;
        // The count lags behind what was just handed back; what arrives meanwhile is read too, within bounds.
        for _ in 0..self.count.saturating_add(NEWER) {
            let get = self.channel.basic_get(self.queue.clone(), BasicGetOptions::default());
            let Some(letter) = failure::within(limit, "browse", get).await? else { break };
            let tag = letter.delivery.delivery_tag;
            let verdict = judge(letter.delivery);
            if matches!(verdict, Verdict::Keep) {
                last = Some(tag);
                continue;
            }
            let acknowledge = self.channel.basic_ack(tag, BasicAckOptions::default());
            failure::within(limit, "discard", acknowledge).await?;
            if matches!(verdict, Verdict::TakeLast) {
                break;
            }
        }
        if let Some(tag) = last {
            let options = BasicNackOptions { multiple: true, requeue: true };
            failure::within(limit, "browse", self.channel.basic_nack(tag, options)).await?;
        }
        // When it is answered, what went before has been read.
        let fence = self.channel.basic_qos(1, BasicQosOptions::default());
        failure::within(limit, "browse", fence).await?;
        let _ = timeout(limit, self.channel.close(200, "read".into())).await;
        Ok(())
    }
}

struct Letters(vec::IntoIter<Result<Delivery>>);

impl Stream for Letters {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}
