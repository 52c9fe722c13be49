//! The server is killed and comes back.

use std::collections::BTreeSet;

use typebus_servers::nats::Nats as Server;

use crate::help::{Place, Taker, keyed, open, options, outgoing, patiently, payloads};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_outlives_the_server_and_the_rest_is_sent_again() {
    let server = Server::start().unwrap();
    let port = server.url().rsplit(':').next().unwrap().parse().unwrap();
    let backend = open(options().hosts(vec![("127.0.0.1".to_owned(), port)]));
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    patiently("provision", backend.provision(&place.plan(&[&orders]))).await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    let publish = |number: u32| backend.publish(outgoing(&orders.filter, keyed("k", &number.to_string())));
    let before: Vec<_> = (0..500).map(publish).collect();
    for sent in before {
        patiently("publish", sent).await.unwrap();
    }
    let held = taker.take(100).await;
    taker.settle(&held[..50]);
    server.kill().unwrap();
    let during: Vec<_> = (500..1_000).map(publish).collect();
    server.restart().unwrap();
    for sent in during {
        patiently("publish", sent).await.unwrap();
    }
    let mut seen: BTreeSet<u32> =
        held[..50].iter().map(|it| payloads(std::slice::from_ref(it))[0].parse().unwrap()).collect();
    let mut last = None;
    let mut lost = taker.lost;
    while seen.len() < 1_000 {
        let next = taker.take(1).await;
        if taker.lost > lost {
            (lost, last) = (taker.lost, None);
        }
        for payload in payloads(&next) {
            let number: u32 = payload.parse().unwrap();
            assert!(last.is_none_or(|last| number > last), "{number} after {last:?}");
            last = Some(number);
            seen.insert(number);
        }
        taker.settle(&next);
    }
    assert!(taker.lost > 0);
    taker.close().await;
    patiently("close", backend.close()).await.unwrap();
}
