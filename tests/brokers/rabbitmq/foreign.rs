//! What others write.

use lapin::types::{AMQPValue, FieldTable};
use typebus::backend::Attribute;

use crate::help::{Place, Taker, provisioned, publish_raw, raw};

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_others_are_read_whatever_their_spelling_and_type() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let (_connection, channel) = raw().await;
    for prefix in ["ce-", "ce_", "cloudEvents:", "cloudEvents_"] {
        let mut headers = FieldTable::default();
        let mut put =
            |name: &str, value| _ = headers.insert(format!("{prefix}{name}").as_str().into(), value);
        put("id", AMQPValue::LongLongInt(7));
        put("type", AMQPValue::LongString("order.placed.v1".into()));
        put("partitionkey", AMQPValue::ByteArray(b"ann".to_vec().into()));
        headers.insert("traceparent".into(), AMQPValue::LongString("00-1".into()));
        headers.insert("bytes".into(), AMQPValue::LongString(vec![0xff, 0xfe].into()));
        publish_raw(&channel, &orders.filter, headers, b"{}").await;
    }
    let mut taker = Taker::join(&backend, &orders).await;
    for delivery in taker.take(4).await {
        let message = &delivery.message;
        assert_eq!(message.attribute(Attribute::Id), Some(&b"7"[..]));
        assert_eq!(message.attribute(Attribute::Type), Some(&b"order.placed.v1"[..]));
        assert_eq!(message.attribute(Attribute::TraceParent), Some(&b"00-1"[..]));
        assert_eq!((message.key(), message.header("bytes")), (Some(&b"ann"[..]), Some(&b"\xff\xfe"[..])));
    }
}
