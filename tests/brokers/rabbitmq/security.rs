//! Who may not in, and where nobody answers: a clear error in bounded time, which shows no secret.

use std::time::{Duration, Instant};

use typebus::{ErrorKind, backend::Plan};

use crate::help::{open, options, patiently};

async fn refusal(options: typebus::backend::rabbitmq::RabbitMq) -> (ErrorKind, String) {
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
