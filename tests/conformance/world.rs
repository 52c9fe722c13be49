//! What a trial works with: a broker of its own, and processes that are connected to it.

use std::{sync::Arc, time::Duration};

use typebus::{
    Bus, ErrorKind, IntoBackend, NoState, Running, Service, StateOf, Tuning,
    backend::{Attribute, Backend, Capabilities, MessageBuilder, Outgoing, Sender, Topic},
    testing::Foreign,
};
use typebus_tests::patiently;

use crate::{
    backends::{Broker, Clock, Connection, Entry, Harm, Nature},
    careless::{Careless, Shared},
    slip::Slip,
    trials,
};

pub(crate) struct World {
    entry: &'static Entry,
    broker: Box<dyn Broker>,
    slip: Option<Slip>,
    shared: Arc<Shared>,
}

/// A process: its connection, and its bus.
pub(crate) struct Process<S> {
    pub(crate) bus: Bus<S>,
    pub(crate) harm: Arc<dyn Harm>,
    backend: Arc<dyn Backend>,
}

impl World {
    pub(crate) fn new(entry: &'static Entry, slip: Option<Slip>) -> Self {
        Self { entry, broker: (entry.open)(), slip, shared: Arc::default() }
    }

    /// The same with a broker that nobody has used.
    pub(crate) fn anew(&self) -> Self {
        Self::new(self.entry, self.slip)
    }

    /// Random numbers, of the seed of this run; for a counterpart always the same, so that it is caught or is not.
    pub(crate) fn random(&self) -> fastrand::Rng {
        fastrand::Rng::with_seed(if self.slip.is_some() { 1 } else { trials::seed() })
    }

    /// Whether this is the counterpart with this mistake.
    pub(crate) fn slips(&self, slip: Slip) -> bool {
        self.slip == Some(slip)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.entry.name
    }

    /// A figure of a trial: the first where time passes at once, the second where a server is to be waited for.
    pub(crate) fn either<T>(&self, at_once: T, for_real: T) -> T {
        match self.entry.clock {
            Clock::Virtual => at_once,
            Clock::Real => for_real,
        }
    }

    /// Whether something took as long as it should: exactly, where time passes only when nothing is left to do.
    pub(crate) fn assert_took(&self, took: Duration, expected: Duration) {
        let most = self.either(expected, expected + Duration::from_secs(2));
        assert!((expected..=most).contains(&took), "it took {took:?} instead of {expected:?}");
    }

    pub(crate) const fn nature(&self) -> &Nature {
        &self.entry.nature
    }

    pub(crate) const fn at_least(&self) -> Capabilities {
        self.entry.at_least
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        self.connect().backend.capabilities()
    }

    /// Everything that was settled, by consumer and token, with repeats.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// A connection, careless if this world is.
    pub(crate) fn connect(&self) -> Connection {
        let Connection { backend, harm } = self.broker.connect();
        let backend = Careless::new(backend, self.slip, Arc::clone(&self.shared));
        Connection { backend: Arc::new(backend), harm }
    }

    /// A process with a service that is not at work yet.
    pub(crate) async fn process<S: Service + StateOf<T>, T>(&self, state: T) -> Process<S> {
        self.tuned(state, Tuning::default()).await
    }

    /// The same with other constants.
    pub(crate) async fn tuned<S: Service + StateOf<T>, T>(&self, state: T, tuning: Tuning) -> Process<S> {
        let Connection { backend, harm } = self.connect();
        let bus =
            Bus::<S>::builder().state(state).tuning(tuning).connect(Arc::clone(&backend)).await.unwrap();
        Process { bus, harm, backend }
    }

    /// A process without state.
    pub(crate) async fn stateless<S: Service + StateOf<NoState>>(&self) -> Process<S> {
        let Connection { backend, harm } = self.connect();
        let bus = Bus::<S>::builder().connect(Arc::clone(&backend)).await.unwrap();
        Process { bus, harm, backend }
    }

    /// What the start-up of a service says.
    pub(crate) async fn refuses<S: Service + StateOf<NoState>>(&self) -> Option<typebus::Error> {
        Bus::<S>::builder().connect(self.connect().backend).await.err()
    }

    /// A producer that knows nothing of us.
    pub(crate) fn foreign(&self) -> Foreign {
        Foreign::connect(self.connect().backend.into_backend().unwrap()).unwrap()
    }

    /// A bare backend, for trials of the contract.
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        self.connect().backend
    }
}

impl<S: Service> Process<S> {
    pub(crate) async fn start(&self) -> Running {
        self.bus.start().await.unwrap()
    }

    /// Dies while one of its publishes, of an event that nobody handles, is unconfirmed and one of its deliveries
    /// unsettled: with less a fault shows nothing.
    pub(crate) async fn dies(&self, running: &Running, topic: &'static str) {
        let held = self.harm.hold_confirmations(topic);
        let mut message = MessageBuilder::with_payload(b"{}");
        message.attribute(Attribute::Type, b"fault.v1").attribute(Attribute::Id, b"unconfirmed");
        let (topic, message) = (Topic::from_static(topic), message.build());
        let publishing =
            self.backend.publish(Outgoing { topic, message, sender: Sender::Program, options: None });
        let stats = running.stats();
        assert!(stats.groups().iter().any(|group| group.received > group.settled()), "nothing was unsettled");
        self.harm.kill();
        let error = patiently(publishing).await.expect_err("the publish was confirmed");
        assert!(error.outcome_unknown() || error.kind() == ErrorKind::Closed, "{error}");
        drop(held);
        assert_eq!(patiently(running.finished()).await.unwrap_err().kind(), ErrorKind::Fatal);
    }
}
