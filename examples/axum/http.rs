//! The routes.
use std::{
    pin::pin,
    task::{Context, Waker},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use typebus::{ErrorKind, Running};

use crate::{App, OrderPlaced};

pub(crate) fn router(app: App) -> Router {
    let router = Router::new().route("/orders", post(order));
    router.route("/ready", get(ready)).route("/health", get(health)).with_state(app)
}

type Answer = (StatusCode, String);

/// 202 means that the broker has confirmed the event: it will be handled, whatever becomes of this process.
async fn order(State(app): State<App>, Json(order): Json<OrderPlaced>) -> Answer {
    match app.orders.publish(&order).await {
        Ok(receipt) => (StatusCode::ACCEPTED, receipt.id().to_owned()),
        Err(error) => match error.kind() {
            ErrorKind::InvalidKey | ErrorKind::TooLarge => (StatusCode::BAD_REQUEST, error.to_string()),
            _ => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        },
    }
}

/// Whether requests should come here.
pub async fn ready(State(app): State<App>) -> Answer {
    if *app.stopping.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping".to_owned());
    }
    answer(state_of(&app.running))
}

/// Whether this process should live on. One that stops should, until it has stopped.
pub async fn health(State(app): State<App>) -> Answer {
    answer(state_of(&app.running))
}

fn answer(state: Result<(), String>) -> Answer {
    match state {
        Ok(()) => (StatusCode::OK, "ok".to_owned()),
        Err(reasons) => (StatusCode::SERVICE_UNAVAILABLE, reasons),
    }
}

/// SWAP: `running.ready()` in `ready` and `running.health()` in `health`, as soon as `Running` has them.
fn state_of(running: &Running) -> Result<(), String> {
    let finished = pin!(running.finished()).poll(&mut Context::from_waker(Waker::noop()));
    if finished.is_pending() { Ok(()) } else { Err("the services have stopped".to_owned()) }
}
