//! A consumer to which nothing is delivered.

use std::task::{Context, Poll};

use typebus::{
    Result,
    backend::{Consumer, Delivery, Floor, Intake, Partitions, Room, Token},
};

/// For the replays of a group, in a backend that has none. It ends at once.
#[derive(Debug)]
pub struct Quiet;

impl Consumer for Quiet {
    fn poll_batch(&mut self, _: &mut Context<'_>, _: Room, _: &mut Vec<Delivery>) -> Poll<Result<Intake>> {
        Poll::Ready(Ok(Intake::End))
    }

    fn settle(&mut self, _: &[Token], _: &[Floor]) {}

    fn release(&mut self, _: &Partitions) {}

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
