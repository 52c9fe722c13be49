//! What a run comes to: for people, and as JSON for machines.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::Serialize;
use typebus::Stats;

use crate::{
    archive::{Contents, Shelf},
    digest::RepositoryDigest,
    failing::{SEED, fold},
};

/// What a run comes to. As JSON it holds only what is the same in every run with the same file and options: no times,
/// and no numbers of batches.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
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
    /// What happened to the code of each repository.
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
        let Self { summary, bold } = *self;
        let table = |titles| Table { titles, rows: Vec::new(), bold };

        let mut events = table(&["EVENT", "PUBLISHED", "BYTES"]);
        for (name, Shelf { events: count, bytes }) in &summary.archive.events {
            events.row([name.clone(), thousands(*count), thousands(*bytes)]);
        }
        for (topic, count) in summary.published.iter().filter(|(topic, _)| !receives("github.>", topic) && !is_dead(topic)) {
            events.row([topic.clone(), thousands(*count), String::new()]);
        }
        writeln!(f, "{events}")?;

        let others = &summary.archive.others;
        if !others.is_empty() {
            let mut by_count: Vec<_> = others.iter().collect();
            by_count.sort_by_key(|(kind, count)| (std::cmp::Reverse(**count), *kind));
            let shown = by_count.iter().take(6).map(|(kind, count)| format!("{kind} {}", thousands(**count)));
            let shown = shown.collect::<Vec<_>>().join(", ");
            let more = others.len().saturating_sub(6);
            let more = if more > 0 { format!(", and {more} kinds more") } else { String::new() };
            writeln!(f, "github.other is what has no type of its own: {shown}{more}.\n")?;
        }

        let mut groups = table(&[
            "GROUP",
            "LISTENS TO",
            "PUBLISHED",
            "HANDLED",
            "DISCARDED",
            "SKIPPED",
            "DEAD",
            "RETRIES",
        ]);
        for group in &summary.groups {
            let counts = [group.published, group.handled, group.discarded, group.skipped];
            let counts = counts.into_iter().chain([group.dead_lettered, group.retried]).map(thousands);
            groups.row([group.group.clone(), group.topic.clone()].into_iter().chain(counts));
        }
        writeln!(f, "{groups}")?;

        if !summary.dead_letters.is_empty() {
            let mut dead = table(&["DEAD LETTERS", "TRIES", "HANDLER", "FOR EXAMPLE", "REASON"]);
            for letters in summary.dead_letters.iter().take(ROWS) {
                let (tries, handler) =
                    (u64::from(letters.attempts), format!("{}::{}", letters.group, letters.handler));
                let reason = format!("{}: {}", letters.reason, shortened(&letters.error));
                dead.row([
                    thousands(letters.count),
                    thousands(tries),
                    handler,
                    letters.example.clone(),
                    reason,
                ]);
            }
            writeln!(f, "{dead}")?;
            more(f, summary.dead_letters.len(), "reasons")?;
        }

        if !summary.repositories.is_empty() {
            let mut code = table(&["REPOSITORY", "EVENTS", "PUSHES", "COMMITS", "COMMENTS", "DIGEST"]);
            let mut by_events: Vec<_> = summary.repositories.iter().collect();
            by_events.sort_by_key(|(name, digest)| (std::cmp::Reverse(digest.events), *name));
            for (name, it) in by_events.into_iter().take(ROWS) {
                let counts = [it.events, it.pushes, it.commits, it.comments].map(thousands);
                let hash = [format!("{:016x}", it.hash)];
                code.row([name.clone()].into_iter().chain(counts).chain(hash));
            }
            writeln!(f, "{code}")?;
            more(f, summary.repositories.len(), "repositories")?;
        }

        self.last_lines(f)
    }
}

impl Text<'_> {
    fn last_lines(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = self.summary;
        let published = summary.published.iter().filter(|(topic, _)| !is_dead(topic)).map(|(_, count)| count).sum();
        let settled: u64 = summary.groups.iter().map(Group::settled).sum();
        let seconds = summary.elapsed.as_secs_f64();
        let per_second = |count: u64| {
            let millis = u64::try_from(summary.elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
            thousands(count.saturating_mul(1000) / millis)
        };
        let (reviews, lines) = summary.archive.reviews;
        let decisions = summary.archive.decisions.iter().map(|(priority, count)| {
            format!("{} {}", thousands(*count), format!("{priority:?}").to_lowercase())
        });
        writeln!(
            f,
            "Triage found {} of priority, and {} pull requests with {} lines that wait for a review.",
            decisions.collect::<Vec<_>>().join(", "),
            thousands(reviews),
            thousands(lines)
        )?;
        writeln!(
            f,
            "{} events published and {} deliveries settled ({} batches) in {seconds:.2} s: {} events/s, {} deliveries/s.",
            thousands(published),
            thousands(settled),
            thousands(summary.archive.batches),
            per_second(published),
            per_second(settled)
        )?;
        if summary.balanced {
            writeln!(
                f,
                "Every group accounts for every event: published = handled + discarded + skipped + dead."
            )
        } else if summary.interrupted {
            writeln!(f, "Interrupted: what was published and is not settled yet was left to the broker.")
        } else {
            writeln!(f, "A GROUP DOES NOT ACCOUNT FOR EVERY EVENT that was published for it.")
        }
    }
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
    const MAX: usize = 64;
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
            writeln!(f, "\x1b[1m{titles}\x1b[0m")?
        } else {
            writeln!(f, "{titles}")?
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
        assert_eq!(shortened(&"ä".repeat(100)).chars().count(), 65);
    }
}
