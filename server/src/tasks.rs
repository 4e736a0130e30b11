//! Named tasks: the end of an essential one is the end of the process.

use std::future::Future;

use tokio::task::JoinSet;

/// Why the process cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("{name} ended: {reason}")]
pub(crate) struct TaskEnded {
    pub(crate) name: &'static str,
    pub(crate) reason: String,
}

/// All tasks of the process. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Tasks(JoinSet<Option<TaskEnded>>);

impl Tasks {
    /// Starts a task that must not end: if it does, [`Tasks::failed`] says so.
    pub(crate) fn essential<E: std::fmt::Display>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.spawn(name, async move {
            let reason = match task.await {
                Ok(()) => "it returned, which it must not".to_owned(),
                Err(error) => error.to_string(),
            };
            Some(TaskEnded { name, reason })
        });
    }

    /// Starts a task that may end when its work is done; a panic in it still ends the process.
    pub(crate) fn transient(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            task.await;
            None
        });
    }

    fn spawn(&mut self, name: &'static str, task: impl Future<Output = Option<TaskEnded>> + Send + 'static) {
        tracing::debug!(task = name, "started");
        self.0.spawn(async move {
            use futures::FutureExt;
            // caught here rather than by the JoinSet, which would not know the name
            std::panic::AssertUnwindSafe(task)
                .catch_unwind()
                .await
                .unwrap_or_else(|_| Some(TaskEnded { name, reason: "it panicked".to_owned() }))
        });
    }

    /// Waits for the first task whose end is the process's. Never returns while all is well.
    pub(crate) async fn failed(&mut self) -> TaskEnded {
        loop {
            match self.0.join_next().await {
                Some(Ok(Some(ended))) => return ended,
                Some(_) => {}
                None => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_essential_end_is_named_and_a_transient_one_is_not_an_end() {
        let mut tasks = Tasks::default();
        tasks.transient("once", async {});
        tasks.essential("http", async { Err("socket closed") });
        assert_eq!(tasks.failed().await.to_string(), "http ended: socket closed");
    }

    #[tokio::test]
    async fn a_panic_anywhere_is_an_end() {
        let mut tasks = Tasks::default();
        tasks.transient("once", async { panic!("boom") });
        assert_eq!(tasks.failed().await.to_string(), "once ended: it panicked");
    }
}
