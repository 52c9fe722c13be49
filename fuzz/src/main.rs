//! `cargo run --manifest-path fuzz/Cargo.toml -- --help`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use typebus_fuzz::{
    driver::{self, Finding, Target, Trial},
    targets::ALL,
};

const HELP: &str = "\
Tries what typebus reads that others wrote, on stable Rust.

usage: fuzz [TARGET..] [--seed N] [--times N]
       fuzz TARGET --replay FILE

  --seed N       makes the inputs of an earlier run again; without it every run makes other ones
  --times N      how often each target is tried; without it for some seconds
  --keep         writes each input into `fuzz/artifacts` before it is tried: for those that kill the process
  --replay FILE  tries one input, and shows where it panics
";

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)).and_then(|arguments| arguments.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Arguments {
    targets: Vec<Target>,
    seed: Option<u64>,
    times: Option<u64>,
    keep: bool,
    replay: Option<PathBuf>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value\n\n{HELP}"));
            let number = |text: String| text.parse().map_err(|_| format!("`{text}` is not a number"));
            match &*word {
                "--seed" => arguments.seed = Some(number(value()?)?),
                "--times" => arguments.times = Some(number(value()?)?),
                "--replay" => arguments.replay = Some(value()?.into()),
                "--keep" => arguments.keep = true,
                "--help" | "-h" => return Err(HELP.to_owned()),
                name => arguments.targets.push(target(name)?),
            }
        }
        Ok(arguments)
    }

    fn run(&self) -> Result<(), String> {
        if let Some(file) = &self.replay {
            let [target] = self.targets[..] else {
                return Err(format!("`--replay` is for one target\n\n{HELP}"));
            };
            let input = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            (target.run)(&input);
            println!("{}: nothing is wrong with {}", target.name, file.display());
            return Ok(());
        }
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let targets = if self.targets.is_empty() { &ALL[..] } else { &self.targets };
        println!(
            "{:<10}  {:>6}  {:>10}  {:>20}  {:>7}  RESULT",
            "TARGET", "CORPUS", "EXECUTIONS", "SEED", "SECONDS"
        );
        let failures = targets.iter().filter(|target| match self.fuzz(**target, seed) {
            Ok(()) => false,
            Err(error) => {
                // At once: what kills the process may come after it.
                eprintln!("\n{error}\n");
                true
            }
        });
        match failures.count() {
            0 => Ok(()),
            count => Err(format!("{count} of {} targets failed with seed {seed}", targets.len())),
        }
    }

    fn fuzz(&self, target: Target, seed: u64) -> Result<(), String> {
        let corpus = corpus(target)?;
        let keep = self.keep.then(|| in_package("artifacts").join(target.name));
        if keep.is_some() {
            fs::create_dir_all(in_package("artifacts")).map_err(|error| error.to_string())?;
        }
        let times = self.times.unwrap_or(target.times);
        let trial = Trial { seed, times, patience: Duration::from_secs(20), keep };
        let (size, started) = (corpus.len(), Instant::now());
        let result = driver::run(target, corpus, trial);
        let (tried, told) = match &result {
            Ok(tried) => (tried.to_string(), "ok"),
            Err(_) => ("-".to_owned(), "FAILED"),
        };
        let seconds = started.elapsed().as_secs_f64();
        println!("{:<10}  {size:>6}  {tried:>10}  {seed:>20}  {seconds:>7.1}  {told}", target.name);
        result.map(drop).map_err(|finding| report(target, seed, &finding))
    }
}

/// Puts what was found into the corpus, from where every later run tries it first.
fn report(target: Target, seed: u64, finding: &Finding) -> String {
    let Finding { input, why } = finding;
    let path = in_package("corpus").join(target.name).join(format!("found-{:016x}", hash(input)));
    let saved = match fs::write(&path, input) {
        Ok(()) => format!(
            "The input is {} now; try it alone with\n  cargo run --manifest-path fuzz/Cargo.toml -- {} --replay {}",
            path.display(),
            target.name,
            path.display()
        ),
        Err(error) => format!("{} cannot be written: {error}", path.display()),
    };
    format!("{} with seed {seed}: {why}\n{saved}\nIt is\n{}", target.name, input.escape_ascii())
}

/// FNV-1a: the same input gets the same name.
fn hash(input: &[u8]) -> u64 {
    input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn target(name: &str) -> Result<Target, String> {
    ALL.into_iter().find(|target| target.name == name).ok_or_else(|| {
        let names: Vec<_> = ALL.iter().map(|target| target.name).collect();
        format!("`{name}` is no target; there are {}", names.join(", "))
    })
}

/// The corpus, by name: the order of a folder's entries is the file system's own.
fn corpus(target: Target) -> Result<Vec<Vec<u8>>, String> {
    let folder = in_package("corpus").join(target.name);
    let wrong = |error| format!("{}: {error}", folder.display());
    let entries: Result<Vec<_>, _> =
        fs::read_dir(&folder).map_err(wrong)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = entries.map_err(wrong)?;
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{} is empty: there is nothing to begin with", folder.display()));
    }
    paths.iter().map(|path| fs::read(path).map_err(wrong)).collect()
}

fn in_package(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_target_has_a_corpus_of_small_files_and_a_program_for_libfuzzer() {
        let names: BTreeSet<_> = ALL.iter().map(|target| target.name.to_owned()).collect();
        let here = |folder: &str| -> BTreeSet<_> {
            let entries = fs::read_dir(in_package(folder)).unwrap();
            entries
                .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!((here("corpus"), here("fuzz_targets")), (names.clone(), names));
        for target in ALL {
            for input in corpus(target).unwrap() {
                assert!(input.len() <= 1_024, "{} has an input of {} bytes", target.name, input.len());
            }
        }
    }

    #[test]
    fn arguments_are_read_or_refused() {
        let read = |line: &str| Arguments::read(line.split_whitespace().map(str::to_owned));
        let arguments = read("headers --seed 7 topic --times 9").unwrap();
        let names: Vec<_> = arguments.targets.iter().map(|target| target.name).collect();
        assert_eq!((names, arguments.seed, arguments.times), (vec!["headers", "topic"], Some(7), Some(9)));
        for line in ["header", "--seed", "--seed x", "--fast"] {
            assert!(read(line).is_err(), "{line}");
        }
        assert!(read("--replay x").unwrap().run().is_err());
    }
}
