//! What a broker in memory takes with a profile: routes, headers, ids, options and plans.

use tokio::time::advance;

use super::{
    profiles::{SECOND, like, unordered},
    *,
};
use crate::backend::{Header, Past, SendOptions, memory::Profile};

#[test]
fn what_nobody_receives_is_kept_or_refused() {
    let publish = |profile, topics: &[&str], topic: &str, sender| {
        let backend = like(profile);
        let plan = Plan {
            publishes: topics.iter().map(|topic| Topic::from((*topic).to_owned())).collect(),
            dead_letters: vec!["dead.g".into()],
            ..Plan::default()
        };
        now(backend.provision(&plan)).unwrap();
        now(backend.publish(sending(topic, message(None, "x"), sender))).map_err(|error| error.kind())
    };
    for (profile, untaken, known) in [
        (Profile::Kafka, true, true),
        (Profile::RabbitMq, false, false),
        (Profile::Nats, false, true),
        (Profile::Pulsar, false, false),
    ] {
        let outcome = |taken: bool| if taken { Ok(()) } else { Err(ErrorKind::Unroutable) };
        let untold =
            |topics: &[&str], topic: &str| publish(profile, topics, topic, Sender::Program).map(drop);
        assert_eq!(untold(&[], "shop.a"), outcome(untaken), "{profile}");
        assert_eq!(untold(&["shop.a"], "shop.a"), outcome(known), "{profile}");
        // Dead letters are kept for whoever looks.
        publish(profile, &[], "dead.g", Sender::DeadLetter).unwrap();
    }
    let backend = like(Profile::Pulsar);
    let text = try_publish(&backend, "shop", "x").unwrap_err().to_string();
    assert!(text.contains("`shop`: no group receives it") && text.contains("connect the services"), "{text}");
}

