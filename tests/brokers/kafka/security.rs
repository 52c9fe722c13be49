//! Who gets in, and what everybody else is told, in time and without a secret.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use typebus::{
    Error, ErrorKind, IntoBackend,
    backend::kafka::{Kafka as Options, Provision},
};
use typebus_servers::{
    ALICE, Certificates, Identity, Kafka, Login, MALLORY,
    kafka::{Kind, Listener, Operation},
};

use crate::desk::{
    close, connect, outgoing, payloads, plan, provision, publish, settle, subscribe, subscription, take,
    unique,
};

struct Fort {
    kafka: Kafka,
    certificates: Certificates,
}

impl Fort {
    fn url(&self, listener: Listener, login: Option<&Login>, options: &str) -> String {
        format!("{}?connect_timeout=5s&{options}", self.kafka.url_of(listener, login).unwrap())
    }

    fn ca(&self) -> String {
        format!("ca={}", encoded(&self.certificates.ca()))
    }

    async fn gets_in(&self, url: &str) {
        let (backend, topic) = (connect(Options::from_url(url).unwrap()), unique("security.orders"));
        let it = subscription("billing", &topic);
        provision(&backend, std::slice::from_ref(&it)).await;
        publish(&backend, &topic, "k", "x").await;
        let mut consumer = subscribe(&backend, &it).await;
        let taken = take(&mut consumer, 1).await;
        assert_eq!(payloads(&taken), ["x"], "{url}");
        settle(&mut consumer, &taken);
        close(&mut consumer).await;
    }

    async fn is_refused(&self, url: &str) -> Error {
        let backend = Options::from_url(url).unwrap().into_backend().unwrap();
        let began = Instant::now();
        let error = backend.provision(&plan(&[subscription("billing", "a.b")])).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}: {error}", began.elapsed());
        let text = format!("{error} {error:?} {backend:?}");
        for secret in [ALICE.password, MALLORY.password, "hunter2"] {
            assert!(!text.contains(secret), "{text}");
        }
        error
    }
}

fn encoded(path: &Path) -> String {
    path.to_str().unwrap().replace('%', "%25")
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_passwords_and_rights() {
    let certificates = Certificates::new().unwrap();
    let setup = Kafka::setup().secure(&certificates);
    let kafka = tokio::task::spawn_blocking(move || setup.start()).await.unwrap().unwrap();
    let fort = Fort { kafka, certificates };
    let ca = fort.ca();

    fort.gets_in(&fort.url(Listener::Ssl(Identity::Good), None, &ca)).await;
    for sasl in ["plain", "scram-sha-256", "scram-sha-512"] {
        fort.gets_in(&fort.url(Listener::SaslSsl, Some(&ALICE), &format!("{ca}&sasl={sasl}"))).await;
    }
    fort.gets_in(&fort.url(Listener::SaslPlaintext, Some(&ALICE), "sasl=scram-sha-512")).await;
    let mine = fort.certificates.client(Identity::Good);
    let shown = format!("{ca}&cert={}&key={}", encoded(&mine.certificate), encoded(&mine.key));
    fort.gets_in(&fort.url(Listener::Mutual, None, &shown)).await;

    for identity in [Identity::Expired, Identity::OtherCa, Identity::WrongHost] {
        let error = fort.is_refused(&fort.url(Listener::Ssl(identity), None, &ca)).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{identity:?}: {error}");
        assert!(error.to_string().contains("certificate"), "{identity:?}: {error}");
    }
    let other = format!("ca={}", encoded(&fort.certificates.other_ca()));
    let error = fort.is_refused(&fort.url(Listener::Ssl(Identity::Good), None, &other)).await;
    assert!(error.to_string().contains("certificate"), "{error}");
    fort.is_refused(&fort.url(Listener::Mutual, None, &ca)).await;

    let liar = Login { password: "hunter2", ..ALICE };
    for sasl in ["plain", "scram-sha-256"] {
        let url = fort.url(Listener::SaslSsl, Some(&liar), &format!("{ca}&sasl={sasl}"));
        let error = fort.is_refused(&url).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }

    // Who may only connect may not create, publish or consume.
    let url = fort.url(Listener::SaslSsl, Some(&MALLORY), &ca);
    let error = fort.is_refused(&url).await;
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    let prefix = unique("shop");
    let topic = format!("{prefix}.orders");
    fort.kafka.create_topic(&topic, 1, 1).unwrap();
    fort.kafka.allow(&MALLORY, Operation::Describe, Kind::Topic, &prefix).unwrap();
    let mallory = connect(Options::from_url(&url).unwrap().provision(Provision::Trust));
    let error = mallory.publish(outgoing(&topic, "k", "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    fort.kafka.allow(&MALLORY, Operation::Write, Kind::Topic, &prefix).unwrap();
    publish(&mallory, &topic, "k", "x").await;
    let error = mallory.provision(&plan(&[subscription("billing", &topic)])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}
