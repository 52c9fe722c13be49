//! Who gets in, and what everybody else is told: a clear error in bounded time, which shows no secret.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use typebus::{
    Error, ErrorKind, IntoBackend,
    backend::{
        Plan,
        rabbitmq::{Provision, RabbitMq as Options},
    },
};
use typebus_servers::{ALICE, Certificates, Identity, Login, MALLORY, RabbitMq};
use typebus_tests::log::Log;

use crate::help::{Place, Taker, message, open, options, outgoing, patiently, payloads, publish};

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

/// What start-up says; in time, and no secret is in it or in the log.
async fn is_refused(options: Options) -> Error {
    let place = Place::new();
    let (log, _guard) = Log::start();
    let backend = open(options);
    let began = Instant::now();
    let plan = place.plan(&[&place.subscription("billing", "orders")]);
    let error = patiently("provision", backend.provision(&plan)).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}: {error}", began.elapsed());
    patiently("close", backend.close()).await.unwrap();
    let text = format!("{error} {error:?} {backend:?} {}", log.text());
    for secret in [ALICE.password, MALLORY.password, "hunter2", "s3cret"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    error
}

fn at(url: &str) -> Options {
    Options::from_url(url).unwrap()
}

struct Fort {
    server: RabbitMq,
    certificates: Certificates,
}

impl Fort {
    async fn start(certificates: &Certificates, identity: Identity, is_mutual: bool) -> Self {
        let setup = RabbitMq::setup().secure(certificates, identity);
        let setup = if is_mutual { setup.mutual() } else { setup };
        let server = tokio::task::spawn_blocking(move || setup.start()).await.unwrap().unwrap();
        Self { server, certificates: certificates.clone() }
    }

    fn with_ca(&self, login: &Login, ca: &Path) -> Options {
        at(&format!("{}?ca_file={}", self.server.tls_url_of(login).unwrap(), ca.display()))
    }

    /// With TLS, and the authority that is right.
    fn as_user(&self, login: &Login) -> Options {
        self.with_ca(login, &self.certificates.ca())
    }

    /// With a client's certificate instead of a password.
    fn external(&self, identity: Identity) -> Options {
        let pem = self.certificates.client(identity);
        let port = self.server.tls_port().unwrap();
        let (ca, cert, key) = (self.certificates.ca(), pem.certificate, pem.key);
        at(&format!(
            "amqps://127.0.0.1:{port}?auth=external&ca_file={}&cert_file={}&key_file={}",
            ca.display(),
            cert.display(),
            key.display()
        ))
    }
}

#[tokio::test]
async fn certificates_passwords_and_rights() {
    let certificates = Certificates::new().unwrap();
    let fort = Fort::start(&certificates, Identity::Good, false).await;
    gets_in(fort.as_user(&ALICE)).await;
    gets_in(at(&fort.server.url_of(&ALICE))).await;
    gets_in(fort.external(Identity::Good)).await;

    let unknown = at(&fort.server.tls_url_of(&ALICE).unwrap());
    for options in [fort.with_ca(&ALICE, &certificates.other_ca()), unknown] {
        let error = is_refused(options).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
        assert!(error.to_string().contains("TLS with 127.0.0.1"), "{error}");
    }
    for identity in [Identity::OtherCa, Identity::Expired] {
        let error = is_refused(fort.external(identity)).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{identity:?}: {error}");
    }
    // By a certificate that is not shown; nothing is contacted for that.
    let mut silent = fort.external(Identity::Good);
    (silent.cert_file, silent.key_file) = (None, None);
    let error = silent.into_backend().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");

    let liar = Login { password: "hunter2", ..ALICE };
    for options in [fort.as_user(&liar), at(&fort.server.url_of(&liar))] {
        let error = is_refused(options).await;
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error}");
        assert!(error.to_string().contains("check user and password"), "{error}");
    }

    // Who may only connect may not create, publish or consume.
    let error = is_refused(fort.as_user(&MALLORY)).await;
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    let place = Place::new();
    let orders = place.subscription("billing", "orders");
    let alice = open(fort.as_user(&ALICE));
    patiently("provision", alice.provision(&place.plan(&[&orders]))).await.unwrap();
    let mallory = open(fort.as_user(&MALLORY).provision(Provision::Trust));
    let sent = mallory.publish(outgoing(&orders.filter, message("x")));
    let error = patiently("publish", sent).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
    let error = patiently("subscribe", mallory.subscribe(&orders)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permission, "{error}");
}

#[tokio::test]
async fn a_server_that_is_not_who_it_says_is_not_trusted() {
    let certificates = Certificates::new().unwrap();
    for (identity, wrong) in
        [(Identity::Expired, "certificate expired"), (Identity::WrongHost, "not valid for name")]
    {
        let fort = Fort::start(&certificates, identity, false).await;
        let error = is_refused(fort.as_user(&ALICE)).await;
        assert_eq!(error.kind(), ErrorKind::Connect, "{identity:?}: {error}");
        assert!(error.to_string().contains(wrong), "{identity:?}: {error}");
    }
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate() {
    let certificates = Certificates::new().unwrap();
    let fort = Fort::start(&certificates, Identity::Good, true).await;
    gets_in(fort.external(Identity::Good)).await;
    let error = is_refused(fort.as_user(&ALICE)).await;
    assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    assert!(error.to_string().contains("TLS with 127.0.0.1"), "{error}");
}

async fn refusal(options: Options) -> (ErrorKind, String) {
    let backend = open(options);
    let began = Instant::now();
    let error = patiently("provision", backend.provision(&Plan::default())).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10));
    let text = format!("{error} {error:?} {backend:?}");
    assert!(!text.contains("hunter2"), "{text}");
    (error.kind(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said() {
    let (kind, text) = refusal(options().credentials("guest", "hunter2")).await;
    assert_eq!(kind, ErrorKind::Authentication);
    assert!(text.contains("check user and password"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_host_that_is_not_there_is_said() {
    let (kind, text) = refusal(options().vhost("nowhere")).await;
    assert_eq!(kind, ErrorKind::Permission, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_answers_it_is_said_in_time() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut hosts = vec![("127.0.0.1".to_owned(), silent.local_addr().unwrap().port())];
    let impatient = options().connect_timeout(Duration::from_millis(500));
    let (kind, text) = refusal(impatient.clone().hosts(hosts.clone())).await;
    assert_eq!(kind, ErrorKind::Connect);
    assert!(text.contains("did not answer within"), "{text}");
    // The next host does.
    hosts.extend(options().hosts);
    let backend = open(impatient.hosts(hosts));
    patiently("provision", backend.provision(&Plan::default())).await.unwrap();
}
