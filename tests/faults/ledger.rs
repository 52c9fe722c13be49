//! What children write down, each line with one write, so that a SIGKILL loses at most what had not happened.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write as _,
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

/// A file that a process appends to.
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
        (&self.0).write_all(format!("{letter} {key} {nth}\n").as_bytes()).unwrap();
    }
}

/// What stands in a ledger so far; an incomplete last line is not there yet.
pub(crate) fn read(path: &str) -> Vec<Entry> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let entry = |line: &str| {
        let mut fields = line.split(' ');
        let letter = fields.next().unwrap();
        let mut number = || fields.next().unwrap().parse().unwrap();
        let (key, nth) = (number(), number());
        match letter {
            "b" => Entry::Begun(key, nth),
            "f" => Entry::Failed(key, nth),
            "c" => Entry::Confirmed(key, nth),
            "s" => Entry::Started(key, nth),
            "e" => Entry::Ended(key, nth),
            letter => panic!("no entry is `{letter}`"),
        }
    };
    complete.lines().map(entry).collect()
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
}

/// Checks a history against the promises.
///
/// # Errors
/// What of them was broken: a confirmed order was not handled, or a key skipped ahead.
pub(crate) fn check(published: &[Entry], handled: &[Entry]) -> Result<Account, String> {
    let mut account = Account::default();
    let (mut confirmed, mut ended, mut started) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for entry in published {
        match entry {
            Entry::Confirmed(key, nth) => _ = confirmed.insert((*key, *nth)),
            Entry::Failed(..) => account.failed += 1,
            Entry::Begun(..) | Entry::Started(..) | Entry::Ended(..) => {}
        }
    }
    for entry in handled {
        match entry {
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

/// What the check must catch, whatever the servers do.
pub(crate) fn check_the_check() {
    use Entry::{Confirmed, Ended, Started};
    let published = [Confirmed(1, 0), Confirmed(1, 1)];
    let whole = [Started(1, 0), Ended(1, 0), Started(1, 0), Ended(1, 0), Started(1, 1), Ended(1, 1)];
    let account = check(&published, &whole).unwrap();
    assert_eq!((account.confirmed, account.handled, account.repeats), (2, 2, 1));
    assert!(check(&published, &whole[..4]).unwrap_err().contains("1 confirmed orders were not handled"));
    let ahead = [Started(1, 0), Started(1, 1), Ended(1, 0), Ended(1, 1)];
    assert!(check(&published, &ahead).unwrap_err().contains("1 began before 0 had ended"));
}
