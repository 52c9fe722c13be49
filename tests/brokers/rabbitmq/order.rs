//! Order through hand-over and crash, and what a careless program does to it.

use std::{pin::Pin, time::Duration};

use lapin::{
    Channel, Consumer,
    options::{
        BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use typebus::backend::{Order, Subscription};

use crate::help::{Place, Taker, connect, patiently, payloads, provisioned, publish, queue, raw};

fn numbers(deliveries: &[typebus::backend::Delivery]) -> Vec<u32> {
    payloads(deliveries).iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_goes_on_in_order_after_a_clean_close_and_after_a_crash() {
    for crash in [false, true] {
        let place = Place::new();
        let orders = place.subscription("billing", "orders");
        let (backend, other) = (provisioned(&place, &[&orders]).await, connect());
        for n in 1..=25 {
            publish(&backend, &orders.filter, &n.to_string()).await.unwrap();
        }
        let mut first = Taker::join(&backend, &orders).await;
        let held = first.take(13).await;
        assert_eq!(numbers(&held), (1..=13).collect::<Vec<_>>());
        let mut second = Taker::join(&other, &orders).await;
        assert!(second.is_idle(Duration::from_millis(200)).await, "it stands by");
        // 3 and 5 to 13 are not finished.
        first.settle(&held[..2]);
        first.settle(&held[3..4]);
        match crash {
            false => first.close().await,
            true => {
                // What was settled has to be on its way.
                tokio::time::sleep(Duration::from_millis(100)).await;
                drop(first);
            }
        }
        let rest = second.take(22).await;
        let expected: Vec<u32> = std::iter::once(3).chain(5..=25).collect();
        assert_eq!(numbers(&rest), expected, "crash: {crash}");
        second.settle(&rest);
        second.close().await;
        patiently("catch up", backend.caught_up(&orders)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_order_instances_compete() {
    let place = Place::new();
    let orders = Subscription { order: Order::None, ..place.subscription("billing", "orders") };
    let (backend, other) = (provisioned(&place, &[&orders]).await, connect());
    let mut first = Taker::join(&backend, &orders).await;
    let mut second = Taker::join(&other, &orders).await;
    for n in 0..10 {
        publish(&backend, &orders.filter, &n.to_string()).await.unwrap();
    }
    let (mine, theirs) = (first.take(5).await, second.take(5).await);
    let mut all = numbers(&[&mine[..], &theirs].concat());
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>());
    first.close().await;
    let mut again = numbers(&second.take(5).await);
    again.sort_unstable();
    assert_eq!(again, numbers(&mine));
}

/// What a program does that knows nothing of it: it says goodbye while something is unacknowledged.
async fn consume(channel: &Channel, queue: &str, prefetch: u16) -> Consumer {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await.unwrap();
    let tag = format!("{:x}", fastrand::u64(..));
    let options = BasicConsumeOptions::default();
    let consume = channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default());
    patiently("consume", consume).await.unwrap()
}

/// The next so many.
async fn read(consumer: &mut Consumer, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let next = std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(consumer), cx));
        let delivery = patiently("take", next).await.unwrap().unwrap();
        numbers.push(String::from_utf8_lossy(&delivery.data).parse().unwrap());
    }
    numbers
}

/// Trap: the polite close. The next instance gets what was not delivered yet, and only then what came back.
#[tokio::test(flavor = "multi_thread")]
async fn a_careless_program_that_cancels_breaks_the_order() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = provisioned(&place, &[&orders]).await;
    for n in 1..=25 {
        publish(&backend, &orders.filter, &n.to_string()).await.unwrap();
    }
    let name = queue(&orders);
    let (_one, first) = raw().await;
    let (_two, second) = raw().await;
    let mut leaving = consume(&first, &name, 13).await;
    let mut next = consume(&second, &name, 100).await;
    read(&mut leaving, 13).await;
    for tag in [1, 2, 4] {
        first.basic_ack(tag, BasicAckOptions::default()).await.unwrap();
    }
    first.basic_cancel(leaving.tag(), BasicCancelOptions::default()).await.unwrap();
    // What was not delivered yet comes at once, but for three that may have taken the place of those acknowledged; what
    // comes back comes after it.
    let mut taken = read(&mut next, 9).await;
    first.close(200, "bye".into()).await.unwrap();
    taken.extend(read(&mut next, 13).await);
    assert!(!taken.is_sorted(), "the careless one was lucky: {taken:?}");
}

/// Trap: competing consumers where order matters.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_queue_without_a_single_active_consumer_is_refused() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let (_connection, channel) = raw().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let name = queue(&orders);
    channel.queue_declare(name.as_str().into(), options, arguments).await.unwrap();
    let error = patiently("provision", connect().provision(&place.plan(&[&orders]))).await.unwrap_err();
    assert_eq!(error.kind(), typebus::ErrorKind::Topology);
    let text = error.to_string();
    assert!(text.contains(&name) && text.contains("cannot be switched"), "{text}");
}
