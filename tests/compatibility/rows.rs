//! The table.

mod enums;
mod fields;
mod lists;
mod nested;
mod numbers;
mod schemas;
mod texts;

use crate::{row::Row, upcast};

/// The rows of each heading.
pub(crate) fn by_heading() -> Vec<(&'static str, Vec<Row>)> {
    vec![
        ("Fields", fields::rows()),
        ("Numbers", numbers::rows()),
        ("Texts", texts::rows()),
        ("Enums", enums::rows()),
        ("Lists, tuples and maps", lists::rows()),
        ("Nested types", nested::rows()),
        ("Versions", upcast::rows()),
        ("Schemas without a Rust type", schemas::rows()),
    ]
}

pub(crate) fn all() -> impl Iterator<Item = Row> {
    by_heading().into_iter().flat_map(|(_, rows)| rows)
}