#[test]
fn headers_are_what_the_wire_carries() {
    let with = |headers: &[(&[u8], &[u8])]| {
        let mut builder = MessageBuilder::new();
        builder.attribute(Attribute::Type, b"x.v1");
        headers.iter().for_each(|(name, value)| _ = builder.header(name, value));
        builder.build()
    };
    let arrives = |profile, headers: &[(&[u8], &[u8])]| {
        let backend = like(profile);
        let mut consumer = consume(&backend, &subscription("g", "shop"));
        now(backend.publish(sending("shop", with(headers), Sender::Program)))
            .map_err(|error| error.kind())?;
        let taken = take(consumer.as_mut());
        assert_eq!(taken[0].message.attribute(Attribute::Type), Some(&b"x.v1"[..]));
        let plain = taken[0].message.headers().filter_map(|header| match header {
            Header::Plain(name, value) => Some((name.to_vec(), value.to_vec())),
            Header::Attribute(..) => None,
        });
        Ok::<_, ErrorKind>(plain.collect::<Vec<_>>())
    };
    let refused = Err(ErrorKind::InvalidHeader);
    type Pairs<'a> = &'a [(&'a [u8], &'a [u8])];
    let cases: [(Pairs<'_>, [bool; 4]); 7] = [
        (&[(b"a", b"1"), (b"b", "ü".as_bytes())], [true, true, true, true]),
        (&[(b"a", b"1"), (b"a", b"2")], [true, false, true, false]),
        (&[(b"a", b"\xff\xfe")], [true, true, false, false]),
        (&[(b"\xff\xfe", b"1")], [false, false, false, false]),
        (&[(b"a\0b", b"1")], [false, true, false, true]),
        (&[(b"a:b", b"1")], [true, true, false, true]),
        (&[(b"a b", b"1\r\n")], [true, true, false, true]),
    ];
    for (headers, carried) in cases {
        for (profile, carried) in Profile::ALL.into_iter().zip(carried) {
            let sent: Vec<_> = headers.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            let expected = if carried { Ok(sent) } else { refused.clone() };
            assert_eq!(arrives(profile, headers), expected, "{profile}: {headers:?}");
        }
    }
    // The order of different names is lost where they are lines, and of one name it stays.
    let [b, a, b2]: [(&[u8], &[u8]); 3] = [(b"b", b"2"), (b"a", b"1"), (b"b", b"1")];
    let owned = |(name, value): (&[u8], &[u8])| (name.to_vec(), value.to_vec());
    assert_eq!(arrives(Profile::Nats, &[b, a, b2]), Ok([a, b, b2].map(owned).to_vec()));
    assert_eq!(arrives(Profile::Kafka, &[b, a, b2]), Ok([b, a, b2].map(owned).to_vec()));
}

fn identified(kind: &str, id: &str, sender: Sender) -> Outgoing {
    let mut builder = MessageBuilder::new();
    builder.attribute(Attribute::Source, b"billing").attribute(Attribute::Type, kind.as_bytes());
    builder.attribute(Attribute::Id, id.as_bytes());
    sending("shop", builder.build(), sender)
}

#[tokio::test(start_paused = true)]
async fn nats_stores_the_same_id_once_in_two_minutes_but_dead_letters_always() {
    let backend = like(Profile::Nats);
    let orders = subscription("g", "shop");
    let mut consumer = consume(&backend, &orders);
    let publish = |kind, id, sender| now(backend.publish(identified(kind, id, sender))).unwrap();
    let first = publish("placed.v1", "1", Sender::Program);
    assert_eq!(publish("placed.v1", "1", Sender::Handler), first, "it is confirmed as before");
    assert_ne!(publish("cancelled.v1", "1", Sender::Handler), first, "another name is another message");
    publish("placed.v1", "2", Sender::Program);
    publish("placed.v1", "1", Sender::DeadLetter);
    publish("placed.v1", "1", Sender::DeadLetter);
    assert_eq!(take(consumer.as_mut()).len(), 5);
    close(consumer.as_mut());
    advance(119 * SECOND).await;
    publish("placed.v1", "1", Sender::Program);
    advance(SECOND).await;
    publish("placed.v1", "1", Sender::Program);
    let mut consumer = join(&backend, &orders);
    assert_eq!(take(consumer.as_mut()).len(), 5 + 1);
    // Without an id nothing is the same.
    super::publish(&backend, "shop", "x");
    super::publish(&backend, "shop", "x");
    assert_eq!(take(consumer.as_mut()).len(), 2);
    let kafka = like(Profile::Kafka);
    let mut consumer = consume(&kafka, &orders);
    (0..2).for_each(|_| _ = now(kafka.publish(identified("placed.v1", "1", Sender::Program))).unwrap());
    assert_eq!(take(consumer.as_mut()).len(), 2);
}

#[test]
fn start_up_refuses_what_the_broker_would() {
    let backend = like(Profile::Nats);
    let wild = [subscription("g", "*.orders"), subscription("g", ">"), subscription("g", "shop.>")];
    let error = now(backend.provision(&plan(&[&wild[0], &wild[1], &wild[2]]))).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (ErrorKind::Topology, 2), "{error}");
    assert!(error.to_string().contains("`*.orders`: a pattern that begins with a wildcard"), "{error}");

    let backend = like(Profile::Kafka);
    let plan_of = |topics: &[&str]| Plan {
        publishes: topics.iter().map(|topic| Topic::from((*topic).to_owned())).collect(),
        ..Plan::default()
    };
    let error = now(backend.provision(&plan_of(&["a.b", "a_b", "c.d", "e_f", "e.f"]))).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (ErrorKind::Topology, 2), "{error}");
    assert!(error.to_string().contains("topic `a_b`: it is the same to the broker as `a.b`"), "{error}");
    now(backend.provision(&plan_of(&["a.b"]))).unwrap();
    assert!(now(backend.provision(&plan_of(&["a_b"]))).is_err(), "what exists counts");
    assert_eq!(try_publish(&backend, "a_b", "x").unwrap_err().kind(), ErrorKind::InvalidTopic);
    publish(&backend, "a.b", "x");

    let backend = like(Profile::RabbitMq);
    provision(&backend, &[&subscription("g", "shop")]);
    let error = now(backend.provision(&plan(&[&unordered("g", "shop")]))).unwrap_err();
    assert!(error.to_string().contains("a queue cannot be switched"), "{error}");
}

#[test]
fn what_a_profile_cannot_do_is_refused_or_told() {
    let asking = |profile, options| {
        let backend = like(profile);
        provision(&backend, &[&subscription("g", "shop")]);
        let outgoing = sending("shop", message(None, "x"), Sender::Program);
        now(backend.publish(Outgoing { options: Some(Box::new(options)), ..outgoing }))
            .map_err(|error| error.kind())
    };
    let (delay, partition) = (
        SendOptions { delay: Some(SECOND), ..SendOptions::default() },
        SendOptions { partition: Some(0), ..SendOptions::default() },
    );
    for profile in Profile::ALL {
        let can = like(profile).capabilities();
        let outcome = |can: bool| if can { Ok(()) } else { Err(ErrorKind::Unsupported) };
        assert_eq!(asking(profile, delay).map(drop), outcome(can.delay), "{profile}");
        assert_eq!(asking(profile, partition).map(drop), outcome(can.explicit_partition), "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_that_the_broker_cannot_do_is_told_as_an_age() {
    for profile in [Profile::Kafka, Profile::Pulsar] {
        let backend = like(profile);
        let mut consumer = consume(&backend, &subscription("g", "shop"));
        let options = SendOptions { expires_in: Some(SECOND), ..SendOptions::default() };
        let outgoing = sending("shop", message(None, "x"), Sender::Program);
        now(backend.publish(Outgoing { options: Some(Box::new(options)), ..outgoing })).unwrap();
        advance(5 * SECOND).await;
        let past = take(consumer.as_mut())[0].past.as_deref().copied();
        assert_eq!(past, Some(Past { age: Some(5 * SECOND), ..Past::default() }), "{profile}");
    }
}
