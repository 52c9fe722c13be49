//! Dead letters are read without being consumed, and left out once they were taken out.

use std::{future::poll_fn, sync::Arc};

use tokio::time::timeout;
use typebus::backend::{Backend, Delivery, Outgoing, Plan, Sender};

use crate::desk::{PATIENCE, connect, options, outgoing, payloads, topic, unique};

async fn browse(backend: &Arc<dyn Backend>, name: &str) -> Vec<Delivery> {
    let name = topic(name);
    let mut stream = backend.browse(&name).await.unwrap();
    let mut all = Vec::new();
    while let Some(letter) = timeout(PATIENCE, poll_fn(|cx| stream.as_mut().poll_next(cx))).await.unwrap() {
        all.push(letter.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_browsed_oldest_first_and_discarded_for_good() {
    let (backend, name) = (connect(options()), format!("dead.{}", unique("letters")));
    assert!(browse(&backend, &name).await.is_empty());
    let plan = Plan { dead_letters: vec![topic(&name)], ..Plan::default() };
    backend.provision(&plan).await.unwrap();
    assert!(browse(&backend, &name).await.is_empty());
    for nth in 0..10 {
        let letter = outgoing(&name, &format!("k{nth}"), &nth.to_string());
        backend.publish(Outgoing { sender: Sender::DeadLetter, ..letter }).await.unwrap();
    }
    let letters = browse(&backend, &name).await;
    assert_eq!(payloads(&letters), (0..10).map(|nth| nth.to_string()).collect::<Vec<_>>());
    backend.discard(&topic(&name), &letters[3..5]).await.unwrap();
    backend.discard(&topic(&name), &letters[..1]).await.unwrap();
    // Another connection sees the same.
    let left = browse(&connect(options()), &name).await;
    assert_eq!(payloads(&left), ["1", "2", "5", "6", "7", "8", "9"]);
}
