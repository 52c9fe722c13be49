//! Asking again what a moving cluster cannot answer yet.

use std::time::{Duration, Instant};

use rdkafka::{error::KafkaResult, types::RDKafkaErrorCode as Code};

/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks until the answer is one, or is not going to be another one, or the time is over. A coordinator may be busy
/// loading for a while; a broker may be told that it leads a partition later than everybody else is, when the topic was
/// just made or the one that led it was lost. Whoever answers such a thing makes the client look for the leader again.
pub(super) fn patiently<T>(timeout: Duration, mut ask: impl FnMut() -> KafkaResult<T>) -> KafkaResult<T> {
    let deadline = Instant::now() + timeout;
    loop {
        let answer = ask();
        let waits = answer.as_ref().is_err_and(|failure| failure.rdkafka_error_code().is_some_and(heals));
        if !waits || Instant::now() >= deadline {
            return answer;
        }
        std::thread::sleep(PAUSE);
    }
}

const fn heals(code: Code) -> bool {
    matches!(
        code,
        // The group's coordinator moves or loads.
        Code::CoordinatorLoadInProgress
            | Code::CoordinatorNotAvailable
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::RebalanceInProgress
            // The partition's leader moves, or does not know yet that it is one.
            | Code::NotLeaderForPartition
            | Code::LeaderNotAvailable
            | Code::ReplicaNotAvailable
            | Code::KafkaStorageError
            | Code::FencedLeaderEpoch
            | Code::UnknownLeaderEpoch
            | Code::OffsetNotAvailable
            | Code::UnknownTopicOrPartition
            // The broker that was asked is lost.
            | Code::BrokerTransportFailure
    )
}

#[cfg(test)]
mod tests {
    use rdkafka::error::KafkaError;

    use super::*;

    #[test]
    fn what_heals_is_asked_again_and_nothing_else_and_not_for_ever() {
        let failing = |code, times: u32, timeout| {
            let mut asked = 0;
            let answer = patiently(timeout, || {
                asked += 1;
                if asked <= times { Err(KafkaError::MetadataFetch(code)) } else { Ok(()) }
            });
            (answer.is_ok(), asked)
        };
        let long = Duration::from_secs(60);
        assert_eq!(failing(Code::NotLeaderForPartition, 2, long), (true, 3));
        assert_eq!(failing(Code::TopicAuthorizationFailed, 2, long), (false, 1));
        assert_eq!(failing(Code::NotLeaderForPartition, 1_000, Duration::ZERO), (false, 1));
    }
}
