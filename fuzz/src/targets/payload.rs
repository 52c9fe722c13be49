//! Payloads in each format.

use typebus::{Cbor, Codec, Json, MsgPack, Reason};

use crate::{
    letter::Letter,
    shop::{End, Packed, Paid, Sent, Tree, play},
};

pub(super) const JSON: &[&str] = &[
    "\"Leaf\"",
    "{\"Alone\":",
    "{\"Pair\":[",
    "{\"Named\":{\"inner\":[],\"by_name\":{}}}",
    "{\"Text\":\"",
    "{\"Number\":[",
    "{\"Small\":[1,2,0.5,null]}",
    "null",
    "true",
    "1e999",
    "-0",
    "\\u0000",
    "\\ud800",
    "\"",
    "}",
    "]",
    ",",
    "[[[[",
    "\u{feff}",
];

/// JSON.
pub fn json(input: &[u8]) {
    let is_event = decodes::<Json, Paid>(input);
    let end = arrives(input, "shop.payments", "payment.made.v1", "application/json");
    assert_eq!(end.is_handled(), is_event, "{end:?}");
}

pub(super) const BINARY: &[&str] = &[
    "Leaf",
    "Alone",
    "Pair",
    "Named",
    "inner",
    "by_name",
    "Text",
    "Number",
    "Small",
    "\u{0}\u{0}\u{0}\u{0}",
    "\u{7f}",
];

/// MessagePack.
pub fn msgpack(input: &[u8]) {
    let is_event = decodes::<MsgPack, Packed>(input);
    let end = arrives(input, "shop.parcels", "parcel.packed.v1", "application/msgpack");
    assert_eq!(end.is_handled(), is_event, "{end:?}");
}

/// CBOR.
pub fn cbor(input: &[u8]) {
    let is_event = decodes::<Cbor, Sent>(input);
    let end = arrives(input, "shop.letters", "letter.sent.v1", "application/cbor");
    assert_eq!(end.is_handled(), is_event, "{end:?}");
}

/// Whether it is an event; and then, whether it is the same one after it was written.
fn decodes<C: Codec<E> + Codec<Tree>, E: serde::Serialize>(input: &[u8]) -> bool {
    let Ok(event) = <C as Codec<E>>::decode(input) else { return false };
    let mut written = Vec::new();
    // JSON has no infinity to write, but no such number can be read either.
    <C as Codec<E>>::encode(&event, &mut written).expect("what was read can be written");
    let again = <C as Codec<E>>::decode(&written).expect("what was written can be read");
    let mut rewritten = Vec::new();
    <C as Codec<E>>::encode(&again, &mut rewritten).expect("what was read can be written");
    assert_eq!(written, rewritten);
    true
}

fn arrives(payload: &[u8], topic: &str, kind: &str, content_type: &str) -> End {
    let letter = Letter::with_payload(payload).header("ce_type", kind).header("content-type", content_type);
    let end = play(&letter, &[topic]).remove(0);
    assert!(matches!(end, End::Handled(_) | End::Dead(Reason::Undecodable)), "{end:?}");
    end
}
