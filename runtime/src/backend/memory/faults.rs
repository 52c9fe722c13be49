//! Things that go wrong on purpose, for tests.

use std::{
    collections::HashMap,
    fmt,
    future::poll_fn,
    pin::pin,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use tokio::sync::watch;

use super::{Connection, MemoryBackend, error};
use crate::{
    backend::Topic,
    error::{Error, ErrorKind, Result},
};

/// Makes things go wrong on one connection: its publishes fail, its confirmations wait, its consumers lose what they
/// have, or are not told anything. Made by [`MemoryBackend::faults`]; a connection that has none pays nothing.
///
/// ```
/// use typebus::{
///     ErrorKind,
///     backend::memory::{Memory, MemoryBackend},
/// };
///
/// # fn main() -> typebus::Result<()> {
/// let connection = MemoryBackend::connect(&Memory::new())?;
/// // The next two publishes on `shop.orders` fail, and are not stored.
/// connection.faults().fail("shop.orders", 2, ErrorKind::Connect);
/// // The one after them is stored, but nobody learns it.
/// connection.faults().leave_unknown("shop.orders", 1, true);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Faults(MemoryBackend);

impl Faults {
    pub(super) const fn of(connection: MemoryBackend) -> Self {
        Self(connection)
    }

    /// The next publishes on `topic` fail with this kind, and store nothing.
    pub fn fail(&self, topic: &str, count: usize, kind: ErrorKind) {
        self.plan(topic, Plan::Fail(kind), count);
    }

    /// The next publishes on `topic` fail with `Connect` and an [unknown outcome](Error::outcome_unknown); `stored` is
    /// what the outcome is in truth.
    pub fn leave_unknown(&self, topic: &str, count: usize, stored: bool) {
        self.plan(topic, if stored { Plan::StoreUnknown } else { Plan::LoseUnknown }, count);
    }

    /// Everything that is published on `topic` from now on is stored, and confirmed when what this returns is released
    /// or dropped.
    #[must_use = "dropping it releases the confirmations"]
    pub fn hold_confirmations(&self, topic: &str) -> Held {
        let held = Held(watch::Sender::new(Hold::On));
        self.plan(topic, Plan::Hold(held.0.subscribe()), 1);
        held
    }

    /// Asks the consumers of this connection to give up all partitions, as before a rebalance. When they have, the
    /// partitions are assigned anew, perhaps to the same. Where deliveries are not shared by partitions they are lost.
    pub fn revoke(&self) {
        self.connection().broker.run(|state, wakes| {
            for group in &mut state.groups {
                let one_by_one = group.shares_one_by_one();
                for id in members(group, self.connection().door.id()) {
                    let holdings = group.holdings().into_iter();
                    let going =
                        holdings.filter(|holding| holding.member == id).flat_map(|holding| holding.shares);
                    match one_by_one {
                        true => group.lose(id, wakes),
                        false => group.revoke(id, &going.collect(), wakes),
                    }
                }
            }
        });
    }

    /// Takes everything away from the consumers of this connection at once, as when their channel is closed or their
    /// session is over: what they held comes again, and what they settle of it is stale. They go on consuming.
    pub fn lose(&self) {
        self.connection().broker.run(|state, wakes| {
            for group in &mut state.groups {
                members(group, self.connection().door.id()).into_iter().for_each(|id| group.lose(id, wakes));
            }
        });
    }

    /// Lets the consumers of this connection hang until [`resume`](Self::resume): they are told nothing, and renew no
    /// lease.
    pub fn stall(&self) {
        self.set_stalled(true);
    }

    /// Ends [`stall`](Self::stall).
    pub fn resume(&self) {
        self.set_stalled(false);
    }

    fn set_stalled(&self, stalled: bool) {
        self.connection().broker.run(|state, wakes| {
            state.odd = true;
            let door = self.connection().door.id();
            for group in &mut state.groups {
                let members = group.members.iter_mut().chain(&mut group.absent);
                for member in members.filter(|member| member.door == door) {
                    member.stalled = stalled;
                    wakes.wake(member.waker.take());
                }
            }
        });
    }

    fn plan(&self, topic: &str, plan: Plan, count: usize) {
        let Connection { broker, door } = self.connection();
        broker.run(|_, _| door.guard());
        door.faults.add(topic, plan, count);
    }

    fn connection(&self) -> &Connection {
        &self.0.0
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("connection", &self.0).finish()
    }
}

fn members(group: &super::group::Group, door: u64) -> Vec<u64> {
    group.members.iter().filter(|member| member.door == door).map(|member| member.id).collect()
}

/// Confirmations that wait; see [`Faults::hold_confirmations`]. Dropping it releases them.
#[derive(Debug)]
pub struct Held(watch::Sender<Hold>);

impl Held {
    /// Lets the confirmations through, those that wait and those to come.
    pub fn release(self) {
        drop(self);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.send_replace(Hold::Off);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    On,
    Off,
}

/// What is to go wrong with the publishes of one connection, by topic.
#[derive(Debug, Default)]
pub(super) struct Plans {
    by_topic: Mutex<HashMap<String, Vec<(Plan, usize)>>>,
    /// Set when the connection dies or closes, for what is held.
    closed: watch::Sender<bool>,
}

#[derive(Debug, Clone)]
enum Plan {
    Fail(ErrorKind),
    StoreUnknown,
    LoseUnknown,
    /// For as long as it is held.
    Hold(watch::Receiver<Hold>),
}

/// What becomes of one publish.
#[derive(Debug)]
pub(super) enum Fate {
    Refused(Error),
    /// It is stored, and answered so.
    Stored(Error),
    Held(Waiting),
}

/// A confirmation that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    hold: watch::Receiver<Hold>,
    closed: watch::Receiver<bool>,
}

impl Waiting {
    /// Completes when it is released.
    pub(super) async fn wait(&mut self) -> Result<()> {
        let mut released = pin!(self.hold.wait_for(|hold| *hold == Hold::Off));
        let mut closed = pin!(self.closed.wait_for(|closed| *closed));
        poll_fn(|cx| {
            if released.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            closed
                .as_mut()
                .poll(cx)
                .map(|_| Err(unknown("the connection ended before the broker had confirmed it")))
        })
        .await
    }
}

impl Plans {
    fn add(&self, topic: &str, plan: Plan, count: usize) {
        let mut plans = self.by_topic.lock().unwrap_or_else(PoisonError::into_inner);
        plans.entry(topic.to_owned()).or_default().push((plan, count));
    }

    /// What becomes of the next publish on a topic: what was asked for first, first.
    pub(super) fn fate(&self, topic: &Topic) -> Option<Fate> {
        let mut plans = self.by_topic.lock().unwrap_or_else(PoisonError::into_inner);
        let plans = plans.get_mut(topic.as_str())?;
        plans.retain(|(plan, left)| match plan {
            Plan::Hold(hold) => *hold.borrow() == Hold::On,
            Plan::Fail(_) | Plan::StoreUnknown | Plan::LoseUnknown => *left > 0,
        });
        let (plan, left) = plans.first_mut()?;
        *left = left.saturating_sub(1);
        Some(match plan {
            Plan::Fail(kind) => Fate::Refused(error(*kind, "publish", format!("`{topic}` was told to fail"))),
            Plan::LoseUnknown => Fate::Refused(unknown("the connection was lost, and with it the message")),
            Plan::StoreUnknown => {
                Fate::Stored(unknown("the connection was lost, and with it the confirmation"))
            }
            Plan::Hold(hold) => Fate::Held(Waiting { hold: hold.clone(), closed: self.closed.subscribe() }),
        })
    }

    /// Nothing that is held is confirmed any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
    }
}

fn unknown(text: &'static str) -> Error {
    error(ErrorKind::Connect, "publish", text).with_unknown_outcome()
}
