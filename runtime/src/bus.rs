//! The bus: a service bound to a broker.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::sync::watch;

use crate::{
    attempts::Wrap,
    backend::{Backend, Sender},
    config::Effective,
    connect::IntoBackend,
    dead_letters::DeadLetters,
    dedupe::DedupeStore,
    error::{Error, ErrorKind, Result},
    event::{Reply, Request},
    extract::Publisher,
    hooks::Hooks,
    options::{Options, Settled},
    outlet::Outlet,
    plan::{Mounted, Wiring, dead_letter_topics, instance},
    prepared::Prepared,
    publish::{Publish, Receipt},
    request::{Calls, Requesting},
    running::{Running, StopNow, spawn, start},
    scope::States,
    service::{NoState, PublishedBy, Service, ServiceDescriptor, StateOf},
    tuning::Tuning,
};

/// A service bound to a broker. Cheap to clone; every clone is the same bus.
///
/// Made by [`Bus::builder`]. Publishing works as soon as it is connected; consuming begins with
/// [`start`](Self::start) or [`run_until`](Self::run_until). What is published in between reaches every group of
/// the service.
pub struct Bus<S> {
    pub(crate) core: Arc<Core>,
    service: PhantomData<fn(S)>,
}

/// Everything of a bus that does not depend on its service's type.
pub(crate) struct Core {
    pub(crate) service: &'static ServiceDescriptor,
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) state: Arc<States>,
    pub(crate) wirings: Vec<Wiring>,
    /// The store for handlers with `dedupe`, and which bus asks it.
    pub(crate) dedupe: Option<(Arc<dyn DedupeStore>, Arc<str>)>,
    pub(crate) tuning: Tuning,
    /// Where the service publishes a request.
    pub(crate) calls: Option<Arc<Calls>>,
    pub(crate) effective: Effective,
    pub(crate) hooks: Hooks,
    pub(crate) shutdown: watch::Sender<bool>,
    pub(crate) started: AtomicBool,
    /// Given by a test, before the start.
    pub(crate) wrap: Option<Box<Wrap>>,
}

