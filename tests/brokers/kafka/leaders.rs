//! A cluster that loses the node which leads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};
use typebus::backend::{Intake, Room, kafka::Kafka as Options};
use typebus_servers::{KafkaCluster, kafka::Setup};

use crate::desk::{
    caught_up, close, connect, news, outgoing, payloads, provision, settle, subscribe, subscription, unique,
};

const COUNT: usize = 1_500;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_confirmed_is_lost_with_a_leader() {
    let setup = Setup::default().property("min.insync.replicas", 2);
    let cluster = spawn_blocking(move || KafkaCluster::with(&setup)).await.unwrap().unwrap();
    let cluster = Arc::new(cluster);
    let backend = connect(Options::from_url(&cluster.url()).unwrap().partitions(3).replication(3));
    let topic = unique("leaders.orders");
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut consumer = subscribe(&backend, &it).await;
    let (publisher, place) = (backend.clone(), topic.clone());
    let load = async move {
        let mut confirmations = Vec::new();
        for nth in 0..COUNT {
            confirmations.push(publisher.publish(outgoing(
                &place,
                &format!("k{}", nth % 7),
                &nth.to_string(),
            )));
            sleep(Duration::from_millis(2)).await;
        }
        let mut confirmed = BTreeSet::new();
        for (nth, confirmation) in confirmations.into_iter().enumerate() {
            let answer = timeout(Duration::from_secs(60), confirmation).await.expect("there is an answer");
            // A leader that is lost is waited for; the publisher never learns of it.
            answer.unwrap_or_else(|error| panic!("{nth}: {error}"));
            confirmed.insert(nth);
        }
        confirmed
    };
    let mut seen: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    let mut total = BTreeSet::new();
    let mut killing = None;
    let deadline = Instant::now() + Duration::from_secs(120);
    let consume = async {
        while total.len() < COUNT {
            assert!(Instant::now() < deadline, "{} of {COUNT} arrived", total.len());
            let (intake, taken) = news(&mut consumer, Room { count: 100, bytes: 1 << 20 }).await;
            if let Intake::Revoking(partitions) = intake {
                consumer.release(&partitions);
            }
            for nth in payloads(&taken) {
                let nth = nth.parse().unwrap();
                if total.insert(nth) {
                    seen.entry(nth % 7).or_default().push(nth);
                }
            }
            settle(&mut consumer, &taken);
            if total.len() > COUNT / 3 && killing.is_none() {
                let (cluster, topic) = (cluster.clone(), topic.clone());
                killing = Some(spawn_blocking(move || cluster.leader(&topic, 0).unwrap().kill().unwrap()));
            }
        }
    };
    let (confirmed, ()) = tokio::join!(load, consume);
    killing.expect("it was killed under way").await.unwrap();
    assert_eq!(confirmed, total);
    assert!(seen.values().all(|key| key.is_sorted_by(|a, b| a < b)), "a key is out of order");
    caught_up(&backend, &it).await;
    // What is new can be provisioned and consumed while one node is missing.
    let late = subscription("late-comer", &topic);
    provision(&backend, std::slice::from_ref(&late)).await;
    close(&mut consumer).await;
    backend.close().await.unwrap();
}
