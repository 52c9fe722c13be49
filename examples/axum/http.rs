//! The routes.
use std::fmt::Display;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use typebus::ErrorKind;

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
        return answer(false, &"stopping");
    }
    let readiness = app.running.ready();
    answer(readiness.is_ready(), &readiness)
}

/// Whether this process should live on. One that stops should, until it has stopped.
pub async fn health(State(app): State<App>) -> Answer {
    let health = app.running.health();
    answer(health.is_healthy(), &health)
}

fn answer(is_well: bool, why: &dyn Display) -> Answer {
    (if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, why.to_string())
}
