//! The table of trial by backend, and what it comes to.

use std::fmt;

use crate::{
    backends::BACKENDS,
    runner::Outcome,
    trial::{Trial, Verdict},
    trials::{self, ELSEWHERE},
};

pub(crate) struct Report<'a> {
    outcomes: &'a [Outcome],
    filtered: usize,
}

impl<'a> Report<'a> {
    pub(crate) const fn of(outcomes: &'a [Outcome], filtered: usize) -> Self {
        Self { outcomes, filtered }
    }

    pub(crate) fn is_success(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !is_right(outcome)).count() + trials::gaps().len()
    }

    fn cell(&self, trial: &Trial, backend: &str) -> &'static str {
        let of_cell = |(job, _): &&Outcome| {
            job.slip.is_none() && job.trial.name == trial.name && job.backend.name == backend
        };
        match self.outcomes.iter().find(of_cell) {
            None => "",
            Some((_, Ok(Verdict::Kept))) => "ok",
            Some((_, Ok(Verdict::Absent))) => "absent",
            Some((_, Ok(Verdict::NoTrap))) => "no trap",
            Some((_, Ok(Verdict::Elsewhere(_)))) => "elsewhere",
            Some((_, Err(_))) => "FAILED",
        }
    }
}

/// What a panic says, without where: what the trial saw of the mistake.
fn words(panic: &str) -> String {
    let said = panic.split_once(":\n").map_or(panic, |(_, said)| said);
    said.lines().map(str::trim).collect::<Vec<_>>().join(" | ").chars().take(150).collect()
}

/// A trial must succeed; on a counterpart it must not.
const fn is_right((job, result): &Outcome) -> bool {
    job.slip.is_some() == result.is_err()
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took_part = |name: &str| self.outcomes.iter().any(|(job, _)| job.backend.name == name);
        let shown = BACKENDS.iter().filter(|backend| !backend.by_name_only || took_part(backend.name));
        let columns: Vec<&str> = shown.map(|backend| backend.name).collect();
        let line = |f: &mut fmt::Formatter<'_>, name: &str, cells: &[&str]| {
            write!(f, "{name:<92}")?;
            for (cell, column) in cells.iter().zip(&columns) {
                write!(f, " {cell:>width$}", width = column.len().max(9))?;
            }
            writeln!(f)
        };
        writeln!(f)?;
        line(f, "", &columns)?;
        let mut section = "";
        for trial in trials::all() {
            let cells: Vec<_> = columns.iter().map(|column| self.cell(trial, column)).collect();
            if cells.iter().all(|cell| cell.is_empty()) {
                continue;
            }
            if section != trial.section {
                section = trial.section;
                writeln!(f, "{section}")?;
            }
            let traps: Vec<_> = trial.traps.iter().map(|trap| format!("[{trap}]")).collect();
            line(f, &format!("  {} {}", trial.name, traps.join("")), &cells)?;
        }
        writeln!(
            f,
            "\nabsent: declared so, and the error that says so was seen; no trap: this backend has none; elsewhere: see below"
        )?;
        for (job, result) in self.outcomes {
            if let Ok(Verdict::Elsewhere(needs)) = result {
                writeln!(f, "elsewhere: {} needs {needs}", job.name())?;
            }
        }

        writeln!(f, "\nCareless counterparts, on which a trial must fail")?;
        for (job, result) in self.outcomes.iter().filter(|(job, _)| job.slip.is_some()) {
            let what = job.slip.map(|slip| format!("{slip:?}")).unwrap_or_default();
            let caught = if result.is_err() { "caught" } else { "NOT CAUGHT" };
            writeln!(f, "  {what:<22} {caught:<10} by '{}' on {}", job.trial.name, job.backend.name)?;
            let why = result.as_ref().err().map_or_else(String::new, |panic| words(panic));
            writeln!(f, "      {why}")?;
        }

        writeln!(f, "\nNot shown here")?;
        for (traps, what, needs) in ELSEWHERE {
            let traps: String = traps.iter().map(|trap| format!(" [{trap}]")).collect();
            writeln!(f, "  {what}{traps}: {needs}")?;
        }
        trials::gaps().iter().try_for_each(|gap| writeln!(f, "\nMISSING: {gap}"))?;

        for (job, result) in self.outcomes.iter().filter(|outcome| !is_right(outcome)) {
            let why = result.as_ref().err().map_or("it was not caught", String::as_str);
            writeln!(f, "\n---- {} ----\n{why}", job.name())?;
        }
        let (result, failed) = (if self.is_success() { "ok" } else { "FAILED" }, self.failed());
        let is_elsewhere = |(_, result): &&Outcome| matches!(result, Ok(Verdict::Elsewhere(_)));
        let elsewhere = self.outcomes.iter().filter(is_elsewhere).count();
        writeln!(
            f,
            "\ntest result: {result}. {} passed; {failed} failed; {elsewhere} ignored; 0 measured; {} filtered out\n",
            self.outcomes.iter().filter(|outcome| is_right(outcome)).count() - elsewhere,
            self.filtered
        )
    }
}