impl<S: Service> Bus<S> {
    /// Begins to build a bus for the service `S`.
    ///
    /// ```
    /// # use typebus::prelude::*;
    /// service! { pub Idle = "idle" { } }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> typebus::Result<()> {
    /// let bus = Bus::<Idle>::builder().connect("memory:").await?;
    /// # drop(bus);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder<S, NoState> {
        Builder { state: NoState, options: Options::default(), service: PhantomData }
    }

    /// Publishes an event that the service lists under `publishes`. It is encoded at once and sent when awaited.
    ///
    /// It is not atomic with your database.
    ///
    /// # Errors
    /// At the await, see [`Publish`].
    pub fn publish<E: PublishedBy<S>>(&self, event: &E) -> Publish {
        Publish::new(&self.core.outlet, event, Sender::Program)
    }

    /// Publishes several events, in order, all under way at once. Each has its own result, at its own place.
    ///
    /// # Cancel safety
    /// The events are encoded before this returns, and sent at the first poll; dropped later, any of them may be
    /// stored.
    pub fn publish_all<E: PublishedBy<S>>(
        &self,
        events: &[E],
    ) -> impl Future<Output = Vec<Result<Receipt>>> + Send + use<E, S> {
        let mut publications: Vec<Publish> = events.iter().map(|event| self.publish(event)).collect();
        async move {
            let mut receipts: Vec<Option<Result<Receipt>>> = publications.iter().map(|_| None).collect();
            // One round puts all of them under way; then each is awaited in its turn.
            std::future::poll_fn(|cx| {
                for (publication, receipt) in publications.iter_mut().zip(&mut receipts) {
                    if let Poll::Ready(result) = Pin::new(publication).poll(cx) {
                        *receipt = Some(result);
                    }
                }
                Poll::Ready(())
            })
            .await;
            let mut results = Vec::with_capacity(receipts.len());
            for (publication, receipt) in publications.into_iter().zip(receipts) {
                results.push(match receipt {
                    Some(result) => result,
                    None => publication.await,
                });
            }
            results
        }
    }

    /// Stamps an event that the service lists under `publishes`, for [`publish_prepared`](Self::publish_prepared) to send
    /// later: in an outbox it is written in one transaction with your data. See [`Prepared`].
    ///
    /// With a key, headers or an id: `bus.publish(&event).header("channel", "web").prepare()`.
    ///
    /// # Errors
    /// `InvalidKey`, `InvalidTopic`, `Encode`, `TooLarge`: what publishing it would answer before it is sent.
    pub fn prepare<E: PublishedBy<S>>(&self, event: &E) -> Result<Prepared> {
        self.publish(event).prepare()
    }

    /// Publishes what was prepared by this service, in this process or an earlier one: the same event, with the same id
    /// and time, as often as it is sent.
    ///
    /// # Errors
    /// At the await, see [`Publish`]; `Config`: another service prepared it.
    pub fn publish_prepared(&self, prepared: &Prepared) -> Publish {
        Publish::prepared(&self.core.outlet, prepared)
    }

    /// Publishes a request, and gives the reply of whoever handles it. It takes only events with `reply = ..`, is
    /// encoded at once, and sent when awaited.
    ///
    /// It works as soon as the bus is connected, and ends with `Closed` when it is stopped. A handler asks
    /// through a bus that it has in its state: a [`Publisher`] publishes, and asks nobody.
    ///
    /// # Errors
    /// At the await, see [`Requesting`].
    pub fn request<E, R>(&self, event: &E) -> Requesting<R>
    where
        E: PublishedBy<S> + Request<R>,
        R: Reply,
    {
        let Core { outlet, calls, tuning, .. } = &*self.core;
        Requesting::new(self.publish(event), outlet, calls.as_ref(), tuning.request_timeout)
    }

    /// The right to publish `E`, to hand to other parts of the program such as an HTTP handler.
    #[must_use]
    pub fn publisher<E: PublishedBy<S>>(&self) -> Publisher<E> {
        Publisher::outside(Arc::clone(&self.core.outlet))
    }

    /// The dead letters of one of the service's groups. For a group that the service does not have, reading them gives
    /// an error that lists those that it has.
    #[must_use]
    pub fn dead_letters(&self, group: &str) -> DeadLetters {
        let service = self.core.service;
        let topics = dead_letter_topics(service, group);
        let topics = if topics.is_empty()
            && !service.handlers.iter().any(|handler| service.group_of(handler) == group)
        {
            let mut groups: Vec<_> =
                service.handlers.iter().map(|handler| service.group_of(handler)).collect();
            groups.sort_unstable();
            groups.dedup();
            let text =
                format!("service {} has no group {group:?}; it has: {}", service.name, groups.join(", "));
            Err(Error::new(ErrorKind::Config, "read dead letters", text))
        } else {
            Ok(topics)
        };
        DeadLetters::new(Arc::clone(&self.core.backend), group, topics, broadcasting(service))
    }

    /// Every setting of the bus, with its value and where it was said: by default, an attribute, a file, the
    /// environment or the builder. Without secrets.
    #[must_use]
    pub fn effective(&self) -> &Effective {
        &self.core.effective
    }

    /// Begins to consume.
    ///
    /// # Errors
    /// `Config`: it was started before; `Fatal`: a start hook failed; or whatever the broker refuses.
    ///
    /// # Panics
    /// Outside a tokio runtime with its time driver enabled, as `#[tokio::main]` makes it.
    pub async fn start(&self) -> Result<Running> {
        start([self]).await
    }

    /// Consumes until `signal` completes, then drains and closes: running handlers have
    /// [`drain`](Tuning::drain) (20 s) to finish, what waits is left unsettled and comes again.
    ///
    /// With [`shutdown_signal`](crate::shutdown_signal), a second SIGINT or SIGTERM stops at once.
    ///
    /// # Errors
    /// As for [`start`](Self::start); `Fatal` when consuming cannot go on; what closing reports.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    ///
    /// # Cancel safety
    /// Dropping the future stops the service in the background, as dropping [`Running`] does.
    pub async fn run_until<F>(&self, signal: F) -> Result<()>
    where
        F: Future<Output: StopNow>,
    {
        crate::running::run([self], signal).await
    }
}

impl<S> Clone for Bus<S> {
    fn clone(&self) -> Self {
        Self { core: Arc::clone(&self.core), service: PhantomData }
    }
}

impl<S> fmt::Debug for Bus<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Core { service, backend, .. } = &*self.core;
        f.debug_struct("Bus")
            .field("service", &service.name)
            .field("backend", backend)
            .finish_non_exhaustive()
    }
}

/// A bus of any service, for [`start`](crate::start) and [`run`](crate::run). Implemented by [`Bus`] alone.
pub trait Runs: Send + Sync + sealed::Sealed {
    #[doc(hidden)]
    fn core(&self) -> sealed::CoreRef<'_>;
}

impl<S: Service> Runs for Bus<S> {
    fn core(&self) -> sealed::CoreRef<'_> {
        sealed::CoreRef(&self.core)
    }
}

pub(crate) mod sealed {
    use std::sync::Arc;

    /// Keeps [`Runs`](super::Runs) to this crate.
    pub trait Sealed {}

    impl<S> Sealed for super::Bus<S> {}

    #[derive(Debug)]
    pub struct CoreRef<'a>(pub(crate) &'a Arc<super::Core>);
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("service", &self.service.name).finish_non_exhaustive()
    }
}

/// Builds a [`Bus`]: state first, then options, then [`connect`](Self::connect).
#[must_use = "a builder does nothing until it is connected"]
pub struct Builder<S, T> {
    state: T,
    pub(crate) options: Options,
    service: PhantomData<fn(S)>,
}

impl<S: Service> Builder<S, NoState> {
    /// Gives the state that the service lists: one value, or a tuple in the order of `state: [..]`.
    pub fn state<T>(self, state: T) -> Builder<S, T>
    where
        S: StateOf<T>,
    {
        Builder { state, options: self.options, service: PhantomData }
    }
}

