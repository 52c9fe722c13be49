//! async-nats by hand: a window of publish acknowledgements, and pulls of 500.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use async_nats::{
    HeaderMap,
    jetstream::{self, AckKind, consumer::pull, stream},
};
use futures_util::StreamExt as _;
use typebus_benches::Order;

use crate::{APART, CALM, KIND, Raw, Size, Stamp, Took, Watch, cpu, ours, unique};

pub(crate) struct Program {
    url: String,
}

impl Program {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    /// A file-backed stream of its own.
    async fn stream(&self) -> (jetstream::Context, stream::Stream, String) {
        let client = async_nats::connect(&self.url).await.unwrap();
        let context = jetstream::context::ContextBuilder::new().max_ack_inflight(20_000).build(client);
        let name = format!("raw-{}", unique());
        let subject = format!("{name}.orders");
        let config = stream::Config { name, subjects: vec![subject.clone()], ..stream::Config::default() };
        let stream = context.create_stream(config).await.unwrap();
        (context, stream, subject)
    }

    async fn messages(stream: &stream::Stream) -> pull::Stream {
        let config = pull::Config { durable_name: Some("raw".to_owned()), ..pull::Config::default() };
        let config = pull::Config { max_ack_pending: 10_000, ..config };
        let consumer = stream.create_consumer(config).await.unwrap();
        consumer.stream().max_messages_per_batch(500).messages().await.unwrap()
    }
}

fn headers(key: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Stamp { id, time } = Stamp::new();
    for (name, value) in [
        ("ce-type", KIND),
        ("ce-datacontenttype", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-source", "loads"),
        ("ce-time", &time),
        ("ce-id", &id),
        ("ce-partitionkey", key),
        ("Nats-Msg-Id", &id),
    ] {
        headers.insert(name, value);
    }
    headers
}

impl Raw for Program {
    fn run(&self, size: Size) -> Took {
        ours::runtime().block_on(async {
            let (context, stream, subject) = self.stream().await;
            let (before, began) = (cpu(), Instant::now());
            let mut window = VecDeque::new();
            for n in 0..size.events {
                let order = Order::nth(n);
                let payload = serde_json::to_vec(&order).unwrap();
                let headers = headers(&order.order_id);
                let publish = context.publish_with_headers(subject.clone(), headers, payload.into());
                window.push_back(publish.await.unwrap());
                if window.len() >= size.window
                    && let Some(oldest) = window.pop_front()
                {
                    oldest.await.unwrap();
                }
            }
            for publish in window {
                publish.await.unwrap();
            }
            let publish = began.elapsed();
            let mut messages = Self::messages(&stream).await;
            let (mut watch, mut count) = (Watch::default(), 0);
            while count < size.events {
                let message = messages.next().await.unwrap().unwrap();
                watch.start();
                let kind = message.headers.as_ref().and_then(|headers| headers.get("ce-type"));
                assert_eq!(kind.map(|kind| kind.as_str()), Some(KIND));
                let order: Order = serde_json::from_slice(&message.payload).unwrap();
                std::hint::black_box(&order);
                message.ack_with(AckKind::Ack).await.unwrap();
                count += 1;
            }
            context.client().flush().await.unwrap();
            Took { publish, consume: watch.took(), cpu: cpu() - before }
        })
    }

    fn latency(&self) -> Vec<Duration> {
        ours::runtime().block_on(async {
            let (context, stream, subject) = self.stream().await;
            let mut messages = Self::messages(&stream).await;
            let consuming = async {
                let mut seen = Vec::new();
                while (seen.len() as u64) < CALM {
                    let message = messages.next().await.unwrap().unwrap();
                    let at = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
                    seen.push(Duration::from_nanos(ours::now().saturating_sub(at)));
                    message.ack().await.unwrap();
                }
                seen
            };
            let publishing = async {
                let mut ticks = tokio::time::interval(APART);
                for n in 0..CALM {
                    ticks.tick().await;
                    let payload = ours::now().to_string();
                    let headers = headers(&n.to_string());
                    let publish = context.publish_with_headers(subject.clone(), headers, payload.into());
                    publish.await.unwrap().await.unwrap();
                }
            };
            let (mut seen, ()) = tokio::join!(consuming, publishing);
            seen.sort();
            seen
        })
    }
}
