//! Services at work: starting, watching, stopping.

mod mount;

use std::{
    fmt,
    future::{pending, poll_fn},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use self::mount::Mounts;
use crate::{
    backend::{BoxFuture, Consumer, Subscription},
    bus::{Core, Runs},
    dispatch::{Conditions, Control, Counters, Worker},
    duration::FOR_EVER,
    error::{Error, ErrorKind, Result},
    plan::Wiring,
    readiness::{Health, Readiness},
    stats::{GroupStats, Stats},
    tuning::Tuning,
};

/// Starts several services in one process: `start([&storefront, &billing])`.
///
/// # Errors
/// `Config`: one of them was started before; `Fatal`: a start hook failed; or whatever a broker refuses. Nothing keeps
/// running then.
///
/// # Panics
/// Outside a tokio runtime with its time driver enabled, as `#[tokio::main]` makes it.
pub async fn start<const N: usize>(services: [&dyn Runs; N]) -> Result<Running> {
    let cores: Vec<Arc<Core>> = services.into_iter().map(|service| Arc::clone(service.core().0)).collect();
    let mut begun = Begun(Vec::new());
    for core in &cores {
        core.begin()?;
        begun.0.push(core);
    }
    for core in &cores {
        core.hooks.run_start(core.service.name).await?;
    }
    let mut consumers: Vec<(usize, &Wiring, Box<dyn Consumer>)> = Vec::new();
    for (at, core) in cores.iter().enumerate() {
        for wiring in &core.wirings {
            consumers.push((at, wiring, core.backend.subscribe(&wiring.subscription).await?));
        }
    }
    begun.0.clear();
    drop(begun);
    let mut members = Vec::new();
    let mut workers = Vec::new();
    let mut mounts = Mounts::new();
    for (at, wiring, consumer) in consumers {
        let (member, its) = mounts.mount(at, &cores[at], wiring, consumer);
        members.push(member);
        workers.extend(its);
    }
    let (status, _) = watch::channel(Status { working: workers.len(), error: None, closed: false });
    let inner = Arc::new(Inner { cores, members, status });
    for worker in workers {
        spawn(work(worker, Arc::clone(&inner)));
    }
    spawn(close(Arc::clone(&inner)));
    Ok(Running { inner })
}

/// Buses that are marked as started. Whatever is in it when it is dropped did not come to that.
struct Begun<'a>(Vec<&'a Core>);

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|core| core.take_back());
    }
}

/// Runs several services until `signal` completes, then drains and closes them: `run([&storefront, &billing], signal)`.
///
/// # Errors
/// As for [`start`]; `Fatal` when consuming cannot go on; what closing reports.
///
/// # Panics
/// As [`start`].
///
/// # Cancel safety
/// Dropping the future stops the services in the background, as dropping [`Running`] does.
pub async fn run<const N: usize, F>(services: [&dyn Runs; N], signal: F) -> Result<()>
where
    F: Future<Output: StopNow>,
{
    let running = start(services).await?;
    let mut signal = pin!(signal);
    let mut finished = pin!(running.finished());
    let stop = poll_fn(|cx| {
        if let Poll::Ready(result) = finished.as_mut().poll(cx) {
            return Poll::Ready(Err(result));
        }
        signal.as_mut().poll(cx).map(Ok)
    })
    .await;
    let hurry = match stop {
        Ok(stop) => stop.second(),
        Err(result) => return result,
    };
    let mut hurry = pin!(hurry);
    let mut stopped = pin!(running.stop());
    let mut hurried = false;
    poll_fn(|cx| {
        if !hurried && hurry.as_mut().poll(cx).is_ready() {
            hurried = true;
            running.hurry();
        }
        stopped.as_mut().poll(cx)
    })
    .await
}

/// The one place where the bus spawns a task.
#[allow(
    clippy::disallowed_methods,
    reason = "every task is counted by `Status` and ends with it, or with the calls whose replies it reads"
)]
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    drop(tokio::spawn(task));
}

