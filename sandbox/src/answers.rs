//! Answers in the platform's wording and layout.

use std::{fmt, io};

use axum::{
    body::Body,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{json, ser::Formatter};

/// An error of shape A, the current one of Access.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    detail: Option<String>,
}

pub(crate) type Answer = Result<Response, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), detail: None }
    }

    /// 400 with the reason in `detail`. guess: the message.
    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: "Invalid request".to_owned(), detail: Some(detail.into()) }
    }

    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(crate) fn not_admin(username: &str) -> Self {
        let message = format!("Logged in '{username}' is not an admin.");
        Self::new(StatusCode::FORBIDDEN, message)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_ref().unwrap_or(&self.message))
    }
}

#[derive(Serialize)]
struct Errors {
    errors: [Coded; 1],
}

/// Shape B, or an item of shape A.
#[derive(Serialize)]
struct Coded {
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = Coded { code: code(self.status), message: self.message, detail: self.detail };
        json_answer(self.status, &Errors { errors: [error] })
    }
}

/// `401` → `UNAUTHORIZED`.
fn code(status: StatusCode) -> String {
    reason(status).to_uppercase().replace([' ', '-'], "_")
}

fn reason(status: StatusCode) -> &'static str {
    status.canonical_reason().unwrap_or("Unknown")
}

/// An error of shape `A` to `G`.
pub(crate) fn error(shape: char, status: StatusCode) -> Response {
    let message = match status.as_u16() {
        400 => "Invalid formatted name: x",
        401 => "Invalid token, expired",
        403 => "Logged in 'alice' is not an admin.",
        404 => "Token matching the provided refresh token was not found.",
        // guess: the messages of 429 and 5xx.
        _ => reason(status),
    };
    match shape {
        'B' => old_error(status, message, &format!("{message} (detail)")),
        'C' => {
            let message = if status == StatusCode::UNAUTHORIZED { "Bad credentials" } else { reason(status) };
            let error = json!({"status": status.as_u16(), "message": message});
            json_answer(status, &json!({"errors": [error]}))
        }
        'D' => {
            let body = json!({"error": "invalid_request", "error_description": message});
            json_answer(status, &body)
        }
        'E' => json_answer(status, &json!({"error": "Found invalid token"})),
        'F' => answer(status, "text/plain", reason(status)),
        'G' => html(status),
        _ => ApiError::new(status, message).into_response(),
    }
}

/// Shape B.
pub(crate) fn old_error(status: StatusCode, message: &str, detail: &str) -> Response {
    let body = Coded { code: code(status), message: message.to_owned(), detail: Some(detail.to_owned()) };
    json_answer(status, &body)
}

/// An error page of the Tomcat in front of the platform.
pub(crate) fn html(status: StatusCode) -> Response {
    let title = format!("HTTP Status {} – {}", status.as_u16(), reason(status));
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><title>{title}</title>\n\
         <style type=\"text/css\">body {{font-family:Tahoma,Arial,sans-serif;}} h1 {{color:white;background-color:#525D76;}}</style></head>\n\
         <body><h1>{title}</h1>\n<hr class=\"line\" />\n<p><b>Type</b> Status Report</p>\n\
         <p><b>Description</b> The server could not answer this request.</p>\n\
         <hr class=\"line\" />\n<h3>Apache Tomcat/9.0.102</h3></body></html>\n"
    );
    answer(status, "text/html;charset=utf-8", page)
}

pub(crate) fn answer(status: StatusCode, content_type: &str, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, content_type)], body.into()).into_response()
}

pub(crate) fn json_answer(status: StatusCode, body: &impl Serialize) -> Response {
    let mut text = Vec::new();
    body.serialize(&mut serde_json::Serializer::with_formatter(&mut text, Jackson::default())).expect("answers are JSON");
    answer(status, "application/json", text)
}

/// Formats JSON like Access: `{ "errors" : [ {`, indented by two spaces, arrays on one line.
#[derive(Default)]
struct Jackson {
    level: usize,
    filled: bool,
}

impl Jackson {
    fn line<W: ?Sized + io::Write>(&self, out: &mut W) -> io::Result<()> {
        write!(out, "\n{:1$}", "", self.level * 2)
    }
}

impl Formatter for Jackson {
    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.level += 1;
        self.filled = false;
        out.write_all(b"{")
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if !first {
            out.write_all(b",")?;
        }
        self.line(out)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" : ")
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.filled = true;
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.level -= 1;
        if self.filled {
            self.line(out)?;
        } else {
            out.write_all(b" ")?;
        }
        out.write_all(b"}")
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        out.write_all(if first { b" " } else { b", " })
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b" ]")
    }
}
