//! The settings of a handler and of a bus: their names, what they take, and where their value goes.

use std::fmt;

use crate::{
    duration,
    policy::{Backoff, Limits, Policy},
    tuning::Tuning,
};

/// A value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "toml"), allow(dead_code, reason = "parts of it are said in files only"))]
pub(crate) enum Raw {
    /// In the environment, where everything is text.
    Bare(String),
    /// A string, a number, a boolean of a file.
    Text(String),
    Number(i64),
    Flag(bool),
    /// Something else, by its name.
    Other(&'static str),
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bare(text) => write!(f, "`{text}`"),
            Self::Text(text) => write!(f, "the string `{text}`"),
            Self::Number(number) => write!(f, "`{number}`"),
            Self::Flag(flag) => write!(f, "`{flag}`"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// As much as TOML can say, so that what is in force can be written down.
const MOST: u64 = i64::MAX as u64;

impl Raw {
    fn number(&self, max: u64) -> Result<u64, String> {
        let number = match self {
            Self::Bare(text) => text.parse().ok(),
            Self::Number(number) => u64::try_from(*number).ok(),
            Self::Text(text) if text.parse::<u64>().is_ok() => {
                return Err(format!("`{text}` is a number; write it without quotes"));
            }
            Self::Text(_) | Self::Flag(_) | Self::Other(_) => None,
        };
        number
            .filter(|number| (1..=max).contains(number))
            .ok_or_else(|| format!("{self} is not a whole number from 1 to {max}"))
    }

    fn size(&self) -> Result<usize, String> {
        let number = self.number(MOST)?;
        usize::try_from(number).map_err(|_| format!("{self} is too large"))
    }

    /// A string; `example` is one.
    pub(crate) fn text(&self, example: &str) -> Result<&str, String> {
        match self {
            Self::Bare(text) | Self::Text(text) => Ok(text),
            Self::Number(_) | Self::Flag(_) | Self::Other(_) => {
                Err(format!("{self} is not a string; write one such as \"{example}\""))
            }
        }
    }

    fn duration(&self) -> Result<std::time::Duration, String> {
        duration::read(self.text("10s")?)
    }

    fn flag(&self) -> Result<bool, String> {
        match self {
            Self::Flag(flag) => Ok(*flag),
            Self::Bare(text) if text == "true" => Ok(true),
            Self::Bare(text) if text == "false" => Ok(false),
            Self::Bare(_) | Self::Text(_) | Self::Number(_) | Self::Other(_) => {
                Err(format!("{self} is neither `true` nor `false`"))
            }
        }
    }
}

/// What can be configured of a handler. Order, start, group and delivery are not among it: the compiler checked them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandlerField {
    Concurrency,
    Attempts,
    Backoff,
    Jitter,
    Timeout,
    BatchMax,
    BatchWait,
}

impl HandlerField {
    pub(crate) const ALL: [Self; 7] = [
        Self::Concurrency,
        Self::Attempts,
        Self::Backoff,
        Self::Jitter,
        Self::Timeout,
        Self::BatchMax,
        Self::BatchWait,
    ];

    /// As in a file; a `.` is a table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Attempts => "attempts",
            Self::Backoff => "backoff",
            Self::Jitter => "jitter",
            Self::Timeout => "timeout",
            Self::BatchMax => "batch.max",
            Self::BatchWait => "batch.wait",
        }
    }

