//! Tries a target: on its corpus, then on edits of it, so many times.
//!
//! Which inputs are made depends on the corpus and the seed alone, so a run can be had again. A panic is found wherever
//! it was caught; so is an input that takes too long, on another thread than the one that waits for it.

use std::{
    cell::RefCell,
    fmt,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
    sync::{Arc, Mutex, Once, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::mutate::mutate;

/// Something that is tried.
#[derive(Clone, Copy)]
pub struct Target {
    /// Of the folder of its corpus, too.
    pub name: &'static str,
    /// Panics where something is wrong.
    pub run: fn(&[u8]),
    /// What is put into inputs.
    pub words: &'static [&'static str],
    /// How often it is tried where nobody says more: some seconds.
    pub times: u64,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("name", &self.name).field("times", &self.times).finish_non_exhaustive()
    }
}

/// How it is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What decides which inputs are made.
    pub seed: u64,
    /// How often, the corpus not counted.
    pub times: u64,
    /// How long one input may take, by the clock on the wall.
    pub patience: Duration,
    /// Where each input is written before it is tried, for one that kills the process.
    pub keep: Option<PathBuf>,
}

/// An input at which something is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// As small as a few tries could make it.
    pub input: Vec<u8>,
    /// What the panic said.
    pub why: String,
}

/// Where the runner is, for whoever waits for it.
type Current = Arc<Mutex<(Instant, Vec<u8>)>>;

/// Tries `target`, and says how often it did.
///
/// # Errors
/// The first input at which it panics, in whichever thread's `catch_unwind`, or takes too long.
pub fn run(target: Target, corpus: Vec<Vec<u8>>, trial: Trial) -> Result<u64, Finding> {
    let patience = trial.patience;
    let current: Current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (sender, receiver) = mpsc::channel();
    let mut runner = Runner { target, corpus, trial, current: Arc::clone(&current), tried: 0 };
    thread::spawn(move || _ = sender.send(runner.run()));
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(result) => return result,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let (since, input) = &*current.lock().unwrap_or_else(PoisonError::into_inner);
                if since.elapsed() > patience {
                    return Err(Finding {
                        input: input.clone(),
                        why: format!("it takes longer than {patience:?}"),
                    });
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(Finding { input: Vec::new(), why: "the driver itself panicked".to_owned() });
            }
        }
    }
}

struct Runner {
    target: Target,
    corpus: Vec<Vec<u8>>,
    trial: Trial,
    current: Current,
    tried: u64,
}

impl Runner {
    fn run(&mut self) -> Result<u64, Finding> {
        for at in 0..self.corpus.len() {
            let seed = self.corpus[at].clone();
            self.attempt(seed)?;
        }
        let mut rng = Rng::with_seed(self.trial.seed);
        for _ in 0..self.trial.times {
            let mut input = rng.choice(&self.corpus).cloned().unwrap_or_default();
            mutate(&mut rng, &mut input, &self.corpus, self.target.words);
            self.attempt(input)?;
        }
        Ok(self.tried)
    }

    fn attempt(&mut self, input: Vec<u8>) -> Result<(), Finding> {
        let Some(why) = self.complaint(&input) else { return Ok(()) };
        let (input, why) = self.shrink(input, why);
        Err(Finding { input, why })
    }

    /// What is wrong with an input.
    fn complaint(&mut self, input: &[u8]) -> Option<String> {
        self.tried += 1;
        if let Some(path) = &self.trial.keep {
            std::fs::write(path, input).expect("the input can be kept");
        }
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), input.to_vec());
        complaint(self.target.run, input)
    }

    /// Leaves out what need not be there for something to be wrong.
    fn shrink(&mut self, mut input: Vec<u8>, mut why: String) -> (Vec<u8>, String) {
        let mut tries = 0;
        let mut piece = input.len() / 2;
        while piece > 0 {
            let mut at = 0;
            while at < input.len() && tries < 2_000 {
                let end = (at + piece).min(input.len());
                let less = [&input[..at], &input[end..]].concat();
                tries += 1;
                match self.complaint(&less) {
                    Some(other) => (input, why) = (less, other),
                    None => at = end,
                }
            }
            piece /= 2;
        }
        (input, why)
    }
}

/// What panicked at an input, also if somebody caught it.
#[must_use]
pub fn complaint(run: fn(&[u8]), input: &[u8]) -> Option<String> {
    listen();
    PANICS.with_borrow_mut(|panics| *panics = Some(Vec::new()));
    let result = panic::catch_unwind(AssertUnwindSafe(|| run(input)));
    let panics = PANICS.take().unwrap_or_default();
    match (panics.first(), result) {
        (Some(first), _) => Some(first.clone()),
        (None, Err(_)) => Some("it panicked without a word".to_owned()),
        (None, Ok(())) => None,
    }
}

thread_local! {
    /// What was said by panics, while an input is tried on this thread.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let heard =
                PANICS.with_borrow_mut(|panics| panics.as_mut().map(|panics| panics.push(info.to_string())));
            if heard.is_none() {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::letter::Letter;

    fn target(run: fn(&[u8])) -> Target {
        Target { name: "planted", run, words: &["priority: ", "ce_type: ", "high"], times: 20_000 }
    }

    fn trial(times: u64) -> Trial {
        Trial { seed: 1, times, patience: Duration::from_millis(500), keep: None }
    }

    fn corpus() -> Vec<Vec<u8>> {
        vec![b"ce_type: order.placed.v1\nx: y\n\n{}".to_vec(), b"ce_id: 1\n\n[]".to_vec()]
    }

    /// A decoder with a bug: it believes that whoever sends a priority sends a number.
    fn careless(input: &[u8]) {
        for (name, value) in Letter::read(input).headers {
            if name == b"priority" {
                let _: u8 = std::str::from_utf8(&value).unwrap().parse().unwrap();
            }
        }
    }

    #[test]
    fn a_bug_at_one_header_is_found_and_made_small() {
        let finding = run(target(careless), corpus(), trial(20_000)).unwrap_err();
        assert!(finding.why.contains("unwrap"), "{finding:?}");
        assert_eq!(Letter::read(&finding.input).headers, [(b"priority".to_vec(), Vec::new())], "{finding:?}");
        assert!(complaint(careless, &finding.input).is_some());
    }

    #[test]
    fn a_panic_that_somebody_catches_is_found() {
        let caught = |input: &[u8]| _ = panic::catch_unwind(|| careless(input));
        let finding = run(target(caught), corpus(), trial(20_000)).unwrap_err();
        assert!(finding.why.contains("unwrap"), "{finding:?}");
    }

    #[test]
    fn an_input_that_never_ends_is_found() {
        let endless = |input: &[u8]| {
            while input.starts_with(b"ce_id") && input.len() > 20 {
                thread::sleep(Duration::from_millis(1));
            }
        };
        let finding = run(target(endless), corpus(), trial(20_000)).unwrap_err();
        assert!(finding.why.contains("longer than") && finding.input.starts_with(b"ce_id"), "{finding:?}");
    }

    #[test]
    fn without_a_bug_everything_is_tried_and_the_same_seed_makes_the_same_inputs() {
        assert_eq!(run(target(|_| {}), corpus(), trial(1_000)), Ok(1_002));
        let of_length = |input: &[u8]| assert!(input.len() < 200, "{input:?}");
        let [one, other] = [(); 2].map(|()| run(target(of_length), corpus(), trial(20_000)).unwrap_err());
        assert_eq!(one, other);
    }
}