/// Services that consume. Dropping it stops them in the background, as [`stop`](Self::stop) does.
pub struct Running {
    inner: Arc<Inner>,
}

struct Inner {
    cores: Vec<Arc<Core>>,
    members: Vec<Member>,
    status: watch::Sender<Status>,
}

struct Member {
    core: usize,
    service: &'static str,
    subscription: Subscription,
    /// In the order in which the workers count them.
    handlers: Vec<&'static str>,
    /// One, or several that share the subscription.
    workers: Vec<Pulse>,
}

/// What the bus sees of a worker.
struct Pulse {
    control: Arc<Control>,
    counters: Arc<Counters>,
    conditions: Arc<Conditions>,
}

#[derive(Debug)]
struct Status {
    /// Workers that have not ended.
    working: usize,
    error: Option<Error>,
    closed: bool,
}

impl Running {
    /// Completes when everything that was published before the call is settled by every group of these services.
    ///
    /// What a handler returns is published before its delivery is settled, so a pipeline of n steps is empty after
    /// n calls.
    ///
    /// # Errors
    /// `Closed` when the services stop meanwhile, `Fatal` when they fail.
    pub async fn caught_up(&self) -> Result<()> {
        let inner = &self.inner;
        let mut waiting: Vec<BoxFuture<'_, Result<()>>> = Vec::new();
        for member in &inner.members {
            waiting.push(inner.cores[member.core].backend.caught_up(&member.subscription));
        }
        let mut finished = pin!(self.finished());
        poll_fn(|cx| {
            let mut at = 0;
            while let Some(next) = waiting.get_mut(at) {
                match next.as_mut().poll(cx) {
                    Poll::Ready(Ok(())) => drop(waiting.swap_remove(at)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => at += 1,
                }
            }
            if waiting.is_empty() {
                return Poll::Ready(Ok(()));
            }
            finished.as_mut().poll(cx).map(|result| {
                result?;
                Err(Error::new(
                    ErrorKind::Closed,
                    "wait",
                    "the services were stopped before they had caught up",
                ))
            })
        })
        .await
    }

    /// What became of every delivery so far and what is in hand, by group and subscription, and what was published, by
    /// topic.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let groups = self.inner.members.iter().map(|member| {
            let sum = |counter: fn(&Counters) -> &AtomicU64| {
                let counters = member.workers.iter().map(|worker| &*worker.counters);
                counters.map(|counters| counter(counters).load(Ordering::Acquire)).sum()
            };
            GroupStats {
                service: member.service,
                group: member.subscription.group.clone(),
                topic: member.subscription.filter.to_string(),
                received: sum(|counters| &counters.received),
                handled: sum(|counters| &counters.handled),
                discarded: sum(|counters| &counters.discarded),
                skipped: sum(|counters| &counters.skipped),
                dead_lettered: sum(|counters| &counters.dead_lettered),
                repeats: sum(|counters| &counters.repeats),
                expired: sum(|counters| &counters.expired),
                retried: sum(|counters| &counters.retried),
                running: sum(|counters| &counters.load.running),
                held: sum(|counters| &counters.load.held),
                held_bytes: sum(|counters| &counters.load.held_bytes),
                oldest: member.workers.iter().filter_map(|worker| worker.counters.load.oldest()).max(),
            }
        });
        // The intake of replays shows once there was one.
        let groups = groups.filter(|group| group.received > 0 || !is_replays(&group.topic));
        let published = self.inner.cores.iter().flat_map(|core| core.outlet.published());
        let late = self.inner.cores.iter().filter_map(|core| core.calls.as_ref()).map(|calls| calls.late());
        Stats::new(groups.collect(), published.map(|(topic, count)| (topic.to_string(), count)), late.sum())
    }

    /// Whether the services can take work now, with the reasons where they cannot: a version of an event that this
    /// program does not read yet (`needs order.placed v2`), a breaker that is open, a dead letter that cannot be
    /// written for longer than [`unwritable`](Tuning::unwritable), a stop.
    #[must_use]
    pub fn ready(&self) -> Readiness {
        let inner = &self.inner;
        let mut reasons = inner.ended();
        if reasons.is_empty() && inner.cores.iter().any(|core| *core.shutdown.borrow()) {
            reasons.push("the services are being stopped".to_owned());
        }
        for Member { core, subscription: Subscription { group, filter, .. }, workers, .. } in &inner.members {
            let patience = inner.cores[*core].tuning.unwritable;
            for condition in workers.iter().flat_map(|worker| worker.conditions.told(patience)) {
                let reason = format!("{group} on {filter}: {condition}");
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
        }
        Readiness::new(reasons)
    }

    /// Whether the services are alive, with the reasons where they are not: consuming cannot go on, or was stopped.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::new(self.inner.ended())
    }

    /// Starts no attempt of this handler until it is [resumed](Self::resume). What runs goes on, what arrives is held,
    /// up to the subscription's limits, and keeps its place in the order of its key.
    ///
    /// # Errors
    /// `Config`: no service has such a handler; the message lists those that there are.
    pub fn pause(&self, handler: &str) -> Result<()> {
        self.inner.pause(handler, true)
    }

    /// Goes on with a handler that was [paused](Self::pause). One that is not paused is no error.
    ///
    /// # Errors
    /// As for [`pause`](Self::pause).
    pub fn resume(&self, handler: &str) -> Result<()> {
        self.inner.pause(handler, false)
    }

    /// Completes when the services have stopped: by [`stop`](Self::stop), because consuming cannot go on, or because
    /// a finite backend has no more.
    ///
    /// # Errors
    /// `Fatal`, and what closing reports.
    pub async fn finished(&self) -> Result<()> {
        let mut status = self.inner.status.subscribe();
        // The sender lives in `inner`, which this borrows.
        let Ok(status) = status.wait_for(|status| status.closed).await else { return Ok(()) };
        status.error.clone().map_or(Ok(()), Err)
    }

    /// Stops: no new attempt starts, running ones have the drain (20 s) to finish, what waits is left unsettled and
    /// comes again; then everything settled is flushed, and the connections close. Idempotent.
    ///
    /// # Errors
    /// As for [`finished`](Self::finished).
    ///
    /// # Cancel safety
    /// Dropping the future does not take the stop back.
    pub async fn stop(&self) -> Result<()> {
        self.inner.stop();
        self.finished().await
    }

    /// Ends a drain that is under way: running handlers are dropped unsettled. Stops if need be.
    pub fn hurry(&self) {
        self.inner.stop();
        self.inner.workers().for_each(|worker| worker.control.hurry());
    }
}

