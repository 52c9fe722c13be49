//! Skipping repeats of finished work: what a store promises, and one in the process.

#[cfg(feature = "redb")]
mod file;

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    backend::{Attribute, BoxFuture, Delivery},
    envelope::{place, split_kind},
    error::BoxError,
    event::EventDescriptor,
    scope::Scope,
};

#[cfg(feature = "redb")]
pub use self::file::FileStore;

/// Remembers which work is under way and which is finished, for handlers with `dedupe = ".."`.
///
/// Before each attempt the bus [begins](Self::begin) a claim, and after the handler's work, and the confirmation of
/// everything that it returned, it says that it is [done](Self::done). Only then the delivery is settled. So repeats
/// of *finished* work are suppressed, and a crash in between repeats once. Effects happen once only where `done` is
/// part of the transaction in which the handler writes: then let the handler itself record [`Claim::id`] there.
///
/// Implementations answer each call as one atomic step, whatever other processes ask at the same time.
///
/// # Errors
/// Any error holds the delivery, and the key of its lane; the call is made again after 1 s to 30 s.
pub trait DedupeStore: fmt::Debug + Send + Sync + 'static {
    /// Claims the work for [`lease`](Claim::lease), unless it is finished, or claimed by another
    /// [owner](Claim::owner) whose lease lasts. The same owner may begin again, which renews its lease.
    fn begin<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Begun, BoxError>>;

    /// The work is finished: it is remembered for [`window`](Claim::window).
    fn done<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>>;

    /// The work was given up: the claim of this owner ends, and nothing is remembered.
    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>>;

    /// Whether only this process sees what it remembers. Such a store is refused with a broker that other processes
    /// can share.
    fn is_local(&self) -> bool {
        false
    }
}

/// One piece of work: an event, at a handler of a group. The version does not count: an upcast is the same fact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The group.
    pub group: String,
    /// The handler.
    pub handler: String,
    /// The event's source.
    pub source: String,
    /// The event's name.
    pub name: String,
    /// The event's id; topic, partition and position for a foreign one without id.
    pub id: String,
    /// Which delivery asks, at which bus. Unique in the world; the same for every attempt at the delivery.
    pub owner: String,
    /// How long the claim lasts unless it is renewed: the handler's timeout, and 10 s.
    pub lease: Duration,
    /// How long finished work is remembered: what the handler's `dedupe` says.
    pub window: Duration,
}

/// What [`DedupeStore::begin`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// The claim is this owner's.
    New,
    /// Another owner's claim lasts so much longer.
    Running(Duration),
    /// The work is finished.
    Done,
}

impl Claim {
    /// A claim for testing a store: it lasts a minute and ten seconds, and finished work is remembered for a day. The
    /// fields can be changed.
    pub fn of(group: &str, handler: &str, source: &str, name: &str, id: &str, owner: &str) -> Self {
        Self {
            group: group.to_owned(),
            handler: handler.to_owned(),
            source: source.to_owned(),
            name: name.to_owned(),
            id: id.to_owned(),
            owner: owner.to_owned(),
            lease: Duration::from_secs(70),
            window: Duration::from_secs(24 * 60 * 60),
        }
    }

    pub(crate) fn new(
        delivery: &Delivery,
        event: Option<&'static EventDescriptor>,
        scope: &Scope,
        owner: &str,
        lease: Duration,
        window: Duration,
    ) -> Self {
        let text = |attribute| {
            delivery.message.attribute(attribute).map(|value| String::from_utf8_lossy(value).into_owned())
        };
        let kind = text(Attribute::Type).unwrap_or_default();
        let name = match event {
            Some(event) => event.name(),
            None => split_kind(&kind).0,
        };
        Self {
            group: scope.group.clone(),
            handler: scope.handler.to_owned(),
            source: text(Attribute::Source).unwrap_or_default(),
            name: name.to_owned(),
            id: text(Attribute::Id).unwrap_or_else(|| place(delivery)),
            owner: owner.to_owned(),
            lease,
            window,
        }
    }

    /// What two claims for the same work have in common, as bytes that no other work has.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let Self { group, handler, source, name, id, .. } = self;
        let mut key = Vec::new();
        for field in [group, handler, source, name, id] {
            key.extend_from_slice(&(field.len() as u64).to_be_bytes());
            key.extend_from_slice(field.as_bytes());
        }
        key
    }
}

/// A store in this process, for `memory:`. What it remembers ends with it.
///
/// ```
/// # use typebus::prelude::*;
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "shop.orders", id = order_id)]
/// # struct OrderPlaced { order_id: String }
/// #[handler(dedupe = "24h")]
/// async fn charge(order: OrderPlaced) {
///     tracing::info!(order.order_id, "charged");
/// }
///
/// service! { Billing = "billing" { handles: [charge] } }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> typebus::Result<()> {
/// let bus = Bus::<Billing>::builder().dedupe_store(typebus::LocalStore::new()).connect("memory:").await?;
/// # drop(bus);
/// # Ok(())
/// # }
/// ```
#[derive(Default)]
pub struct LocalStore(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    work: HashMap<Vec<u8>, State>,
    /// By the moment at which it may be forgotten.
    ends: BTreeMap<Instant, Vec<Vec<u8>>>,
}

enum State {
    Running { owner: String, until: Instant },
    Done { until: Instant },
}

impl State {
    const fn until(&self) -> Instant {
        match self {
            Self::Running { until, .. } | Self::Done { until } => *until,
        }
    }
}

impl LocalStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn change<T>(&self, change: impl FnOnce(&mut Remembered, Instant) -> T) -> T {
        let now = Instant::now();
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget(now);
        change(&mut remembered, now)
    }
}

impl Remembered {
    /// Drops what is over.
    fn forget(&mut self, now: Instant) {
        while let Some(first) = self.ends.first_entry().filter(|first| *first.key() <= now) {
            for key in first.remove() {
                if self.work.get(&key).is_some_and(|state| state.until() <= now) {
                    self.work.remove(&key);
                }
            }
        }
    }

    fn set(&mut self, key: Vec<u8>, state: State) {
        match self.ends.entry(state.until()) {
            Entry::Vacant(entry) => _ = entry.insert(vec![key.clone()]),
            Entry::Occupied(mut entry) => entry.get_mut().push(key.clone()),
        }
        self.work.insert(key, state);
    }
}

impl DedupeStore for LocalStore {
    fn begin<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Begun, BoxError>> {
        let begun = self.change(|remembered, now| {
            let key = claim.key();
            match remembered.work.get(&key) {
                Some(State::Done { .. }) => return Begun::Done,
                Some(State::Running { owner, until }) if *owner != claim.owner => {
                    return Begun::Running(*until - now);
                }
                Some(State::Running { .. }) | None => {}
            }
            let owner = claim.owner.clone();
            remembered.set(key, State::Running { owner, until: now + claim.lease });
            Begun::New
        });
        Box::pin(std::future::ready(Ok(begun)))
    }

    fn done<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        self.change(|remembered, now| remembered.set(claim.key(), State::Done { until: now + claim.window }));
        Box::pin(std::future::ready(Ok(())))
    }

    fn release<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<(), BoxError>> {
        self.change(|remembered, _| {
            let key = claim.key();
            let ours = |state: &State| matches!(state, State::Running { owner, .. } if *owner == claim.owner);
            if remembered.work.get(&key).is_some_and(ours) {
                remembered.work.remove(&key);
            }
        });
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_local(&self) -> bool {
        true
    }
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner).work.len();
        write!(f, "LocalStore({count} pieces of work)")
    }
}
