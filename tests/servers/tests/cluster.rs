//! Three nodes, one of which is lost.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on panics")]

use typebus_servers::{KafkaCluster, kafka::Setup};

#[test]
fn another_node_of_kafka_leads_when_the_leader_is_killed() {
    let cluster = KafkaCluster::with(&Setup::default().property("min.insync.replicas", 2)).unwrap();
    cluster.create_topic("led", 3, 3).unwrap();
    let refused = cluster.create_topic("led", 3, 3).unwrap_err().to_string();
    assert!(refused.contains("error 36"), "{refused}");
    let leader = cluster.leader("led", 2).unwrap();
    leader.kill().unwrap();
    let next = cluster.leader("led", 2).unwrap();
    assert_ne!(leader.port(), next.port());
    leader.restart().unwrap();
    assert!(leader.log().contains("Kafka version: 4.1"), "{}", leader.log());
    assert!(cluster.leader("led", 7).unwrap_err().to_string().contains("no partition 7"));
}
