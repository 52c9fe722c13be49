//! The dead letters of a group: read, replayed, discarded.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    backend::{Backend, BoxStream, Delivery, Outgoing, Sender},
    dead_letter::DeadLetter,
    dispatch::redrive,
    error::{Error, ErrorKind, Result},
    topic::Topic,
};

/// The dead letters of one group; from [`Bus::dead_letters`](crate::Bus::dead_letters).
#[derive(Debug, Clone)]
pub struct DeadLetters {
    backend: Arc<dyn Backend>,
    group: Arc<str>,
    /// Where they are; an error if the service has no such group.
    topics: Result<Vec<Topic>>,
    /// The handlers of which every instance has its own deliveries.
    broadcasting: Vec<&'static str>,
}

impl DeadLetters {
    pub(crate) fn new(
        backend: Arc<dyn Backend>,
        group: &str,
        topics: Result<Vec<Topic>>,
        broadcasting: Vec<&'static str>,
    ) -> Self {
        Self { backend, group: group.into(), topics, broadcasting }
    }

    /// What is there at the time of the first poll, oldest first; nothing is consumed.
    ///
    /// ```
    /// # use typebus::prelude::*;
    /// # async fn show<S: typebus::Service>(bus: &Bus<S>) -> typebus::Result<()> {
    /// let mut letters = bus.dead_letters("billing").list();
    /// while let Some(letter) = letters.next().await {
    ///     let letter = letter?;
    ///     tracing::info!(id = letter.metadata().id(), reason = %letter.reason(), error = letter.error());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn list(&self) -> DeadLetterList {
        let Self { backend, group, topics, .. } = self.clone();
        let (topics, error) = match topics {
            Ok(topics) => (topics, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut topics = topics.into_iter();
        let opening = topics.next().map(|topic| open(&backend, topic));
        DeadLetterList { backend, group, topics, error, opening, reading: None }
    }
}

impl DeadLetters {
    /// The oldest dead letter of the event with this id, if there is one.
    ///
    /// # Errors
    /// As for [`list`](Self::list).
    pub async fn find(&self, id: &str) -> Result<Option<DeadLetter>> {
        let mut letters = self.list();
        while let Some(letter) = letters.next().await {
            let letter = letter?;
            if letter.metadata().id() == id {
                return Ok(Some(letter));
            }
        }
        Ok(None)
    }

    /// Sends a dead letter back to this group, and to no other: it is handled again from its first attempt, with its
    /// original id, topic, key and headers, and [`Metadata::redriven`](crate::Metadata::redriven) counted up. If it fails
    /// again, it becomes a dead letter again.
    ///
    /// It is handled beside what arrives now: a dead letter counts as settled, so its key has gone on without it.
    ///
    /// # Errors
    /// `Config`: it is of another group; `Unsupported`: its handler is `broadcast`; `Connect`, `Timeout`, `Closed` … from the broker.
    ///
    /// # Cancel safety
    /// It is published for the group before it is taken out of the dead letters: dropped in between, or after an error
    /// whose outcome is unknown, it may be both, and be replayed twice.
    pub async fn replay(&self, letter: &DeadLetter) -> Result<()> {
        self.check(letter, "replay")?;
        if self.broadcasting.contains(&letter.handler()) {
            let text = format!(
                "handler `{}` is `broadcast`: the dead letter is of one instance, which may be gone; publish the event again, \
                 or discard it",
                letter.handler()
            );
            return Err(Error::new(ErrorKind::Unsupported, "replay", text));
        }
        let message = redrive::replayed(&letter.delivery().message, letter.redriven().saturating_add(1));
        let (topic, sender) = (redrive::topic(&self.group), Sender::DeadLetter);
        self.backend.publish(Outgoing { topic, message, sender, options: None }).await?;
        self.remove(letter).await
    }

