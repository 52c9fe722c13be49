//! Where a setting was said.

use std::{fmt, sync::Arc};

/// Where the value of a setting comes from. What stands further down beats what stands further up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingOrigin {
    /// Nobody said anything.
    Default,
    /// The handler's `#[handler(..)]`. One that repeats the default counts as it.
    Attribute,
    /// A configuration file, or its text.
    File {
        /// Its path; `None` for a text that was given.
        path: Option<Arc<str>>,
        /// The line, from 1.
        line: usize,
    },
    /// This variable of the environment.
    Environment(String),
    /// A call of the builder.
    Builder,
}

impl fmt::Display for SettingOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Attribute => f.write_str("attribute"),
            Self::File { path: Some(path), line } => write!(f, "line {line} of {path}"),
            Self::File { path: None, line } => write!(f, "line {line} of the configuration"),
            Self::Environment(name) => f.write_str(name),
            Self::Builder => f.write_str("builder"),
        }
    }
}
