//! Reading the dead letters of a group.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    backend::{Backend, BoxStream, Delivery},
    dead_letter::DeadLetter,
    error::{Error, Result},
    topic::Topic,
};

/// The dead letters of one group; from [`Bus::dead_letters`](crate::Bus::dead_letters).
#[derive(Debug, Clone)]
pub struct DeadLetters {
    backend: Arc<dyn Backend>,
    group: Arc<str>,
    /// Where they are; an error if the service has no such group.
    topics: Result<Vec<Topic>>,
}

impl DeadLetters {
    pub(crate) fn new(backend: Arc<dyn Backend>, group: &str, topics: Result<Vec<Topic>>) -> Self {
        Self { backend, group: group.into(), topics }
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
        let Self { backend, group, topics } = self.clone();
        let (topics, error) = match topics {
            Ok(topics) => (topics, None),
            Err(error) => (Vec::new(), Some(error)),
        };
        let mut topics = topics.into_iter();
        let opening = topics.next().map(|topic| open(&backend, topic));
        DeadLetterList { backend, group, topics, error, opening, reading: None }
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
