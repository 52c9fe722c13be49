//! What others write.

use typebus::backend::{Attribute, Order, Subscription};

use crate::help::{Place, Taker, payloads, provisioned, publish, publish_raw, url};

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_others_are_read() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    let headers = b"ce_type: order.placed.v1\r\ncloudEvents_source: the%20shop\r\nCe-Id: 1\r\nnote: 1%20\r\n";
    publish_raw(&url(), &orders.filter, headers, b"{}").await;
    publish_raw(&url(), &orders.filter, b"", b"bare").await;
    let mut taker = Taker::join(&backend, &orders).await;
    let got = taker.take(2).await;
    let message = &got[0].message;
    let attribute =
        |attribute| message.attribute(attribute).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(attribute(Attribute::Type).as_deref(), Some("order.placed.v1"));
    assert_eq!(attribute(Attribute::Source).as_deref(), Some("the shop"));
    assert_eq!(message.header("note"), Some(&b"1%20"[..]));
    assert_eq!(got[1].message.header_count(), 0);
    taker.close().await;
}

/// Trap: such a header ends the client's connection, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_client_cannot_read_is_handed_out_and_the_next_message_comes() {
    for order in [Order::Key, Order::None] {
        let place = Place::new();
        let orders = Subscription { order, ..place.subscription("billing", "orders") };
        let backend = provisioned(&place, &[&orders]).await;
        let mut taker = Taker::join(&backend, &orders).await;
        publish(&backend, &orders.filter, "before").await.unwrap();
        let first = taker.take(1).await;
        taker.settle(&first);
        publish_raw(&url(), &orders.filter, b"ce-type: \xff\xfe\r\n", b"poison").await;
        publish(&backend, &orders.filter, "after").await.unwrap();
        let mut seen = Vec::new();
        // Without order the next one may come first.
        while ["poison", "after"].iter().any(|payload| !seen.iter().any(|it| it == payload)) {
            let next = taker.take(1).await;
            taker.settle(&next);
            for delivery in &next {
                let is_poison = delivery.message.payload() == b"poison";
                assert_eq!(delivery.message.defect().is_some(), is_poison);
            }
            seen.extend(payloads(&next));
        }
        assert!(order == Order::None || seen.iter().position(|it| it == "poison") == Some(0), "{seen:?}");
        assert_eq!(seen.iter().filter(|payload| *payload == "poison").count(), 1, "{order:?}: {seen:?}");
        taker.close().await;
    }
}
