//! A typed event bus in forty lines: `cargo run --example hello`.
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "town.arrivals", key = name)]
struct Arrived {
    name: String,
}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "town.greetings", key = name)]
struct Greeted {
    name: String,
    words: String,
}

#[handler] // what a handler returns is published
async fn greet(guest: Arrived) -> Greeted {
    Greeted { words: format!("Good morning, {}!", guest.name), name: guest.name }
}

#[handler]
async fn speak(greeting: Greeted) {
    println!("{}", greeting.words);
}

service! { Town = "town" { handles: [greet, speak], publishes: [Arrived] } }

#[tokio::main]
async fn main() -> typebus::Result<()> {
    let bus = Bus::<Town>::builder().connect("memory:").await?;
    let running = bus.start().await?;
    bus.publish(&Arrived { name: "Ada".into() }).await?;
    running.caught_up().await?; // the guest is greeted ..
    running.caught_up().await?; // .. and the greeting spoken
    running.stop().await
}
