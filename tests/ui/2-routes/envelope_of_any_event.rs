//! A handler of any event says to which topic it listens, in envelopes too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn audit(_: Envelope<AnyEvent>) {}

fn main() {}
