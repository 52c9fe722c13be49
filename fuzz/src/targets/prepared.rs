//! Prepared events, as somebody may have changed them where they are kept.

use typebus::{ErrorKind, Prepared, prelude::*};

use crate::shop::{GetQuote, alone};

pub(super) const WORDS: &[&str] = &[
    "[",
    "]",
    ",",
    "1",
    "2",
    "null",
    "\"shop.orders\"",
    "\"dead.shop\"",
    "\"reply.shop.1\"",
    "\"shop.*\"",
    "\"text\"",
    "\"hex\"",
    "\"7b7d\"",
    "\"7B7\"",
    "\"ce-type\"",
    "\"ce-id\"",
    "\"ce-source\"",
    "\"ce-\"",
    "\"typebus-call\"",
    "\"content-type\"",
    "\"source\"",
    "\"get.quote.v1\"",
    "\"prepares\"",
    "[\"a\",\"b\"]",
    "\\u0000",
    "\"\"",
];

service! { Prepares = "prepares" { publishes: [GetQuote], manifest: none } }

/// What [`Prepared::from_bytes`] reads: it is what it says, or an error; and what it is can be sent, or not, as one is told.
pub fn prepared(input: &[u8]) {
    let prepared = match Prepared::from_bytes(input) {
        Ok(prepared) => prepared,
        Err(error) => {
            assert!(error.kind() == ErrorKind::Config && !error.to_string().is_empty(), "{error:?}");
            return;
        }
    };
    let again = Prepared::from_bytes(&prepared.to_bytes()).expect("what was written can be read");
    assert_eq!(prepared.to_bytes(), again.to_bytes());
    let said = |prepared: &Prepared| {
        let headers: Vec<_> =
            prepared.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let [id, source, topic] = [prepared.id(), prepared.source(), prepared.topic()].map(str::to_owned);
        (id, source, topic, prepared.key().map(str::to_owned), prepared.payload().to_vec(), headers)
    };
    assert_eq!(said(&prepared), said(&again));
    let _ = format!("{prepared:?}");
    alone(async {
        let bus = Bus::<Prepares>::builder().connect("memory:").await.expect("the service is sound");
        match bus.publish_prepared(&prepared).await {
            Ok(receipt) => {
                assert_eq!((receipt.id(), receipt.topic()), (prepared.id(), prepared.topic()));
                assert_eq!(prepared.source(), "prepares");
            }
            Err(error) => {
                assert!(prepared.source() != "prepares" || error.kind() != ErrorKind::Config, "{error}");
            }
        }
    });
}
