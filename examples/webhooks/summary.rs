//! What a run comes to: for people, and as JSON for machines.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use typebus::Stats;

use crate::{
    archive::{Contents, Shelf},
    digest::RepositoryDigest,
    events::Priority,
    failing::{MALFORMED, SEED, fold},
};

/// What a run comes to. As JSON it holds only what is the same in every run with the same file and options: no times,
/// and no numbers of batches.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// The file.
    #[serde(skip)]
    pub file: PathBuf,
    /// Lines of the file.
    pub lines: u64,
    /// How often they were published.
    pub repeat: u64,
    /// The share of its attempts for which the tracker was down.
    pub fail_rate: f64,
    /// Somebody asked for an early end; then there is less of everything.
    pub interrupted: bool,
    /// Every group accounts for every event that was published for it.
    pub balanced: bool,
    /// Confirmed events, by topic, dead letters included.
    pub published: BTreeMap<String, u64>,
    /// The runtime's own counters.
    pub groups: Vec<Group>,
    /// What died, and of what.
    pub dead_letters: Vec<DeadLetters>,
    /// What the archive saw.
    pub archive: Contents,
    /// How the checks of each repository went.
    pub repositories: BTreeMap<String, RepositoryDigest>,
    /// All of `repositories` in one number, in hexadecimal.
    pub digest: String,
    /// How long it took.
    #[serde(skip)]
    pub elapsed: Duration,
}

/// A group's counters for one of its subscriptions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// The service.
    pub service: String,
    /// The group.
    pub group: String,
    /// The topic or pattern.
    pub topic: String,
    /// Events published there.
    pub published: u64,
    /// Settled because a handler finished.
    pub handled: u64,
    /// Settled because a handler said that it does not matter.
    pub discarded: u64,
    /// Settled because the group does not handle their type.
    pub skipped: u64,
    /// Settled because they are among the dead letters now.
    pub dead_lettered: u64,
    /// Attempts after a first one.
    pub retried: u64,
}

/// Dead letters that are alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct DeadLetters {
    /// Whose they are.
    pub group: String,
    /// Which handler gave up.
    pub handler: String,
    /// Why the bus put them there.
    pub reason: String,
    /// What the handler said last.
    pub error: String,
    /// After how many attempts.
    pub attempts: u32,
    /// How many.
    pub count: u64,
    /// The id of one of them: line and repeat.
    pub example: String,
}

impl Group {
    /// How many deliveries ended, one way or another.
    #[must_use]
    pub const fn settled(&self) -> u64 {
        self.handled + self.discarded + self.skipped + self.dead_lettered
    }
}

impl Summary {
    /// What the bus counted; nothing else yet.
    #[must_use]
    pub(crate) fn counted(stats: &Stats) -> Self {
        let published: BTreeMap<String, u64> =
            stats.published().map(|(topic, count)| (topic.to_string(), count)).collect();
        let groups = stats.groups().iter().map(|group| Group {
            service: group.service.to_string(),
            group: group.group.to_string(),
            topic: group.topic.to_string(),
            published: published
                .iter()
                .filter(|(topic, _)| receives(&group.topic, topic))
                .map(|(_, count)| count)
                .sum(),
            handled: group.handled,
            discarded: group.discarded,
            skipped: group.skipped,
            dead_lettered: group.dead_lettered,
            retried: group.retried,
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by(|a, b| (&a.group, &a.topic).cmp(&(&b.group, &b.topic)));
        let balanced = groups.iter().all(|group| group.published == group.settled());
        Self { published, groups, balanced, ..Self::default() }
    }

    /// Not one line of the file was a webhook; what is there is what was added.
    #[must_use]
    pub fn nothing_read(&self) -> bool {
        let read: u64 =
            self.published.iter().filter(|(topic, _)| is_github(topic)).map(|(_, count)| count).sum();
        read <= 1 && !self.interrupted
    }

    /// Folds the digests into one.
    #[must_use]
    pub fn digest(repositories: &BTreeMap<String, RepositoryDigest>) -> String {
        let fold_one = |sum, (name, digest): (&String, &RepositoryDigest)| {
            fold(fold(sum, name.as_bytes()), &digest.hash.to_le_bytes())
        };
        format!("{:016x}", repositories.iter().fold(SEED, fold_one))
    }

    /// The summary for people; `bold` on a terminal.
    #[must_use]
    pub const fn text(&self, bold: bool) -> Text<'_> {
        Text { summary: self, bold }
    }
}

/// Whether a subscription receives a topic: `*` is one token, `>` at the end is one or more.
#[must_use]
pub fn receives(pattern: &str, topic: &str) -> bool {
    let mut topic = topic.split('.');
    for token in pattern.split('.') {
        match (token, topic.next()) {
            (">", Some(_)) => return true,
            (_, None) => return false,
            (token, Some(other)) if token != "*" && token != other => return false,
            _ => {}
        }
    }
    topic.next().is_none()
}

/// A number as people write it: `12,345`.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// See [`Summary::text`].
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    summary: &'a Summary,
    bold: bool,
}

