//! Each verdict of the table is what `compare` says, and what becomes of real messages.

use serde_json::Value;
use typebus::schema::{Change, compare, validate};

use crate::{
    row::{Row, Side, Verdict},
    rows,
};

#[test]
fn every_verdict_is_what_compare_says() {
    let mut mistakes = Vec::new();
    for row in rows::all() {
        let changes = compare(&row.old.schema, &row.new.schema);
        for (whom, verdict, breaks) in [
            ("writers", row.writers, reasons(&changes, |change| &change.breaks_writers)),
            ("readers", row.readers, reasons(&changes, |change| &change.breaks_readers)),
        ] {
            if breaks.is_empty() != (verdict == Verdict::Reads) {
                mistakes.push(format!("{}: {whom}: {verdict:?}, and compare says {breaks:#?}", row.change));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

fn reasons(changes: &[Change], of: fn(&Change) -> &Option<String>) -> Vec<String> {
    changes.iter().filter_map(|change| Some(format!("{}: {}", change.place, of(change).as_ref()?))).collect()
}

#[test]
fn every_verdict_is_what_becomes_of_messages() {
    let mut mistakes = Vec::new();
    for row in rows::all() {
        for (whom, verdict, from, to) in
            [("writers", row.writers, &row.old, &row.new), ("readers", row.readers, &row.new, &row.old)]
        {
            let wrong: Vec<_> = from.messages.iter().filter_map(|message| to.read(message).err()).collect();
            if from.messages.is_empty() || wrong.is_empty() == (verdict == Verdict::Breaks) {
                mistakes.push(format!("{}: {whom}: {verdict:?}, and the messages say {wrong:?}", row.change));
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// A schema accepts just those messages that the type reads. What it does not show, a verdict says.
#[test]
fn every_message_is_valid_where_it_is_read() {
    let mut mistakes = Vec::new();
    for row in rows::all() {
        for (verdict, from, to) in [(row.writers, &row.old, &row.new), (row.readers, &row.new, &row.old)] {
            for message in &from.messages {
                let is_valid = |side: &Side| {
                    let message: Value = serde_json::from_slice(message).unwrap();
                    validate(&side.schema, &message).is_empty()
                };
                let is_as_read =
                    is_valid(to) == to.read(message).is_ok() || matches!(verdict, Verdict::Strict(_));
                if !is_valid(from) || from.read(message).is_err() || !is_as_read {
                    mistakes.push(format!("{}: {}", row.change, String::from_utf8_lossy(message)));
                }
            }
        }
    }
    assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
}

/// Whatever is different, a type reads what it writes itself.
#[test]
fn no_type_breaks_itself() {
    for Row { change, old, new, .. } in rows::all() {
        for side in [old, new] {
            let mut same = side.schema.clone();
            same["title"] = Value::from("Another");
            let changes = compare(&side.schema, &same);
            assert_eq!(changes, [], "{change}");
        }
    }
}
