//! Texts.

use std::net::{IpAddr, Ipv4Addr};

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::{
    checked::Name,
    row::{
        Row, Side,
        Verdict::{Breaks, Reads},
        row,
    },
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row! {
            "`String` becomes `Uuid`": Breaks, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            { struct Order { id: Uuid } } = [{ "id": "67e55044-10b1-426f-9247-bb680e5fe0c8" }];
        },
        row! {
            "`DateTime<Utc>` becomes `String`": Reads, Breaks;
            { struct Order { at: DateTime<Utc> } } = [{ "at": "2026-03-01T12:00:00Z" }];
            { struct Order { at: String } } = [{ "at": "noon" }];
        },
        row! {
            "`DateTime<Utc>` becomes `NaiveDate`": Breaks, Breaks;
            { struct Order { at: DateTime<Utc> } } = [{ "at": "2026-03-01T12:00:00Z" }];
            { struct Order { at: NaiveDate } } = [{ "at": "2026-03-01" }];
        },
        row! {
            "`Ipv4Addr` becomes `IpAddr`": Reads, Breaks;
            { struct Order { from: Ipv4Addr } } = [{ "from": "10.0.0.1" }];
            { struct Order { from: IpAddr } } = [{ "from": "10.0.0.1" }, { "from": "::1" }];
        },
        row! {
            "`String` becomes `char`": Breaks, Reads;
            { struct Order { grade: String } } = [{ "grade": "" }, { "grade": "A+" }];
            { struct Order { grade: char } } = [{ "grade": "ä" }];
        },
        row! {
            "bounds of the length are set, checked by `#[serde(try_from = ..)]`": Breaks, Reads;
            { struct Order { name: String } } = [{ "name": "" }];
            { struct Order { name: Name } } = [{ "name": "n" }];
        },
        row! {
            "`String` becomes an enum of unit variants": Breaks, Reads;
            { struct Order { size: String } } = [{ "size": "XXL" }];
            {
                struct Order { size: Size }
                enum Size { S, L }
            } = [{ "size": "S" }, { "size": "L" }];
        },
        row! {
            "`String` becomes a newtype of it": Reads, Reads;
            { struct Order { id: String } } = [{ "id": "o-1" }];
            {
                struct Order { id: Id }
                struct Id(String);
            } = [{ "id": "o-1" }];
        },
    ]
}
