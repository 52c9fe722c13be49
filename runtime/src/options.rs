//! What a builder is told beside the state, and what it comes to.

use std::sync::Arc;

use crate::{
    backend::{Backend, Plan, Subscription},
    bus::Builder,
    config::{Applied, Config, Effective, Known, SettingOrigin},
    dead_letter::DeadLetter,
    dedupe::DedupeStore,
    error::{BoxError, Error, ErrorKind, Problem, Result},
    event::{Event, EventDescriptor},
    hooks::Hooks,
    layer::{Layer, Layers, OnDeadLetter},
    names::{Names, Wishes},
    plan::{Wiring, dedupe_problems, plan, problems, wire},
    request::Calls,
    service::{Service, ServiceDescriptor},
    tuning::Tuning,
};

/// What was said, as it was said.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) config: Config,
    pub(crate) tuning: Option<Tuning>,
    pub(crate) prefix: Option<String>,
    pub(crate) renames: Vec<(&'static EventDescriptor, String)>,
    pub(crate) hooks: Hooks,
    pub(crate) layers: Layers,
    pub(crate) dedupe: Option<Arc<dyn DedupeStore>>,
}

/// What holds, as far as it can hold.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) tuning: Tuning,
    pub(crate) wirings: Vec<Wiring>,
    pub(crate) plan: Plan,
    pub(crate) names: Names,
    pub(crate) effective: Effective,
    pub(crate) dedupe: Option<Arc<dyn DedupeStore>>,
    /// Where the service publishes a request, with the subscription to the replies, which is in the plan.
    pub(crate) calls: Option<(Calls, Subscription)>,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Problem>,
}

