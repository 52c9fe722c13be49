//! The steps of `cargo xtask test`, in the order in which they run: the quick ones first.

use anyhow::Result;
use clap::ValueEnum;
use typebus_servers::Broker;

use crate::{
    arrows, contracts, examples, fuzz, hello, package,
    shell::{Shell, Tests},
    supply::{Server, Supply},
    tools, webhooks,
};

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Every file is formatted
    Fmt,
    /// No module of the runtime uses one above it
    Arrows,
    /// No lint, in any target, with and without features
    Clippy,
    /// Documentation without warnings
    Docs,
    /// Unit, property, behaviour, compile-fail, example and doc tests, and the table of trial by backend
    Test,
    /// The servers that tests use start, die, come back and refuse as they should; needs servers
    Servers,
    /// What is promised of each broker, on a real one: the table of trial by backend again, and what is one broker's own
    Brokers,
    /// Brokers, services and links are harmed in the middle of a load, and nothing confirmed is lost; needs servers
    Faults,
    /// `webhooks` comes to the same on every broker; needs servers
    Portable,
    /// What threads share holds in every order in which they may meet
    Loom,
    /// Whatever others write ends as is promised: some thousand inputs for each decoder
    Fuzz,
    /// `hello` needs less than 60 crates and no C, and it runs
    Hello,
    /// The small examples print what they always print
    Examples,
    /// AsyncAPI's own parser accepts what `typebus asyncapi` writes; without node, a record of that counts
    Contracts,
    /// `webhooks` accounts for every event, and two runs come to the same
    Webhooks,
    /// The page of `typebus docs` in a browser: whole, quiet, searchable, readable; needs Chromium
    Browser,
    /// Allocations and instructions per delivery stay below their bounds; needs valgrind
    Counts,
    /// Every crate can be packaged, and none takes the examples' data along
    Package,
    /// Licences, banned crates, sources; needs cargo-deny
    Deny,
}

/// What the command line says about single steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    /// `deny` asks for advisories too.
    pub(crate) advisories: bool,
}

impl Step {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether `--memory` leaves it out.
    pub(crate) const fn needs_servers(self) -> bool {
        matches!(self, Self::Servers | Self::Brokers | Self::Faults | Self::Portable)
    }

