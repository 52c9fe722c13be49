//! What start-up makes, and what it refuses.

use lapin::{
    options::{QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use typebus::{ErrorKind, backend::rabbitmq::Provision};

use crate::help::{Place, open, options, patiently, publish, raw};

#[tokio::test(flavor = "multi_thread")]
async fn verify_names_everything_that_is_missing_and_nothing_that_is_there() {
    let place = Place::new();
    let (one, two) = (place.subscription("one", "orders"), place.subscription("two", "orders"));
    let exchange = place.group("exchange");
    let verifying = open(options().exchange(&exchange).provision(Provision::Verify));
    let plan = place.plan(&[&one, &two]);
    let error = patiently("verify", verifying.provision(&plan)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let text = error.to_string();
    for part in [&one.group, &two.group, "!letters", "!journal", "!backstop", "it is missing", &exchange] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // Nothing was made by looking.
    assert!(patiently("verify", verifying.provision(&plan)).await.is_err());
    let creating = open(options().exchange(&exchange));
    for _ in 0..2 {
        patiently("create", creating.provision(&plan)).await.unwrap();
    }
    patiently("verify", verifying.provision(&plan)).await.unwrap();
    let differing = open(options().exchange(&exchange).delivery_limit(7).provision(Provision::Verify));
    let error = patiently("verify", differing.provision(&plan)).await.unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    assert!(error.to_string().contains("x-delivery-limit"), "{error}");
}

/// Trap: an audit queue that catches what is unroutable.
#[tokio::test(flavor = "multi_thread")]
async fn verify_notices_what_hides_that_an_event_is_unroutable() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let exchange = place.group("exchange");
    let backend = open(options().exchange(&exchange));
    backend.provision(&place.plan(&[&orders])).await.unwrap();
    let (_connection, channel) = raw().await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    let audit = place.group("audit");
    channel.queue_declare(audit.as_str().into(), exclusive, FieldTable::default()).await.unwrap();
    let bind = channel.queue_bind(
        audit.as_str().into(),
        exchange.as_str().into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bind.await.unwrap();
    // This is what it hides.
    publish(&backend, &place.topic("nobody"), "x").await.unwrap();
    let verifying = open(options().exchange(&exchange).provision(Provision::Verify));
    let error = patiently("verify", verifying.provision(&place.plan(&[&orders]))).await.unwrap_err();
    assert!(error.to_string().contains("did not come back"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_looks_at_nothing_and_a_missing_queue_is_said_when_it_is_used() {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = open(options().provision(Provision::Trust));
    patiently("provision", backend.provision(&place.plan(&[&orders]))).await.unwrap();
    let error = patiently("subscribe", backend.subscribe(&orders)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains("provision"), "{error}");
}