impl<S: Service, T> Builder<S, T> {
    /// Takes what an operator says. Called again, the later one beats the earlier one where both say something; what
    /// this builder is told otherwise beats both.
    ///
    /// Its URL is used where it is [connected](Self::connect) to.
    ///
    /// ```
    /// # use typebus::{Config, prelude::*};
    /// # service! { pub Idle = "idle" { } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> typebus::Result<()> {
    /// let config = Config::from_vars([("TYPEBUS_URL".into(), "memory:".into())]); // Config::from_env()?
    /// let bus = Bus::<Idle>::builder().config(config.clone()).prefix("staging").connect(&config).await?;
    /// println!("{}", bus.effective());
    /// # assert_eq!(bus.effective().get("prefix").unwrap().value(), "\"staging\"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn config(mut self, config: Config) -> Self {
        self.options.config = self.options.config.merge(config);
        self
    }

    /// Puts a word before everything that the service calls by name on the broker, so that an environment has a part of
    /// it for itself: the topic `shop.orders` is `staging.shop.orders`, the pattern `shop.>` is `staging.shop.>`, the
    /// group `billing` is `staging-billing`, and its dead letters are on `dead.staging-billing`. The program sees its own
    /// names everywhere, but for what the broker says in errors.
    ///
    /// It is letters, digits and `-`, and neither `dead` nor `reply`. Of two environments on one broker neither prefix
    /// should be the other one with `-` and more: `staging` with the group `eu-billing` would be `staging-eu` with
    /// `billing`. One without a prefix, if it subscribes to `>`, sees the topics of all others.
    ///
    /// # Errors
    /// At [`connect`](Self::connect): it is no such word, or makes a topic longer than 180 bytes or 16 tokens, or a group
    /// longer than 40 characters.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.options.prefix = Some(prefix.into());
        self
    }

    /// Gives the topic of `E` another name on the broker, with all its events: `.rename::<OrderPlaced>("Orders_v1")`. A
    /// prefix stands before that name too, so that an environment never reaches out of its part. The program sees its
    /// own name.
    ///
    /// ```
    /// # use typebus::prelude::*;
    /// # #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
    /// # #[event(topic = "shop.orders")]
    /// # struct OrderPlaced { id: u64 }
    /// # service! { pub Shop = "shop" { publishes: [OrderPlaced] } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> typebus::Result<()> {
    /// let builder = Bus::<Shop>::builder().prefix("staging").rename::<OrderPlaced>("Orders_v1");
    /// let bus = builder.connect("memory:").await?;
    /// let receipt = bus.publish(&OrderPlaced { id: 1 }).await?; // to the broker it is `staging.Orders_v1`
    /// assert_eq!(receipt.topic(), "shop.orders");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// At [`connect`](Self::connect): `E` is not the service's; its topic has a `{field}`, or a pattern of the service
    /// receives it or the new name; the name is no topic, begins with `dead` or `reply`, or is another topic's.
    pub fn rename<E: Event>(mut self, name: impl Into<String>) -> Self {
        self.options.renames.push((const { &E::DESCRIPTOR }, name.into()));
        self
    }

    /// Gives the store that handlers with `dedupe = ".."` need. A [`LocalStore`](crate::LocalStore) will do where no other
    /// process shares the broker.
    pub fn dedupe_store(mut self, store: impl DedupeStore) -> Self {
        self.options.dedupe = Some(Arc::new(store));
        self
    }

    /// Does something when the bus starts: after it is connected, and before anything is consumed. Hooks run one after
    /// the other in the order in which they are given; one that fails or panics makes the start fail with `Fatal`, and
    /// those after it do not run.
    ///
    /// Each runs once. A bus whose hooks ran, and whose start failed afterwards, can be started again, and they do not run
    /// again. Where a hook fails, or the start is dropped while one runs, a new bus has to be built. No stop hook runs for
    /// a bus that did not start.
    ///
    /// ```
    /// # use typebus::prelude::*;
    /// # service! { pub Idle = "idle" { } }
    /// # async fn warm_up() -> Result<(), std::io::Error> { Ok(()) }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> typebus::Result<()> {
    /// let bus = Bus::<Idle>::builder()
    ///     .on_start(|| async { Ok(warm_up().await?) })
    ///     .on_stop(async || {
    ///         tracing::info!("everything is settled");
    ///         Ok(())
    ///     })
    ///     .connect("memory:")
    ///     .await?;
    /// bus.start().await?.stop().await
    /// # }
    /// ```
    pub fn on_start<F>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.options.hooks.on_start(hook);
        self
    }

    /// Does something when the bus has stopped consuming: after the drain, and before the backend closes, so that it may
    /// still publish. Hooks run one after the other, the last given first, and all of them: a failure or panic of one is
    /// logged, and [`stop`](crate::Running::stop) reports the first as its error.
    ///
    /// Together they have half of [`close`](Tuning::close) (5 s); what is not ready then is dropped. A second signal
    /// does not cut that short. They also run where the bus stops by itself, or in the background, and never if it did
    /// not start.
    pub fn on_stop<F>(mut self, hook: impl FnOnce() -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        self.options.hooks.on_stop(hook);
        self
    }

    /// Surrounds every delivery and publication of the bus: see [`Layer`]. The first that is added is the outermost.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.options.layers.add(layer);
        self
    }

    /// Calls `tell` with every dead letter of the bus, once the broker has confirmed it: for an alert. What it is given
    /// is what [`Bus::dead_letters`](crate::Bus::dead_letters) would list.
    ///
    /// The subscription waits for it, so it must be quick, and must not block: what takes time goes into a channel. A
    /// panic is logged, and changes nothing. It is not called for what `dead_letter = discard` drops.
    ///
    /// ```
    /// # use typebus::prelude::*;
    /// # service! { pub Idle = "idle" { } }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> typebus::Result<()> {
    /// let (alerts, mut incoming) = tokio::sync::mpsc::channel(100);
    /// let bus = Bus::<Idle>::builder()
    ///     .on_dead_letter(move |letter| {
    ///         let text = format!("{}: {} ({})", letter.handler(), letter.error(), letter.reason());
    ///         let _ = alerts.try_send(text); // a full channel loses alerts, not deliveries
    ///     })
    ///     .connect("memory:")
    ///     .await?;
    /// # drop(bus);
    /// while let Some(text) = incoming.recv().await {
    ///     println!("to the one who is on call: {text}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_dead_letter(self, tell: impl Fn(&DeadLetter) + Send + Sync + 'static) -> Self {
        self.layer(OnDeadLetter(tell))
    }
}

