//! What children write down, each line with one write, so that a SIGKILL loses at most what had not happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::Write as _,
    process,
    time::{Duration, SystemTime},
};

/// One thing that happened to the nth order of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is about to be published for the first time.
    Begun(u32, u32),
    /// A publish failed; it is tried again.
    Failed(u32, u32),
    /// A publish was confirmed.
    Confirmed(u32, u32),
    /// Its handler began.
    Started(u32, u32),
    /// Its handler returned.
    Ended(u32, u32),
}

/// What a process wrote down, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    /// Since 1970.
    pub(crate) at: Duration,
    process: u32,
    pub(crate) entry: Entry,
}

/// A file that processes append to.
#[derive(Debug)]
pub(crate) struct Ledger(File);

impl Ledger {
    pub(crate) fn append(path: &str) -> Self {
        Self(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(crate) fn write(&self, entry: Entry) {
        let (letter, key, nth) = match entry {
            Entry::Begun(key, nth) => ('b', key, nth),
            Entry::Failed(key, nth) => ('f', key, nth),
            Entry::Confirmed(key, nth) => ('c', key, nth),
            Entry::Started(key, nth) => ('s', key, nth),
            Entry::Ended(key, nth) => ('e', key, nth),
        };
        let (at, process) = (now().as_micros(), process::id());
        (&self.0).write_all(format!("{at} {process} {letter} {key} {nth}\n").as_bytes()).unwrap();
    }
}

/// As lines have it.
pub(crate) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

/// What stands in a ledger so far; an incomplete last line is not there yet.
pub(crate) fn read(path: &str) -> Vec<Line> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let line = |line: &str| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [at, process, letter, key, nth] = fields[..] else { panic!("no line is `{line}`") };
        let (key, nth) = (key.parse().unwrap(), nth.parse().unwrap());
        let entry = match letter {
            "b" => Entry::Begun(key, nth),
            "f" => Entry::Failed(key, nth),
            "c" => Entry::Confirmed(key, nth),
            "s" => Entry::Started(key, nth),
            "e" => Entry::Ended(key, nth),
            letter => panic!("no entry is `{letter}`"),
        };
        Line { at: Duration::from_micros(at.parse().unwrap()), process: process.parse().unwrap(), entry }
    };
    complete.lines().map(line).collect()
}

/// The longest time without a handler's return, from then on.
pub(crate) fn outage(handled: &[Line], from: Duration) -> Duration {
    let mut last = from;
    let mut longest = Duration::ZERO;
    for line in handled.iter().filter(|line| line.at > from && matches!(line.entry, Entry::Ended(..))) {
        longest = longest.max(line.at.saturating_sub(last));
        last = line.at;
    }
    longest
}

/// What a history came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) confirmed: usize,
    /// Publishes that failed and were tried again.
    pub(crate) failed: usize,
    /// Orders whose handler returned at least once.
    pub(crate) handled: usize,
    /// Runs of a handler beyond the first of its order.
    pub(crate) repeats: usize,
    /// Runs that began while another of their key had not ended.
    pub(crate) overlaps: usize,
}

/// Checks a history against the promises.
///
/// # Errors
/// What of them was broken: a confirmed order was not handled, or a key skipped ahead.
pub(crate) fn check(published: &[Line], handled: &[Line]) -> Result<Account, String> {
    let mut account = Account { overlaps: overlaps(handled), ..Account::default() };
    let (mut confirmed, mut ended, mut started) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in published {
        match &line.entry {
            Entry::Confirmed(key, nth) => _ = confirmed.insert((*key, *nth)),
            Entry::Failed(..) => account.failed += 1,
            Entry::Begun(..) | Entry::Started(..) | Entry::Ended(..) => {}
        }
    }
    for line in handled {
        match &line.entry {
            Entry::Started(key, nth) => {
                // An order is settled before the next of its key begins; what comes again may begin earlier.
                if *nth > 0 && !ended.contains(&(*key, nth - 1)) {
                    return Err(format!("key {key}: {nth} began before {} had ended", nth - 1));
                }
                if !started.insert((*key, *nth)) {
                    account.repeats += 1;
                }
            }
            Entry::Ended(key, nth) => _ = ended.insert((*key, *nth)),
            Entry::Begun(..) | Entry::Failed(..) | Entry::Confirmed(..) => {}
        }
    }
    if let Some((key, nth)) = confirmed.difference(&ended).next() {
        let lost = confirmed.difference(&ended).count();
        return Err(format!("{lost} confirmed orders were not handled, the first is {nth} of key {key}"));
    }
    (account.confirmed, account.handled) = (confirmed.len(), ended.len());
    Ok(account)
}

