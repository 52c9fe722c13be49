//! Three orders, a crash between publishing and marking, and a relay that makes good for it.

use std::sync::Arc;

use outbox_example::{
    outbox::Database,
    relay::Relay,
    shop::{OrderPlaced, Shipping, Shop, place},
};
use tokio::sync::Notify;
use typebus::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (database, bell) = (Database::open(":memory:")?, Arc::new(Notify::new()));
    let bus = Bus::<Shop>::builder().connect("memory:outbox").await?;
    let shipping = Bus::<Shipping>::builder().state(database.clone()).connect("memory:outbox").await?;
    let running = shipping.start().await?;

    for (order, customer) in [(1, "ada"), (2, "bob"), (3, "ada")] {
        place(&bus, &database, &OrderPlaced { order, customer: customer.to_owned() })?;
        bell.notify_one();
    }
    println!("{} events wait, and nothing is published", database.waiting(0)?.len());

    let relay = Relay { bus, database: database.clone(), bell };
    if let Some(row) = database.waiting(0)?.first() {
        relay.publish(row).await?;
        running.caught_up().await?;
        println!("order 1 is published, and the relay crashes before it marks it");
    }

    // The next relay begins with what is not marked. A program spawns `relay.run()` instead.
    let stuck = relay.pass().await?;
    running.caught_up().await?;
    println!("{} events wait, {stuck} keys are stuck", database.waiting(0)?.len());
    println!("{} deliveries, {} parcels", database.ids("deliveries")?.len(), database.ids("parcels")?.len());
    Ok(running.stop().await?)
}
