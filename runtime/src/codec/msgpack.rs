//! `format = "msgpack"`.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Codec, essence,
    shape::{self, Item, number},
};
use crate::error::BoxError;

/// `format = "msgpack"`: [MessagePack](https://msgpack.org), a struct as a map of its fields by name, so that fields may
/// be added. Needs the feature `msgpack`.
///
/// What serde writes differently for people and for machines is written as for machines: a `Uuid` is 16 bytes.
///
/// What is nested deeper than 128 levels is not read.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::{Deserialize, Serialize};
/// use typebus::prelude::*;
///
/// #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// #[event(topic = "shop.orders", name = "order.placed", format = "msgpack")]
/// struct OrderPlaced {
///     order_id: u64,
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct MsgPack;

impl<E: Serialize + DeserializeOwned + JsonSchema> Codec<E> for MsgPack {
    const CONTENT_TYPE: &'static str = "application/msgpack";

    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        rmp_serde::encode::write_named(into, event).map_err(Into::into)
    }

    fn schema() -> Option<Value> {
        Some(super::schema::<E>())
    }

    fn decode(payload: &[u8]) -> Result<E, BoxError> {
        shape::check(payload, header)?;
        Ok(rmp_serde::from_slice(payload)?)
    }

    /// `application/msgpack`, `application/x-msgpack` and `application/vnd.msgpack`, with or without parameters.
    fn reads(content_type: &str) -> bool {
        let names = ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"];
        names.iter().any(|name| essence(content_type).eq_ignore_ascii_case(name))
    }
}

/// Takes a header off what is left.
fn header(left: &mut &[u8]) -> Option<Item> {
    let mut rest = *left;
    let (marker, after) = rest.split_first()?;
    rest = after;
    let item = match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0.. => Item::Bytes(0),
        0x80..=0x8f => Item::Items(u64::from(marker & 0x0f) * 2),
        0x90..=0x9f => Item::Items(u64::from(marker & 0x0f)),
        0xa0..=0xbf => Item::Bytes(u64::from(marker & 0x1f)),
        0xc1 => return None,
        // Binary and text with a length.
        0xc4 | 0xd9 => Item::Bytes(number::<1>(&mut rest)?),
        0xc5 | 0xda => Item::Bytes(number::<2>(&mut rest)?),
        0xc6 | 0xdb => Item::Bytes(number::<4>(&mut rest)?),
        // Extensions: one byte more, for their type.
        0xc7 => Item::Bytes(number::<1>(&mut rest)? + 1),
        0xc8 => Item::Bytes(number::<2>(&mut rest)? + 1),
        0xc9 => Item::Bytes(number::<4>(&mut rest)? + 1),
        0xd4..=0xd8 => Item::Bytes((1 << (marker - 0xd4)) + 1),
        // Numbers.
        0xcc | 0xd0 => Item::Bytes(1),
        0xcd | 0xd1 => Item::Bytes(2),
        0xca | 0xce | 0xd2 => Item::Bytes(4),
        0xcb | 0xcf | 0xd3 => Item::Bytes(8),
        0xdc => Item::Items(number::<2>(&mut rest)?),
        0xdd => Item::Items(number::<4>(&mut rest)?),
        0xde => Item::Items(number::<2>(&mut rest)? * 2),
        0xdf => Item::Items(number::<4>(&mut rest)? * 2),
    };
    *left = rest;
    Some(item)
}
