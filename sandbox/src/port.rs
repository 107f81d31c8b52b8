//! The port as the control endpoints see it.

use tokio::sync::{mpsc, oneshot};

/// What the thread that serves is told.
pub(crate) struct Command {
    pub open: bool,
    pub done: Box<dyn FnOnce() + Send>,
}

/// Opens and closes the port. It is weak, so that a router that has one does not keep the thread running.
#[derive(Clone)]
pub(crate) struct Door(mpsc::WeakUnboundedSender<Command>);

impl Door {
    pub(crate) fn new(commands: &mpsc::UnboundedSender<Command>) -> Self {
        Self(commands.downgrade())
    }

    pub(crate) async fn set_open(&self, open: bool) {
        let (done, wait) = oneshot::channel();
        let done = Box::new(move || done.send(()).unwrap_or_default());
        if let Some(commands) = self.0.upgrade() {
            let _ = commands.send(Command { open, done });
        }
        let _ = wait.await;
    }
}
