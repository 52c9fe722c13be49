//! What breaks both ways becomes a new version: another kind of event, which the old one is made into.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Codec, Json, UpcastFrom, schema::compare};

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