    /// As at the end of a variable's name. None of them ends in `_` and another one, so a name can be split in one way.
    pub(crate) const fn variable(self) -> &'static str {
        match self {
            Self::Concurrency => "CONCURRENCY",
            Self::Attempts => "ATTEMPTS",
            Self::Backoff => "BACKOFF",
            Self::Jitter => "JITTER",
            Self::Timeout => "TIMEOUT",
            Self::BatchMax => "BATCH_MAX",
            Self::BatchWait => "BATCH_WAIT",
        }
    }

    pub(crate) const fn is_of_batches(self) -> bool {
        matches!(self, Self::BatchMax | Self::BatchWait)
    }

    pub(crate) const fn is_of_retries(self) -> bool {
        matches!(self, Self::Attempts | Self::Backoff | Self::Jitter)
    }

    /// Puts a value into its place; the bounds are those of the attribute's arguments.
    pub(crate) fn set(self, policy: &mut Policy, raw: &Raw) -> Result<(), String> {
        let too_large = |_| format!("{raw} is too large");
        match self {
            Self::Concurrency => {
                policy.concurrency = raw.number(u16::MAX.into())?.try_into().map_err(too_large)?;
            }
            Self::Attempts => policy.attempts = raw.number(u32::MAX.into())?.try_into().map_err(too_large)?,
            Self::Backoff => {
                let (min, max) = duration::read_range(raw.text("100ms..30s")?)?;
                if min.is_zero() {
                    return Err("a backoff of nothing would retry without a pause; begin with `1ms` or more"
                        .to_owned());
                }
                policy.backoff = Backoff { min, max, ..policy.backoff };
            }
            Self::Jitter => policy.backoff.jitter = raw.flag()?,
            Self::Timeout => {
                policy.timeout = match raw.text("10s")? {
                    "none" => None,
                    text => Some(duration::read(text).map_err(|wrong| format!("{wrong}, or `none`"))?),
                };
                if policy.timeout.is_some_and(|timeout| timeout.is_zero()) {
                    return Err("it must be more than zero; `none` is no timeout".to_owned());
                }
            }
            Self::BatchMax => {
                policy.batch_max = raw.number(u32::MAX.into())?.try_into().map_err(too_large)?;
            }
            Self::BatchWait => policy.batch_wait = raw.duration()?,
        }
        Ok(())
    }

    /// Its value as in a file.
    pub(crate) fn show(self, policy: &Policy) -> String {
        let shown = |duration| format!("\"{}\"", duration::Shown(duration));
        let Backoff { min, max, jitter } = policy.backoff;
        match self {
            Self::Concurrency => policy.concurrency.to_string(),
            Self::Attempts => policy.attempts.to_string(),
            Self::Backoff => format!("\"{}..{}\"", duration::Shown(min), duration::Shown(max)),
            Self::Jitter => jitter.to_string(),
            Self::Timeout => policy.timeout.map_or("\"none\"".to_owned(), shown),
            Self::BatchMax => policy.batch_max.to_string(),
            Self::BatchWait => shown(policy.batch_wait),
        }
    }
}

/// What can be configured of a bus: every field of [`Tuning`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TuningField {
    Held,
    HeldBytes,
    Gap,
    Drain,
    Close,
    RevokeGrace,
    Crashes,
    Unwritable,
    Workers,
    RequestTimeout,
}

impl TuningField {
    pub(crate) const ALL: [Self; 10] = [
        Self::Held,
        Self::HeldBytes,
        Self::Gap,
        Self::Drain,
        Self::Close,
        Self::RevokeGrace,
        Self::Crashes,
        Self::Unwritable,
        Self::Workers,
        Self::RequestTimeout,
    ];

    /// As in a file, and in capitals at the end of a variable's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::HeldBytes => "held_bytes",
            Self::Gap => "gap",
            Self::Drain => "drain",
            Self::Close => "close",
            Self::RevokeGrace => "revoke_grace",
            Self::Crashes => "crashes",
            Self::Unwritable => "unwritable",
            Self::Workers => "workers",
            Self::RequestTimeout => "request_timeout",
        }
    }

    pub(crate) fn set(self, tuning: &mut Tuning, raw: &Raw) -> Result<(), String> {
        let too_large = |_| format!("{raw} is too large");
        // Named one by one, so that a new field is not forgotten here.
        let Tuning {
            limits: Limits { held, held_bytes, gap },
            drain,
            close,
            revoke_grace,
            crashes,
            unwritable,
            workers,
            request_timeout,
        } = tuning;
        match self {
            Self::Held => *held = raw.size()?,
            Self::HeldBytes => *held_bytes = raw.size()?,
            Self::Gap => *gap = raw.number(MOST)?,
            Self::Drain => *drain = raw.duration()?,
            Self::Close => *close = raw.duration()?,
            Self::RevokeGrace => *revoke_grace = raw.duration()?,
            Self::Crashes => *crashes = raw.number(u32::MAX.into())?.try_into().map_err(too_large)?,
            Self::Unwritable => *unwritable = raw.duration()?,
            // One for each thread of the runtime, or a number.
            Self::Workers if raw.text("all").is_ok_and(|text| text == "all") => *workers = None,
            Self::Workers => *workers = Some(raw.size().map_err(|wrong| format!("{wrong}, or `all`"))?),
            Self::RequestTimeout => *request_timeout = raw.duration()?,
        }
        Ok(())
    }

    /// Its value as in a file.
    pub(crate) fn show(self, tuning: &Tuning) -> String {
        let shown = |duration| format!("\"{}\"", duration::Shown(duration));
        match self {
            Self::Held => tuning.limits.held.to_string(),
            Self::HeldBytes => tuning.limits.held_bytes.to_string(),
            Self::Gap => tuning.limits.gap.to_string(),
            Self::Drain => shown(tuning.drain),
            Self::Close => shown(tuning.close),
            Self::RevokeGrace => shown(tuning.revoke_grace),
            Self::Crashes => tuning.crashes.to_string(),
            Self::Unwritable => shown(tuning.unwritable),
            Self::Workers => tuning.workers.map_or("\"all\"".to_owned(), |workers| workers.to_string()),
            Self::RequestTimeout => shown(tuning.request_timeout),
        }
    }
}
