//! Instances that join and leave, by each of the three protocols.

use std::collections::BTreeMap;

use tokio::time::timeout;
use typebus::backend::{Delivery, Intake, Partitions, kafka::Protocol};

use crate::desk::{
    PATIENCE, ROOM, close, connect, give_up, news, options, provision, publish, settle, subscribe,
    subscription, take, unique,
};

/// One takes everything; another joins, and gets a part, in order and with nothing that was settled.
async fn share(protocol: Protocol) {
    let (backend, topic) = (connect(options().protocol(protocol)), unique("handover.orders"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    for nth in 0..40 {
        publish(&backend, &topic, &format!("k{}", nth % 16), &nth.to_string()).await;
    }
    let mut first = subscribe(&backend, &it).await;
    let taken = take(&mut first, 40).await;
    // What is even was settled, what is odd runs until the partition is asked for.
    let (even, mut odd): (Vec<_>, Vec<_>) = taken.into_iter().partition(|it| it.token.position % 2 == 0);
    settle(&mut first, &even);
    let mut second = subscribe(&backend, &it).await;
    let mut arrived: Vec<Delivery> = Vec::new();
    let mut released = Vec::new();
    let rebalanced = async {
        // With KIP-848 and the cooperative protocol only a part is revoked; with range it is all of it.
        while arrived.is_empty() {
            tokio::select! {
                (intake, deliveries) = news(&mut first, ROOM) => match intake {
                    Intake::Revoking(partitions) => {
                        let (gone, kept): (Vec<_>, Vec<_>) =
                            odd.drain(..).partition(|it| partitions.contains(it.token.partition));
                        let stale = gone.iter().map(|it| it.token).collect::<Vec<_>>();
                        released.extend(gone);
                        odd = kept;
                        first.release(&partitions);
                        // Too late: another one has them.
                        first.settle(&stale, &[]);
                    }
                    Intake::Deliveries => odd.extend(deliveries),
                    intake => panic!("{intake:?}"),
                },
                (intake, deliveries) = news(&mut second, ROOM) => match intake {
                    Intake::Deliveries => arrived.extend(deliveries),
                    intake => panic!("{intake:?}"),
                },
            }
        }
    };
    timeout(PATIENCE, rebalanced).await.expect("the second one gets a part");
    assert!(arrived.iter().all(|it| it.token.position % 2 == 1), "what was settled came again: {arrived:?}");
    let mut last = BTreeMap::new();
    for it in &arrived {
        let before = last.insert(it.partition, it.position);
        assert!(before.is_none_or(|before| before < it.position));
        assert!(it.past.is_none(), "{it:?}");
    }
    let both = futures_of_close(&mut first, &mut second);
    timeout(PATIENCE, both).await.expect("both leave");
}

async fn futures_of_close(
    first: &mut Box<dyn typebus::backend::Consumer>,
    second: &mut Box<dyn typebus::backend::Consumer>,
) {
    close(first).await;
    close(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn range_hands_over_in_order() {
    share(Protocol::Range).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cooperative_sticky_hands_over_in_order() {
    share(Protocol::CooperativeSticky).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kip_848_hands_over_in_order() {
    share(Protocol::Consumer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_takes_nothing_is_still_asked_to_give_up() {
    let (backend, topic) = (connect(options()), unique("handover.full"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    for nth in 0..8 {
        publish(&backend, &topic, &format!("k{nth}"), "x").await;
    }
    let mut first = subscribe(&backend, &it).await;
    take(&mut first, 8).await;
    let mut second = subscribe(&backend, &it).await;
    let partitions = give_up(&mut first).await;
    assert!(matches!(partitions, Partitions::These(these) if !these.is_empty()));
    // It never asks again, and the other one gets its part all the same.
    take(&mut second, 1).await;
    close(&mut second).await;
    close(&mut first).await;
}
