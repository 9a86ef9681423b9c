//! What a client of HTTP needs here: connections that do not wait for ever, and answers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

pub(super) fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE);
    let stream = stream.map_err(|error| format!("no connection: {error}"))?;
    let set = stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true));
    set.map_err(|error| error.to_string())?;
    Ok(stream)
}

/// Sends a text, and reads `n` answers.
pub(super) fn ask(stream: &mut TcpStream, text: &str, n: usize) -> Result<(), String> {
    stream.write_all(text.as_bytes()).map_err(|error| format!("not taken: {error}"))?;
    let mut reader = BufReader::new(stream);
    (0..n).try_for_each(|_| answer(&mut reader).map(drop))
}

/// Reads one answer, and returns its body.
pub(super) fn answer(reader: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let (status, fields) = head(reader)?;
    let field = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| &**value);
    let body = match (field("content-length"), field("transfer-encoding")) {
        (_, Some("chunked")) => chunked(reader)?,
        (Some(n), None) => {
            let n = n.parse().map_err(|_| format!("Content-Length: {n}"))?;
            exactly(reader, n)?
        }
        _ => {
            let why = "neither Content-Length nor Transfer-Encoding: chunked";
            return Err(format!("an answer without a length: {why}: {status:?}"));
        }
    };
    match status.contains(" 200 ") {
        true => Ok(body),
        false => Err(status),
    }
}

/// The status line and the fields, in lower case.
pub(super) fn head(reader: &mut impl BufRead) -> Result<(String, Vec<(String, String)>), String> {
    let status = line(reader)?;
    let mut fields = Vec::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, fields)) };
        fields.push((name.to_string(), value.trim().to_string()));
    }
}

fn line(reader: &mut impl BufRead) -> Result<String, String> {
    let mut line = String::new();
    match reader.read_line(&mut line) {
        Ok(0) => Err("the end instead of an answer".to_string()),
        Ok(_) => Ok(line.trim_end().to_ascii_lowercase()),
        Err(error) => Err(format!("no answer: {error}")),
    }
}

fn exactly(reader: &mut impl BufRead, n: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; n];
    reader.read_exact(&mut bytes).map_err(|error| format!("half an answer: {error}"))?;
    Ok(bytes)
}

fn chunked(reader: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let size = line(reader)?;
        let digits = size.split(';').next().unwrap_or_default().trim();
        let n = usize::from_str_radix(digits, 16).map_err(|_| format!("a chunk of {size:?}"))?;
        if n == 0 {
            break;
        }
        body.extend(exactly(reader, n)?);
        if !line(reader)?.is_empty() {
            return Err(format!("a chunk of {n} bytes is longer"));
        }
    }
    // Trailers.
    while !line(reader)?.is_empty() {}
    Ok(body)
}

/// Everything up to the end. A reset is an error.
pub(super) fn rest(stream: &mut TcpStream) -> Result<String, String> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) => Err(format!("{} bytes, and then no end: {error}", bytes.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_length_or_chunks() {
        let read = |text: &str| answer(&mut text.as_bytes());
        let ok = "HTTP/1.1 200 OK\r\n";
        let body = |text: &str| read(&format!("{ok}{text}")).map(|body| body.len());
        assert_eq!(body("Content-Length: 3\r\n\r\nabc"), Ok(3));
        let chunks = "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n";
        assert_eq!(body(&format!("{chunks}\r\n")), Ok(13));
        assert_eq!(body(&format!("{chunks}a: b\r\n\r\n")), Ok(13));
        assert!(body(chunks).is_err());
        assert!(body("Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n").is_err());
        assert!(body("\r\nabc").unwrap_err().contains("neither Content-Length nor"));
        assert!(read("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").is_err());
    }
}
