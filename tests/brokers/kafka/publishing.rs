//! Windows, receipts, and errors that say which.

use std::time::{Duration, Instant};

use typebus::{
    ErrorKind,
    backend::{MessageBuilder, Outgoing, SendOptions, Sender, kafka::Provision},
};

use crate::desk::{connect, options, outgoing, provision, publish, subscription, unique};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_window_keeps_the_order() {
    let (backend, topic) = (connect(options().window(7)), unique("publishing.window"));
    provision(&backend, &[subscription("billing", &topic)]).await;
    let publishing: Vec<_> =
        (0..500).map(|nth| backend.publish(outgoing(&topic, "k", &nth.to_string()))).collect();
    let mut positions = Vec::new();
    // Awaited from the end: nobody has to wait for a future in order to get on.
    for confirmation in publishing.into_iter().rev() {
        positions.push(confirmation.await.unwrap().position.unwrap());
    }
    positions.reverse();
    assert!(positions.is_sorted() && positions.len() == 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_has_the_partition_it_asks_for() {
    let (backend, topic) = (connect(options().partitions(3)), unique("publishing.partition"));
    provision(&backend, &[subscription("billing", &topic)]).await;
    let to = |partition: u32| {
        let options = Some(Box::new(SendOptions { partition: Some(partition), ..SendOptions::default() }));
        Outgoing { options, ..outgoing(&topic, "k", "x") }
    };
    for partition in 0..3 {
        assert_eq!(backend.publish(to(partition)).await.unwrap().partition, Some(partition));
    }
    assert_eq!(backend.publish(to(3)).await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_topic_is_unroutable_at_once() {
    let backend = connect(options().provision(Provision::Trust));
    let topic = unique("publishing.nowhere");
    let began = Instant::now();
    let error = backend.publish(outgoing(&topic, "k", "x")).await.unwrap_err();
    assert_eq!((error.kind(), error.outcome_unknown()), (ErrorKind::Unroutable, false), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    // With the default it is made.
    let stored = publish(&connect(options()), &topic, "k", "x").await;
    assert!(stored.position.is_some());
    backend.publish(outgoing(&topic, "k", "x")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_message_fits_and_a_larger_one_never_leaves() {
    let (backend, topic) = (connect(options()), unique("publishing.large"));
    provision(&backend, &[subscription("billing", &topic)]).await;
    let of = |size: usize| {
        let payload = vec![b'x'; size];
        let mut builder = MessageBuilder::with_payload(&payload);
        builder.key(b"k").header(b"a", b"b");
        Outgoing {
            topic: topic.as_str().into(),
            message: builder.build(),
            sender: Sender::Program,
            options: None,
        }
    };
    let most = backend.capabilities().max_message;
    let overhead = of(0).message.size();
    backend.publish(of(most - overhead)).await.unwrap();
    let error = backend.publish(of(most - overhead + 1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
    publish(&backend, &topic, "k", "still up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_no_text_is_refused_but_in_a_dead_letter() {
    let (backend, topic) = (connect(options()), unique("publishing.names"));
    provision(&backend, &[subscription("billing", &topic)]).await;
    let of = |sender: Sender| {
        let message = MessageBuilder::with_payload(b"x").header(b"\xff\xfe", b"1").build();
        backend.publish(Outgoing { topic: topic.as_str().into(), message, sender, options: None })
    };
    assert_eq!(of(Sender::Program).await.unwrap_err().kind(), ErrorKind::InvalidHeader);
    of(Sender::DeadLetter).await.unwrap();
}
