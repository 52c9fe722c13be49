//! Where a group begins, what is created, and what start-up refuses.

use std::time::{Duration, Instant};

use typebus::{
    ErrorKind,
    backend::{
        Plan, Start,
        kafka::{Kafka, Provision},
    },
};

use crate::desk::{
    close, connect, from, options, outgoing, payloads, plan, provision, publish, settle, subscribe,
    subscription, take, topic, unique,
};

#[tokio::test(flavor = "multi_thread")]
async fn latest_holds_from_the_provisioning_on_whatever_crashes() {
    let (backend, name) = (connect(options()), unique("starting.latest"));
    provision(&backend, &[subscription("other", &name)]).await;
    publish(&backend, &name, "k", "before").await;
    let it = from(Start::Latest, subscription("billing", &name));
    provision(&backend, std::slice::from_ref(&it)).await;
    publish(&backend, &name, "k", "after").await;
    // The first one takes it and dies before any commit.
    let mut first = subscribe(&backend, &it).await;
    assert_eq!(payloads(&take(&mut first, 1).await), ["after"]);
    drop(first);
    provision(&backend, std::slice::from_ref(&it)).await;
    let mut second = subscribe(&backend, &it).await;
    let taken = take(&mut second, 1).await;
    assert_eq!(payloads(&taken), ["after"]);
    settle(&mut second, &taken);
    close(&mut second).await;
    let early = from(Start::Earliest, subscription("late-comer", &name));
    provision(&backend, std::slice::from_ref(&early)).await;
    let mut third = subscribe(&backend, &early).await;
    assert_eq!(payloads(&take(&mut third, 2).await), ["before", "after"]);
    close(&mut third).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_tells_every_difference_at_once() {
    let (name, missing) = (unique("starting.verify"), unique("starting.missing"));
    provision(&connect(options().partitions(3)), &[subscription("billing", &name)]).await;
    let strict = connect(options().partitions(5).replication(2).provision(Provision::Verify));
    let dead = format!("dead.{missing}");
    let asked = Plan {
        publishes: vec![topic(&missing), topic(&missing.replace('-', "_"))],
        dead_letters: vec![topic(&dead)],
        ..plan(&[subscription("billing", &name)])
    };
    let error = strict.provision(&asked).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    let text = error.to_string();
    for part in ["expected 5 partitions, found 3", "expected replication 2, found 1", &missing, &dead] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let refused = strict.publish(outgoing(&missing, "k", "x")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unroutable, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_the_broker_cannot_tell_apart_are_refused() {
    let (backend, name) = (connect(options()), unique("starting.names"));
    let other = name.replacen('.', "_", 1);
    provision(&backend, &[subscription("billing", &name)]).await;
    let error = backend.provision(&plan(&[subscription("billing", &other)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Topology);
    assert!(error.to_string().contains(&format!("the same to the broker as `{name}`")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_said_in_time() {
    let nobody = connect(Kafka::new("127.0.0.1:1").connect_timeout(Duration::from_secs(2)));
    let began = Instant::now();
    let error = nobody.provision(&plan(&[subscription("billing", "a.b")])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let text = error.to_string();
    assert!(text.contains("127.0.0.1:1") && text.contains("Connection refused"), "{text}");
    let error = nobody.publish(outgoing("a.b", "k", "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_the_client_does_not_know_is_refused_without_its_value() {
    let error = typebus::IntoBackend::into_backend(options().client("sasl.passwort", "hunter2")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("client.sasl.passwort") && !format!("{error:?}").contains("hunter2"));
}