/// A run that never ended was killed or given up; nobody can say how long it took, and it stands in nobody's way.
fn overlaps(handled: &[Line]) -> usize {
    let mut ends = BTreeMap::<_, usize>::new();
    let mut ended = vec![false; handled.len()];
    for (line, ended) in handled.iter().zip(&mut ended).rev() {
        match line.entry {
            Entry::Ended(key, nth) => *ends.entry((line.process, key, nth)).or_default() += 1,
            Entry::Started(key, nth) => {
                let ends = ends.entry((line.process, key, nth)).or_default();
                *ended = *ends > 0;
                *ends = ends.saturating_sub(1);
            }
            Entry::Begun(..) | Entry::Failed(..) | Entry::Confirmed(..) => {}
        }
    }
    let mut running = BTreeMap::<u32, usize>::new();
    let mut overlaps = 0;
    for (line, ended) in handled.iter().zip(ended) {
        match line.entry {
            Entry::Started(key, _) => {
                let running = running.entry(key).or_default();
                overlaps += usize::from(*running > 0);
                *running += usize::from(ended);
            }
            Entry::Ended(key, _) => *running.entry(key).or_default() -= 1,
            Entry::Begun(..) | Entry::Failed(..) | Entry::Confirmed(..) => {}
        }
    }
    overlaps
}

/// What the check must catch, whatever the servers do.
pub(crate) fn check_the_check() {
    use Entry::{Confirmed, Ended, Started};
    let by = |process, entry| Line { at: Duration::from_secs(1), process, entry };
    let by_one = |entries: &[Entry]| entries.iter().map(|entry| by(1, *entry)).collect::<Vec<_>>();
    let published = by_one(&[Confirmed(1, 0), Confirmed(1, 1)]);
    let whole = [Started(1, 0), Ended(1, 0), Started(1, 0), Ended(1, 0), Started(1, 1), Ended(1, 1)];
    let whole = by_one(&whole);
    let account = check(&published, &whole).unwrap();
    assert_eq!((account.confirmed, account.handled, account.repeats, account.overlaps), (2, 2, 1, 0));
    assert!(check(&published, &whole[..4]).unwrap_err().contains("1 confirmed orders were not handled"));
    let ahead = by_one(&[Started(1, 0), Started(1, 1), Ended(1, 0), Ended(1, 1)]);
    assert!(check(&published, &ahead).unwrap_err().contains("1 began before 0 had ended"));
    // The zombie is 1, which goes on when 2 has taken over.
    let taken_over = [by(1, Started(1, 0)), by(2, Started(1, 0)), by(2, Ended(1, 0))];
    assert_eq!(overlaps(&taken_over), 0, "1 is dead, as far as anybody knows");
    assert_eq!(overlaps(&[&taken_over[..], &[by(1, Ended(1, 0))]].concat()), 1);
    let at = |second| Line { at: Duration::from_secs(second), ..by(1, Ended(1, 0)) };
    let pauses = [at(1), at(9), at(10), at(13)];
    assert_eq!(outage(&pauses, Duration::from_secs(8)), Duration::from_secs(3));
}
