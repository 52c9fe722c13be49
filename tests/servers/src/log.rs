//! What a server wrote about itself.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use anyhow::{Context as _, Result};

/// How many lines of it are shown when a server does not start.
const SHOWN: usize = 40;

/// The file that a process' output goes to; the output of every start of it.
#[derive(Debug, Clone)]
pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn open(&self) -> Result<File> {
        let file = File::options().create(true).append(true).open(&self.0);
        file.with_context(|| format!("cannot write {}", self.0.display()))
    }

    pub(crate) fn text(&self) -> String {
        fs::read(&self.0).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Its last lines, as they stand below an error.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN)..];
        if shown.is_empty() {
            "its log is empty".to_owned()
        } else {
            format!("its log ends:\n{}", shown.join("\n"))
        }
    }
}
