//! A client on a raw socket, to see exactly what the server sends.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use sandbox::Sandbox;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).unwrap_or_default().1
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub fn call(sandbox: &Sandbox, method: &str, path: &str, token: &str, body: &str) -> Answer {
    let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    call_with(sandbox, method, path, &headers, body)
}

pub fn call_with(sandbox: &Sandbox, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    send(sandbox.port(), Duration::from_secs(10), method, path, headers, body).unwrap()
}

/// Reads until the server closes the connection; an error is the socket's.
pub fn try_call(sandbox: &Sandbox, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    send(sandbox.port(), Duration::from_millis(500), method, path, headers, body)
}

pub fn send(port: u16, patience: Duration, method: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(Answer { status: head[9..12].parse().map_err(io::Error::other)?, head: head.to_owned(), body: body.to_owned() })
}
