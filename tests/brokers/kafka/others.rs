//! What other programs do to our topics and groups: they add partitions, and commit what they like.

use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewPartitions},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};
use typebus::backend::{Outgoing, SendOptions, Start, Subscription};

use crate::desk::{
    PATIENCE, caught_up, close, connect, from, options, outgoing, payloads, provision, publish, record,
    settle, subscribe, subscription, take, unique,
};

fn client(group: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", options().hosts.join(",")).set("group.id", group);
    config.set("enable.auto.commit", "false");
    config
}

/// Gives a topic so many partitions.
async fn grow(topic: &str, partitions: usize) {
    let admin: AdminClient<DefaultClientContext> = client("none").create().unwrap();
    let (wanted, options) = ([NewPartitions::new(topic, partitions)], AdminOptions::new());
    let answers = admin.create_partitions(&wanted, &options).await.unwrap();
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
}

/// Publishes to a partition, by a connection that knows nothing of the topic yet.
async fn publish_to(topic: &str, partition: u32, payload: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let options = Some(Box::new(SendOptions { partition: Some(partition), ..SendOptions::default() }));
        let fresh = connect(crate::desk::options());
        match fresh.publish(Outgoing { options, ..outgoing(topic, "k", payload) }).await {
            Ok(stored) => return assert_eq!(stored.partition, Some(partition)),
            // The broker does not know the partition yet.
            Err(error) => assert!(Instant::now() < deadline && !error.outcome_unknown(), "{error}"),
        }
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_added_under_latest_loses_nothing() {
    let (backend, topic) = (connect(options().partitions(2)), unique("others.grows"));
    let it = from(Start::Latest, subscription("billing", &topic));
    let every = Subscription { instance: Some("one1".to_owned()), ..subscription("all", &topic) };
    provision(&backend, &[it.clone(), every.clone()]).await;
    let mut consumer = subscribe(&backend, &it).await;
    let mut instance = subscribe(&backend, &every).await;
    publish(&backend, &topic, "k", "before").await;
    assert_eq!(payloads(&take(&mut instance, 1).await), ["before"]);
    let taken = take(&mut consumer, 1).await;
    settle(&mut consumer, &taken);
    // While they consume: it is published to before they know of it.
    grow(&topic, 3).await;
    publish_to(&topic, 2, "at once").await;
    assert_eq!(payloads(&take(&mut instance, 1).await), ["at once"]);
    let taken = take(&mut consumer, 1).await;
    assert_eq!(payloads(&taken), ["at once"]);
    settle(&mut consumer, &taken);
    close(&mut consumer).await;
    close(&mut instance).await;
    // While nobody does, and the plan is provisioned again after it.
    grow(&topic, 4).await;
    publish_to(&topic, 3, "meanwhile").await;
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut consumer = subscribe(&backend, &it).await;
    let taken = take(&mut consumer, 1).await;
    assert_eq!(payloads(&taken), ["meanwhile"]);
    settle(&mut consumer, &taken);
    caught_up(&backend, &it).await;
    close(&mut consumer).await;
}

/// Has somebody else change what is beside the group's commits.
async fn rewrite(subscription: &Subscription, change: impl Fn(&str) -> String + Send + 'static) {
    let group = format!("{}.{}", subscription.group, subscription.filter);
    let topic = subscription.filter.to_string();
    let rewriting = spawn_blocking(move || {
        let consumer: BaseConsumer = client(&group).create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition(&topic, 0);
        let list = consumer.committed_offsets(list, PATIENCE).unwrap();
        let entry = list.find_partition(&topic, 0).unwrap();
        let changed = change(entry.metadata());
        assert!(entry.metadata().starts_with("tb1:") && entry.metadata() != changed);
        let mut list = TopicPartitionList::new();
        let mut again = list.add_partition(&topic, 0);
        assert!(matches!(entry.offset(), Offset::Offset(1)), "{:?}", entry.offset());
        again.set_offset(entry.offset()).unwrap();
        again.set_metadata(changed);
        let deadline = Instant::now() + PATIENCE;
        // A member that died is one for a moment longer, and only members may commit then.
        while let Err(failure) = consumer.commit(&list, CommitMode::Sync) {
            assert!(Instant::now() < deadline, "{failure}");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    });
    rewriting.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_or_truncated_metadata_of_a_commit_says_nothing() {
    let foreign: [fn(&str) -> String; 5] = [
        |_| String::new(),
        |_| "checkpoint of another tool: 7".to_owned(),
        |_| "tb1:".to_owned(),
        |ours| ours[..ours.len() / 2].to_owned(),
        |ours| ours.replacen("tb1:", "tb2:", 1),
    ];
    for change in foreign {
        let (backend, topic) = (connect(options().partitions(1)), unique("others.metadata"));
        let it = subscription("billing", &topic);
        provision(&backend, std::slice::from_ref(&it)).await;
        for nth in 0..3 {
            publish(&backend, &topic, "k", &nth.to_string()).await;
        }
        let mut first = subscribe(&backend, &it).await;
        let taken = take(&mut first, 3).await;
        settle(&mut first, &[taken[0].clone(), taken[2].clone()]);
        record(&mut first, Some(taken[1].token)).await;
        drop(first);
        rewrite(&it, change).await;
        // The offset alone holds: what was settled above it comes again, and nobody is accused.
        let mut second = subscribe(&backend, &it).await;
        let again = take(&mut second, 2).await;
        assert_eq!(payloads(&again), ["1", "2"]);
        assert!(again.iter().all(|it| it.past.is_none()), "{again:?}");
        settle(&mut second, &again);
        caught_up(&backend, &it).await;
        close(&mut second).await;
    }
}