/// So many rows of a table are for people.
const ROWS: usize = 12;

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { lines, repeat, ref file, .. } = *self.summary;
        let (lines, file) = (thousands(lines), from_here(file));
        let times = if repeat == 1 { "once".to_owned() } else { format!("{} times", thousands(repeat)) };
        let bad = thousands(MALFORMED.len() as u64 * repeat + 1);
        writeln!(f, "{lines} lines of {}, published {times}; {bad} bad ones were added.\n", file.display())?;
        self.events(f)?;
        self.services(f)?;
        self.dead_letters(f)?;
        self.repositories(f)?;
        self.verdict(f)
    }
}

impl<'a> Text<'a> {
    const fn table(&self, titles: &'a [&'a str]) -> Table<'a> {
        Table { titles, rows: Vec::new(), bold: self.bold }
    }

    fn events(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contents { events, others, .. } = &self.summary.archive;
        let mut table = self.table(&["EVENT", "COUNT", "BYTES"]);
        for (name, Shelf { events, bytes }) in events {
            table.row([name.clone(), thousands(*events), thousands(*bytes)]);
        }
        // The archive does not see these; each of their topics is of one type.
        let more = self.summary.published.iter();
        for (topic, count) in
            more.filter(|(topic, count)| !is_github(topic) && !is_dead(topic) && **count > 0)
        {
            table.row([topic.clone(), thousands(*count), String::new()]);
        }
        writeln!(f, "{table}")?;
        if others.is_empty() {
            return Ok(());
        }
        let mut by_count: Vec<_> = others.iter().collect();
        by_count.sort_by_key(|(kind, count)| (Reverse(**count), *kind));
        let shown = by_count
            .iter()
            .take(4)
            .map(|(kind, count)| format!("{} {}", shortened(kind), thousands(**count)));
        let mut shown: Vec<String> = shown.collect();
        match others.len().saturating_sub(shown.len()) {
            0 => {}
            more => shown.push(format!("and {} kinds more", thousands(more as u64))),
        }
        writeln!(f, "github.other is what has no type of its own: {}.\n", shown.join(", "))
    }

    fn services(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles =
            &["SERVICE", "LISTENS TO", "PUBLISHED", "HANDLED", "DISCARDED", "SKIPPED", "DEAD", "RETRIES"];
        let mut table = self.table(titles);
        for group in &self.summary.groups {
            let &Group { published, handled, discarded, skipped, dead_lettered, retried, .. } = group;
            let counts = [published, handled, discarded, skipped, dead_lettered, retried].map(thousands);
            table.row([group.service.clone(), group.topic.clone()].into_iter().chain(counts));
        }
        writeln!(f, "{table}")
    }

    fn dead_letters(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.summary.dead_letters;
        if all.is_empty() {
            return Ok(());
        }
        let mut table = self.table(&["DEAD", "TRIES", "HANDLER", "EXAMPLE", "REASON", "ERROR"]);
        for letters in all.iter().take(ROWS) {
            let (count, tries) = (thousands(letters.count), letters.attempts.to_string());
            let handler = format!("{}::{}", letters.group, letters.handler);
            let (example, reason) = (letters.example.clone(), letters.reason.clone());
            table.row([count, tries, handler, example, reason, shortened(&letters.error)]);
        }
        writeln!(f, "{table}")?;
        more(f, all.len(), "kinds of dead letters")
    }

    fn repositories(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = &self.summary.repositories;
        if all.is_empty() {
            return Ok(());
        }
        let mut table = self.table(&["REPOSITORY", "EVENTS", "PASSED", "FAILED", "CHECKS", "DIGEST"]);
        let mut by_events: Vec<_> = all.iter().collect();
        by_events.sort_by_key(|(name, digest)| (Reverse(digest.events), *name));
        for (name, digest) in by_events.into_iter().take(ROWS) {
            let &RepositoryDigest { events, passed, failed, ref latest, hash } = digest;
            let counts = [events, passed, failed, latest.len() as u64].map(thousands);
            table.row([shortened(name)].into_iter().chain(counts).chain([format!("{hash:016x}")]));
        }
        writeln!(f, "{table}")?;
        more(f, all.len(), "repositories")
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { archive, elapsed, balanced, interrupted, .. } = self.summary;
        if !archive.decisions.is_empty() {
            let [high, normal, low] = [Priority::High, Priority::Normal, Priority::Low]
                .map(|priority| thousands(archive.decisions.get(&priority).copied().unwrap_or(0)));
            let reviews = thousands(archive.reviews);
            writeln!(
                f,
                "Triage: {high} high, {normal} normal, {low} low; {reviews} pull requests wait for a review."
            )?;
        }
        let published =
            self.summary.published.iter().filter(|(topic, _)| !is_dead(topic)).map(|(_, count)| count).sum();
        let settled = self.summary.groups.iter().map(Group::settled).sum();
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let per_second = |count: u64| thousands(count.saturating_mul(1000) / millis);
        writeln!(
            f,
            "{} events published and {} deliveries settled in {:.2} s: {} events/s, {} deliveries/s, {} batches.",
            thousands(published),
            thousands(settled),
            elapsed.as_secs_f64(),
            per_second(published),
            per_second(settled),
            thousands(archive.batches)
        )?;
        match (balanced, interrupted) {
            (true, false) => {
                writeln!(f, "Every event is accounted for: published = handled + discarded + skipped + dead.")
            }
            (true, true) => writeln!(f, "Interrupted. What was published by then is accounted for."),
            (false, true) => writeln!(
                f,
                "Interrupted twice. What was published and not handled yet stays with the broker."
            ),
            (false, false) => writeln!(
                f,
                "NOT EVERY EVENT IS ACCOUNTED FOR: published ≠ handled + discarded + skipped + dead."
            ),
        }
    }
}

