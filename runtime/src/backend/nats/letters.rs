//! Dead letters: reading them without consuming, and taking them out; and reading single messages as they are stored.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
    vec,
};

use futures_core::Stream;

use super::{
    connect::Link,
    failure::{self, asked, error},
    json, topology, wire,
};
use crate::{
    backend::{BoxStream, Delivery, Message, Position, Token, Topic},
    error::{ErrorKind, Result},
};

/// One message as it is stored.
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    /// The block of headers.
    pub(super) headers: Vec<u8>,
    payload: Vec<u8>,
}

impl Stored {
    pub(super) fn message(&self) -> Message {
        wire::raw_message(&self.headers, &self.payload)
    }
}

/// The first message from `sequence` on whose subject fits the filter. It is read as text, so that no header of it can
/// harm the connection.
pub(super) async fn next(
    link: &Link,
    stream: &str,
    filter: &str,
    sequence: u64,
    limit: Duration,
) -> Result<Option<Stored>> {
    let question = format!("{{\"seq\":{sequence},\"next_by_subj\":\"{filter}\"}}");
    get(link, stream, question, limit).await
}

/// The last message of a subject.
pub(super) async fn last(
    link: &Link,
    stream: &str,
    subject: &str,
    limit: Duration,
) -> Result<Option<Stored>> {
    get(link, stream, format!("{{\"last_by_subj\":\"{subject}\"}}"), limit).await
}

impl Stored {
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }
}

async fn get(link: &Link, stream: &str, question: String, limit: Duration) -> Result<Option<Stored>> {
    let answer = link.ask("browse", format!("$JS.API.STREAM.MSG.GET.{stream}"), question, limit).await?;
    let answer = String::from_utf8_lossy(&answer.payload);
    match failure::answered(&answer) {
        // There is no such message, or no such stream.
        Some((10_037 | 10_059, _)) => return Ok(None),
        Some((code, text)) => {
            return Err(error(ErrorKind::Topology, "browse", format!("stream `{stream}`: {text} ({code})")));
        }
        None => {}
    }
    let stored = || {
        let bytes = |name| json::text(&answer, name).map_or(Some(Vec::new()), json::bytes);
        Some(Stored {
            subject: json::text(&answer, "subject")?.to_owned(),
            sequence: json::number(&answer, "seq")?,
            headers: bytes("hdrs")?,
            payload: bytes("data")?,
        })
    };
    match stored() {
        Some(stored) => Ok(Some(stored)),
        None => Err(error(ErrorKind::Topology, "browse", format!("stream `{stream}` gives no message"))),
    }
}

/// What a topic of one stream holds now, oldest first.
pub(super) async fn browse(
    link: &Link,
    stream: &str,
    topic: &Topic,
    limit: Duration,
) -> Result<BoxStream<Result<Delivery>>> {
    let mut deliveries = Vec::new();
    let Some(found) = topology::stream(link, stream).await? else {
        return Ok(Box::pin(Snapshot(deliveries.into_iter())));
    };
    let last = found.cached_info().state.last_sequence;
    let mut sequence = 1;
    while sequence <= last {
        let Some(stored) = next(link, stream, topic, sequence, limit).await? else { break };
        if stored.sequence > last {
            break;
        }
        sequence = stored.sequence + 1;
        deliveries.push(Delivery {
            token: Token { partition: 0, generation: 0, position: stored.sequence },
            topic: topic.clone(),
            message: stored.message(),
            partition: None,
            position: Some(Position::new(stored.sequence)),
            past: None,
        });
    }
    Ok(Box::pin(Snapshot(deliveries.into_iter())))
}

/// Takes messages out of a stream. What is gone already is no error.
pub(super) async fn discard(link: &Link, stream: &str, letters: &[Delivery], limit: Duration) -> Result<()> {
    for letter in letters {
        let question = format!("{{\"seq\":{},\"no_erase\":true}}", letter.token.position);
        let subject = format!("$JS.API.STREAM.MSG.DELETE.{stream}");
        let answer = link.ask("discard", subject, question, limit).await?;
        match failure::answered(&String::from_utf8_lossy(&answer.payload)) {
            // There is no such message, or no such stream.
            None | Some((10_037 | 10_057 | 10_059 | 10_043, _)) => {}
            Some((code, text)) => {
                let what = format!("message {} of stream `{stream}`", letter.token.position);
                return Err(asked("discard", &what, format!("{text} ({code})")));
            }
        }
    }
    Ok(())
}

struct Snapshot(vec::IntoIter<Delivery>);

impl Stream for Snapshot {
    type Item = Result<Delivery>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.next().map(Ok))
    }
}