impl<S: Service, T> Builder<S, T> {
    /// Sets how the bus runs: all of it, so that a configuration says nothing of it any more.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.options.tuning = Some(tuning);
        self
    }

    /// Connects, and provisions everything that the service needs: topics, groups, dead-letter topics.
    ///
    /// All that can be known to be wrong before anything is contacted is reported together.
    ///
    /// # Errors
    /// `Config` with every [`Problem`](crate::Problem): what this version or the backend cannot do; `Connect`,
    /// `Authentication`, `Permission`, `Topology` from the broker.
    ///
    /// # Panics
    /// A service that publishes a request: outside a tokio runtime with its time driver enabled, since the replies are
    /// read by a task.
    ///
    /// # Cancel safety
    /// Dropped early, what is provisioned already stays; connecting again finds it there.
    pub fn connect(self, to: impl IntoBackend) -> Connecting<S>
    where
        S: StateOf<T>,
    {
        let mut state = States::default();
        S::collect(self.state, &mut state);
        let mut options = self.options;
        options.config = options.config.connected_by(to.said());
        let backend = to.into_backend();
        let core = Core::connect(&S::DESCRIPTOR, backend, state, options);
        Connecting { core: Box::pin(core), service: PhantomData }
    }
}

/// The future of [`Builder::connect`].
#[must_use = "nothing is connected until it is awaited"]
pub struct Connecting<S> {
    // Not an `async fn`, since rustc reports a state that is not complete at each of its uses.
    core: Pin<Box<dyn Future<Output = Result<Core>> + Send>>,
    service: PhantomData<fn(S)>,
}

impl<S> Future for Connecting<S> {
    type Output = Result<Bus<S>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let core = std::task::ready!(self.core.as_mut().poll(cx))?;
        Poll::Ready(Ok(Bus { core: Arc::new(core), service: PhantomData }))
    }
}

impl<S> fmt::Debug for Connecting<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connecting")
    }
}

impl<S: Service, T> fmt::Debug for Builder<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("service", &S::DESCRIPTOR.name)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl Core {
    /// Checks, provisions, and logs what will be consumed.
    async fn connect(
        service: &'static ServiceDescriptor,
        backend: Result<Arc<dyn Backend>>,
        state: States,
        options: Options,
    ) -> Result<Self> {
        let settled = options.settle(service);
        let backend = settled.check(service, backend)?;
        let Settled { tuning, wirings, plan, names, effective, calls, .. } = settled;
        let backend = names.between(backend, &plan);
        backend.provision(&plan).await?;
        let calls = match calls {
            Some((calls, subscription)) => {
                spawn(calls.listen(&*backend, &subscription).await?);
                Some(Arc::new(calls))
            }
            None => None,
        };
        let topics: Vec<_> = plan.publishes.iter().chain(&plan.dead_letters).cloned().collect();
        let outlet = Outlet::new(Arc::clone(&backend), service.name, &topics, service.all_published());
        announce(service, backend.system(), &wirings);
        Ok(Self {
            service,
            backend,
            outlet: Arc::new(outlet),
            state: Arc::new(state),
            wirings,
            tuning,
            calls,
            effective,
            hooks: options.hooks,
            dedupe: options.dedupe.map(|store| (store, instance().into())),
            shutdown: watch::Sender::new(false),
            started: AtomicBool::new(false),
            wrap: None,
        })
    }

    /// It did not start after all.
    pub(crate) fn take_back(&self) {
        if !self.hooks.are_spent() {
            self.started.store(false, Ordering::Release);
        }
    }

    /// Marks the bus as started, once in its life.
    pub(crate) fn begin(&self) -> Result<()> {
        if self.started.swap(true, Ordering::AcqRel) {
            let text = format!(
                "service {} was started before; build a new bus to start it again",
                self.service.name
            );
            return Err(Error::new(ErrorKind::Config, "start", text));
        }
        Ok(())
    }
}

/// The handlers of which every instance has its own deliveries.
fn broadcasting(service: &ServiceDescriptor) -> Vec<&'static str> {
    service.handlers.iter().filter(|handler| handler.policy.broadcast).map(|handler| handler.name).collect()
}

/// Logs once what will be consumed, by which groups, under which policies.
fn announce(service: &ServiceDescriptor, system: &str, wirings: &[Wiring]) {
    tracing::info!(
        service = service.name,
        messaging.system = system,
        subscriptions = wirings.iter().filter(|wiring| !wiring.replays).count(),
        "connected"
    );
    let consuming = wirings.iter().filter(|wiring| !wiring.replays);
    for Wiring { subscription, handlers, .. } in consuming {
        for Mounted { handler, policy } in handlers {
            tracing::info!(
                service = service.name,
                messaging.destination.name = %subscription.filter,
                messaging.consumer.group.name = %subscription.group,
                handler = handler.name,
                concurrency = policy.concurrency,
                order = ?policy.order,
                attempts = policy.attempts,
                backoff = ?(policy.backoff.min..policy.backoff.max),
                timeout = ?policy.timeout,
                dead_letter = ?policy.dead_letter,
                "subscription"
            );
        }
    }
}
