//! `format = "cbor"`.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Codec, essence,
    shape::{self, Item, number},
};
use crate::error::BoxError;

/// How many bytes of one text ciborium reads into a buffer of its own.
const BUFFER: usize = 4_096;

/// `format = "cbor"`: CBOR (RFC 8949), a struct as a map of its fields by name, so that fields may be added. Needs the
/// feature `cbor`.
///
/// What serde writes differently for people and for machines is written as for machines: a `Uuid` is 16 bytes.
///
/// What is nested deeper than 128 levels, tags counted, is not read.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use typebus::prelude::*;
///
/// #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// #[event(topic = "shop.orders", name = "order.placed", format = "cbor")]
/// struct OrderPlaced {
///     order_id: u64,
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Cbor;

impl<E: Serialize + DeserializeOwned + JsonSchema> Codec<E> for Cbor {
    const CONTENT_TYPE: &'static str = "application/cbor";

    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        ciborium::into_writer(event, into).map_err(|error| match error {
            // Its `Display` is its `Debug`.
            ciborium::ser::Error::Value(message) => message.into(),
            ciborium::ser::Error::Io(error) => error.into(),
        })
    }

    fn schema() -> Option<Value> {
        Some(super::schema::<E>())
    }

    fn decode(payload: &[u8]) -> Result<E, BoxError> {
        shape::check(payload, header)?;
        let read = if payload.len() <= BUFFER {
            ciborium::from_reader(payload)
        } else {
            // A longer text than the buffer could be read as a `String` alone, not by what wants to look at a `&str`.
            ciborium::de::from_reader_with_buffer(payload, &mut vec![0; payload.len()])
        };
        read.map_err(|error| match error {
            ciborium::de::Error::Io(error) => error.into(),
            ciborium::de::Error::Syntax(at) => format!("what stands at byte {at} is not well formed").into(),
            ciborium::de::Error::Semantic(Some(at), message) => format!("{message} at byte {at}").into(),
            ciborium::de::Error::Semantic(None, message) => message.into(),
            ciborium::de::Error::RecursionLimitExceeded => "it is nested too deep".into(),
        })
    }

    /// `application/cbor` and every `+cbor`, with or without parameters.
    fn reads(content_type: &str) -> bool {
        let essence = essence(content_type).to_ascii_lowercase();
        essence == "application/cbor" || essence.ends_with("+cbor")
    }
}

/// Takes a header off what is left.
fn header(left: &mut &[u8]) -> Option<Item> {
    let mut rest = *left;
    let (initial, after) = rest.split_first()?;
    rest = after;
    let (major, info) = (initial >> 5, initial & 0x1f);
    let argument = match info {
        0..=23 => Some(u64::from(info)),
        24 => Some(number::<1>(&mut rest)?),
        25 => Some(number::<2>(&mut rest)?),
        26 => Some(number::<4>(&mut rest)?),
        27 => Some(number::<8>(&mut rest)?),
        31 => None,
        _ => return None,
    };
    let item = match (major, argument) {
        (0 | 1 | 7, Some(_)) => Item::Bytes(0),
        (2 | 3, Some(bytes)) => Item::Bytes(bytes),
        (4, Some(items)) => Item::Items(items),
        // Twice too many to count are too many all the same.
        (5, Some(pairs)) => Item::Items(pairs.saturating_mul(2)),
        (6, Some(_)) => Item::Items(1),
        (2..=5, None) => Item::Endless,
        (7, None) => Item::End,
        _ => return None,
    };
    *left = rest;
    Some(item)
}
