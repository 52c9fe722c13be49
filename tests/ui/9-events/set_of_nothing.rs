//! A set has events.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Any {}

fn main() {}
