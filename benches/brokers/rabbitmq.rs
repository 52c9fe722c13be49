//! lapin by hand: 64 publishes polled together and a window of confirms; consuming acknowledges fifty at once.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, future::join_all};
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable, LongString},
};
use typebus_benches::Order;

use crate::{APART, CALM, KIND, Raw, Size, Stamp, Took, Watch, cpu, ours, unique};

pub(crate) struct Program {
    url: String,
    /// How many deliveries it acknowledges at once.
    acks: u64,
}

const EXCHANGE: &str = "raw";
/// As many as the fastest programs acknowledge at once.
const ACKS: u64 = 50;
/// As many as are polled together.
const TOGETHER: u64 = 64;

impl Program {
    pub(crate) fn new(url: &str, acks: Option<u64>) -> Self {
        Self { url: url.to_owned(), acks: acks.unwrap_or(ACKS) }
    }

    async fn channel(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// A quorum queue, to which a topic exchange leads: any number of them may want the same.
    async fn queue(&self, channel: &Channel) -> String {
        let queue = format!("raw.{}", unique());
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.as_str().into(), options, arguments).await.unwrap();
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let topics = ExchangeKind::Topic;
        channel.exchange_declare(EXCHANGE.into(), topics, options, FieldTable::default()).await.unwrap();
        let (name, key) = (queue.as_str().into(), queue.as_str().into());
        let options = QueueBindOptions::default();
        channel.queue_bind(name, EXCHANGE.into(), key, options, FieldTable::default()).await.unwrap();
        queue
    }
}

fn properties(key: &str) -> BasicProperties {
    let Stamp { id, time } = Stamp::new();
    let mut headers = FieldTable::default();
    for (name, value) in [
        ("ce-type", KIND),
        ("ce-specversion", "1.0"),
        ("ce-source", "loads"),
        ("ce-time", &time),
        ("ce-id", &id),
        ("ce-partitionkey", key),
    ] {
        headers.insert(name.into(), AMQPValue::LongString(LongString::from(value)));
    }
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type("application/json".into())
        .with_message_id(id.as_str().into())
        .with_headers(headers)
}

impl Raw for Program {
    fn run(&self, size: Size) -> Took {
        ours::runtime().block_on(async {
            let (_publishing, channel) = self.channel().await;
            let queue = self.queue(&channel).await;
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let (before, began) = (cpu(), Instant::now());
            let mut window = VecDeque::new();
            let mut n = 0;
            while n < size.events {
                let many: Vec<_> = (n..size.events.min(n + TOGETHER)).map(Order::nth).collect();
                n += many.len() as u64;
                let payloads: Vec<_> = many.iter().map(|order| serde_json::to_vec(order).unwrap()).collect();
                let publishes = many.iter().zip(&payloads).map(|(order, payload)| {
                    let properties = properties(&order.order_id);
                    channel.basic_publish(
                        EXCHANGE.into(),
                        queue.as_str().into(),
                        options,
                        payload,
                        properties,
                    )
                });
                for confirm in join_all(publishes).await {
                    window.push_back(confirm.unwrap());
                }
                while window.len() >= size.window
                    && let Some(oldest) = window.pop_front()
                {
                    assert!(!oldest.await.unwrap().is_nack(), "a nack");
                }
            }
            for confirm in window {
                assert!(!confirm.await.unwrap().is_nack(), "a nack");
            }
            let publish = began.elapsed();

            let (_consuming, channel) = self.channel().await;
            channel.basic_qos(1_000, BasicQosOptions::default()).await.unwrap();
            let options = BasicConsumeOptions::default();
            let mut consumer = channel
                .basic_consume(queue.as_str().into(), "raw".into(), options, FieldTable::default())
                .await
                .unwrap();
            let (mut watch, mut count) = (Watch::default(), 0);
            while count < size.events {
                let delivery = consumer.next().await.unwrap().unwrap();
                watch.start();
                let headers = delivery.properties.headers().as_ref().unwrap();
                let kind = AMQPValue::LongString(LongString::from(KIND));
                assert_eq!(headers.inner().get("ce-type"), Some(&kind));
                let order: Order = serde_json::from_slice(&delivery.data).unwrap();
                std::hint::black_box(&order);
                count += 1;
                if count % self.acks == 0 || count == size.events {
                    delivery.acker.ack(BasicAckOptions { multiple: true }).await.unwrap();
                }
            }
            Took { publish, consume: watch.took(), cpu: cpu() - before }
        })
    }

    fn latency(&self) -> Vec<Duration> {
        ours::runtime().block_on(async {
            let (_publishing, channel) = self.channel().await;
            let queue = self.queue(&channel).await;
            channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
            let (_consuming, other) = self.channel().await;
            other.basic_qos(1_000, BasicQosOptions::default()).await.unwrap();
            let options = BasicConsumeOptions::default();
            let mut consumer = other
                .basic_consume(queue.as_str().into(), "raw".into(), options, FieldTable::default())
                .await
                .unwrap();
            let consuming = async {
                let mut seen = Vec::new();
                while (seen.len() as u64) < CALM {
                    let delivery = consumer.next().await.unwrap().unwrap();
                    let at = std::str::from_utf8(&delivery.data).unwrap().parse().unwrap();
                    seen.push(Duration::from_nanos(ours::now().saturating_sub(at)));
                    delivery.acker.ack(BasicAckOptions::default()).await.unwrap();
                }
                seen
            };
            let publishing = async {
                let mut ticks = tokio::time::interval(APART);
                let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
                for _ in 0..CALM {
                    ticks.tick().await;
                    let payload = ours::now().to_string();
                    let properties = properties("k");
                    let publish = channel.basic_publish(
                        EXCHANGE.into(),
                        queue.as_str().into(),
                        options,
                        payload.as_bytes(),
                        properties,
                    );
                    publish.await.unwrap().await.unwrap();
                }
            };
            let (mut seen, ()) = tokio::join!(consuming, publishing);
            seen.sort();
            seen
        })
    }
}