impl Inner {
    fn stop(&self) {
        for core in &self.cores {
            core.shutdown.send_replace(true);
        }
        self.workers().for_each(|worker| worker.control.stop());
        // A service without subscriptions has no worker whose end would be noticed.
        self.status.send_modify(|_| {});
    }

    /// Why nothing is consumed any more, if so.
    fn ended(&self) -> Vec<String> {
        let status = self.status.borrow();
        match &status.error {
            Some(error) => vec![error.to_string()],
            None if status.closed => vec!["the services have stopped".to_owned()],
            None => Vec::new(),
        }
    }

    fn pause(&self, handler: &str, paused: bool) -> Result<()> {
        let mut found = false;
        for Member { handlers, workers, .. } in &self.members {
            for (at, _) in handlers.iter().enumerate().filter(|(_, name)| **name == handler) {
                workers.iter().for_each(|worker| worker.control.pause(at, paused));
                found = true;
            }
        }
        if found {
            return Ok(());
        }
        let mut known: Vec<_> =
            self.members.iter().flat_map(|member| member.handlers.iter().copied()).collect();
        known.sort_unstable();
        known.dedup();
        let text = format!("there is no handler {handler:?} here; there are: {}", known.join(", "));
        let operation = if paused { "pause" } else { "resume" };
        Err(Error::new(ErrorKind::Config, operation, text))
    }

