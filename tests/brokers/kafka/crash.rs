//! What whoever comes next learns of a crash, and of a clean hand-over.

use std::time::Duration;

use typebus::backend::{Note, Past};

use crate::desk::{
    close, connect, options, payloads, provision, publish, record, settle, subscribe, subscription, take,
    unique,
};

fn past(crashes: u32) -> Past {
    Past { suspect: crashes > 0, crashes, ..Past::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_held_is_suspect_and_whoever_was_recorded_is_counted() {
    let (backend, topic) = (connect(options()), unique("crash.suspects"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    for nth in 0..3 {
        publish(&backend, &topic, "k", &nth.to_string()).await;
    }
    let mut first = subscribe(&backend, &it).await;
    assert!(take(&mut first, 3).await.iter().all(|it| it.past.is_none()));
    drop(first);
    // What is published after the death of a process did not kill it.
    publish(&backend, &topic, "k", "3").await;
    let mut second = subscribe(&backend, &it).await;
    let taken = take(&mut second, 4).await;
    assert!(taken[..3].iter().all(|it| it.past.as_deref() == Some(&past(1))), "{taken:?}");
    settle(&mut second, &taken[..1]);
    record(&mut second, Some(taken[1].token)).await;
    drop(second);
    let mut third = subscribe(&backend, &it).await;
    let taken = take(&mut third, 3).await;
    assert_eq!(payloads(&taken), ["1", "2", "3"]);
    assert_eq!(taken[0].past.as_deref(), Some(&past(2)));
    record(&mut third, Some(taken[0].token)).await;
    // It survived, and answers for nothing that comes after.
    record(&mut third, None).await;
    settle(&mut third, &taken[1..]);
    close(&mut third).await;
    let mut fourth = subscribe(&backend, &it).await;
    let taken = take(&mut fourth, 1).await;
    assert_eq!((payloads(&taken), taken[0].past.as_deref()), (vec!["1".to_owned()], Some(&past(2))));
    close(&mut fourth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_above_the_floor_is_not_run_again() {
    let (backend, topic) =
        (connect(options().commit_every(Duration::from_millis(20))), unique("crash.finished"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    for nth in 0..50 {
        publish(&backend, &topic, "k", &nth.to_string()).await;
    }
    let mut first = subscribe(&backend, &it).await;
    let taken = take(&mut first, 50).await;
    let (stuck, done): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|it| [0, 7, 30].contains(&it.token.position));
    settle(&mut first, &done);
    // Recording waits for a commit, which has what was settled too.
    record(&mut first, Some(stuck[0].token)).await;
    drop(first);
    let mut second = subscribe(&backend, &it).await;
    let again = take(&mut second, 3).await;
    assert_eq!(payloads(&again), ["0", "7", "30"]);
    assert_eq!(again[0].past.as_deref(), Some(&past(1)));
    assert!(again[1].past.is_none() && again[2].past.is_none());
    settle(&mut second, &again);
    crate::desk::caught_up(&backend, &it).await;
    close(&mut second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_close_hands_attempts_over_and_suspects_nobody() {
    let (backend, topic) = (connect(options()), unique("crash.clean"));
    let it = subscription("billing", &topic);
    provision(&backend, std::slice::from_ref(&it)).await;
    for nth in 0..2 {
        publish(&backend, &topic, "k", &nth.to_string()).await;
    }
    let mut first = subscribe(&backend, &it).await;
    let taken = take(&mut first, 2).await;
    first.note(&[Note { token: taken[1].token, attempts: 5 }]);
    close(&mut first).await;
    let mut second = subscribe(&backend, &it).await;
    let again = take(&mut second, 2).await;
    assert!(again[0].past.is_none());
    assert_eq!(again[1].past.as_deref(), Some(&Past { attempts: 5, ..Past::default() }));
    close(&mut second).await;
}
