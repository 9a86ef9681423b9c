//! Requests from the test suites of other projects, each reviewed against the RFCs, passed to
//! `httpbin` without a socket: whole, and under the laws at every cut.
//!
//! They are not part of this repository: the test reads them from the folder that `DIESEL_SHARED`
//! names.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use diesel_driver::web::{ReverseProxy, Routes};
use diesel_driver::{Endpoint, Hub, Instant};
use diesel_proto::testkit::laws::Laws;
use diesel_proto::testkit::net::{Network, PeerState};
use diesel_proto::testkit::{HubMachine, Stimulus};
use serde_json::Value;

#[path = "../../examples/httpbin/main.rs"]
#[allow(dead_code, unreachable_pub)]
mod httpbin;
#[path = "../../fuzz/src/reverse_proxy.rs"]
#[allow(unreachable_pub)]
mod law;
#[path = "../../examples/reverse_proxy.rs"]
#[allow(dead_code, unreachable_pub)]
mod reverse_proxy;

#[test]
fn every_case_is_answered_as_the_rfcs_ask() {
    let Some(cases) = cases() else { return };
    let mut wrong = Vec::new();
    let mut counts = [0; 2];
    for case in &cases {
        let judged = judge(case, &converse(&case.bytes()));
        counts[usize::from(judged.is_ok())] += 1;
        if let Err(why) = judged {
            wrong.push(format!("{} {} [{}]: {why}", case.level(), case.id(), case.text("rfc")));
        }
    }
    println!("{} cases, {} as asked", cases.len(), counts[1]);
    assert!(cases.len() >= 293, "only {} cases", cases.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_case_keeps_the_laws_however_it_is_cut() {
    let Some(cases) = cases() else { return };
    for case in &cases {
        println!("{}", case.id());
        Laws::of(served).early_deadlines().assert(&[Stimulus::bytes(case.bytes())]);
    }
}

/// Through a proxy the verdict is the same; and what the proxy asks is what its law says, byte for byte.
#[test]
fn every_case_is_answered_in_the_same_way_through_a_proxy() {
    let Some(cases) = cases() else { return };
    let mut wrong = Vec::new();
    for case in &cases {
        let bytes = case.bytes();
        println!("{}", case.id());
        for settings in 0..4 {
            law::reverse_proxy(&[&[settings], &bytes[..]].concat());
        }
        if let Err(why) = judge(case, &converse_through_proxy(&bytes)) {
            wrong.push(format!("{} {} [{}]: {why}", case.level(), case.id(), case.text("rfc")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn converse_through_proxy(bytes: &[u8]) -> Outcome {
    let mut network = Network::new(1);
    let mut hub = Hub::default();
    let service = hub.add_service(httpbin::service(&httpbin::routes().unwrap()));
    network.host(hub, &[(service, ([10, 0, 1, 1], 80).into())]).unwrap();
    let mut hub = Hub::default();
    let proxy = ReverseProxy::to(["http://10.0.1.1"]).unwrap().build(&hub.ctx());
    let service = hub.add_service(reverse_proxy::service(proxy));
    let host = network.lone_host(hub);
    let peer = network.connect_to(host, service);
    network.send(peer, bytes);
    // Less than any deadline.
    network.run_for(Duration::from_millis(900)).unwrap();
    let closed = network.peer_state(peer) != PeerState::Open;
    Outcome { responses: responses(network.got(peer)), closed }
}

fn served() -> HubMachine {
    thread_local!(static ROUTES: Routes = httpbin::routes().unwrap());
    let mut hub = Hub::default();
    let service = hub.add_service(ROUTES.with(httpbin::service));
    HubMachine::new(hub, service)
}

struct Case(Value);

/// The cases. If the folder is missing, prints that and returns `None`.
fn cases() -> Option<Vec<Case>> {
    let Some(shared) = std::env::var_os("DIESEL_SHARED") else {
        println!("skipped: DIESEL_SHARED names no folder with h1cases");
        return None;
    };
    let file = PathBuf::from(shared).join("h1cases/cases.json");
    let Ok(text) = fs::read_to_string(&file) else {
        println!("skipped: there is no {}", file.display());
        return None;
    };
    let all: Value = serde_json::from_str(&text).unwrap();
    let cases = all["cases"].as_array().unwrap();
    Some(cases.iter().cloned().map(Case).collect())
}

impl Case {
    fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    fn id(&self) -> &str {
        self.text("id")
    }

    fn level(&self) -> &str {
        self.text("level")
    }

    fn number(&self, key: &str, default: usize) -> usize {
        self.0[key].as_u64().map_or(default, |n| n as usize)
    }

    fn is(&self, key: &str) -> bool {
        self.0[key] == Value::Bool(true)
    }

    /// The bytes that the client sends.
    fn bytes(&self) -> Vec<u8> {
        self.0["steps"].as_array().unwrap().iter().flat_map(expand).collect()
    }

    fn method(&self, nth: usize) -> &str {
        self.0["methods"][nth].as_str().unwrap_or("GET")
    }
}

/// Expands a step. Each character of a string is one byte.
fn expand(step: &Value) -> Vec<u8> {
    if let Some(text) = step.as_str() {
        let text = text.replace("{{HOST}}", "localhost:8089");
        return text.chars().map(|c| u8::try_from(c).unwrap()).collect();
    }
    match &step["concat"] {
        Value::Array(parts) => parts.iter().flat_map(expand).collect(),
        _ => {
            let times = step["n"].as_u64().unwrap_or_else(|| panic!("not known: {step}"));
            expand(&step["rep"]).repeat(times as usize)
        }
    }
}

/// The responses to a case, and whether the connection was closed.
struct Outcome {
    responses: Vec<Response>,
    closed: bool,
}

struct Response {
    status: u64,
    fields: String,
    body: Vec<u8>,
}

impl Response {
    /// Whether the request was accepted: any other status than a refusal shows that it was parsed.
    fn accepts(&self) -> bool {
        let refusals = [400, 408, 411, 413, 414, 417, 421, 426, 431, 500, 501, 502, 503, 505];
        !refusals.contains(&self.status)
    }
}

fn converse(bytes: &[u8]) -> Outcome {
    let now = Instant::ORIGIN;
    let mut endpoint = Endpoint::new(served(), now);
    let mut sent = Vec::new();
    let mut rest = bytes;
    loop {
        let taken = endpoint.received(now, rest);
        rest = &rest[taken..];
        let out = endpoint.take_outgoing(now);
        sent.extend_from_slice(&out);
        if (taken == 0 && out.is_empty()) || rest.is_empty() {
            break;
        }
    }
    loop {
        let out = endpoint.take_outgoing(now);
        if out.is_empty() {
            break;
        }
        sent.extend_from_slice(&out);
    }
    let closed = endpoint.closed().is_some() || endpoint.half_closed();
    Outcome { responses: responses(&sent), closed }
}

/// The final responses in the output. The response to HEAD would need the method, which is unknown
/// here; but no case has a request after HEAD.
fn responses(mut bytes: &[u8]) -> Vec<Response> {
    let mut responses = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head") + 4;
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head of text");
        bytes = &bytes[end..];
        let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
        if status == 100 {
            continue;
        }
        let fields = head.to_ascii_lowercase();
        let field = |name: &str| {
            let at = fields.find(&format!("\r\n{name}: "))? + name.len() + 4;
            fields[at..].split("\r\n").next()
        };
        let mut body = Vec::new();
        if field("transfer-encoding") == Some("chunked") {
            loop {
                let line = bytes.windows(2).position(|two| two == b"\r\n").expect("a size");
                let digits = std::str::from_utf8(&bytes[..line]).unwrap();
                let size = usize::from_str_radix(digits, 16).expect("a size");
                body.extend_from_slice(&bytes[line + 2..line + 2 + size]);
                bytes = &bytes[line + 2 + size + 2..];
                if size == 0 {
                    break;
                }
            }
        } else {
            let length = field("content-length").map_or(0, |n| n.parse().expect("a length"));
            let length = bytes.len().min(length);
            body.extend_from_slice(&bytes[..length]);
            bytes = &bytes[length..];
        }
        responses.push(Response { status, fields, body });
    }
    responses
}

/// Compares the outcome with the case. The error describes what should have happened.
fn judge(case: &Case, outcome: &Outcome) -> Result<(), String> {
    let Outcome { responses, closed } = outcome;
    let statuses: Vec<u64> = responses.iter().map(|response| response.status).collect();
    let accepted = responses.iter().filter(|response| response.accepts()).count();
    let before = case.number("ok_before", 0);
    let first = responses.get(before);
    let err = |why: &str| Err(format!("{why}: {statuses:?}, closed: {closed}"));
    let says_close =
        responses.last().is_some_and(|last| last.fields.contains("\r\nconnection: close"));
    match case.text("expect") {
        "accept" => {
            let n = case.number("n", 1);
            let unusual = |nth| !matches!(case.method(nth), "GET" | "HEAD" | "POST");
            for (nth, response) in responses.iter().enumerate() {
                if !(response.accepts() || unusual(nth) && response.status == 501) {
                    return err("a valid request was refused");
                }
            }
            if responses.len() > n || responses.len() < case.number("n_min", n) {
                return err("not an answer for each request");
            }
            echoes(case, responses)?;
            if case.is("close") && !*closed {
                return err("the connection was not closed");
            }
            if case.is("keep") && (*closed || says_close) {
                return err("the connection was not kept");
            }
        }
        "reject" => match first {
            Some(refusal) if !refusal.accepts() && accepted == before => {
                let wanted = case.0["status"].as_array();
                if wanted.is_some_and(|wanted| !wanted.contains(&refusal.status.into())) {
                    return err("another status was asked for");
                }
                if case.is("must_close") && !*closed {
                    return err("the connection was left open");
                }
            }
            _ => return err("it should have been refused"),
        },
        "noaccept" if accepted > before => return err("it was accepted"),
        "wait" if responses.len() > before || *closed => return err("more may have come"),
        "either" => {
            if accepted > case.number("max_ok", 1) {
                return err("more answers than messages");
            }
            if first.is_none() && !*closed && !case.is("may_wait") {
                return err("neither accepted nor refused");
            }
            if case.is("must_close") && first.is_some() && !*closed {
                return err("the connection was left open");
            }
            if case.text("prefer") == "reject" && accepted > before {
                return err("the strict choice is to refuse it");
            }
        }
        _ => {}
    }
    Ok(())
}

fn echoes(case: &Case, responses: &[Response]) -> Result<(), String> {
    let Some(echoes) = case.0["echo"].as_array() else { return Ok(()) };
    for (expected, response) in echoes.iter().zip(responses) {
        if !expected.is_null() && response.status == 200 && expand(expected) != response.body {
            return Err(format!("another body: {}", response.body.escape_ascii()));
        }
    }
    Ok(())
}