    /// Takes a dead letter out for good.
    ///
    /// # Errors
    /// As for [`replay`](Self::replay). One that is gone already is no error.
    pub async fn discard(&self, letter: &DeadLetter) -> Result<()> {
        self.check(letter, "discard")?;
        self.remove(letter).await
    }

    /// Replays everything that is there at the time of the call, oldest first, and says how many that were.
    ///
    /// # Errors
    /// As for [`replay`](Self::replay); what was replayed before the error stays so.
    pub async fn replay_all(&self) -> Result<usize> {
        let letters = self.list().collect().await?;
        for letter in &letters {
            self.replay(letter).await?;
        }
        Ok(letters.len())
    }

    /// Takes everything out that is there at the time of the call, and says how many that were.
    ///
    /// # Errors
    /// As for [`discard`](Self::discard); what was taken out before the error stays so.
    pub async fn discard_all(&self) -> Result<usize> {
        let letters = self.list().collect().await?;
        for letter in &letters {
            self.discard(letter).await?;
        }
        Ok(letters.len())
    }

    async fn remove(&self, letter: &DeadLetter) -> Result<()> {
        let delivery = letter.delivery();
        self.backend.discard(&delivery.topic, std::slice::from_ref(delivery)).await
    }

    fn check(&self, letter: &DeadLetter, operation: &'static str) -> Result<()> {
        if let Err(error) = &self.topics {
            return Err(error.clone());
        }
        if letter.group() == &*self.group {
            return Ok(());
        }
        let text =
            format!("the dead letter is of group {:?}, and these are of {:?}", letter.group(), self.group);
        Err(Error::new(ErrorKind::Config, operation, text))
    }
}

type Opening = Pin<Box<dyn Future<Output = Result<BoxStream<Result<Delivery>>>> + Send>>;

fn open(backend: &Arc<dyn Backend>, topic: Topic) -> Opening {
    let backend = Arc::clone(backend);
    Box::pin(async move { backend.browse(&topic).await })
}

/// A stream of dead letters. [`next`](Self::next) reads it without another crate.
#[must_use = "a stream does nothing until it is polled"]
pub struct DeadLetterList {
    backend: Arc<dyn Backend>,
    group: Arc<str>,
    topics: std::vec::IntoIter<Topic>,
    error: Option<Error>,
    opening: Option<Opening>,
    reading: Option<BoxStream<Result<Delivery>>>,
}

impl DeadLetterList {
    /// The next dead letter, or `None` after the last. Cancel safe.
    ///
    /// # Errors
    /// `Config`: the service has no such group; `Connect`, `Permission` from the broker.
    pub async fn next(&mut self) -> Option<Result<DeadLetter>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// All of them.
    ///
    /// # Errors
    /// As for [`next`](Self::next); the first error ends it.
    pub async fn collect(mut self) -> Result<Vec<DeadLetter>> {
        let mut letters = Vec::new();
        while let Some(letter) = self.next().await {
            letters.push(letter?);
        }
        Ok(letters)
    }
}

impl Stream for DeadLetterList {
    type Item = Result<DeadLetter>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.error.take() {
            return Poll::Ready(Some(Err(error)));
        }
        loop {
            if let Some(reading) = &mut self.reading {
                match std::task::ready!(reading.as_mut().poll_next(cx)) {
                    Some(Ok(delivery)) => {
                        let letter = DeadLetter::new(&delivery);
                        // Groups may share a topic that their handlers name.
                        if letter.group().is_empty() || letter.group() == &*self.group {
                            return Poll::Ready(Some(Ok(letter)));
                        }
                    }
                    Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                    None => self.reading = None,
                }
                continue;
            }
            let Some(opening) = &mut self.opening else { return Poll::Ready(None) };
            let opened = std::task::ready!(opening.as_mut().poll(cx));
            let next = self.topics.next();
            self.opening = next.map(|topic| open(&self.backend, topic));
            match opened {
                Ok(stream) => self.reading = Some(stream),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl fmt::Debug for DeadLetterList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterList").field("backend", &self.backend).finish_non_exhaustive()
    }
}
