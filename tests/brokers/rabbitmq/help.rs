//! The server that the tests share, through our backend, and through a raw client.

use std::sync::Arc;

use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::FieldTable,
};
use typebus::{
    IntoBackend,
    backend::{Backend, Subscription, Topic, rabbitmq::RabbitMq},
};
pub(crate) use typebus_tests::taker::{
    PATIENCE, Place, Taker, keyed, message, outgoing, patiently, payloads, publish, publish_with,
};

/// The queue of a subscription.
pub(crate) fn queue(subscription: &Subscription) -> String {
    format!("typebus/{}/{}", subscription.group, subscription.filter)
}

pub(crate) fn url() -> String {
    typebus_servers::url("rabbitmq")
}

pub(crate) fn options() -> RabbitMq {
    RabbitMq::from_url(&url()).unwrap()
}

pub(crate) fn connect() -> Arc<dyn Backend> {
    open(options())
}

pub(crate) fn open(options: RabbitMq) -> Arc<dyn Backend> {
    options.into_backend().unwrap()
}

/// A backend where these subscriptions are provisioned.
pub(crate) async fn provisioned(place: &Place, subscriptions: &[&Subscription]) -> Arc<dyn Backend> {
    let backend = connect();
    let plan = place.plan(subscriptions);
    patiently("provision", backend.provision(&plan)).await.unwrap();
    backend
}

/// A client without our care.
pub(crate) async fn raw() -> (Connection, Channel) {
    raw_at(&url()).await
}

pub(crate) async fn raw_at(url: &str) -> (Connection, Channel) {
    let url = if url.ends_with('/') { format!("{url}%2f") } else { url.to_owned() };
    let connection =
        patiently("connect", Connection::connect(&url, ConnectionProperties::default())).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Publishes on our exchange as somebody else would.
pub(crate) async fn publish_raw(channel: &Channel, topic: &Topic, headers: FieldTable, payload: &[u8]) {
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    let properties = BasicProperties::default().with_headers(headers);
    let sent = channel.basic_publish(
        "typebus".into(),
        topic.as_str().into(),
        BasicPublishOptions::default(),
        payload,
        properties,
    );
    assert!(patiently("publish", async { sent.await.unwrap().await.unwrap() }).await.is_ack());
}
