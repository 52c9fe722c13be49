//! Who gets in, and what everybody else is told, in time and without a secret.

use std::{
    fmt::Write as _,
    path::Path,
    time::{Duration, Instant},
};

use typebus::{
    Error, ErrorKind,
    backend::nats::{Nats as Options, Provision},
};
use typebus_servers::{
    ALICE, Certificates, Identity, MALLORY, Nats,
    nats::{Auth, Setup},
};
use typebus_tests::log::Log;

use crate::help::{Place, Taker, message, open, outgoing, patiently, payloads, publish};

/// Blocks while it starts.
async fn start(setup: Setup) -> Nats {
    tokio::task::spawn_blocking(move || setup.start()).await.unwrap().unwrap()
}

/// It publishes, consumes and settles.
async fn gets_in(options: Options) {
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let backend = open(options);
    patiently("provision", backend.provision(&place.plan(&[&orders]))).await.unwrap();
    publish(&backend, &orders.filter, "x").await.unwrap();
    let mut taker = Taker::join(&backend, &orders).await;
    let taken = taker.take(1).await;
    assert_eq!(payloads(&taken), ["x"]);
    taker.settle(&taken);
    taker.close().await;
}

/// What start-up says; in time, and neither there nor in the log is one of these.
async fn refusal(options: Options, secrets: &[&str]) -> Error {
    let place = Place::new();
    let (log, _guard) = Log::start();
    let backend = open(options);
    let began = Instant::now();
    let plan = place.plan(&[&place.subscription("billing", "orders")]);
    let error = patiently("provision", backend.provision(&plan)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}: {error}", began.elapsed());
    patiently("close", backend.close()).await.unwrap();
    let log = log.text();
    assert!(log.contains("connecting to server"), "nothing is logged: {log}");
    let text = format!("{error} {error:?} {backend:?} {log}");
    for secret in [ALICE.password, MALLORY.password, "hunter2", "s3cret"].iter().chain(secrets) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    error
}

fn at(url: &str) -> Options {
    Options::from_url(url).unwrap()
}

fn with_ca(server: &Nats, ca: &Path) -> Options {
    at(&format!("{}?ca_file={}", server.url(), ca.display()))
}

