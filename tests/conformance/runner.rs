//! Runs trials: each on a thread, in a runtime of its own whose clock is paused.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    process,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use crate::{
    backends::{BACKENDS, Entry},
    slip::Slip,
    trial::{Trial, Verdict},
    trials,
    world::World,
};

/// One cell of the table, or one counterpart.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    pub(crate) trial: &'static Trial,
    pub(crate) backend: &'static Entry,
    pub(crate) slip: Option<Slip>,
}

impl Job {
    pub(crate) fn name(&self) -> String {
        let Self { trial, backend, slip } = self;
        match slip {
            None => format!("{} on {}", trial.name, backend.name),
            Some(slip) => format!("{} on {} where it {slip:?}", trial.name, backend.name),
        }
    }
}

/// What a job came to, or why it failed.
pub(crate) type Outcome = (Job, Result<Verdict, String>);

/// A trial of virtual time is quick; one that takes as long as this goes round in circles.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Every trial on every backend, then the counterparts.
pub(crate) fn jobs() -> Vec<Job> {
    let trials = || trials::all();
    let table =
        trials().flat_map(|trial| BACKENDS.iter().map(move |backend| Job { trial, backend, slip: None }));
    let careless = trials().flat_map(|trial| {
        trial.careless.iter().map(move |(slip, name)| {
            let backend = BACKENDS.iter().find(|backend| backend.name == *name);
            Job { trial, backend: backend.expect("a counterpart names a backend"), slip: Some(*slip) }
        })
    });
    table.chain(careless).collect()
}

/// Runs jobs, several at a time.
pub(crate) fn run(jobs: &[Job]) -> Vec<Outcome> {
    panic::set_hook(Box::new(|panic| LAST_PANIC.set(panic.to_string())));
    let (next, running) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (sender, outcomes) = mpsc::channel();
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let mut outcomes: Vec<(usize, Outcome)> = thread::scope(|scope| {
        for _ in 0..threads {
            let (next, running, sender) = (&next, &running, sender.clone());
            scope.spawn(move || {
                while let Some((nth, job)) = {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(nth).map(|job| (nth, job))
                } {
                    running.lock().unwrap().push(nth);
                    let outcome = (*job, run_one(job));
                    running.lock().unwrap().retain(|other| *other != nth);
                    sender.send((nth, outcome)).unwrap();
                }
            });
        }
        drop(sender);
        let mut all = Vec::new();
        loop {
            match outcomes.recv_timeout(TOO_LONG) {
                Ok(outcome) => all.push(outcome),
                Err(mpsc::RecvTimeoutError::Disconnected) => break all,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let stuck = running.lock().unwrap();
                    stuck.iter().for_each(|nth| println!("{} does not end", jobs[*nth].name()));
                    println!("\ntest result: FAILED. 0 passed; {} failed; 0 ignored", stuck.len());
                    process::exit(101);
                }
            }
        }
    });
    outcomes.sort_by_key(|(nth, _)| *nth);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn run_one(job: &Job) -> Result<Verdict, String> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let world = World::new(job.backend, job.slip);
            (job.trial.run)(&world).await
        })
    };
    panic::catch_unwind(AssertUnwindSafe(run)).map_err(|_| LAST_PANIC.take())
}

thread_local! {
    /// What the last panic of this thread said; those of handlers are no news.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}
