//! A broker in memory with something wrong about it.

use std::{fmt, sync::Arc};

use typebus::{
    Error, IntoBackend, Result,
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Outgoing, Plan, Publishing,
        Subscription, Topic,
    },
};

/// What is wrong with it; everything else goes to the broker of its URL.
pub(crate) struct Wrapped {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) capabilities: Capabilities,
    /// Answers a publication in place of the broker.
    pub(crate) publish: fn(&Outgoing) -> Option<Publishing>,
    /// Refuses a subscription.
    pub(crate) subscribe: fn(&Subscription) -> Option<Error>,
}

impl Wrapped {
    /// One with which nothing is wrong yet.
    pub(crate) fn new(url: &str) -> Self {
        let inner = url.into_backend().unwrap();
        Self { capabilities: inner.capabilities(), inner, publish: |_| None, subscribe: |_| None }
    }
}

impl Backend for Wrapped {
    fn system(&self) -> &'static str {
        "wrapped"
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.inner.provision(plan)
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        (self.publish)(&outgoing).unwrap_or_else(|| self.inner.publish(outgoing))
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        match (self.subscribe)(subscription) {
            Some(error) => Box::pin(async { Err(error) }),
            None => self.inner.subscribe(subscription),
        }
    }

    fn caught_up<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<()>> {
        self.inner.caught_up(subscription)
    }

    fn browse<'a>(&'a self, topic: &'a Topic) -> BoxFuture<'a, Result<BoxStream<Result<Delivery>>>> {
        self.inner.browse(topic)
    }

    fn discard<'a>(&'a self, topic: &'a Topic, letters: &'a [Delivery]) -> BoxFuture<'a, Result<()>> {
        self.inner.discard(topic, letters)
    }

    fn close(&self) -> BoxFuture<'_, Result<()>> {
        self.inner.close()
    }
}

impl fmt::Debug for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wrapped").field(&self.inner).finish()
    }
}
