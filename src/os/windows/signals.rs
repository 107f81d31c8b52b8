use std::ffi::OsString;
use std::task::Poll;

use tokio::signal::windows::{CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown};
use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

use super::Screens;

/// What the console and the system send to end a program. After the last three, the system ends it within seconds, whatever it does.
pub struct Signals {
    c: Option<CtrlC>,
    pause: Option<CtrlBreak>,
    close: Option<CtrlClose>,
    logoff: Option<CtrlLogoff>,
    shutdown: Option<CtrlShutdown>,
}

impl Signals {
    /// Listens from now on: they no longer end this process by themselves.
    #[must_use]
    pub fn new() -> Self {
        let (c, pause, close) = (ctrl_c().ok(), ctrl_break().ok(), ctrl_close().ok());
        Self { c, pause, close, logoff: ctrl_logoff().ok(), shutdown: ctrl_shutdown().ok() }
    }

    /// Does nothing: those that came are not remembered here.
    #[expect(clippy::unused_self, reason = "as on other systems")]
    pub fn forget(&self) {}

    /// Does nothing: here they stay without effect.
    #[expect(clippy::unused_self, reason = "as on other systems")]
    pub fn be_as_usual(&self) {}

    /// Does nothing.
    #[expect(clippy::unused_self, reason = "as on other systems")]
    pub fn obey_last(&self) {}

    /// Waits for the next one. Returns the number of the signal that C programs take it for: SIGINT, SIGBREAK, SIGHUP, SIGTERM.
    pub async fn next(&mut self) -> u8 {
        std::future::poll_fn(|context| {
            macro_rules! came {
                ($from:expr, $number:expr) => {
                    if $from.as_mut().is_some_and(|from| from.poll_recv(context).is_ready()) {
                        return Poll::Ready($number);
                    }
                };
            }
            came!(self.c, 2);
            came!(self.pause, 21);
            came!(self.close, 1);
            came!(self.logoff, 1);
            came!(self.shutdown, 15);
            Poll::Pending
        })
        .await
    }
}

/// Waits for any of them and returns its number. From this call on, they no longer end the process by themselves.
pub fn stop_request() -> impl Future<Output = u8> {
    let mut signals = Signals::new();
    async move { signals.next().await }
}

/// Always `None`: a stream waits for its reader here.
#[must_use]
pub fn asked_to_stop() -> Option<u8> {
    None
}

/// Always `None`: no process here has to wait for others' children.
#[must_use]
pub fn lead(_arguments: &[OsString]) -> Option<i32> {
    None
}

/// Does nothing: the system sends them to the program itself.
pub fn pass_on(_number: u8, _program: Option<u32>, _screens: &Screens) {}
