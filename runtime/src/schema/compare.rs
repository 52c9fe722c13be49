//! What is different, joined with whom that breaks.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Change, differs::differences, reads::unread, shape::Shapes};

const OLD: &str = "the old type";
const NEW: &str = "the new type";

pub(super) fn compare(old: &Value, new: &Value) -> Vec<Change> {
    if old == new {
        return Vec::new();
    }
    // One change for each place: what is told of it belongs together.
    let mut places: BTreeMap<String, [Vec<String>; 3]> = BTreeMap::new();
    let mut add = |place: String, of: usize, text: String| {
        let texts = &mut places.entry(place).or_default()[of];
        if !texts.contains(&text) {
            texts.push(text);
        }
    };
    let (old, new) = (&mut Shapes::new(old), &mut Shapes::new(new));
    for difference in differences(old, new) {
        add(difference.place, 0, difference.what);
    }
    for failure in unread((old, OLD), (new, NEW)) {
        add(failure.place, 1, failure.why);
    }
    for failure in unread((new, NEW), (old, OLD)) {
        add(failure.place, 2, failure.why);
    }
    let changes = places.into_iter().map(|(place, [what, breaks_writers, breaks_readers])| Change {
        place,
        what: joined(what).unwrap_or_else(|| "what may stand there is different".to_owned()),
        breaks_writers: joined(breaks_writers),
        breaks_readers: joined(breaks_readers),
    });
    changes.collect()
}

/// Where, and why, some message of a writer is not read by a reader of another schema: one reason for each place.
pub(super) fn between(written: &Value, read: &Value) -> Vec<(String, String)> {
    if written == read {
        return Vec::new();
    }
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (written, read) = (&mut Shapes::new(written), &mut Shapes::new(read));
    for failure in unread((written, "the writer"), (read, "the reader")) {
        let texts = places.entry(failure.place).or_default();
        if !texts.contains(&failure.why) {
            texts.push(failure.why);
        }
    }
    places.into_iter().map(|(place, texts)| (place, texts.join("; "))).collect()
}

fn joined(texts: Vec<String>) -> Option<String> {
    (!texts.is_empty()).then(|| texts.join("; "))
}

#[cfg(test)]
mod tests;
