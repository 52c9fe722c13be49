//! librdkafka by hand: an idempotent threaded producer with a window, and a consumer that commits every 200 ms.

use std::{
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer},
};
use typebus_benches::Order;

use crate::{APART, CALM, KIND, Raw, Size, Stamp, Took, Watch, cpu, ours, unique};

pub(crate) struct Program {
    hosts: String,
}

/// How many are unconfirmed.
#[derive(Debug, Default)]
struct Flying {
    count: Mutex<usize>,
    fewer: Condvar,
}

struct Context(Arc<Flying>);

impl ClientContext for Context {}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "not confirmed");
        *self.0.count.lock().unwrap() -= 1;
        self.0.fewer.notify_one();
    }
}

impl Flying {
    fn wait_below(&self, most: usize) {
        let mut count = self.count.lock().unwrap();
        while *count >= most {
            count = self.fewer.wait(count).unwrap();
        }
    }
}

const PARTITIONS: i32 = 4;

impl Program {
    pub(crate) fn new(url: &str) -> Self {
        Self { hosts: url.trim_start_matches("kafka://").trim_end_matches('/').to_owned() }
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.hosts);
        config
    }

    fn topic(&self) -> String {
        let topic = format!("raw.{}", unique());
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let new = NewTopic::new(&topic, PARTITIONS, TopicReplication::Fixed(1));
        let created = ours::runtime().block_on(admin.create_topics([&new], &AdminOptions::new())).unwrap();
        created.into_iter().for_each(|created| _ = created.unwrap());
        topic
    }

    fn producer(&self, linger: &str) -> (ThreadedProducer<Context>, Arc<Flying>) {
        let flying = Arc::new(Flying::default());
        let mut config = self.config();
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", linger)
            .set("partitioner", "murmur2_random");
        (config.create_with_context(Context(flying.clone())).unwrap(), flying)
    }

    fn consumer(&self, topic: &str) -> BaseConsumer {
        let mut config = self.config();
        config
            .set("group.id", topic)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut partitions = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&partitions).unwrap();
        consumer
    }
}

fn headers(partition_key: &str) -> OwnedHeaders {
    let Stamp { id, time } = Stamp::new();
    let header =
        |headers: OwnedHeaders, key: &str, value: &str| headers.insert(Header { key, value: Some(value) });
    let headers = header(OwnedHeaders::new_with_capacity(7), "ce_type", KIND);
    let headers = header(headers, "content-type", "application/json");
    let headers = header(headers, "ce_specversion", "1.0");
    let headers = header(headers, "ce_source", "loads");
    let headers = header(headers, "ce_time", &time);
    let headers = header(headers, "ce_id", &id);
    header(headers, "ce_partitionkey", partition_key)
}

impl Raw for Program {
    /// Both sides linger for a load, and neither does for latency.
    fn load_url(&self, url: &str) -> String {
        format!("{}?linger=5ms", url.trim_end_matches('/'))
    }

    fn run(&self, size: Size) -> Took {
        let topic = self.topic();
        let (producer, flying) = self.producer("5");
        let send = |n: u64| {
            let order = Order::nth(n);
            let payload = serde_json::to_vec(&order).unwrap();
            let headers = headers(&order.order_id);
            *flying.count.lock().unwrap() += 1;
            let record = BaseRecord::to(&topic).key(&order.order_id).payload(&payload).headers(headers);
            assert!(producer.send(record).is_ok(), "the queue is full");
        };
        send(0);
        flying.wait_below(1);
        let (before, began) = (cpu(), Instant::now());
        for n in 1..size.events {
            flying.wait_below(size.window);
            send(n);
        }
        flying.wait_below(1);
        let publish = began.elapsed();

        let consumer = self.consumer(&topic);
        let (mut watch, mut count, mut committed) = (Watch::default(), 0, Instant::now());
        while count < size.events {
            let Some(message) = consumer.poll(Duration::from_secs(10)) else { panic!("nothing comes") };
            let message = message.unwrap();
            watch.start();
            let kind = message.headers().unwrap().iter().find(|header| header.key == "ce_type");
            assert_eq!(kind.and_then(|kind| kind.value), Some(KIND.as_bytes()));
            let order: Order = serde_json::from_slice(message.payload().unwrap()).unwrap();
            std::hint::black_box(&order);
            consumer.store_offset_from_message(&message).unwrap();
            count += 1;
            if committed.elapsed() > Duration::from_millis(200) {
                consumer.commit_consumer_state(CommitMode::Async).unwrap();
                committed = Instant::now();
            }
        }
        let consume = watch.took();
        Took { publish, consume, cpu: cpu() - before }
    }

    fn latency(&self) -> Vec<Duration> {
        let topic = self.topic();
        let consumer = self.consumer(&topic);
        let (producer, flying) = self.producer("0");
        let consuming = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while (seen.len() as u64) < CALM {
                let Some(Ok(message)) = consumer.poll(Duration::from_secs(10)) else {
                    panic!("nothing comes")
                };
                let at = std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap();
                seen.push(Duration::from_nanos(ours::now().saturating_sub(at)));
            }
            seen
        });
        let begun = Instant::now();
        for n in 0..CALM {
            let due = APART * u32::try_from(n).unwrap();
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
            let payload = ours::now().to_string();
            *flying.count.lock().unwrap() += 1;
            let record = BaseRecord::to(&topic).key("k").payload(&payload).headers(headers("k"));
            assert!(producer.send(record).is_ok(), "the queue is full");
            flying.wait_below(1);
        }
        let mut seen = consuming.join().unwrap();
        seen.sort();
        producer.flush(Duration::from_secs(5)).unwrap();
        seen
    }
}
