//! What every dedupe store promises, asked of each that comes with typebus.

use std::{path::PathBuf, sync::Arc, time::Duration};

use typebus::{Begun, Claim, DedupeStore, ErrorKind, FileStore, LocalStore, prelude::*};
use typebus_tests::{Job, Journal, caught_up, counts};

fn claim(id: &str, owner: &str) -> Claim {
    Claim::of("billing", "charge", "shop", "order.placed", id, owner)
}

/// A file that no other test has.
fn file(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.redb", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

fn stores(test: &str) -> Vec<Arc<dyn DedupeStore>> {
    vec![Arc::new(LocalStore::new()), Arc::new(FileStore::open(file(test)).unwrap())]
}

#[tokio::test]
async fn work_is_new_then_running_then_done() {
    for store in stores("states") {
        let (ours, theirs) = (claim("1", "us"), claim("1", "them"));
        assert_eq!(store.begin(&ours).await.unwrap(), Begun::New, "{store:?}");
        assert_eq!(store.begin(&ours).await.unwrap(), Begun::New, "the owner renews its claim");
        let Begun::Running(left) = store.begin(&theirs).await.unwrap() else { panic!("{store:?}") };
        assert!(left > Duration::from_secs(60) && left <= Duration::from_secs(70), "{left:?}");
        store.done(&ours).await.unwrap();
        for claim in [&ours, &theirs] {
            assert_eq!(store.begin(claim).await.unwrap(), Begun::Done, "{store:?}");
        }
    }
}

#[tokio::test]
async fn a_claim_that_is_over_and_work_that_is_forgotten_are_new() {
    for store in stores("over") {
        let mut dying = claim("1", "the dead");
        dying.lease = Duration::ZERO;
        assert_eq!(store.begin(&dying).await.unwrap(), Begun::New);
        let mut brief = claim("1", "us");
        brief.window = Duration::ZERO;
        assert_eq!(store.begin(&brief).await.unwrap(), Begun::New, "{store:?}: the lease is over");
        store.done(&brief).await.unwrap();
        assert_eq!(
            store.begin(&claim("1", "them")).await.unwrap(),
            Begun::New,
            "{store:?}: the window is over"
        );
    }
}

#[tokio::test]
async fn only_its_owner_gives_a_claim_back() {
    for store in stores("release") {
        store.begin(&claim("1", "us")).await.unwrap();
        store.release(&claim("1", "them")).await.unwrap();
        assert!(matches!(store.begin(&claim("1", "them")).await.unwrap(), Begun::Running(_)), "{store:?}");
        store.release(&claim("1", "us")).await.unwrap();
        assert_eq!(store.begin(&claim("1", "them")).await.unwrap(), Begun::New, "{store:?}");
        store.done(&claim("1", "them")).await.unwrap();
        store.release(&claim("1", "them")).await.unwrap();
        assert_eq!(
            store.begin(&claim("1", "us")).await.unwrap(),
            Begun::Done,
            "{store:?}: what is done stays so"
        );
    }
}

#[tokio::test]
async fn every_field_of_the_key_tells_work_apart() {
    for store in stores("apart") {
        let base = claim("1", "us");
        store.begin(&base).await.unwrap();
        store.done(&base).await.unwrap();
        let differ: [fn(&mut Claim); 6] = [
            |claim| claim.group.push('x'),
            |claim| claim.handler.push('x'),
            |claim| claim.source.push('x'),
            |claim| claim.name.push('x'),
            |claim| claim.id.push('x'),
            // The same bytes in a row, cut elsewhere.
            |claim| {
                let last = claim.source.pop().unwrap();
                claim.name.insert(0, last);
            },
        ];
        for differ in differ {
            let mut other = base.clone();
            differ(&mut other);
            assert_eq!(store.begin(&other).await.unwrap(), Begun::New, "{store:?} {other:?}");
        }
    }
}

#[handler(dedupe = "1h")]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

service! { Filing = "filing" { handles: [work], publishes: [Job], state: [Journal] } }

/// What one process finished, the next one knows, also where the broker is another.
#[tokio::test]
async fn finished_work_outlives_the_process_in_a_file() {
    let (path, journal) = (file("outlives"), Journal::default());
    for round in 0..2 {
        let store = FileStore::open(&path).unwrap();
        let builder = Bus::<Filing>::builder().state(journal.clone()).dedupe_store(store);
        let bus = builder.connect("memory:").await.unwrap();
        let running = bus.start().await.unwrap();
        for number in 0..20 {
            bus.publish(&Job::of("k", number)).id(format!("fact-{number}")).await.unwrap();
        }
        caught_up(&running).await;
        running.stop().await.unwrap();
        let counts = counts(&running);
        assert_eq!((counts.handled, counts.repeats), if round == 0 { (20, 0) } else { (0, 20) });
    }
    assert_eq!(journal.beginnings().len(), 20);
}

#[tokio::test]
async fn a_file_of_another_process_or_kind_is_an_error_and_sharing_must_be_said() {
    let path = file("locked");
    let open = FileStore::open(&path).unwrap();
    assert!(open.is_local() && !open.clone().of_the_only_instance().is_local());
    let error = FileStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("locked-"), "{error}");
    let text = file("text");
    std::fs::write(&text, "not a database").unwrap();
    assert_eq!(FileStore::open(&text).unwrap_err().kind(), ErrorKind::Config);

    let kafka = "memory:file-store-kafka?profile=kafka";
    let builder = || Bus::<Filing>::builder().state(Journal::default());
    let error = builder().dedupe_store(open.clone()).connect(kafka).await.unwrap_err();
    assert!(error.to_string().contains("all processes share"), "{error}");
    builder().dedupe_store(open.of_the_only_instance()).connect(kafka).await.unwrap();
}
