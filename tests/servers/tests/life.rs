//! Each server starts, is killed, and comes back on its data.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on panics")]

use typebus_servers::{Kafka, Nats, RabbitMq, Server};

#[test]
fn kafka_lives() {
    let kafka = Kafka::start().unwrap();
    assert!(kafka.version().unwrap().starts_with("4.1"), "{:?}", kafka.version());
    live(&kafka);
    assert!(kafka.url().ends_with(&kafka.port().to_string()));
    kafka.version().unwrap();
}

#[test]
fn rabbitmq_lives() {
    let rabbitmq = RabbitMq::start().unwrap();
    let version = rabbitmq.version().unwrap();
    assert!(version.starts_with("3.") || version.starts_with("4."), "{version}");
    rabbitmq.ctl(&["add_vhost", "kept"]).unwrap();
    live(&rabbitmq);
    assert!(rabbitmq.ctl(&["list_vhosts"]).unwrap().contains("kept"));
}

#[test]
fn nats_lives() {
    let nats = Nats::start().unwrap();
    assert!(nats.version().unwrap().starts_with("2."));
    live(&nats);
    nats.version().unwrap();
}

fn live(server: &Server) {
    let first = server.id().unwrap();
    server.kill().unwrap();
    assert!(!server.is_running());
    assert!(server.kill().unwrap_err().to_string().contains("does not run"));
    server.restart().unwrap();
    assert_ne!(server.id().unwrap(), first);
    server.pause().unwrap();
    assert!(server.is_running());
    server.resume().unwrap();
    server.stop().unwrap();
    server.restart().unwrap();
}
