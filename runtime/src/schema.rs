//! JSON Schemas of events, draft 2020-12: what a change of one means to those who write and those who read.

use serde_json::Value;

/// A difference between two schemas of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where in the payload: `/lines/*/size`; empty for the whole of it.
    pub place: String,
    /// What is different: "the field `note` is new".
    pub what: String,
    /// Why the new type does not read some message of the old one, if so.
    pub breaks_writers: Option<String>,
    /// Why the old type does not read some message of the new one, if so.
    pub breaks_readers: Option<String>,
}

/// Where a value is not what its schema says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invalid {
    /// Where in the value, as a JSON Pointer (RFC 6901): `/lines/0/size`.
    pub place: String,
    /// What is wrong there.
    pub why: String,
}

/// Every difference between two schemas of one event, and whom it breaks.
#[must_use]
pub fn compare(_old: &Value, _new: &Value) -> Vec<Change> {
    Vec::new()
}

/// Every place where a value is not what a schema says.
#[must_use]
pub fn validate(_schema: &Value, _instance: &Value) -> Vec<Invalid> {
    Vec::new()
}
