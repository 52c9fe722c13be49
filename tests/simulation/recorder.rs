//! A backend that tells the oracle, in order, what passes between the dispatch and the broker.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use typebus::{
    Result,
    backend::{
        Backend, BoxFuture, BoxStream, Capabilities, Consumer, Delivery, Floor, Intake, Note, Outgoing,
        Partitions, Plan, Publishing, Room, Subscription, Token, Topic,
    },
};

use crate::oracle::World;

/// Of one instance.
#[derive(Clone)]
pub(crate) struct Recorder {
    pub(crate) inner: Arc<dyn Backend>,
    pub(crate) world: World,
    pub(crate) instance: usize,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Backend for Recorder {
    fn system(&self) -> &'static str {
        self.inner.system()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn provision<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, Result<()>> {
        self.inner.provision(plan)
    }

    fn publish(&self, outgoing: Outgoing) -> Publishing {
        let (world, call) = (self.world.clone(), self.world.call(self.instance, &outgoing));
        let mut publishing = self.inner.publish(outgoing);
        // An answer that is known at once stays so.
        match Pin::new(&mut publishing).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => {
                world.answered(call, &answer);
                Publishing::ready(answer)
            }
            Poll::Pending => Publishing::pending(async move {
                let answer = publishing.await;
                world.answered(call, &answer);
                answer
            }),
        }
    }

    fn subscribe<'a>(&'a self, subscription: &'a Subscription) -> BoxFuture<'a, Result<Box<dyn Consumer>>> {
        Box::pin(async move {
            let inner = self.inner.subscribe(subscription).await?;
            let number = self.world.consumer(self.instance, subscription);
            let recorded = Recorded { inner, world: self.world.clone(), number };
            Ok(Box::new(recorded) as Box<dyn Consumer>)
        })
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

struct Recorded {
    inner: Box<dyn Consumer>,
    world: World,
    number: usize,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Consumer for Recorded {
    fn poll_batch(
        &mut self,
        cx: &mut Context<'_>,
        room: Room,
        into: &mut Vec<Delivery>,
    ) -> Poll<Result<Intake>> {
        let before = into.len();
        let polled = self.inner.poll_batch(cx, room, into);
        self.world.delivered(self.number, room, &into[before..]);
        match &polled {
            Poll::Ready(Ok(Intake::Revoking(partitions))) => self.world.revoking(self.number, partitions),
            Poll::Ready(Ok(Intake::Lost(partitions))) => self.world.gone(self.number, partitions, "are lost"),
            _ => {}
        }
        polled
    }

    fn settle(&mut self, settled: &[Token], floors: &[Floor]) {
        self.world.settled(self.number, settled);
        self.inner.settle(settled, floors);
    }

    fn poll_record(&mut self, cx: &mut Context<'_>, suspect: Option<Token>) -> Poll<Result<()>> {
        self.world.recorded(self.number, suspect);
        self.inner.poll_record(cx, suspect)
    }

    fn note(&mut self, notes: &[Note]) {
        self.inner.note(notes);
    }

    fn release(&mut self, partitions: &Partitions) {
        self.world.gone(self.number, partitions, "are released");
        self.inner.release(partitions);
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.world.gone(self.number, &Partitions::All, "are closed");
        self.inner.poll_close(cx)
    }
}
