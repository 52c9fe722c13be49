//! A server of the test's own that is harmed.

use std::time::Duration;

use typebus::{
    IntoBackend,
    backend::{Backend, rabbitmq::RabbitMq},
};
use typebus_servers::RabbitMq as Server;

use crate::help::{Place, Taker, message, outgoing, patiently, payloads, queue};

async fn server() -> Server {
    tokio::task::spawn_blocking(|| Server::start().unwrap()).await.unwrap()
}

fn connect(server: &Server) -> std::sync::Arc<dyn Backend> {
    RabbitMq::from_url(&server.url())
        .unwrap()
        .publish_timeout(Duration::from_secs(60))
        .into_backend()
        .unwrap()
}

/// Trap: the server's own time-out takes the channel away, and the client's consumer says nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_the_server_closes_is_made_again() {
    let server = server().await;
    let short = "application:set_env(rabbit, consumer_timeout, 1000), application:set_env(rabbit, channel_tick_interval, 500).";
    server.ctl(&["eval", short]).unwrap();
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = connect(&server);
    patiently("provision", backend.provision(&place.plan(&[&orders]))).await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    patiently("publish", backend.publish(outgoing(&orders.filter, message("a")))).await.unwrap();
    let held = taker.take(1).await;
    let again = taker.take(1).await;
    assert_eq!((payloads(&again), taker.lost), (vec!["a".to_owned()], 1));
    assert!(again[0].token.generation > held[0].token.generation && again[0].past.is_none(), "nobody died");
    // What was held before is nobody's any more.
    taker.settle(&held);
    taker.settle(&again);
    patiently("catch up", async {
        tokio::select! { done = backend.caught_up(&orders) => done.unwrap(), () = taker.idle() => {} }
    })
    .await;
}

/// Trap: a blocked connection carries no acknowledgement either.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_takes_no_publishes_the_consumer_goes_on() {
    let server = server().await;
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = connect(&server);
    patiently("provision", backend.provision(&place.plan(&[&orders]))).await.unwrap();
    for payload in ["a", "b"] {
        patiently("publish", backend.publish(outgoing(&orders.filter, message(payload)))).await.unwrap();
    }
    let mut taker = Taker::join(&backend, &orders).await;
    let first = taker.take(2).await;
    server.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).unwrap();
    let mut sent = backend.publish(outgoing(&orders.filter, message("c")));
    assert!(tokio::time::timeout(Duration::from_secs(2), &mut sent).await.is_err(), "it is blocked");
    taker.settle(&first);
    patiently("the acknowledgement gets through", async {
        loop {
            let queues = server.ctl(&["-q", "list_queues", "name", "messages_unacknowledged"]).unwrap();
            let ours = queues.lines().find(|line| line.contains(&queue(&orders))).unwrap();
            if ours.trim_end().ends_with("\t0") {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.ctl(&["set_vm_memory_high_watermark", "0.4"]).unwrap();
    patiently("publish", sent).await.unwrap();
    assert_eq!(payloads(&taker.take(1).await), ["c"]);
}
