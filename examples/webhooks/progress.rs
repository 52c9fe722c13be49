//! The progress bar: on standard error, and only where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use typebus::Running;

use crate::summary::thousands;

/// How far a run is. Nothing is shown unless somebody watches.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar on standard error; silent if that is no terminal.
    #[must_use]
    pub fn visible() -> Self {
        let style = ProgressStyle::with_template("{bar:32} {percent:>3} % of {human_len} lines  {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸ ");
        Self(ProgressBar::new(0).with_style(style))
    }

    /// None.
    #[must_use]
    pub fn hidden() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(crate) fn expect(&self, lines: u64) {
        self.0.set_length(lines);
    }

    pub(crate) fn published_one(&self) {
        self.0.inc(1);
    }

    /// Says now and then what the handlers did, for as long as it is polled.
    pub(crate) async fn watch(&self, running: &Running) {
        if self.0.is_hidden() {
            return std::future::pending().await;
        }
        let mut now_and_then = tokio::time::interval(Duration::from_millis(100));
        loop {
            now_and_then.tick().await;
            let stats = running.stats();
            let sum =
                |count: fn(&typebus::GroupStats) -> u64| thousands(stats.groups().iter().map(count).sum());
            let (handled, retried, dead) =
                (sum(|it| it.handled), sum(|it| it.retried), sum(|it| it.dead_lettered));
            self.0.set_message(format!("{handled} handled, {retried} retried, {dead} dead-lettered"));
        }
    }

    /// Says something else from now on.
    pub(crate) fn say(&self, text: &'static str) {
        self.0.println(text);
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