impl Options {
    /// Applies all of it to a service. What the program says beats what the configuration says.
    pub(crate) fn settle(&self, service: &'static ServiceDescriptor) -> Settled {
        let mut applied = self.config.apply(service);
        if let Some(tuning) = self.tuning {
            applied.tune(tuning);
        }
        if let Some(prefix) = &self.prefix {
            applied.prefix = Some((prefix.clone(), SettingOrigin::Builder));
        }
        self.rename(&mut applied);
        let mut problems = std::mem::take(&mut applied.problems);
        problems.extend(applied.tuning.problems());
        let wirings = wire(service, &applied.policies, applied.tuning.limits);
        let mut plan = plan(service, &wirings);
        let calls = (!service.requests().is_empty()).then(|| Calls::new(service.name, applied.tuning.limits));
        plan.subscriptions.extend(calls.iter().map(|(_, subscription)| subscription.clone()));
        let wishes = Wishes { prefix: applied.prefix.as_ref(), renames: &applied.renames };
        let names = wishes.check(&Known::of(service), &plan).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Names::default()
        });
        let effective = Effective::new(service, &applied);
        let dedupe = self.dedupe.clone();
        Settled { tuning: applied.tuning, wirings, plan, names, effective, dedupe, calls, problems }
    }

    /// Several events may be on one topic; they have to agree.
    fn rename(&self, applied: &mut Applied) {
        for (nth, (event, name)) in self.renames.iter().enumerate() {
            let topic = event.topic();
            let other = self.renames[..nth].iter().find(|(other, _)| other.topic() == topic);
            if let Some((other, _)) = other.filter(|(_, other)| other != name) {
                let place = format!("{} renamed \"{name}\" (builder)", event.type_name());
                let text = format!(
                    "it is on \"{topic}\" like {}, which is renamed otherwise; rename a topic once",
                    other.type_name()
                );
                applied.problems.push(Problem::new(place, text));
                continue;
            }
            applied.renames.retain(|(renamed, ..)| renamed != topic);
            applied.renames.push((topic.to_owned(), name.clone(), SettingOrigin::Builder));
        }
    }
}

impl Settled {
    /// That nothing is wrong, with the backend neither; all that is wrong is said at once.
    pub(crate) fn check(
        &self,
        service: &ServiceDescriptor,
        backend: Result<Arc<dyn Backend>>,
    ) -> Result<Arc<dyn Backend>> {
        let mut problems = match &backend {
            Ok(backend) => {
                let (system, can) = (backend.system(), backend.capabilities());
                let store = self.dedupe.as_deref();
                let mut problems = problems(service, &self.wirings, system, &can);
                problems.extend(dedupe_problems(&self.wirings, store, system, &can));
                problems
            }
            Err(error) if self.problems.is_empty() => return Err(error.clone()),
            Err(error) if error.problems().is_empty() => vec![Problem::new("the backend", error.to_string())],
            Err(error) => error.problems().to_vec(),
        };
        // A configuration that is also connected to says the same twice.
        for problem in &self.problems {
            if !problems.contains(problem) {
                problems.push(problem.clone());
            }
        }
        if problems.is_empty() {
            return backend;
        }
        let error = Error::from_problems(ErrorKind::Config, "start", problems);
        Err(match backend.map_or_else(|error| error.backend(), |backend| Some(backend.system())) {
            Some(system) => error.at(system),
            None => error,
        })
    }
}
