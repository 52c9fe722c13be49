//! Counts that repeat exactly: allocations and instructions per delivery in steady state.
//!
//! `cargo bench -p typebus-benches --bench counts` runs itself under `valgrind --tool=callgrind` with two numbers of
//! deliveries and divides the difference, so that start-up does not count. It fails above the bounds.

use std::{
    env,
    io::{self, Write as _},
    process::{Command, ExitCode},
};

use typebus::prelude::*;
use typebus_benches::{Finite, Tick};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The bound of the dispatch path: lanes, slots, time-outs on, the payload decoded.
const MAX_INSTRUCTIONS: f64 = 1_500.0;
const FEW: u64 = 20_000;
const MANY: u64 = 60_000;

#[handler(concurrency = 16, timeout = "1m")]
async fn ready(tick: Tick) {
    std::hint::black_box(tick.price);
}

#[handler(concurrency = 16, timeout = "1m")]
async fn yielding(tick: Tick) {
    tokio::task::yield_now().await;
    std::hint::black_box(tick.price);
}

/// What [`returning`] returns.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "bench.trades", name = "trade", key = id)]
struct Trade {
    id: u64,
    cents: u64,
}

#[handler(concurrency = 16, timeout = "1m")]
async fn returning(tick: Tick) -> Trade {
    Trade { id: tick.id, cents: tick.price * tick.size }
}

service! { Ready = "ready" { handles: [ready] } }
service! { Yielding = "yielding" { handles: [yielding] } }
service! { Returning = "returning" { handles: [returning] } }

struct Case {
    name: &'static str,
    title: &'static str,
    max_instructions: Option<f64>,
    max_allocations: Option<f64>,
}

const CASES: [Case; 3] = [
    Case {
        name: "ready",
        title: "Tick, keys, 16 in flight, time-outs on",
        max_instructions: Some(MAX_INSTRUCTIONS),
        max_allocations: Some(0.0),
    },
    Case {
        name: "yielding",
        title: "the same, each attempt woken once",
        max_instructions: None,
        max_allocations: Some(0.0),
    },
    Case {
        name: "returning",
        title: "the same with one returned event",
        max_instructions: None,
        max_allocations: None,
    },
];

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next(), arguments.next()) {
        (Some("--deliver"), Some(case), Some(count)) => {
            deliver(&case, count.parse().unwrap_or_default());
            ExitCode::SUCCESS
        }
        (Some("--allocations"), Some(case), Some(count)) => {
            let profiler = dhat::Profiler::builder().testing().build();
            deliver(&case, count.parse().unwrap_or_default());
            let blocks = dhat::HeapStats::get().total_blocks;
            drop(profiler);
            let printed = writeln!(io::stdout(), "{blocks}");
            if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        _ => report().unwrap_or_else(|error| {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }),
    }
}

/// Runs a service over `count` deliveries, on one thread.
fn deliver(case: &str, count: u64) {
    async fn to_the_end<S: typebus::Service + typebus::StateOf<typebus::NoState>>(
        count: u64,
    ) -> typebus::Result<()> {
        let bus = Bus::<S>::builder().connect(Finite::ticks(count)).await?;
        let running = bus.start().await?;
        running.finished().await?;
        let handled: u64 = running.stats().groups().iter().map(|group| group.handled).sum();
        assert_eq!(handled, count, "every delivery is handled");
        running.stop().await
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let result = runtime.map_err(|error| error.to_string()).and_then(|runtime| {
        let done = runtime.block_on(async {
            match case {
                "ready" => to_the_end::<Ready>(count).await,
                "yielding" => to_the_end::<Yielding>(count).await,
                _ => to_the_end::<Returning>(count).await,
            }
        });
        done.map_err(|error| error.to_string())
    });
    assert_eq!(result, Ok(()));
}

fn report() -> io::Result<ExitCode> {
    let mut out = io::stdout();
    let mut failed = false;
    writeln!(out, "{:<44} {:>12} {:>12}", "per delivery", "allocations", "instructions")?;
    for case in &CASES {
        let per_delivery = |measure: fn(&str, u64) -> io::Result<u64>| -> io::Result<f64> {
            let (few, many) = (measure(case.name, FEW)?, measure(case.name, MANY)?);
            #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
            let per = (many as f64 - few as f64) / (MANY - FEW) as f64;
            Ok(per)
        };
        let (allocations, instructions) = (per_delivery(allocations)?, per_delivery(instructions)?);
        writeln!(out, "{:<44} {allocations:>12.3} {instructions:>12.0}", case.title)?;
        // Amortised growth of the runtime's own tables is not an allocation per delivery.
        for (what, value, bound) in [
            ("allocations", allocations, case.max_allocations.map(|max| max + 0.001)),
            ("instructions", instructions, case.max_instructions),
        ] {
            if let Some(bound) = bound.filter(|bound| value > *bound) {
                failed = true;
                writeln!(out, "  {what}: {value:.3} is above the bound of {bound:.3}")?;
            }
        }
    }
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn allocations(case: &str, count: u64) -> io::Result<u64> {
    let output =
        Command::new(env::current_exe()?).args(["--allocations", case, &count.to_string()]).output()?;
    number(&String::from_utf8_lossy(&output.stdout), "").ok_or_else(|| failure("the counting run", &output))
}

fn instructions(case: &str, count: u64) -> io::Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe()?);
    let output = valgrind.args(["--deliver", case, &count.to_string()]).output().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("valgrind cannot be run ({error}); install the package `valgrind`"),
        )
    })?;
    number(&String::from_utf8_lossy(&output.stderr), "Collected : ")
        .ok_or_else(|| failure("valgrind", &output))
}

fn number(text: &str, before: &str) -> Option<u64> {
    text.lines().find_map(|line| line.split_once(before)?.1.trim().parse().ok())
}

fn failure(what: &str, output: &std::process::Output) -> io::Error {
    let said = String::from_utf8_lossy(&output.stderr);
    io::Error::other(format!("{what} did not give a number; {}: {said}", output.status))
}
