//! The steps of `cargo xtask test`, in the order in which they run: the quick ones first.

use anyhow::Result;
use clap::ValueEnum;

use crate::{
    arrows, examples, fuzz, hello, package,
    shell::{Shell, Tests},
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
    /// What threads share holds in every order in which they may meet
    Loom,
    /// Whatever others write ends as is promised: some thousand inputs for each decoder
    Fuzz,
    /// `hello` needs less than 60 crates and no C, and it runs
    Hello,
    /// The small examples print what they always print
    Examples,
    /// `webhooks` accounts for every event, and two runs come to the same
    Webhooks,
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

    /// Runs it; `Tests` are what a test runner counted.
    pub(crate) fn run(self, shell: &Shell, options: Options) -> Result<Tests> {
        match self {
            Self::Fmt => shell.cargo(["fmt", "--all", "--check"]).run()?,
            Self::Arrows => arrows::check(shell.root())?,
            Self::Clippy => {
                let all = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                shell.cargo(all).run()?;
                // None is what `hello` is built with; each alone and all together are what others choose.
                let one_by_one =
                    ["anyhow", "cbor", "metrics", "msgpack", "opentelemetry", "redb", "test", "toml"];
                for feature in one_by_one {
                    let alone = ["clippy", "--quiet", "-p", "typebus", "--lib", "--features", feature];
                    shell.cargo(alone).args(["--", "-D", "warnings"]).run()?;
                }
                let every = ["clippy", "-p", "typebus", "--all-targets", "--all-features"];
                shell.cargo(every).args(["--", "-D", "warnings"]).run()?;
            }
            Self::Docs => {
                let doc = shell.cargo(["doc", "--workspace", "--no-deps", "--all-features"]);
                doc.env("RUSTDOCFLAGS", "-D warnings").run()?;
            }
            Self::Test => return shell.cargo(["test", "--workspace", "--no-fail-fast"]).run_tests(),
            Self::Loom => {
                let test = shell.cargo(["test", "-p", "typebus", "--lib", "--release", "loom_"]);
                return test.env("RUSTFLAGS", "--cfg typebus_loom").run_tests();
            }
            Self::Fuzz => return fuzz::check(shell),
            Self::Hello => hello::check(shell)?,
            Self::Examples => examples::check(shell)?,
            Self::Webhooks => webhooks::check(shell)?,
            Self::Counts => {
                tools::valgrind(shell)?;
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
