//! What was given up is looked at, repaired and replayed: `cargo run --example dead_letters`.
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", key = order, id = order)]
struct OrderPlaced {
    order: String,
    cents: u64,
}

/// Whether the bank answers.
#[derive(Clone, Default)]
struct Bank(Arc<AtomicBool>);

#[handler(retry(attempts = 3, backoff = "1ms..5ms"))]
async fn charge(order: OrderPlaced, metadata: Metadata, bank: State<Bank>) -> Result<(), Failure> {
    if order.cents == 0 {
        return Err(Failure::dead_letter("there is nothing to charge"));
    }
    if !bank.0.load(Ordering::Relaxed) {
        return Err(Failure::retry("the bank does not answer"));
    }
    println!("charged {} for {}, replay {}", order.cents, order.order, metadata.redriven());
    Ok(())
}

service! { Billing = "billing" { handles: [charge], publishes: [OrderPlaced], state: [Bank] } }

#[tokio::main]
async fn main() -> typebus::Result<()> {
    let bank = Bank::default();
    let bus = Bus::<Billing>::builder().state(bank.clone()).connect("memory:").await?;
    let running = bus.start().await?;
    for (order, cents) in [("o-1", 995), ("o-2", 0)] {
        bus.publish(&OrderPlaced { order: order.into(), cents }).await?;
    }
    running.caught_up().await?;

    // List them: nothing is consumed.
    let dead = bus.dead_letters("billing");
    let mut letters = dead.list().collect().await?;
    letters.sort_by(|a, b| a.metadata().id().cmp(b.metadata().id()));
    for letter in &letters {
        let (id, attempts) = (letter.metadata().id(), letter.attempts());
        println!("{id} is dead after {attempts} attempts: {}", letter.error());
    }

    // Discard what nobody needs, repair what was broken, and replay the rest to this group alone.
    if let Some(letter) = dead.find("o-2").await? {
        dead.discard(&letter).await?;
    }
    bank.0.store(true, Ordering::Relaxed);
    let replayed = dead.replay_all().await?;
    running.caught_up().await?;
    println!("replayed {replayed}, and {} are left", dead.list().collect().await?.len());
    running.stop().await
}
