//! What a publish asks for beside being stored, and groups of one instance.

use std::time::Duration;

use tokio::time::{Instant, advance};

use super::*;
use crate::backend::SendOptions;

const SECOND: Duration = Duration::from_secs(1);

fn asking(options: SendOptions, key: Option<&str>, payload: &str) -> Outgoing {
    Outgoing { options: Some(Box::new(options)), ..sending("shop", message(key, payload), Sender::Program) }
}

fn delay(delay: Duration) -> SendOptions {
    SendOptions { delay: Some(delay), ..SendOptions::default() }
}

fn expiry(after: Duration) -> SendOptions {
    SendOptions { expires_in: Some(after), ..SendOptions::default() }
}

fn of_instance(group: &str, instance: &str) -> Subscription {
    Subscription { instance: Some(instance.to_owned()), ..subscription(group, "shop") }
}

/// Completes with the next batch.
async fn next(consumer: &mut dyn Consumer) -> Vec<Delivery> {
    let mut into = Vec::new();
    let intake = poll_fn(|cx| consumer.poll_batch(cx, ROOM, &mut into)).await.unwrap();
    assert_eq!(intake, Intake::Deliveries);
    into
}

#[test]
fn a_partition_can_be_chosen_if_it_is_there() {
    let backend = connect(&Memory::new().partitions(3));
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    for partition in [2, 0, 2] {
        let options = SendOptions { partition: Some(partition), ..SendOptions::default() };
        let confirmed = now(backend.publish(asking(options, Some("key"), "a"))).unwrap();
        assert_eq!(confirmed.partition, Some(partition));
    }
    let taken = take(consumer.as_mut());
    assert_eq!(partitions(&taken), [0, 2]);
    let options = SendOptions { partition: Some(3), ..SendOptions::default() };
    let error = now(backend.publish(asking(options, None, "a"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`shop` has 3 partitions"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_delayed_message_takes_its_place_when_its_time_comes() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let began = Instant::now();
    now(backend.publish(asking(delay(5 * SECOND), Some("k"), "late"))).unwrap();
    now(backend.publish(asking(delay(2 * SECOND), Some("k"), "later"))).unwrap();
    now(send(&backend, "shop", Some("k"), "at once")).unwrap();
    assert_eq!(payloads(&next(consumer.as_mut()).await), ["at once"]);
    assert_eq!(payloads(&next(consumer.as_mut()).await), ["later"]);
    assert_eq!(began.elapsed().as_secs(), 2);
    let taken = next(consumer.as_mut()).await;
    assert_eq!((payloads(&taken), began.elapsed().as_secs()), (vec!["late"], 5));
    assert_eq!(taken[0].past.as_ref().unwrap().age, Some(began.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_consumer_that_is_parked_wakes_for_a_delay() {
    let backend = single();
    let mut consumer = consume(&backend, &subscription("g", "shop"));
    let publisher = backend.clone();
    let task = tokio::spawn(async move { payloads(&next(consumer.as_mut()).await).concat() });
    tokio::task::yield_now().await;
    now(publisher.publish(asking(delay(SECOND), None, "late"))).unwrap();
    assert_eq!(task.await.unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn caught_up_waits_for_what_is_delayed() {
    let backend = single();
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    now(backend.publish(asking(delay(SECOND), None, "a"))).unwrap();
    let mut caught_up = backend.caught_up(&orders);
    assert!(attempt(&mut caught_up).is_pending());
    now(backend.publish(asking(delay(9 * SECOND), None, "b"))).unwrap();
    advance(SECOND).await;
    assert!(attempt(&mut caught_up).is_pending());
    let taken = take(consumer.as_mut());
    settle(consumer.as_mut(), &taken);
    now(caught_up).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_expires_is_not_delivered_and_counts_as_settled() {
    let backend = single();
    let orders = subscription("g", "shop");
    provision(&backend, &[&orders]);
    now(backend.publish(asking(expiry(SECOND), None, "short"))).unwrap();
    now(backend.publish(asking(expiry(9 * SECOND), None, "long"))).unwrap();
    advance(2 * SECOND).await;
    let mut consumer = join(&backend, &orders);
    let taken = take(consumer.as_mut());
    assert_eq!(payloads(&taken), ["long"]);
    assert_eq!(taken[0].past.as_ref().unwrap().age, Some(2 * SECOND));
    settle(consumer.as_mut(), &taken);
    now(backend.caught_up(&orders)).unwrap();
    // A message that asks for nothing has no past.
    publish(&backend, "shop", "plain");
    assert!(take(consumer.as_mut())[0].past.is_none());
}

#[test]
fn an_instance_has_a_group_of_its_own_from_now_on() {
    let backend = single();
    publish(&backend, "shop", "before");
    let (one, two) = (of_instance("g", "a"), of_instance("g", "b"));
    let shared = subscription("g", "shop");
    provision(&backend, &[&one, &two, &shared]);
    publish(&backend, "shop", "x");
    let mut consumers = [join(&backend, &one), join(&backend, &two), join(&backend, &shared)];
    let taken: Vec<Vec<Delivery>> = consumers.iter_mut().map(|consumer| take(consumer.as_mut())).collect();
    assert_eq!(payloads(&taken[0]), ["x"]);
    assert_eq!(payloads(&taken[1]), ["x"]);
    assert_eq!(payloads(&taken[2]), ["before", "x"]);
    // Each is on its own.
    settle(consumers[0].as_mut(), &taken[0]);
    now(backend.caught_up(&one)).unwrap();
    assert!(attempt(&mut backend.caught_up(&two)).is_pending());
    close(consumers[0].as_mut());
    let error = now(backend.subscribe(&one)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology, "{error}");
    // Its place is used again.
    let three = of_instance("g", "c");
    let mut third = consume(&backend, &three);
    assert_eq!(payloads(&take(third.as_mut())), [""; 0]);
    publish(&backend, "shop", "y");
    assert_eq!(payloads(&take(third.as_mut())), ["y"]);
    assert_eq!(payloads(&take(consumers[1].as_mut())), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_crashed_is_kept_for_ten_minutes_and_holds_nothing_up_after() {
    let backend = connect(&Memory::new().partitions(1).capacity(1).full_after(Duration::from_secs(3_600)));
    let one = of_instance("g", "a");
    drop(consume(&backend, &one));
    publish(&backend, "shop", "a");
    advance(Duration::from_secs(599)).await;
    // It comes back, and has lost nothing.
    let mut back = join(&backend, &one);
    assert_eq!(payloads(&take(back.as_mut())), ["a"]);
    advance(Duration::from_secs(10_000)).await;
    assert_eq!(payloads(&take(back.as_mut())), [""; 0]);
    drop(back);
    let (began, waiting) = (Instant::now(), send(&backend, "shop", None, "b"));
    waiting.await.unwrap();
    assert_eq!(began.elapsed(), Duration::from_secs(600), "it held `a` until then");
    assert_eq!(now(backend.subscribe(&one)).unwrap_err().kind(), ErrorKind::Topology);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_never_came_is_forgotten_too() {
    let backend = single();
    let one = of_instance("g", "a");
    provision(&backend, &[&one]);
    advance(Duration::from_secs(601)).await;
    assert_eq!(now(backend.subscribe(&one)).unwrap_err().kind(), ErrorKind::Topology);
}
