//! The least that a program must do to get a token: one `TcpStream`, one POST, one answer. `benches/run` compares jf-token's time with it.
//!
//! `bare HOST:PORT BODY-FILE`, with the credential in `JF_ACCESS_TOKEN`. The exit code is 0 only for a 200.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(host), Some(body)) = (arguments.next(), arguments.next()) else {
        return Err("usage: bare HOST:PORT BODY-FILE".into());
    };
    let credential = env::var("JF_ACCESS_TOKEN")?;
    let body = fs::read_to_string(body)?;

    let mut stream = TcpStream::connect(&host)?;
    let length = body.len();
    // One write: a second one would wait until the first is acknowledged.
    stream.write_all(
        format!(
            "POST /access/api/v1/tokens HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {credential}\r\n\
             Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    )?;

    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    answer.read_line(&mut line)?;
    if !line.starts_with("HTTP/1.1 200 ") {
        return Err(line.into());
    }
    let mut length = None;
    while line != "\r\n" {
        line.clear();
        answer.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = Some(value.trim().parse()?);
        }
        if line.is_empty() {
            return Err("the answer ends in its head".into());
        }
    }
    let length = length.ok_or("the answer has no Content-Length")?;
    if io::copy(&mut answer.take(length), &mut io::stdout())? != length {
        return Err("the answer is cut short".into());
    }
    Ok(())
}
