//! A topic has at most 16 tokens.
use typebus::prelude::*;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema, Event)]
#[event(topic = "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17")]
pub struct OrderPlaced;

fn main() {}
