//! A million messages behind a handler that never returns: what a subscription holds is bounded, whatever waits.
//!
//! `cargo bench -p typebus-benches --bench waiting` starts itself twice, with and without the consumer of the same log,
//! and compares what is resident. Linux only: it reads `/proc/self/status`.

use std::{
    env, fs,
    io::{self, Write as _},
    process::{Command, ExitCode},
};

use typebus::{backend::memory::Memory, prelude::*};
use typebus_benches::Tick;

const MESSAGES: u64 = 1_000_000;
/// What a window of 1,000 deliveries may take, in kB.
const BOUND: u64 = 4_096;
const ROUNDS: usize = 5;

#[handler(concurrency = 16, timeout = none)]
async fn stuck(tick: Tick) {
    std::hint::black_box(&tick);
    std::future::pending::<()>().await;
}

service! { Stuck = "stuck" { handles: [stuck], publishes: [Tick] } }

fn main() -> io::Result<ExitCode> {
    if let Some(consume) = env::args().skip_while(|argument| argument != "--consume").nth(1) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let resident = runtime.block_on(resident(consume == "yes")).map_err(io::Error::other)?;
        writeln!(io::stdout(), "{resident}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let (mut logs, mut beyond) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (without, with) = (child("no")?, child("yes")?);
        logs.push(without);
        beyond.push(with.saturating_sub(without));
    }
    logs.sort_unstable();
    beyond.sort_unstable();
    let (log, median, most) = (logs[ROUNDS / 2], beyond[ROUNDS / 2], beyond[ROUNDS - 1]);
    writeln!(
        io::stdout(),
        "{MESSAGES} messages wait: {median} kB beyond the log's {log} kB (median of {ROUNDS}; at most {most}); \
         bound {BOUND} kB"
    )?;
    Ok(if most <= BOUND { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn child(consume: &str) -> io::Result<u64> {
    let output = Command::new(env::current_exe()?).args(["--consume", consume]).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    printed.trim().parse().map_err(|_| {
        io::Error::other(format!("no number: {printed}{}", String::from_utf8_lossy(&output.stderr)))
    })
}

/// What is resident when all messages wait, in kB.
async fn resident(consume: bool) -> typebus::Result<u64> {
    let capacity = usize::try_from(MESSAGES).unwrap_or(usize::MAX);
    let memory = Memory::default().capacity(capacity).capacity_bytes(1 << 32);
    let bus = Bus::<Stuck>::builder().connect(memory).await?;
    let running = if consume { Some(bus.start().await?) } else { None };
    for n in 0..MESSAGES {
        bus.publish(&Tick::nth(n)).await?;
        if n % 64 == 0 {
            // The worker is on the same thread.
            tokio::task::yield_now().await;
        }
    }
    if let Some(running) = &running {
        let stats = running.stats();
        let group = &stats.groups()[0];
        assert_eq!((group.received, group.handled), (1_000, 0), "the window is full, and nothing ends");
    }
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    if let Some(running) = running {
        running.hurry();
        running.stop().await?;
    }
    Ok(resident.unwrap_or_default())
}