    fn workers(&self) -> impl Iterator<Item = &Pulse> {
        self.members.iter().flat_map(|member| &member.workers)
    }

    fn is_stopping(&self) -> bool {
        self.cores.iter().all(|core| *core.shutdown.borrow())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.stop();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.inner.cores.iter().map(|core| core.service.name).collect();
        f.debug_struct("Running").field("services", &services).finish_non_exhaustive()
    }
}

/// Runs one worker to its end; a fatal one stops all the others.
async fn work(worker: Worker, inner: Arc<Inner>) {
    let ended = Ended(inner);
    let result = worker.await;
    if let Err(error) = result {
        tracing::error!(%error, "consuming cannot go on; the services stop");
        ended.0.status.send_modify(|status| _ = status.error.get_or_insert(error));
        ended.0.stop();
    }
}

/// Whether replays arrive on this topic.
fn is_replays(topic: &str) -> bool {
    topic.starts_with("dead.")
}

/// Counts a worker as ended, even if it panics.
struct Ended(Arc<Inner>);

impl Drop for Ended {
    fn drop(&mut self) {
        let panicked = std::thread::panicking();
        self.0.status.send_modify(|status| {
            status.working -= 1;
            if panicked {
                let text = "a worker of the bus panicked; please report it";
                status.error.get_or_insert_with(|| Error::new(ErrorKind::Fatal, "dispatch", text));
            }
        });
        if panicked {
            self.0.stop();
        }
    }
}

/// Closes the publishing side when every worker has ended, and says that all is closed.
async fn close(inner: Arc<Inner>) {
    let mut status = inner.status.subscribe();
    // Workers end when they are told to, or, with a finite backend, when there is nothing more.
    let done = |status: &Status| status.working == 0 && (inner.is_stopping() || !inner.members.is_empty());
    // The sender lives in `inner`.
    let _ = status.wait_for(|status| status.working == 0 || inner.is_stopping()).await;
    let stopping = Instant::now();
    let _ = status.wait_for(done).await;
    for core in &inner.cores {
        // The workers may have used up their part; together they keep to the hard cap.
        let Tuning { drain, close, .. } = core.tuning;
        let cap = stopping + drain.saturating_add(close).min(FOR_EVER);
        let until = cap.min(Instant::now() + close.min(FOR_EVER));
        // What the hooks publish is confirmed too, so half of the time is left for that.
        let half = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
        if let Err(error) = core.hooks.run_stop(core.service.name, half).await {
            inner.status.send_modify(|status| _ = status.error.get_or_insert(error));
        }
        core.outlet.close();
        if let Some(calls) = &core.calls {
            // What is late is told by the backend, which closes with it.
            let _ = timeout_at(until, calls.close()).await;
        }
        let closed = timeout_at(until, core.backend.close()).await.unwrap_or_else(|_| {
            let text = "the backend did not close in time; the last publications may not be confirmed";
            Err(Error::new(ErrorKind::Timeout, "close", text).at(core.backend.system()))
        });
        if let Err(error) = closed {
            tracing::warn!(service = core.service.name, %error, "the backend did not close cleanly");
            inner.status.send_modify(|status| _ = status.error.get_or_insert(error));
        }
        tracing::info!(service = core.service.name, "stopped");
    }
    inner.status.send_modify(|status| status.closed = true);
}

/// What a signal's future gives: whether, and when, a second one hurries.
pub trait StopNow {
    /// Completes when the drain is to be cut short.
    #[doc(hidden)]
    fn second(self) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// One signal, and no second.
impl StopNow for () {
    fn second(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(pending())
    }
}

impl StopNow for crate::signal::SecondSignal {
    fn second(self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.wait())
    }
}
