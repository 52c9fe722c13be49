//! What each step came to, and how long it took.

use std::{
    fmt,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::shell::Tests;

/// The steps that ran.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<Line>,
    tests: Tests,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Line {
    name: String,
    /// What is wrong.
    failure: Option<String>,
    took: Duration,
}

impl Report {
    /// Runs the `nth` step of `all`.
    pub(crate) fn run(&mut self, name: String, nth: usize, all: usize, step: impl FnOnce() -> Result<Tests>) {
        println!("\n=== {name} ({nth} of {all}) ===");
        let started = Instant::now();
        let result = step();
        let took = started.elapsed();
        let failure = match result {
            Ok(tests) => {
                self.tests.passed += tests.passed;
                self.tests.failed += tests.failed;
                (tests.failed > 0).then(|| format!("{} tests failed", tests.failed))
            }
            Err(error) => {
                // So that the last line never says '0 failed' when something did.
                self.tests.failed += 1;
                Some(format!("{error:#}"))
            }
        };
        match &failure {
            None => println!("--- {name}: ok"),
            Some(failure) => println!("--- {name}: FAILED\n{failure}"),
        }
        self.steps.push(Line { name, failure, took });
    }

    /// What it was run with.
    pub(crate) fn note(&mut self, notes: Vec<String>) {
        self.notes.extend(notes);
    }

    pub(crate) fn is_success(&self) -> bool {
        self.steps.iter().all(|step| step.failure.is_none())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, name: &str, result: &str, took: Duration| {
            writeln!(f, "{name:<10}  {result:<6}  {:>7.1}", took.as_secs_f64())
        };
        writeln!(f, "{:<10}  {:<6}  {:>7}", "STEP", "RESULT", "SECONDS")?;
        for Line { name, failure, took } in &self.steps {
            line(f, name, if failure.is_none() { "ok" } else { "FAILED" }, *took)?;
        }
        let all = if self.is_success() { "ok" } else { "FAILED" };
        line(f, "all", all, self.steps.iter().map(|step| step.took).sum())?;
        writeln!(f)?;
        for note in &self.notes {
            writeln!(f, "{note}")?;
        }
        for Line { name, failure, .. } in &self.steps {
            let first = failure.as_deref().and_then(|failure| failure.lines().next());
            first.map_or(Ok(()), |first| writeln!(f, "{name} failed: {first}"))?;
        }
        write!(f, "{} passed, {} failed", self.tests.passed, self.tests.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(steps: [Result<Tests>; 3]) -> Report {
        let mut report = Report::default();
        for (nth, step) in steps.into_iter().enumerate() {
            report.run(["fmt", "docs", "test"][nth].to_owned(), nth + 1, 3, || step);
        }
        report
    }

    #[test]
    fn the_last_line_sums_up() {
        let report = report([Ok(Tests::default()), Ok(Tests::default()), Ok(Tests { passed: 7, failed: 0 })]);
        assert!(report.is_success());
        assert_eq!(report.to_string().lines().last(), Some("7 passed, 0 failed"));
    }

    #[test]
    fn what_it_ran_with_stands_below_the_table() {
        let mut report =
            report([Ok(Tests::default()), Ok(Tests::default()), Ok(Tests { passed: 7, failed: 0 })]);
        report.note(vec!["nats 2.15.1".to_owned()]);
        assert!(report.to_string().ends_with("\n\nnats 2.15.1\n7 passed, 0 failed"), "{report}");
    }

    #[test]
    fn what_failed_is_listed_with_its_first_line() {
        let wrong = || anyhow::anyhow!("two\nlines").context("one thing");
        let report = report([Ok(Tests::default()), Err(wrong()), Ok(Tests { passed: 7, failed: 2 })]);
        assert!(!report.is_success());
        let text = report.to_string();
        assert!(
            text.ends_with("docs failed: one thing: two\ntest failed: 2 tests failed\n7 passed, 3 failed"),
            "{text}"
        );
    }
}
