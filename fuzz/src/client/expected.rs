//! What a client reads of a stream, by the standalone parsers.

use super::*;
use diesel_proto::http1::{
    ChunkedDecoder, Decoded, Limits, ResponseFraming, Rule, Status, TrailerReader, Version,
    parse_response,
};

impl Session<'_> {
    /// `None` if the parsers cannot tell: they do not know the request, and a client ignores the
    /// framing of a response that opens a tunnel, valid or not (RFC 9110, 9.3.6).
    pub(super) fn expected(&self) -> Option<Log> {
        let mut log = Log { unanswered: self.sent().len(), ..Log::default() };
        if let Err(rejection) = self.read_all(&mut log) {
            let asks_for_tunnel = self.sent().iter().any(|asked| asked.method == "CONNECT");
            if asks_for_tunnel && is_about_framing(rejection.rule) {
                return None;
            }
            log.refused(rejection);
        }
        Some(log)
    }

    fn read_all(&self, log: &mut Log) -> Result<(), Rejection> {
        let mut at = 0;
        for asked in self.sent() {
            let Some((end, is_last)) = self.read_response(*asked, at, log)? else { return Ok(()) };
            log.unanswered -= 1;
            at = end;
            if is_last {
                // What follows is not read; a body until the end of the stream has ended with that.
                if self.after != After::More && !(is_last && at == usize::MAX) {
                    log.line(format_args!("closed"));
                }
                return Ok(());
            }
        }
        if at < self.stream.len() {
            return Err(Rejection::new(Rule::ResponseUnrequested, at as u64));
        }
        if self.after != After::More {
            log.line(format_args!("closed"));
        }
        Ok(())
    }

    /// Where a response ends, and whether the connection ends with it. `None` if it has no end.
    fn read_response(
        &self,
        asked: Asked,
        start: usize,
        log: &mut Log,
    ) -> Result<Option<(usize, bool)>, Rejection> {
        let limits = &self.config.limits;
        let mut at = start;
        let mut interim = 0;
        loop {
            let bytes = &self.stream[at..];
            let mut spans = FieldSpans::new();
            // Nothing is refused for no bytes, whether or not there is room.
            let head = match bytes {
                [] => None,
                bytes => parse_response(bytes, limits, &mut spans)
                    .map_err(|wrong| Rejection::new(wrong.rule, wrong.offset + at as u64))?,
            };
            let Some(head) = head else {
                let rule =
                    if bytes.is_empty() { Rule::ResponseMissing } else { Rule::HeadIncomplete };
                return self.unfinished(rule);
            };
            at += head.len();
            let refused = |rule| Err(Rejection::new(rule, at as u64));
            let framing = head.framing(asked.method);
            if head.status() == Status::SWITCHING_PROTOCOLS && !is_asked_for(asked, &head) {
                return refused(Rule::SwitchUnrequested);
            }
            if head.status() == Status::SWITCHING_PROTOCOLS || framing == ResponseFraming::Tunnel {
                log.head("switched", &head);
                log.unanswered -= 1;
                return Ok(None);
            }
            if head.status().is_informational() {
                interim += 1;
                if interim > limits.informational {
                    return refused(Rule::TooManyInformational);
                }
                log.head("interim", &head);
                continue;
            }
            if matches!(framing, ResponseFraming::Length(n) if n > limits.body) {
                return refused(Rule::BodyTooLarge);
            }
            log.head("response", &head);
            let keeps = has_option(&head, "keep-alive") || head.version() == Version::Http11;
            let is_last = asked.close || has_option(&head, "close") || !keeps;
            return match framing {
                ResponseFraming::Empty | ResponseFraming::Tunnel => {
                    log.end(FieldsView::default());
                    Ok(Some((at, is_last)))
                }
                ResponseFraming::Length(n) => {
                    let n = usize::try_from(n).unwrap_or(usize::MAX);
                    let body = self.stream[at..].get(..n).unwrap_or(&self.stream[at..]);
                    if !body.is_empty() {
                        log.data(body);
                    }
                    if body.len() < n {
                        return self.unfinished(Rule::BodyIncomplete);
                    }
                    log.end(FieldsView::default());
                    Ok(Some((at + n, is_last)))
                }
                ResponseFraming::Chunked => {
                    let Some(end) = self.read_chunks(at, log)? else { return Ok(None) };
                    Ok(Some((end, is_last)))
                }
                ResponseFraming::UntilClose => {
                    let most = usize::try_from(limits.body).unwrap_or(usize::MAX);
                    let body = &self.stream[at..];
                    let within = body.get(..most).unwrap_or(body);
                    if !within.is_empty() {
                        log.data(within);
                    }
                    if within.len() < body.len() {
                        return refused_at(Rule::BodyTooLarge, at + within.len());
                    }
                    if self.after != After::Eof {
                        return self.unfinished(Rule::BodyIncomplete);
                    }
                    log.end(FieldsView::default());
                    Ok(Some((usize::MAX, true)))
                }
            };
        }
    }

    fn read_chunks(&self, start: usize, log: &mut Log) -> Result<Option<usize>, Rejection> {
        let limits = &self.config.limits;
        let limits = &Limits {
            body: limits.body,
            chunk_extensions: limits.chunk_extensions,
            trailer_bytes: limits.trailer_bytes,
            header_count: limits.header_count,
            ..Limits::default()
        };
        let moved = |wrong: Rejection, by| Rejection::new(wrong.rule, wrong.offset + by as u64);
        let mut decoder = ChunkedDecoder::new(limits);
        let mut rest = &self.stream[start..];
        loop {
            let (taken, decoded) = decoder.decode(rest).map_err(|wrong| moved(wrong, start))?;
            rest = &rest[taken..];
            match decoded {
                Decoded::Data(data) => log.data(data),
                Decoded::Incomplete => {
                    return self.unfinished(Rule::BodyIncomplete).map(|_| None);
                }
                Decoded::End => break,
            }
        }
        let at = self.stream.len() - rest.len();
        let mut spans = FieldSpans::new();
        let read = TrailerReader::new().read(rest, limits, &mut spans);
        match read.map_err(|wrong| moved(wrong, at))? {
            Some((len, trailers)) => {
                log.end(trailers);
                Ok(Some(at + len))
            }
            None => self.unfinished(Rule::BodyIncomplete).map(|_| None),
        }
    }

    /// The stream is over within a message, or more may come.
    fn unfinished(&self, rule: Rule) -> Result<Option<(usize, bool)>, Rejection> {
        match self.after {
            After::More => Ok(None),
            After::Eof | After::Cut => refused_at(rule, self.stream.len()),
        }
    }
}

fn refused_at<T>(rule: Rule, at: usize) -> Result<T, Rejection> {
    Err(Rejection::new(rule, at as u64))
}

fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|one| !one.is_empty())
}

fn has_option(head: &ResponseHead<'_>, option: &str) -> bool {
    let mut options = head.fields().get_all("connection").flat_map(members);
    options.any(|one| one.eq_ignore_ascii_case(option.as_bytes()))
}

/// Whether all protocols that the response names were asked for.
fn is_asked_for(asked: Asked, head: &ResponseHead<'_>) -> bool {
    let Some(asked) = asked.upgrade else { return false };
    let is_asked =
        |name: &[u8]| members(asked.as_bytes()).any(|asked| asked.eq_ignore_ascii_case(name));
    let mut names = head.fields().get_all("upgrade").peekable();
    head.version() == Version::Http11
        && has_option(head, "upgrade")
        && names.peek().is_some()
        && names
            .all(|names| names.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).all(is_asked))
}

fn is_about_framing(rule: Rule) -> bool {
    let name = format!("{rule:?}");
    ["Length", "Coding"].iter().any(|start| name.starts_with(start))
}
