//! What an outbox promises.

use std::{sync::Arc, time::Duration};

use outbox_example::{
    outbox::Database,
    relay::Relay,
    shop::{OrderPlaced, Shipping, Shop, place},
};
use tokio::sync::Notify;
use typebus::prelude::*;

/// A shop with a relay, and whoever ships, not at work yet. The topic holds two events, and is full after a second.
async fn rig(name: &str) -> (Relay, Bus<Shipping>) {
    let database = Database::open(":memory:").unwrap();
    let url = format!("memory:{name}?capacity=2&full_after=1s");
    let shipping = Bus::<Shipping>::builder().state(database.clone()).connect(&url).await.unwrap();
    let bus = Bus::<Shop>::builder().connect(&url).await.unwrap();
    (Relay { bus, database, bell: Arc::new(Notify::new()) }, shipping)
}

fn order(relay: &Relay, order: u32, customer: &str) -> Result<String, Failure> {
    place(&relay.bus, &relay.database, &OrderPlaced { order, customer: customer.to_owned() })
}

#[tokio::test]
async fn an_order_that_is_rolled_back_is_not_announced() {
    let (relay, _) = rig("rollback").await;
    let first = order(&relay, 1, "ada").unwrap();
    order(&relay, 1, "bob").unwrap_err();
    assert_eq!(relay.database.ids("outbox").unwrap(), [first]);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_publishing_and_marking_repeats_the_same_id() {
    let (relay, shipping) = rig("crash").await;
    let running = shipping.start().await.unwrap();
    let id = order(&relay, 1, "ada").unwrap();
    let database = relay.database.clone();
    relay.publish(&database.waiting(0).unwrap()[0]).await.unwrap();
    // Here it crashes; the next one knows nothing but what is in the table.
    let next = Relay { bus: relay.bus.clone(), ..relay };
    assert_eq!(next.pass().await.unwrap(), 0);
    running.caught_up().await.unwrap();
    assert_eq!(database.ids("deliveries").unwrap(), [id.clone(), id.clone()]);
    assert_eq!(database.ids("parcels").unwrap(), [id]);
    assert!(database.waiting(0).unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_fails_holds_back_its_own_key_and_no_other() {
    let (relay, shipping) = rig("stuck").await;
    let running = shipping.start().await.unwrap();
    let [broken, later, other] =
        [(1, "ada"), (2, "ada"), (3, "bob")].map(|(n, who)| order(&relay, n, who).unwrap());
    let database = &relay.database;
    let whole = database.waiting(0).unwrap().remove(0).event;
    let update = "UPDATE outbox SET event = ? WHERE seq = 1";
    let write = |event: &[u8]| database.transaction(|t| t.execute(update, [event])).unwrap();
    write(b"?");
    assert_eq!(relay.pass().await.unwrap(), 1);
    running.caught_up().await.unwrap();
    assert_eq!(database.ids("deliveries").unwrap(), std::slice::from_ref(&other));
    write(&whole);
    assert_eq!(relay.pass().await.unwrap(), 0);
    running.caught_up().await.unwrap();
    assert_eq!(database.ids("deliveries").unwrap(), [other, broken, later]);
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_takes_nothing_is_tried_until_it_does_and_the_order_holds() {
    let (relay, shipping) = rig("full").await;
    let ids: Vec<_> = (0..20).map(|number| order(&relay, number, "ada").unwrap()).collect();
    let a_minute = || tokio::time::timeout(Duration::from_secs(60), relay.run());
    a_minute().await.unwrap_err();
    assert_eq!(relay.database.waiting(0).unwrap().len(), 18, "two fit, and nobody takes them");
    let _running = shipping.start().await.unwrap();
    a_minute().await.unwrap_err();
    assert!(relay.database.waiting(0).unwrap().is_empty());
    assert_eq!(relay.database.ids("parcels").unwrap(), ids);
}
