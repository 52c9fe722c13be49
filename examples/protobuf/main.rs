//! Protocol Buffers instead of JSON: `cargo run --example protobuf`.
use prost::Message;
use typebus::{BoxError, Codec, prelude::*};

/// One codec for every message of prost, written by hand or by its compiler.
struct Protobuf;

impl<E: Message + Default> Codec<E> for Protobuf {
    const CONTENT_TYPE: &'static str = "application/protobuf";

    fn encode(event: &E, into: &mut Vec<u8>) -> Result<(), BoxError> {
        Ok(event.encode(into)?)
    }

    fn decode(payload: &[u8]) -> Result<E, BoxError> {
        Ok(E::decode(payload)?)
    }
}

#[derive(Message, Event)] // needs neither serde nor schemars
#[event(topic = "weather.readings", key = station, format = Protobuf)]
struct Measured {
    #[prost(string, tag = "1")]
    station: String,
    #[prost(sint32, tag = "2")]
    millidegrees: i32,
}

#[derive(Message, Event)]
#[event(topic = "weather.frosts", key = station, format = Protobuf)]
struct Freezing {
    #[prost(string, tag = "1")]
    station: String,
}

#[handler]
async fn watch(reading: Measured) -> Option<Freezing> {
    println!("{} has {} millidegrees", reading.station, reading.millidegrees);
    (reading.millidegrees <= 0).then_some(Freezing { station: reading.station })
}

#[handler]
async fn warn(frost: Freezing) {
    println!("{} is freezing", frost.station);
}

service! { Weather = "weather" { handles: [watch, warn], publishes: [Measured] } }

#[tokio::main]
async fn main() -> typebus::Result<()> {
    let bus = Bus::<Weather>::builder().connect("memory:").await?;
    let running = bus.start().await?;
    let reading = Measured { station: "Zugspitze".into(), millidegrees: -12_500 };
    println!("a reading has {} bytes", reading.encoded_len());
    bus.publish(&reading).await?;
    running.caught_up().await?; // the reading is seen ..
    running.caught_up().await?; // .. and the warning given
    running.stop().await
}
