//! Numbers.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    checked::Percent,
    row::{
        Row, Side,
        Verdict::{Breaks, Reads},
        row,
    },
};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = integers();
    rows.extend(floats());
    rows.extend(bounds());
    rows
}

fn integers() -> Vec<Row> {
    vec![
        row! {
            "`u8` becomes `u32`": Reads, Breaks;
            { struct Order { size: u8 } } = [{ "size": 0 }, { "size": 255 }];
            { struct Order { size: u32 } } = [{ "size": 0 }, { "size": 256 }];
        },
        row! {
            "`u32` becomes `u16`": Breaks, Reads;
            { struct Order { size: u32 } } = [{ "size": 70_000 }];
            { struct Order { size: u16 } } = [{ "size": 65_535 }];
        },
        row! {
            "`i32` becomes `i64`": Reads, Breaks;
            { struct Order { size: i32 } } = [{ "size": i32::MIN }, { "size": i32::MAX }];
            { struct Order { size: i64 } } = [{ "size": i64::MIN }];
        },
        row! {
            "`u32` becomes `i64`": Reads, Breaks;
            { struct Order { size: u32 } } = [{ "size": u32::MAX }];
            { struct Order { size: i64 } } = [{ "size": -1 }];
        },
        row! {
            "`i32` becomes `u32`": Breaks, Breaks;
            { struct Order { size: i32 } } = [{ "size": -1 }];
            { struct Order { size: u32 } } = [{ "size": u32::MAX }];
        },
        row! {
            "`u64` becomes `i64`": Breaks, Breaks;
            { struct Order { size: u64 } } = [{ "size": u64::MAX }];
            { struct Order { size: i64 } } = [{ "size": -1 }];
        },
        row! {
            "`u64` becomes `usize`": Reads, Reads;
            { struct Order { size: u64 } } = [{ "size": u64::MAX }];
            { struct Order { size: usize } } = [{ "size": u64::MAX }];
        },
        row! {
            "`u32` becomes `String`": Breaks, Breaks;
            { struct Order { size: u32 } } = [{ "size": 1 }];
            { struct Order { size: String } } = [{ "size": "1" }];
        },
    ]
}

fn floats() -> Vec<Row> {
    vec![
        row! {
            "`u32` becomes `f64`": Reads, Breaks;
            { struct Order { price: u32 } } = [{ "price": u32::MAX }];
            { struct Order { price: f64 } } = [{ "price": 1.5 }];
        },
        row! {
            "`f64` becomes `i64`": Breaks, Reads;
            { struct Order { price: f64 } } = [{ "price": 1.5 }];
            { struct Order { price: i64 } } = [{ "price": -1 }];
        },
        row! {
            "`f32` becomes `f64`": Reads, Breaks;
            { struct Order { price: f32 } } = [{ "price": 1.5 }];
            { struct Order { price: f64 } } = [{ "price": 1e300 }];
        },
        row! {
            "`f64` becomes `f32`": Breaks, Reads;
            { struct Order { price: f64 } } = [{ "price": 1e300 }];
            { struct Order { price: f32 } } = [{ "price": 0.5 }];
        },
    ]
}

fn bounds() -> Vec<Row> {
    vec![
        row! {
            "`u32` becomes `NonZeroU32`": Breaks, Reads;
            { struct Order { size: u32 } } = [{ "size": 0 }];
            { struct Order { size: NonZeroU32 } } = [{ "size": 1 }, { "size": u32::MAX }];
        },
        row! {
            "an upper bound is set, checked by `#[serde(try_from = ..)]`": Breaks, Reads;
            { struct Order { off: u8 } } = [{ "off": 101 }];
            { struct Order { off: Percent } } = [{ "off": 100 }];
        },
    ]
}
