//! A producer that is not ours.

use std::{fmt, sync::Arc};

use crate::{
    backend::{Backend, Confirmation, MessageBuilder, Outgoing, Sender},
    connect::IntoBackend,
    error::Result,
    topic::Topic,
};

/// A producer that knows nothing of typebus: any bytes, any headers, any topic, no envelope of ours.
///
/// For testing what a program makes of messages that others write.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// use typebus::testing::Foreign;
///
/// let foreign = Foreign::connect("memory:shop")?;
/// foreign.message("shop.orders").header("ce_type", "order.placed.v1").payload("{ not json").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Foreign {
    backend: Arc<dyn Backend>,
}

impl Foreign {
    /// Connects to a broker; a named one, since a private one has no other users.
    ///
    /// # Errors
    /// As for [`Builder::connect`](crate::Builder::connect).
    pub fn connect(to: impl IntoBackend) -> Result<Self> {
        Ok(Self { backend: to.into_backend()? })
    }

    /// Begins a message without key, headers and payload.
    pub fn message(&self, topic: impl Into<String>) -> ForeignMessage<'_> {
        let topic = topic.into();
        ForeignMessage { foreign: self, topic, key: None, headers: Vec::new(), payload: Vec::new() }
    }
}

/// A message of a [`Foreign`] producer.
#[must_use = "a message is not sent until `send` is awaited"]
pub struct ForeignMessage<'a> {
    foreign: &'a Foreign,
    topic: String,
    key: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Vec<u8>)>,
    payload: Vec<u8>,
}

impl ForeignMessage<'_> {
    /// Sets the key: any bytes, also none.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().to_vec());
        self
    }

    /// Adds a header as it is on the wire: any bytes, repeats included. Envelope attributes are `ce_type`, `ce_id` …
    /// and `content-type`.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.as_ref().to_vec(), value.as_ref().to_vec()));
        self
    }

    /// Sets the payload.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Self {
        self.payload = payload.as_ref().to_vec();
        self
    }

    /// Sends it and waits for the broker's confirmation.
    ///
    /// # Errors
    /// What the broker says.
    pub async fn send(self) -> Result<Confirmation> {
        let mut builder = MessageBuilder::with_payload(&self.payload);
        if let Some(key) = &self.key {
            builder.key(key);
        }
        for (name, value) in &self.headers {
            builder.wire_header(name, value);
        }
        let message = builder.build();
        let outgoing =
            Outgoing { topic: Topic::from(self.topic), message, sender: Sender::Program, options: None };
        self.foreign.backend.publish(outgoing).await
    }
}

impl fmt::Debug for ForeignMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForeignMessage")
            .field("topic", &self.topic)
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}
