//! JSON Schemas of events, draft 2020-12: what a change of one means to those who write and those who read.
//!
//! ```
//! use serde_json::json;
//! use typebus::schema::{compare, validate};
//!
//! let old = json!({ "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"] });
//! let mut new = old.clone();
//! new["properties"]["note"] = json!({ "type": "string" });
//! let added = &compare(&old, &new)[0];
//! assert_eq!((added.place.as_str(), added.what.as_str()), ("/note", "the field `note` is new"));
//! assert_eq!((&added.breaks_writers, &added.breaks_readers), (&None, &None));
//!
//! new["required"] = json!(["id", "note"]);
//! let why = compare(&old, &new)[0].breaks_writers.clone().unwrap();
//! assert_eq!(why, "the old type never writes `note`, which the new type requires");
//! assert_eq!(validate(&new, &json!({ "id": "o-1" }))[0].why, "the required field `note` is missing");
//! ```
//!
#![doc = include_str!("docs/compatibility.md")]

mod compare;
mod differs;
mod document;
mod format;
mod number;
mod reads;
mod shape;
mod validate;
mod words;

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

/// Every difference between two schemas of one event, and whom it breaks: one change for each place, sorted by place.
/// [The page](self) says how that is decided.
///
/// How a schema is written is no difference, nor are titles, descriptions, defaults and examples.
#[must_use]
pub fn compare(old: &Value, new: &Value) -> Vec<Change> {
    compare::compare(old, new)
}

/// Where, and why, some message of a writer is not read by a reader with a schema of its own, sorted by place.
pub(crate) fn unread(written: &Value, read: &Value) -> Vec<(String, String)> {
    compare::between(written, read)
}

/// Every place where a value is not what a schema says.
///
/// All of draft 2020-12 that schemas of Rust types use is looked at: types, `enum` and `const`, the bounds of numbers,
/// texts (in characters), arrays and objects, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`,
/// `uniqueItems`, `contains`, `allOf`, `anyOf`, `oneOf`, `not`, `if`, `dependentRequired`, `unevaluatedProperties`, and
/// `$ref` into the same document. An integer may be written `1.0`.
///
/// Formats are checked, since the types behind them check them: `int8` to `int128`, `uint8` to `uint128` and
/// `float` are ranges;
/// `uuid`, `date-time`, `date`, `partial-date-time`, `partial-time`, `ip`, `ipv4` and `ipv6` are looked at as texts. Any
/// other is a remark.
///
/// Not looked at: `pattern`, `patternProperties` other than the two that schemars writes for integers as keys (a name
/// that may match another pattern is neither checked nor refused), `propertyNames`, `dependentSchemas`,
/// `unevaluatedItems`, `$dynamicRef`, and what lies in other documents, which is reported as missing.
#[must_use]
pub fn validate(schema: &Value, instance: &Value) -> Vec<Invalid> {
    validate::validate(schema, instance)
}