    /// Runs it; `Tests` are what a test runner counted.
    pub(crate) fn run(self, shell: &Shell, options: Options, supply: &mut Supply) -> Result<Tests> {
        match self {
            Self::Fmt => shell.cargo(["fmt", "--all", "--check"]).run()?,
            Self::Arrows => arrows::check(shell.root())?,
            Self::Clippy => {
                typebus_servers::kafka_build()?;
                let all = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                shell.cargo(all).run()?;
                // None is what `hello` is built with; each alone and all together are what others choose.
                let one_by_one = [
                    "anyhow",
                    "cbor",
                    "kafka",
                    "metrics",
                    "msgpack",
                    "nats",
                    "opentelemetry",
                    "rabbitmq",
                    "redb",
                    "test",
                    "toml",
                ];
                for feature in one_by_one {
                    let alone = ["clippy", "--quiet", "-p", "typebus", "--lib", "--features", feature];
                    shell.cargo(alone).args(["--", "-D", "warnings"]).run()?;
                }
                let every = [
                    "clippy",
                    "-p",
                    "typebus",
                    "-p",
                    "typebus-cli",
                    "-p",
                    "typebus-tests",
                    "--all-targets",
                    "--all-features",
                ];
                shell.cargo(every).args(["--", "-D", "warnings"]).run()?;
            }
            Self::Docs => {
                typebus_servers::kafka_build()?;
                let doc = shell.cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
                doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
            }
            Self::Test => {
                // What needs servers has steps of its own.
                let without = ["test", "--workspace", "--exclude", "typebus-servers", "--no-fail-fast"];
                return shell.cargo(without).run_tests();
            }
            Self::Servers => {
                let test = shell.cargo(["test", "-p", "typebus-servers", "--no-fail-fast", "--"]);
                return test.args(skip(supply.brokers())).run_tests();
            }
            Self::Brokers => return test_brokers(shell, supply),
            Self::Faults => {
                // Each trial starts a server of its own, and kills it.
                let names = supply.brokers().iter().map(|broker| broker.name());
                let faults =
                    ["test", "-p", "typebus-tests", "--features", "servers", "--test", "faults", "--"];
                return shell.cargo(faults).args(names).run_tests();
            }
            Self::Portable => {
                webhooks::check_elsewhere(shell, supply.servers(shell)?.iter().map(Server::url))?;
            }
            Self::Loom => {
                let test = shell.cargo(["test", "-p", "typebus", "--lib", "--release", "loom_"]);
                return test.env("RUSTFLAGS", "--cfg typebus_loom").run_tests();
            }
            Self::Fuzz => return fuzz::check(shell),
            Self::Hello => hello::check(shell)?,
            Self::Examples => examples::check(shell)?,
            Self::Contracts => contracts::check(shell)?,
            Self::Webhooks => webhooks::check(shell)?,
            Self::Browser => {
                tools::chromium()?;
                let test =
                    shell.cargo(["test", "-p", "typebus-cli", "--features", "browser", "--test", "browser"]);
                return test.run_tests();
            }
            Self::Counts => {
                tools::valgrind()?;
                shell.cargo(["bench", "-p", "typebus-benches", "--bench", "counts"]).run()?;
            }
            Self::Package => package::check(shell)?,
            Self::Deny => {
                tools::cargo_deny(shell)?;
                let advisories = options.advisories.then_some("advisories");
                shell.cargo(["deny", "check", "bans", "licenses", "sources"]).args(advisories).run()?;
            }
        }
        Ok(Tests::default())
    }
}

/// The tests on real servers, of the brokers that were asked for.
fn test_brokers(shell: &Shell, supply: &mut Supply) -> Result<Tests> {
    let names: Vec<_> = supply.brokers().iter().map(|broker| broker.name()).collect();
    if supply.brokers().contains(&Broker::Kafka) {
        typebus_servers::kafka_build()?;
    }
    // Each broker's own tests have its name: of the suites, and of the command. The library's unit tests of it are here too.
    let with_features = ["typebus-tests", "typebus-cli"];
    let packages = ["typebus", "typebus-tests", "typebus-cli"];
    let features: Vec<_> = with_features
        .iter()
        .flat_map(|package| names.iter().map(move |name| format!("{package}/{name}")))
        .collect();
    let features = features.join(",");
    let test = |args: &[&str]| {
        let test = shell.cargo(["test"]).args(packages.iter().flat_map(|package| ["-p", package]));
        let test = test.args(["--features", &features, "--lib", "--test", "conformance"]);
        test.args(names.iter().flat_map(|name| ["--test", name])).args(args.iter().copied())
    };
    // Servers that wait for a compiler are in its way.
    test(&["--no-run"]).run()?;
    let variables = supply.servers(shell)?.iter().filter_map(Server::variable);
    variables.fold(test(&["--no-fail-fast"]), |test, (name, url)| test.env(name, url)).run_tests()
}

/// What the test runner is told about brokers that nobody asked for: the tests of one have its name in theirs.
fn skip(brokers: &[Broker]) -> impl Iterator<Item = &'static str> {
    let others = Broker::ALL.into_iter().filter(|broker| !brokers.contains(broker));
    others.flat_map(|broker| ["--skip", broker.name()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tests_of_brokers_that_were_not_asked_for_are_left_out() {
        assert_eq!(skip(&Broker::ALL).count(), 0);
        assert_eq!(skip(&[Broker::Nats]).collect::<Vec<_>>(), ["--skip", "kafka", "--skip", "rabbitmq"]);
    }
}
