//! The faults that the sandbox can simulate, and their queue.

use serde::Deserialize;

/// A simulated fault. "Work done" means that the request takes effect: the token is really issued or revoked.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Flat")]
pub enum Fault {
    /// A TCP reset; no work done.
    ResetBefore,
    /// Work done, then a TCP reset without any answer.
    ResetAfter,
    /// No answer until the client disconnects; no work done.
    Stall,
    /// Work done, then no answer.
    StallAfter,
    /// Work done at once; the answer is sent after this many milliseconds.
    Delay(u64),
    /// The right answer, with one byte of its body every this many milliseconds.
    Drip(u64),
    /// Work done; the full `Content-Length`, half of the body, then a close.
    CutShort,
    /// Work done; an HTTP/1.0 answer without a length that ends after this many bytes of the body.
    EndsEarly(usize),
    /// The right answer with this content type.
    ContentType(String),
    /// An HTML page with this status; no work done.
    Html(u16),
    /// This status; no work done.
    Status {
        /// The status.
        status: u16,
        /// The header's value: seconds or a date.
        retry_after: Option<String>,
        /// By default, an error of shape A.
        body: Option<String>,
    },
    /// Work done, then this status.
    StatusAfter {
        /// The status.
        status: u16,
    },
    /// 200 with this body as `application/json`; no work done.
    Body(String),
    /// 307 to the same path with `redirected=1` added to the query.
    RedirectSameHost,
    /// 307 to this URL with the request's path appended.
    RedirectTo(String),
    /// 307 to itself.
    RedirectLoop,
    /// 307 to itself, sent after this many milliseconds.
    SlowRedirect(u64),
    /// An error of shape `'A'` to `'G'` with this status; no work done.
    Shape(char, u16),
}

/// A fault in the body of `POST /sandbox/faults`.
#[derive(Deserialize)]
struct Flat {
    fault: String,
    ms: Option<u64>,
    bytes: Option<usize>,
    status: Option<u16>,
    retry_after: Option<String>,
    body: Option<String>,
    content_type: Option<String>,
    url: Option<String>,
    shape: Option<char>,
}

impl TryFrom<Flat> for Fault {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        fn need<T>(value: Option<T>, name: &str) -> Result<T, String> {
            value.ok_or_else(|| format!("this fault needs the field {name:?}"))
        }
        // hyper replaces a 1xx answer with its own.
        let status = || match need(flat.status, "status")? {
            status @ 200..=599 => Ok(status),
            other => Err(format!("status must be 200 to 599, not {other}")),
        };
        Ok(match flat.fault.as_str() {
            "reset_before" => Self::ResetBefore,
            "reset_after" => Self::ResetAfter,
            "stall" => Self::Stall,
            "stall_after" => Self::StallAfter,
            "delay" => Self::Delay(need(flat.ms, "ms")?),
            "drip" => Self::Drip(need(flat.ms, "ms")?),
            "cut_short" => Self::CutShort,
            "ends_early" => Self::EndsEarly(need(flat.bytes, "bytes")?),
            "content_type" => Self::ContentType(need(flat.content_type, "content_type")?),
            "html" => Self::Html(status()?),
            "status" => Self::Status { status: status()?, retry_after: flat.retry_after, body: flat.body },
            "status_after" => Self::StatusAfter { status: status()? },
            "body" => Self::Body(need(flat.body, "body")?),
            "redirect_same_host" => Self::RedirectSameHost,
            "redirect_to" => Self::RedirectTo(need(flat.url, "url")?),
            "redirect_loop" => Self::RedirectLoop,
            "slow_redirect" => Self::SlowRedirect(need(flat.ms, "ms")?),
            "shape" => match need(flat.shape, "shape")? {
                shape @ 'A'..='G' => Self::Shape(shape, status()?),
                other => return Err(format!("shape must be A to G, not {other}")),
            },
            other => {
                return Err(format!("unknown fault {other:?}; sandbox/README.md lists them"));
            }
        })
    }
}

struct Rule {
    path_part: String,
    fault: Fault,
    times: usize,
}

/// Faults that wait for a matching request.
#[derive(Default)]
pub(crate) struct Queue(Vec<Rule>);

impl Queue {
    pub(crate) fn add(&mut self, path_part: &str, fault: Fault, times: usize) {
        if times > 0 {
            self.0.push(Rule { path_part: path_part.to_owned(), fault, times });
        }
    }

    /// Takes the first fault for this `METHOD /path`.
    pub(crate) fn next(&mut self, line: &str) -> Option<Fault> {
        let at = self.0.iter().position(|r| line.contains(&r.path_part))?;
        let rule = &mut self.0[at];
        rule.times -= 1;
        let fault = rule.fault.clone();
        if rule.times == 0 {
            self.0.remove(at);
        }
        Some(fault)
    }
}
