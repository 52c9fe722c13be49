//! Whether services that run can do their work, with the reasons where they cannot.

use std::fmt;

/// Whether services can take work now; from [`Running::ready`](crate::Running::ready), for a readiness probe.
///
/// Not ready means: alive, but waiting for something, such as a newer version of the program, or a dependency of a
/// handler. Restarting it would not help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Readiness(Vec<String>);

/// Whether services are alive; from [`Running::health`](crate::Running::health), for a liveness probe.
///
/// Not healthy means that consuming cannot go on, or was stopped: the program should end and be started again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health(Vec<String>);

macro_rules! verdict {
    ($name:ident, $is:ident, $word:literal) => {
        impl $name {
            pub(crate) const fn new(reasons: Vec<String>) -> Self {
                Self(reasons)
            }

            /// Whether nothing stands against it.
            #[must_use]
            pub const fn $is(&self) -> bool {
                self.0.is_empty()
            }

            /// What stands against it, one sentence each, without secrets.
            #[must_use]
            pub fn reasons(&self) -> &[String] {
                &self.0
            }
        }

        /// One word, or the reasons joined by `; `.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                if self.0.is_empty() { f.write_str($word) } else { f.write_str(&self.0.join("; ")) }
            }
        }
    };
}

verdict!(Readiness, is_ready, "ready");
verdict!(Health, is_healthy, "healthy");
