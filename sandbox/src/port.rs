//! Lets the control endpoints open and close the port.

use tokio::sync::{mpsc, oneshot};

/// A command to the serving thread.
pub(crate) struct Command {
    pub open: bool,
    pub done: Box<dyn FnOnce() + Send>,
}

/// Opens and closes the port. The sender is weak, so that the router, which holds one, does not keep the thread running.
#[derive(Clone)]
pub(crate) struct Port(mpsc::WeakUnboundedSender<Command>);

impl Port {
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
