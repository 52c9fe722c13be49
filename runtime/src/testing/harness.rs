//! A service in a test: in process, on a virtual clock.

use std::{
    fmt,
    future::IntoFuture,
    panic::Location,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::OnceCell;

use super::{
    clock::{FOR_EVER, pause, until_nothing_happens},
    delivered::Delivered,
    journal::{Journal, Place},
    recording::private_broker,
    tap::Tap,
    watched::Watched,
};
use crate::{
    attempts::Attempts,
    backend::{Backend, Sender, Subscription},
    bus::{Bus, Connecting},
    check::{not_published, not_received, refuse},
    dead_letter::DeadLetter,
    error::{Error, ErrorKind, Result},
    event::{Event, EventSet},
    outlet::Outlet,
    publish::{Publish, Receipt},
    running::Running,
    service::{Service, StateOf},
};

/// How many times [`Test::settled`] looks for events that follow, before it takes them for a circle.
const ROUNDS: usize = 1_000;

/// How many turns of the scheduler without news mean that everything due has run.
const QUIET: usize = 32;

/// `Billing::test(state)`: every service can be tested. In the prelude.
pub trait TestService: Service {
    /// The service in process, on a private memory broker and a virtual clock. `state` is what the service lists in
    /// `state: [..]`: one value, a tuple in that order, or `()` for none.
    ///
    /// It connects and starts, and pauses the clock, with the first call that is awaited.
    ///
    /// ```
    /// # use schemars::JsonSchema;
    /// # use serde::{Deserialize, Serialize};
    /// use typebus::{Outcome, prelude::*};
    ///
    /// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
    /// # #[event(topic = "shop.orders")]
    /// # struct OrderPlaced { order_id: String }
    /// #[handler]
    /// async fn charge(order: OrderPlaced) -> Result<(), Failure> {
    ///     order.order_id.parse::<u64>().or_dead_letter()?;
    ///     Ok(())
    /// }
    ///
    /// service! { pub Billing = "billing" { handles: [charge] } }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() { // #[tokio::test]
    /// let test = Billing::test(());
    /// let delivered = test.deliver(&OrderPlaced { order_id: "seven".into() }).await;
    /// assert_eq!(delivered.outcome(), Outcome::DeadLetter);
    /// assert_eq!(test.dead_letters()[0].error(), "invalid digit found in string");
    /// # }
    /// ```
    fn test<T>(state: T) -> Test<Self>
    where
        Self: StateOf<T>,
    {
        Test::new(|tap| Bus::<Self>::builder().state(state).connect(tap))
    }
}

impl<S: Service> TestService for S {}

/// A service in a test; made by [`TestService::test`].
///
/// Its clock is tokio's, paused: it stands still while anything can run, and then jumps to the next moment at which
/// something is due, so that an hour of retries takes no time. Nothing waits for ever on it: what can never happen
/// ends the test with a panic that says what hangs.
///
/// Dropping it stops the service.
pub struct Test<S> {
    journal: Arc<Journal>,
    /// By which the test publishes; it is no part of what the service published.
    outlet: Arc<Outlet>,
    connecting: Mutex<Option<Connecting<S>>>,
    started: OnceCell<Started<S>>,
}

struct Started<S> {
    // Before the bus: it stops first.
    running: Running,
    bus: Bus<S>,
}

impl<S: Service> Test<S> {
    fn new(connect: impl FnOnce(Arc<dyn Backend>) -> Connecting<S>) -> Self {
        let journal = Journal::new(Some(&S::DESCRIPTOR));
        let broker = private_broker().unwrap_or_else(|error| panic!("{error}"));
        let outlet = Arc::new(Outlet::new(Arc::clone(&broker), "test", &[], std::iter::empty()));
        let connecting = connect(Arc::new(Tap { broker, journal: Arc::clone(&journal) }));
        Self { journal, outlet, connecting: Mutex::new(Some(connecting)), started: OnceCell::new() }
    }

    async fn started(&self) -> &Started<S> {
        self.started.get_or_init(|| self.start()).await
    }

    async fn start(&self) -> Started<S> {
        pause();
        let connecting = self.connecting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(connecting) = connecting else {
            panic!("the first call of the test was dropped before the service had started; await it");
        };
        let started = async {
            let mut bus = connecting.await?;
            let journal = Arc::clone(&self.journal);
            let watch = move |subscription: &Subscription, attempts| {
                let (subscription, journal) = (subscription.clone(), Arc::clone(&journal));
                Box::new(Watched { attempts, subscription, journal, slots: Vec::new() }) as Box<dyn Attempts>
            };
            let core = Arc::get_mut(&mut bus.core);
            core.ok_or_else(shared)?.wrap = Some(Box::new(watch));
            let running = bus.start().await?;
            Ok(Started { running, bus })
        };
        let started: Result<_> = started.await;
        started.unwrap_or_else(|error| panic!("service {} cannot start: {error}", S::DESCRIPTOR.name))
    }

    /// Publishes an event, as another program would, and when awaited gives what became of it in every group of the
    /// service: after all retries and time-outs, and after its dead letter. What its handlers published is not waited
    /// for; [`settled`](Self::settled) does that.
    ///
    /// Key, headers and id can be set before the await, as on [`Publish`]. The event need not be among those that the
    /// service publishes. One that no handler listens for is refused by the compiler, when the test is built (`cargo
    /// check` does not look so far); one that comes where a handler listens, and is not handled, is skipped.
    ///
    /// # Panics
    /// When awaited: the event cannot be published (a key or header that is not valid); the service cannot start, or
    /// stopped; a handler without a timeout never ends.
    #[track_caller]
    pub fn deliver<E: EventSet>(&self, event: &E) -> Deliver<'_, S> {
        const { refuse(not_received(&S::DESCRIPTOR, &E::EVENTS)) };
        let publish = Publish::new(&self.outlet, event, Sender::Program);
        Deliver { test: self, publish, caller: Location::caller() }
    }

    /// Completes when nothing is left to do: everything that was published is handled, and what its handlers
    /// published, and so on.
    ///
    /// # Panics
    /// It never is: events go round in a circle, or a handler without a timeout never ends. The service cannot start,
    /// or stopped.
    pub async fn settled(&self) {
        let Started { running, .. } = self.started().await;
        for _ in 0..ROUNDS {
            let stored = self.journal.stored();
            match until_nothing_happens(running.caught_up()).await {
                Ok(Ok(())) if self.journal.stored() == stored => return,
                Ok(Ok(())) => {}
                Ok(Err(error)) => panic!("{}", stopped::<S>(&Err(error))),
                Err(_) => panic!("the service does not come to rest: {}", self.hanging()),
            }
        }
        panic!(
            "the service does not come to rest: after {ROUNDS} rounds of events that follow from each other there are \
             still more; the last were {}; do they go round in a circle?",
            self.journal.latest(6)
        );
    }

    /// Moves the clock on, step by step, and lets everything run that is due until then, the end included.
    ///
    /// # Panics
    /// The service cannot start.
    pub async fn advance(&self, duration: Duration) {
        self.started().await;
        tokio::time::sleep(duration).await;
        // What is due at this very moment too.
        let mut news = self.journal.watch();
        let mut quiet = 0;
        while quiet < QUIET {
            tokio::task::yield_now().await;
            quiet = if news.has_changed().unwrap_or_default() { 0 } else { quiet + 1 };
            news.mark_unchanged();
        }
    }

    /// Everything of this type that the service has published so far and that is confirmed, in order: by its handlers,
    /// and by [`bus`](Self::bus). Not what the test delivered.
    ///
    /// An event that the service never publishes is refused by the compiler, when the test is built.
    ///
    /// # Panics
    /// What was sent as an `E` cannot be read as one: its `Serialize` and `Deserialize` disagree.
    #[must_use]
    pub fn published<E: EventSet>(&self) -> Vec<E> {
        const { refuse(not_published(&S::DESCRIPTOR, &E::EVENTS)) };
        self.journal.events(&self.outlet)
    }

    /// The dead letters of all groups so far, in order.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.journal.letters()
    }

    /// Lets the next `times` publications of an `E` fail with an error of this kind, as if the broker said so. Handlers'
    /// returned events are sent again after `Connect`, `Timeout` and `Full`, without running the handler again.
    pub fn refuse<E: Event>(&self, times: u32, error: ErrorKind) {
        const { refuse(not_published(&S::DESCRIPTOR, &E::EVENTS)) };
        self.journal.refuse(&E::DESCRIPTOR, times, error);
    }

    /// The service's bus, to publish what the program itself publishes, and to hand out publishers.
    ///
    /// # Panics
    /// The service cannot start.
    pub async fn bus(&self) -> &Bus<S> {
        &self.started().await.bus
    }

    /// The service at work: its counters, its end.
    ///
    /// # Panics
    /// The service cannot start.
    pub async fn running(&self) -> &Running {
        &self.started().await.running
    }

    /// What keeps it from coming to an end.
    fn hanging(&self) -> String {
        let running = self.journal.running();
        if running.is_empty() {
            format!("after {} days there is still something to wait for", FOR_EVER.as_secs() / 86_400)
        } else {
            format!("{running} never ends; give it a `timeout`, or let the test do what it waits for")
        }
    }

    async fn end_of(&self, receipt: &Receipt, running: &Running) -> Result<Delivered, String> {
        let place = Place {
            topic: receipt.topic().to_owned(),
            partition: receipt.partition(),
            position: receipt.position(),
        };
        let mut news = self.journal.watch();
        let ended = async {
            loop {
                if let Some(groups) = self.journal.ended(&place) {
                    return Ok(groups);
                }
                // The sender lives in the journal.
                let _ = news.changed().await;
            }
        };
        let stopped = async { Err(stopped::<S>(&running.finished().await)) };
        let ended = until_nothing_happens(first(ended, stopped)).await;
        let groups = ended.unwrap_or_else(|_| Err(self.hanging()))?;
        let (kind, id) = (receipt.kind().to_owned(), receipt.id().to_owned());
        Ok(Delivered { kind, id, groups })
    }
}