#[tokio::test]
async fn only_a_certificate_that_is_right_is_trusted() {
    let certificates = Certificates::new().unwrap();
    let server = start(Nats::setup().auth(Auth::Password).tls(&certificates, Identity::Good)).await;
    gets_in(with_ca(&server, &certificates.ca())).await;
    // Neither an authority that nobody knows here, nor no encryption.
    for options in [with_ca(&server, &certificates.other_ca()), at(&server.url())] {
        let error = refusal(options, &[]).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    }
    for (identity, wrong) in [
        (Identity::Expired, "certificate expired"),
        (Identity::OtherCa, "UnknownIssuer"),
        (Identity::WrongHost, "not valid for name"),
    ] {
        let server = start(Nats::setup().tls(&certificates, identity)).await;
        let error = refusal(with_ca(&server, &certificates.ca()), &[]).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{identity:?}: {error}");
        assert!(error.to_string().contains(wrong), "{identity:?}: {error}");
        assert!(error.to_string().contains("TLS with 127.0.0.1"), "{identity:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let certificates = Certificates::new().unwrap();
    let server = start(Nats::setup().tls(&certificates, Identity::Good).mutual()).await;
    let shown = |identity| {
        let pem = certificates.client(identity);
        let (cert, key) = (pem.certificate.display().to_string(), pem.key.display().to_string());
        at(&format!(
            "{}?ca_file={}&cert_file={cert}&key_file={key}",
            server.url(),
            certificates.ca().display()
        ))
    };
    gets_in(shown(Identity::Good)).await;
    let without = with_ca(&server, &certificates.ca());
    for options in [without, shown(Identity::OtherCa), shown(Identity::Expired)] {
        let error = refusal(options, &[]).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_password_or_token_is_said() {
    let server = start(Nats::setup().auth(Auth::Password)).await;
    gets_in(at(&server.url())).await;
    let bare = at(&format!("nats://127.0.0.1:{}", server.port()));
    let token = start(Nats::setup().auth(Auth::Token)).await;
    gets_in(at(&token.url())).await;
    let refused = [
        bare.clone().credentials(ALICE.user, "hunter2"),
        bare.clone().credentials("nobody", ALICE.password),
        bare,
        at(&token.url_with_token("hunter2")),
        at(&format!("nats://127.0.0.1:{}", token.port())),
    ];
    for options in refused {
        let error = refusal(options, &[]).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains("check user, token, nkey or credentials file"), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_key_or_credentials_are_said() {
    let (one, other) =
        (start(Nats::setup().auth(Auth::NKey)).await, start(Nats::setup().auth(Auth::NKey)).await);
    let seed =
        |server: &Nats| std::fs::read_to_string(server.seed_file().unwrap()).unwrap().trim().to_owned();
    let (right, wrong) = (seed(&one), seed(&other));
    gets_in(at(&one.url()).nkey(right)).await;
    for seed in [wrong.as_str(), "SUhunter2"] {
        let error = refusal(at(&one.url()).nkey(seed), &[seed]).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
    }

    let (one, other) = (
        start(Nats::setup().auth(Auth::Credentials)).await,
        start(Nats::setup().auth(Auth::Credentials)).await,
    );
    let file = |server: &Nats| server.credentials_file().unwrap();
    gets_in(at(&one.url()).credentials_file(file(&one))).await;
    let theirs = std::fs::read_to_string(file(&other)).unwrap();
    let secrets: Vec<&str> =
        theirs.lines().filter(|line| line.starts_with("SU") || line.starts_with("ey")).collect();
    assert_eq!(secrets.len(), 2, "a JWT and a seed");
    let error = refusal(at(&one.url()).credentials_file(file(&other)), &secrets).await;
    assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
}

#[tokio::test]
async fn credentials_that_cannot_be_read_are_said() {
    let backend = open(at("nats://127.0.0.1:1").credentials_file("/nowhere/me.creds"));
    let error = patiently("provision", backend.provision(&Place::new().plan(&[]))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains("/nowhere/me.creds"), "{error}");
}

/// Trap: the server says what is denied beside the question, and the question is never answered.
#[tokio::test]
async fn who_has_no_right_is_told_which() {
    let server = start(Nats::setup().auth(Auth::Password)).await;
    let mallory = at(&server.url_of(&MALLORY));
    let error = refusal(mallory.clone(), &[]).await;
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("_INBOX"), "{error}");
    let place = Place::new();
    let sending = open(mallory.provision(Provision::Trust));
    let sent = sending.publish(outgoing(&place.topic("orders"), message("x")));
    let error = patiently("publish", sent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

/// Each question that start-up asks, and each message that is published, may be what is not allowed.
#[tokio::test]
async fn each_missing_right_is_named() {
    let denied = ["STREAM.INFO", "STREAM.CREATE", "CONSUMER.INFO", "CONSUMER.CREATE", "CONSUMER.MSG.NEXT"];
    let mut users = "{ user: root, password: root }".to_owned();
    for (number, subject) in denied.iter().enumerate() {
        let deny = format!("permissions: {{ publish: {{ allow: \">\", deny: \"$JS.API.{subject}.>\" }} }}");
        let _ = write!(users, ", {{ user: u{number}, password: hunter2, {deny} }}");
    }
    let deny = "permissions: { publish: { allow: \"$JS.>\" }, subscribe: { allow: \"_INBOX.>\" } }";
    let _ = write!(users, ", {{ user: reader, password: hunter2, {deny} }}");
    let server = start(Nats::setup().line(&format!("authorization {{ users: [ {users} ] }}"))).await;
    let bare = at(&format!("nats://127.0.0.1:{}", server.port()));
    let as_user = |name: &str| bare.clone().credentials(name, "hunter2");
    for (number, subject) in denied[..4].iter().enumerate() {
        let error = refusal(as_user(&format!("u{number}")), &[]).await;
        assert_eq!(error.kind(), ErrorKind::Permission, "{subject}: {error}");
        assert!(error.to_string().contains(subject), "{subject}: {error}");
    }

    // Who may not ask for messages learns it when it does, and who may not publish when it publishes.
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let root = open(bare.clone().credentials("root", "root"));
    patiently("provision", root.provision(&place.plan(&[&orders]))).await.unwrap();
    let mut taker = Taker::join(&open(as_user("u4")), &orders).await;
    let mut into = Vec::new();
    let room = typebus::backend::Room { count: 1, bytes: 1 << 20 };
    let polled = std::future::poll_fn(|cx| taker.consumer.poll_batch(cx, room, &mut into));
    let error = patiently("take", polled).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains("CONSUMER.MSG.NEXT"), "{error}");
    let reader = open(as_user("reader"));
    let error = publish(&reader, &orders.filter, "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    assert!(error.to_string().contains(orders.filter.as_str()), "{error}");
}
