//! What the server does not allow. It says so beside the question, which then is never answered.

use std::{future::poll_fn, pin::pin, task::Poll};

use tokio::sync::watch;

use super::failure::error;
use crate::error::{Error, ErrorKind, Result};

/// Subjects that a connection was denied, since it was made.
#[derive(Debug, Clone)]
pub(super) struct Denials(watch::Sender<Vec<String>>);

impl Default for Denials {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Denials {
    /// More than this are never asked about at once.
    const MOST: usize = 64;

    pub(super) fn add(&self, subject: &str) {
        self.0.send_modify(|denied| {
            denied.retain(|it| it != subject);
            if denied.len() == Self::MOST {
                denied.remove(0);
            }
            denied.push(subject.to_owned());
        });
    }

    /// The rights of a new connection may be others.
    pub(super) fn clear(&self) {
        self.0.send_modify(Vec::clear);
    }

    /// The answer to a question on this subject, or one that begins like that; unless it is not allowed.
    ///
    /// # Errors
    /// `Permission`.
    pub(super) async fn unless<T>(
        &self,
        operation: &'static str,
        subject: &str,
        question: impl Future<Output = T>,
    ) -> Result<T> {
        // What was denied before may be allowed by now; answers stay denied.
        self.0.send_modify(|denied| denied.retain(|it| is_inbox(it) || !it.starts_with(subject)));
        let mut told = self.0.subscribe();
        let mut denied =
            pin!(told.wait_for(|denied| denied.iter().any(|it| is_inbox(it) || it.starts_with(subject))));
        let mut question = pin!(question);
        poll_fn(|cx| {
            if let Poll::Ready(answer) = question.as_mut().poll(cx) {
                return Poll::Ready(Ok(answer));
            }
            denied.as_mut().poll(cx).map(|found| {
                let found = found.ok().and_then(|denied| denied.iter().find(|it| is_inbox(it)).cloned());
                Err(not_allowed(operation, found.as_deref().unwrap_or(subject)))
            })
        })
        .await
    }
}

/// What it means that a subject is denied.
pub(super) fn not_allowed(operation: &'static str, subject: &str) -> Error {
    let text = if is_inbox(subject) {
        format!("the user may not subscribe to `{subject}`, where answers come; allow it `_INBOX.>`")
    } else {
        format!("the user may not publish on `{subject}`; give it the right to")
    };
    error(ErrorKind::Permission, operation, text)
}

pub(super) fn is_inbox(subject: &str) -> bool {
    subject.starts_with("_INBOX.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_denied_question_is_not_waited_for() {
        let denials = Denials::default();
        let later = denials.clone();
        let asking = denials.unless("ask", "$JS.API.STREAM.CREATE.shop", std::future::pending::<()>());
        let denying = async move {
            later.add("$JS.API.STREAM.LIST");
            later.add("$JS.API.STREAM.CREATE.shop");
        };
        let (asked, ()) = tokio::join!(asking, denying);
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Permission);
        assert!(error.to_string().contains("$JS.API.STREAM.CREATE.shop"), "{error}");
        // What was denied once is asked again.
        assert_eq!(denials.unless("ask", "$JS.API.STREAM.CREATE.shop", async { 1 }).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn without_answers_no_question_is_allowed() {
        let denials = Denials::default();
        denials.add("_INBOX.x.*");
        let asked = denials.unless("ask", "$JS.API.INFO", std::future::pending::<()>()).await;
        assert!(asked.unwrap_err().to_string().contains("_INBOX.>"));
        denials.clear();
        denials.unless("ask", "$JS.API.INFO", async {}).await.unwrap();
    }
}
