//! A topology is not nothing.

#[path = "../common.rs"]
mod common;

use common::*;

topology! {}

fn main() {}