/// The one that completes first; `first` where both do.
async fn first<T>(first: impl Future<Output = T>, second: impl Future<Output = T>) -> T {
    let (mut first, mut second) = (pin!(first), pin!(second));
    std::future::poll_fn(|cx| match first.as_mut().poll(cx) {
        std::task::Poll::Pending => second.as_mut().poll(cx),
        ready @ std::task::Poll::Ready(_) => ready,
    })
    .await
}

fn stopped<S: Service>(result: &Result<()>) -> String {
    let name = S::DESCRIPTOR.name;
    match result {
        Ok(()) => format!("service {name} was stopped"),
        Err(error) => format!("service {name} has stopped: {error}"),
    }
}

fn shared() -> Error {
    Error::new(ErrorKind::Fatal, "start", "its bus is shared before it started; please report it")
}

/// A delivery of a test; awaiting it gives a [`Delivered`].
#[must_use = "nothing is delivered until it is awaited"]
pub struct Deliver<'a, S> {
    test: &'a Test<S>,
    publish: Publish,
    caller: &'static Location<'static>,
}

impl<S> Deliver<'_, S> {
    /// Replaces the key.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.publish = self.publish.key(key);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.publish = self.publish.header(name, value);
        self
    }

    /// Sets the id.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.publish = self.publish.id(id);
        self
    }
}

impl<'a, S: Service> IntoFuture for Deliver<'a, S> {
    type Output = Delivered;
    type IntoFuture = Pin<Box<dyn Future<Output = Delivered> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Self { test, publish, caller } = self;
            let Started { running, .. } = test.started().await;
            let receipt = match publish.await {
                Ok(receipt) => receipt,
                Err(error) if error.kind() == ErrorKind::Closed => {
                    let stopped = stopped::<S>(&running.finished().await);
                    panic!("the event of {caller} cannot be delivered: {stopped}");
                }
                Err(error) => panic!("the event of {caller} cannot be delivered: {error}"),
            };
            test.journal.delivered();
            let delivered = test.end_of(&receipt, running).await;
            delivered.unwrap_or_else(|error| panic!("the delivery of {caller} has no end: {error}"))
        })
    }
}

impl<S> fmt::Debug for Deliver<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deliver").field("publish", &self.publish).finish_non_exhaustive()
    }
}

impl<S: Service> fmt::Debug for Test<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Test")
            .field("service", &S::DESCRIPTOR.name)
            .field("started", &self.started.initialized())
            .field("published", &self.journal.stored())
            .finish_non_exhaustive()
    }
}
