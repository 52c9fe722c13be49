//! An error can be shown.
use typebus::prelude::*;

#[derive(Debug, HandlerError)]
#[outcome(retry)]
pub struct Declined;

fn main() {}
