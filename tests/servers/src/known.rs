//! A process that may have ended since, and whose number may be another's by now.

use std::{fmt, fs, process::Command, str::FromStr};

use anyhow::{Context as _, Result};

/// Its number, and when it was born: together nobody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) id: u32,
    born: String,
}

impl Known {
    /// The process that has this number now.
    pub(crate) fn now(id: u32) -> Result<Self> {
        Ok(Self { id, born: born(id).with_context(|| format!("there is no process {id}"))? })
    }

    pub(crate) fn is_running(&self) -> bool {
        born(self.id).is_some_and(|born| born == self.born)
    }
}

/// When the process of this number was born, if it lives.
fn born(id: u32) -> Option<String> {
    let Ok(boot) = fs::read_to_string("/proc/sys/kernel/random/boot_id") else {
        // Not Linux.
        let output = Command::new("ps").args(["-o", "lstart=", "-p", &id.to_string()]).output().ok()?;
        let born = String::from_utf8(output.stdout).ok()?.trim().replace(char::is_whitespace, "-");
        return Some(born).filter(|born| !born.is_empty());
    };
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // Its name is in parentheses and may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    // A zombie has ended; nobody has asked how.
    let state = fields.next().filter(|&state| state != "Z" && state != "X");
    // The state is field 3 of `proc(5)`, and the time is field 22.
    state.and_then(|_| fields.nth(18)).map(|ticks| format!("{ticks}@{}", boot.trim()))
}

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.born)
    }
}

impl FromStr for Known {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (id, born) = text.split_once(' ').with_context(|| format!("{text:?} names no process"))?;
        Ok(Self { id: id.parse()?, born: born.to_owned() })
    }
}