/// A path as somebody in this directory would write it.
fn from_here(path: &Path) -> PathBuf {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    whole.strip_prefix(here).map_or(whole.clone(), Path::to_owned)
}

/// What the gateway publishes, and the archive sees.
fn is_github(topic: &str) -> bool {
    receives("github.>", topic)
}

/// Dead letters are confirmed and counted like events, but they are the same events once more.
fn is_dead(topic: &str) -> bool {
    topic.starts_with("dead.")
}

/// Says how many rows were left out.
fn more(f: &mut fmt::Formatter<'_>, len: usize, what: &str) -> fmt::Result {
    match len.saturating_sub(ROWS) {
        0 => Ok(()),
        more => writeln!(f, "and {} {what} more; --json shows all.\n", thousands(more as u64)),
    }
}

/// An error in one line of a table: no line breaks or control characters, and not too long.
fn shortened(text: &str) -> String {
    const MAX: usize = 72;
    let mut short: String = text.chars().take(MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short
}

/// Columns as wide as they need to be; those that begin with a digit in every row stand to the right.
struct Table<'a> {
    titles: &'a [&'a str],
    rows: Vec<Vec<String>>,
    bold: bool,
}

impl Table<'_> {
    fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |column: usize| self.rows.iter().filter_map(move |row| row.get(column));
        let columns = || self.titles.iter().enumerate();
        let width = |column: usize, title: &str| {
            cells(column).map(|cell| cell.chars().count()).chain([title.len()]).max().unwrap_or(0)
        };
        let is_number = |cell: &String| cell.chars().all(|c| c.is_ascii_digit() || c == ',');
        let layout: Vec<_> =
            columns().map(|(column, title)| (width(column, title), cells(column).all(is_number))).collect();
        let line = |row: &mut dyn Iterator<Item = &str>| {
            let cells = row.zip(&layout).map(|(cell, (width, right))| match right {
                true => format!("{cell:>width$}"),
                false => format!("{cell:<width$}"),
            });
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let titles = line(&mut self.titles.iter().copied());
        if self.bold {
            writeln!(f, "\x1b[1m{titles}\x1b[0m")?;
        } else {
            writeln!(f, "{titles}")?;
        }
        for row in &self.rows {
            writeln!(f, "{}", line(&mut row.iter().map(String::as_str)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_three() {
        let shown = [0, 7, 999, 1_000, 65_536, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "7", "999", "1,000", "65,536", "1,234,567"]);
    }

    #[test]
    fn patterns_receive_what_the_bus_gives_them() {
        for (pattern, topic, expected) in [
            ("a.b", "a.b", true),
            ("a.b", "a.b.c", false),
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            ("a.>", "dead.a", false),
        ] {
            assert_eq!(receives(pattern, topic), expected, "{pattern} {topic}");
        }
    }

    #[test]
    fn columns_of_numbers_stand_to_the_right() {
        let mut table = Table { titles: &["NAME", "N"], rows: Vec::new(), bold: false };
        table.row(["a".to_owned(), "1,000".to_owned()]);
        table.row(["longer".to_owned(), "7".to_owned()]);
        assert_eq!(table.to_string(), "NAME        N\na       1,000\nlonger      7\n");
    }

    #[test]
    fn an_error_stays_in_its_line() {
        assert_eq!(shortened("a\nb"), "a b");
        assert_eq!(shortened(&"ä".repeat(100)).chars().count(), 73);
    }
}
