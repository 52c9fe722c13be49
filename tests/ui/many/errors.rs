//! Six mistakes in two errors, and none in the handler that returns them.
use typebus::prelude::*;

#[path = "../common.rs"]
mod common;

#[derive(Debug, thiserror::Error, HandlerError)]
pub enum ChargeError {
    #[error("the card was declined")]
    Declined,
    #[error("already charged")]
    #[outcome(drop)]
    Duplicate,
    #[error("later")]
    #[outcome(retry(after = "1h"))]
    Later,
    #[error("both")]
    #[outcome(discard, retry)]
    Both,
    #[error("nothing")]
    #[outcome(inherit)]
    Nothing,
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("refused")]
pub struct Refused;

#[handler]
async fn charge(_: common::OrderPlaced) -> Result<(), ChargeError> {
    Ok(())
}

#[handler]
async fn cancel(_: common::OrderCancelled) -> Result<(), Refused> {
    Ok(())
}

service! {
    pub Billing = "billing" { handles: [charge, cancel] }
}

fn main() {}
