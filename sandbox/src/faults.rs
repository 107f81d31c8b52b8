//! What can go wrong on purpose, and the queue of it.

use serde::Deserialize;

/// One misbehaviour. "Work" is what the request asks for: a token really issued, really revoked.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Flat")]
pub enum Fault {
    /// TCP reset; no work done.
    ResetBefore,
    /// Work done, then TCP reset without a byte of answer.
    ResetAfter,
    /// Never answers, until the client goes away; no work done.
    Stall,
    /// Work done, never answers.
    StallAfter,
    /// Does the work at once, answers after so many milliseconds.
    Delay(u64),
    /// The right answer, its body one byte every so many milliseconds.
    Drip(u64),
    /// Work done; the `Content-Length` of the whole, half of the body, then close.
    CutShort,
    /// The right answer under this content type.
    ContentType(String),
    /// An HTML page with this status; no work done.
    Html(u16),
    /// This status; no work done.
    Status {
        /// The status.
        status: u16,
        /// Goes out as it is: seconds or a date.
        retry_after: Option<String>,
        /// An error of shape A when there is none.
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
    /// An error of shape `'A'` to `'G'` with this status; no work done.
    Shape(char, u16),
}

/// A fault as `POST /sandbox/faults` takes it.
#[derive(Deserialize)]
struct Flat {
    fault: String,
    ms: Option<u64>,
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
            value.ok_or_else(|| format!("this fault needs {name:?}"))
        }
        // Hyper answers with 1xx as an end of its own making.
        let status = || match need(flat.status, "status")? {
            status @ 200..=599 => Ok(status),
            other => Err(format!("{other} is no final status")),
        };
        Ok(match flat.fault.as_str() {
            "reset_before" => Self::ResetBefore,
            "reset_after" => Self::ResetAfter,
            "stall" => Self::Stall,
            "stall_after" => Self::StallAfter,
            "delay" => Self::Delay(need(flat.ms, "ms")?),
            "drip" => Self::Drip(need(flat.ms, "ms")?),
            "cut_short" => Self::CutShort,
            "content_type" => Self::ContentType(need(flat.content_type, "content_type")?),
            "html" => Self::Html(status()?),
            "status" => Self::Status { status: status()?, retry_after: flat.retry_after, body: flat.body },
            "status_after" => Self::StatusAfter { status: status()? },
            "body" => Self::Body(need(flat.body, "body")?),
            "redirect_same_host" => Self::RedirectSameHost,
            "redirect_to" => Self::RedirectTo(need(flat.url, "url")?),
            "redirect_loop" => Self::RedirectLoop,
            "shape" => match need(flat.shape, "shape")? {
                shape @ 'A'..='G' => Self::Shape(shape, status()?),
                other => return Err(format!("shape is A to G, not {other}")),
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

/// Faults that wait for their request.
#[derive(Default)]
pub(crate) struct Queue(Vec<Rule>);

impl Queue {
    pub(crate) fn add(&mut self, path_part: &str, fault: Fault, times: usize) {
        if times > 0 {
            self.0.push(Rule { path_part: path_part.to_owned(), fault, times });
        }
    }

    /// Takes the first fault meant for this `METHOD /path`.
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
