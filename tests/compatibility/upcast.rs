//! What breaks both ways becomes a new version: another kind of event, which the old one is made into.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use typebus::{Codec, Json, UpcastFrom, schema::compare};

use crate::row::{Row, Side, Verdict};

pub(crate) fn rows() -> Vec<Row> {
    vec![Row {
        change: "whatever is changed in a new `version` that `upcasts(..)` from the old one",
        writers: Verdict::Strict(
            "it is another kind of event: the old type decodes what it wrote, and `From` makes the new one",
        ),
        readers: Verdict::Breaks,
        old: Side::of::<Old>(&[json!({ "total": 7 })]),
        new: Side::upcasting::<Old, New>(&[json!({ "amount": 7.0, "currency": "EUR" })]),
    }]
}

/// `order.placed.v1`
#[derive(Serialize, Deserialize, JsonSchema)]
struct Old {
    total: u32,
}

/// `order.placed.v2`
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct New {
    amount: f64,
    currency: String,
}

impl From<Old> for New {
    fn from(Old { total }: Old) -> Self {
        Self { amount: total.into(), currency: "EUR".to_owned() }
    }
}

#[test]
fn an_old_message_becomes_the_new_type() {
    let (old, new) = (<Json as Codec<Old>>::schema().unwrap(), <Json as Codec<New>>::schema().unwrap());
    let changes = compare(&old, &new);
    assert!(changes.iter().any(|change| change.breaks_writers.is_some()), "{changes:?}");
    assert!(changes.iter().any(|change| change.breaks_readers.is_some()), "{changes:?}");
    let mut sent = Vec::new();
    <Json as Codec<Old>>::encode(&Old { total: 7 }, &mut sent).unwrap();
    assert!(<Json as Codec<New>>::decode(&sent).is_err());
    let arrived = New::upcast_from(<Json as Codec<Old>>::decode(&sent).unwrap());
    assert_eq!(arrived, New { amount: 7.0, currency: "EUR".to_owned() });
}
