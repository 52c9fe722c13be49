//! What the macros cost a compiler: generated programs of N events and N handlers, checked and built.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::shell::Shell;

#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// How many events and handlers the programs have
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_values_t = [100, 200, 400])]
    counts: Vec<usize>,

    /// How often each program is checked
    #[arg(long, default_value = "5")]
    rounds: std::num::NonZeroUsize,
}

/// What is written about each event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    /// The structs, with serde and schemars alone.
    Structs,
    /// The same structs as events, with handlers, two services and a topology.
    System,
}

/// Checks and builds the programs, in turn, and prints a table.
pub(crate) fn measure(shell: &Shell, cost: &Cost) -> Result<()> {
    let home = shell.root().join("target/cost");
    let mut table = String::new();
    writeln!(table, "| N | structs, s | system, s | check, median | spread | release, s | binary, kB |")?;
    writeln!(table, "|---|---|---|---|---|---|---|")?;
    for &count in &cost.counts {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..=cost.rounds.get() {
            for (program, times) in [Program::Structs, Program::System].into_iter().zip(&mut times) {
                write_crate(shell.root(), &home, program, count)?;
                let time = timed(shell, &home, &["check"])?;
                // In the first round the dependencies are built.
                if round > 0 {
                    times.push(time.as_secs_f64());
                }
            }
        }
        let [structs, system] = times;
        let ratios = system.iter().zip(&structs).map(|(system, structs)| system / structs).collect();
        let [structs, system, ratios] = [structs, system, ratios].map(sorted);
        timed(shell, &home, &["build", "--release"])?;
        let release = timed(shell, &home, &["build", "--release"])?.as_secs_f64();
        let size = fs::metadata(home.join("target/release/cost")).context("the binary")?.len() / 1_000;
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        let [structs, system, ratio] = [&structs, &system, &ratios].map(|list| list[list.len() / 2]);
        writeln!(
            table,
            "| {count} | {structs:.2} | {system:.2} | {ratio:.2} x | {low:.2} to {high:.2} | {release:.1} | {size} |"
        )?;
    }
    println!("\n{table}");
    Ok(())
}

fn sorted(mut list: Vec<f64>) -> Vec<f64> {
    list.sort_by(f64::total_cmp);
    list
}

/// How long cargo takes for the program alone, its dependencies being there.
fn timed(shell: &Shell, home: &Path, args: &[&str]) -> Result<Duration> {
    let manifest = home.join("Cargo.toml").display().to_string();
    let target = home.join("target").display().to_string();
    let cargo = |args: &[&str]| {
        let all = args.iter().copied().chain(["--quiet", "--offline", "--manifest-path", &manifest]);
        shell.cargo(all).env("CARGO_TARGET_DIR", &target).env("CARGO_INCREMENTAL", "0").run()
    };
    let clean: &[&str] = if args.contains(&"--release") {
        &["clean", "--package", "cost", "--release"]
    } else {
        &["clean", "--package", "cost"]
    };
    cargo(clean)?;
    let begin = Instant::now();
    cargo(args)?;
    Ok(begin.elapsed())
}

fn write_crate(root: &Path, home: &Path, program: Program, count: usize) -> Result<()> {
    fs::create_dir_all(home.join("src"))?;
    fs::copy(root.join("Cargo.lock"), home.join("Cargo.lock"))?;
    fs::write(home.join("Cargo.toml"), manifest(&root.join("runtime")))?;
    fs::write(home.join("src/main.rs"), source(program, count))?;
    Ok(())
}

fn manifest(runtime: &Path) -> String {
    format!(
        r#"[package]
name = "cost"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
schemars = "1"
serde = {{ version = "1", features = ["derive"] }}
typebus = {{ path = {:?} }}

[profile.dev]
debug = "line-tables-only"

[profile.release]
strip = true
"#,
        PathBuf::from(runtime).display().to_string()
    )
}

/// The whole program.
fn source(program: Program, count: usize) -> String {
    let system = program == Program::System;
    let mut source = String::from(
        "#![allow(dead_code)]\nuse schemars::JsonSchema;\nuse serde::{Deserialize, Serialize};\n",
    );
    if system {
        source.push_str("use typebus::prelude::*;\n\n");
        source.push_str("pub struct Gateway;\n\nimpl Gateway {\n    fn charge(&self, _: &str) -> Result<(), Failure> {\n        Ok(())\n    }\n}\n");
    }
    (0..count).for_each(|nth| event(&mut source, system, nth));
    let list = |name: &str| (0..count).map(|nth| format!("{name}{nth}")).collect::<Vec<_>>().join(", ");
    let main = if system {
        let (events, handlers) = (list("OrderPlaced"), list("charge"));
        format!(
            "service! {{ pub Storefront = \"storefront\" {{ publishes: [{events}] }} }}\n\
             service! {{ pub Billing = \"billing\" {{ handles: [{handlers}], state: [Gateway] }} }}\n\
             topology! {{ pub Shop = [Storefront, Billing] }}\n\
             fn main() {{\n    std::hint::black_box(<Billing as typebus::Service>::DESCRIPTOR);\n}}\n"
        )
    } else {
        "fn main() {}\n".to_owned()
    };
    source.push_str(&main);
    source
}

/// An event as one would write it, and its handler.
fn event(source: &mut String, system: bool, nth: usize) {
    let (derive, attribute) = if system {
        (", Event", format!("#[event(topic = \"shop.area{}.orders{nth}\", key = order_id)]\n", nth % 7))
    } else {
        ("", String::new())
    };
    source.push_str(&format!(
        "
/// A customer placed an order.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema{derive})]
{attribute}pub struct OrderPlaced{nth} {{
    /// Which order.
    pub order_id: String,
    pub customer_id: u64,
    pub total_cents: i64,
    pub currency: String,
    pub note: Option<String>,
    pub lines: Vec<String>,
}}
"
    ));
    if system {
        source.push_str(&format!(
            "
/// Charges the card.
#[handler(topic = \"shop.area{}.orders{nth}\", retry(attempts = 5, backoff = \"100ms..30s\"), concurrency = 32)]
pub(crate) async fn charge{nth}(order: OrderPlaced{nth}, gateway: State<Gateway>) -> Result<(), Failure> {{
    gateway.charge(&order.order_id)
}}
",
            nth % 7
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_programs_have_the_same_structs() {
        let (structs, system) = (source(Program::Structs, 3), source(Program::System, 3));
        assert_eq!(structs.matches("pub struct OrderPlaced").count(), 3);
        assert_eq!(system.matches("pub struct OrderPlaced").count(), 3);
        assert!(!structs.contains("typebus"));
        assert!(system.contains("topology! { pub Shop") && system.contains("charge0, charge1, charge2"));
    }
}
