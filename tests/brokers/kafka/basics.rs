//! Connect, provision, publish, consume, settle, close.

use std::time::Duration;

use typebus::backend::{Header, MessageBuilder, Outgoing, Sender, Start, Subscription};

use crate::desk::{
    PATIENCE, caught_up, close, connect, from, news, nothing, options, outgoing, payloads, provision,
    publish, settle, subscribe, subscription, take, unique,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_arrives_and_once_settled_never_again() {
    let (backend, topic) = (connect(options()), unique("basics.orders"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut positions = Vec::new();
    for nth in 0..20 {
        let stored = publish(&backend, &topic, "k", &nth.to_string()).await;
        positions.push((stored.partition.unwrap(), stored.position.unwrap()));
    }
    assert!(positions.is_sorted() && positions[0].0 == positions[19].0);
    let mut consumer = subscribe(&backend, &it).await;
    let taken = take(&mut consumer, 20).await;
    assert_eq!(payloads(&taken), (0..20).map(|nth| nth.to_string()).collect::<Vec<_>>());
    assert!(
        taken.iter().zip(&positions).all(|(it, at)| (it.partition, it.position) == (Some(at.0), Some(at.1)))
    );
    assert!(
        taken
            .iter()
            .all(|it| it.past.is_none() && it.topic.as_str() == topic && it.message.key() == Some(b"k"))
    );
    settle(&mut consumer, &taken[..19]);
    close(&mut consumer).await;
    let mut next = subscribe(&backend, &it).await;
    let again = take(&mut next, 1).await;
    assert_eq!(payloads(&again), ["19"]);
    settle(&mut next, &again);
    caught_up(&backend, &it).await;
    close(&mut next).await;
    backend.close().await.unwrap();
    assert!(backend.publish(outgoing(&topic, "k", "late")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_arrive_as_they_were_sent_and_foreign_ones_are_understood() {
    let (backend, topic) = (connect(options()), unique("basics.headers"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    let foreign: [(&[u8], &[u8]); 6] = [
        (b"cloudEvents:type", b"order.placed.v2"),
        (b"cloudEvents_source", b"shop"),
        (b"ce-id", b"1"),
        (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (b"again", b"1"),
        (b"again", b"\xff\xfe\0"),
    ];
    let mut builder = MessageBuilder::with_payload(b"");
    foreign.iter().for_each(|(name, value)| _ = builder.header(name, value));
    let message = builder.build();
    let sent = Outgoing { topic: topic.as_str().into(), message, sender: Sender::Program, options: None };
    backend.publish(sent).await.unwrap();
    let mut consumer = subscribe(&backend, &it).await;
    let taken = take(&mut consumer, 1).await;
    let message = &taken[0].message;
    assert_eq!((message.key(), message.payload()), (None, b"".as_slice()));
    let attributes = message.headers().filter(|header| matches!(header, Header::Attribute(..))).count();
    assert_eq!((attributes, message.header_count(), message.defect()), (4, 6, None));
    assert_eq!(message.header("again"), Some(b"\xff\xfe\0".as_slice()));
    close(&mut consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_receives_topics_that_come_later_and_never_reserved_ones() {
    let (backend, first) = (connect(options()), unique("shop"));
    let it = from(Start::Latest, subscription("audit", &format!("{first}.*.v1")));
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut consumer = subscribe(&backend, &it).await;
    // Both are created by their first message.
    publish(&backend, &format!("{first}.orders.v1"), "k", "one").await;
    publish(&backend, &format!("{first}.orders.v2"), "k", "other").await;
    publish(&backend, &format!("{first}.bills.v1"), "k", "two").await;
    let mut taken = payloads(&take(&mut consumer, 2).await);
    taken.sort();
    assert_eq!(taken, ["one", "two"]);
    nothing(&mut consumer, Duration::from_millis(500)).await;
    close(&mut consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_receives_everything_from_its_provisioning_on() {
    let (backend, topic) = (connect(options()), unique("basics.all"));
    let all =
        |instance: &str| Subscription { instance: Some(instance.to_owned()), ..subscription("all", &topic) };
    provision(&backend, &[subscription("billing", &topic)]).await;
    publish(&backend, &topic, "k", "before").await;
    let (one, two) = (all("one1"), all("two2"));
    provision(&backend, &[one.clone(), two.clone()]).await;
    publish(&backend, &topic, "k", "between").await;
    for it in [one, two] {
        let mut consumer = subscribe(&backend, &it).await;
        let taken = take(&mut consumer, 1).await;
        assert_eq!(payloads(&taken), ["between"]);
        settle(&mut consumer, &taken);
        caught_up(&backend, &it).await;
        close(&mut consumer).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_nothing_is_delivered_and_nothing_is_lost() {
    let (backend, topic) = (connect(options()), unique("basics.full"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    let publishing: Vec<_> =
        (0..3_000).map(|nth| backend.publish(outgoing(&topic, "k", &nth.to_string()))).collect();
    for confirmation in publishing {
        confirmation.await.unwrap();
    }
    let mut consumer = subscribe(&backend, &it).await;
    let first = take(&mut consumer, 1).await;
    // Long enough for the buffer to be full and the client to be paused.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let mut all = first;
    while all.len() < 3_000 {
        all.extend(news(&mut consumer, crate::desk::ROOM).await.1);
    }
    assert_eq!(payloads(&all), (0..3_000).map(|nth| nth.to_string()).collect::<Vec<_>>());
    settle(&mut consumer, &all);
    tokio::time::timeout(PATIENCE, backend.caught_up(&it)).await.unwrap().unwrap();
    close(&mut consumer).await;
}
