//! Runs trials: each on a thread, in a runtime of its own, whose clock is paused unless its broker has a clock itself.

use std::{
    backtrace::Backtrace,
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
    process,
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use typebus_tests::{FOR_EVER, be_patient_for};

use crate::{
    backends::{BACKENDS, Clock, Entry},
    servers,
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
    /// Whether it runs only where a filter says its name: a trial that fails on a server takes its time.
    pub(crate) fn is_by_name_only(&self) -> bool {
        self.backend.by_name_only || self.is_careless_server()
    }

    /// What a filter must say for it to run, if it runs by name only.
    pub(crate) fn is_named_by(&self, filter: &str) -> bool {
        filter.contains(self.backend.name) && (!self.is_careless_server() || filter.contains("where"))
    }

    fn is_careless_server(&self) -> bool {
        self.slip.is_some() && self.backend.clock == Clock::Real
    }

    fn deadline(&self) -> Duration {
        if self.is_careless_server() { DEADLINE / 3 } else { DEADLINE }
    }

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

/// How long a trial may take where time is real.
const DEADLINE: Duration = Duration::from_secs(90);

/// A trial of virtual time is quick, and another has its deadline; where none ends for so long, they go round in circles.
const TOO_LONG: Duration = Duration::from_secs(120);

/// So many trials run on servers side by side: they wait more than they work.
const SIDE_BY_SIDE: usize = 8;

/// The servers that take part, and where they are.
pub(crate) fn servers(jobs: &[Job]) -> Vec<(&'static str, String)> {
    let mut servers: Vec<_> = jobs
        .iter()
        .filter(|job| !job.backend.server.is_empty())
        .map(|job| (job.backend.name, servers::address(&typebus_servers::url(job.backend.server)).to_owned()))
        .collect();
    servers.sort();
    servers.dedup();
    servers
}

/// Every trial on every backend, then the counterparts.
pub(crate) fn jobs() -> Vec<Job> {
    let trials = || trials::all();
    let table =
        trials().flat_map(|trial| BACKENDS.iter().map(move |backend| Job { trial, backend, slip: None }));
    let careless = trials().flat_map(|trial| {
        trial.careless.iter().flat_map(move |(slip, name)| {
            assert!(BACKENDS.iter().any(|one| one.name == *name), "there is no backend `{name}`");
            // What is caught on a profile must be caught on its server, too.
            let backends = BACKENDS.iter().filter(move |one| one.name == *name || one.server == *name);
            backends.map(move |backend| Job { trial, backend, slip: Some(*slip) })
        })
    });
    table.chain(careless).collect()
}

/// Runs jobs, several at a time.
pub(crate) fn run(jobs: &[Job]) -> Vec<Outcome> {
    panic::set_hook(Box::new(|panic| LAST_PANIC.set(format!("{panic}{}", waiting(&panic.to_string())))));
    let of_clock = |clock| -> Vec<(usize, &Job)> {
        jobs.iter().enumerate().filter(|(_, job)| job.backend.clock == clock).collect()
    };
    let processors = thread::available_parallelism().map_or(2, usize::from);
    let queues = [
        (Mutex::new(of_clock(Clock::Virtual).into_iter()), processors),
        (Mutex::new(of_clock(Clock::Real).into_iter()), SIDE_BY_SIDE),
    ];
    let running = Mutex::new(Vec::new());
    let (sender, outcomes) = mpsc::channel();
    let mut outcomes: Vec<(usize, Outcome)> = thread::scope(|scope| {
        for (queue, threads) in &queues {
            for _ in 0..*threads {
                let (running, sender) = (&running, sender.clone());
                scope.spawn(move || {
                    while let Some((nth, job)) = next(queue) {
                        running.lock().unwrap().push(nth);
                        let outcome = (*job, run_one(job));
                        running.lock().unwrap().retain(|other| *other != nth);
                        sender.send((nth, outcome)).unwrap();
                    }
                });
            }
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

/// Where a trial was when it lost its patience: the place that panics does not tell.
fn waiting(panic: &str) -> String {
    if !panic.contains("it never happened") {
        return String::new();
    }
    let trace = Backtrace::force_capture().to_string();
    let places = trace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    places
        .filter(|place| place.contains("conformance/trials/"))
        .map(|place| format!("\nat {place}"))
        .collect()
}

fn next<T>(queue: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    queue.lock().unwrap().next()
}

fn run_one(job: &Job) -> Result<Verdict, String> {
    let run = async {
        let world = World::new(job.backend, job.slip);
        (job.trial.run)(&world).await
    };
    let run = || match job.backend.clock {
        Clock::Virtual => {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_time().start_paused(true).build().unwrap().block_on(run)
        }
        Clock::Real => {
            let deadline = job.deadline();
            be_patient_for(deadline - Duration::from_secs(5));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let ended = runtime.block_on(async { tokio::time::timeout(deadline, run).await });
            // What blocks is no matter of this trial any more.
            runtime.shutdown_timeout(Duration::from_secs(2));
            ended.unwrap_or_else(|_| panic!("'{}' did not end within {deadline:?}", job.name()))
        }
    };
    let ended = panic::catch_unwind(AssertUnwindSafe(run));
    be_patient_for(FOR_EVER);
    ended.map_err(|_| LAST_PANIC.take())
}

thread_local! {
    /// What the last panic of this thread said; those of handlers are no news.
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}
