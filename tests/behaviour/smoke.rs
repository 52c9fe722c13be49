use std::sync::Mutex;

use typebus::prelude::*;
use typebus_tests::Placed;

#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<Vec<u64>>);

#[handler]
async fn see(order: Placed, seen: State<Seen>) -> Result<(), Failure> {
    if order.number == 3 {
        return Err(Failure::dead_letter("three"));
    }
    seen.0.lock().unwrap().push(order.number);
    Ok(())
}

service! {
    pub(crate) Shop = "shop" { handles: [see], publishes: [Placed], state: [Seen] }
}

#[tokio::test]
async fn smoke() {
    let bus = Bus::<Shop>::builder().state(Seen::default()).connect("memory:").await.unwrap();
    for number in 0..10 {
        bus.publish(&Placed { number, customer: format!("c{}", number % 3) }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    running.caught_up().await.unwrap();
    println!("{:?}", running.stats());
    let letters = bus.dead_letters("shop").unwrap().list().collect().await.unwrap();
    println!("{letters:?}");
    running.stop().await.unwrap();
    assert_eq!(bus.publish(&Placed { number: 1, customer: "x".into() }).await.unwrap_err().kind(), typebus::ErrorKind::Closed);
}
