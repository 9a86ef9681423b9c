//! The transport of a host's hub: the ends of wires take the place of a driver's sockets.
//!
//! It must never know the hub.

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::task::Poll;

use super::Network;
use super::pipe::Mark;
use super::transcript::Happened;
use super::wire::{WireEnd, WireTarget};
use crate::buf::FileRegion;
use crate::hub::embed::{
    ConnectOutcome, Interest, Lost, ReadOutcome, RegionOutcome, Transport, WriteOutcome,
};
use crate::hub::{ConnId, Hub, Job, JobId, JobOutcome, Refused, ServiceId};
use crate::machine::{
    Address, ConnectErrorKind, FileAnswer, FileErrorKind, FileId, FileRequest, HostName, Notice,
    ResolveErrorKind,
};
use crate::time::Instant;

/// The network, as one host sees it.
pub(super) struct Ends<'a> {
    pub(super) network: &'a mut Network,
    pub(super) host: usize,
}

impl Ends<'_> {
    fn tell(&mut self, conn: impl Into<Option<ConnId>>, what: Happened<'_>) {
        let Network { transcript, now, .. } = &mut *self.network;
        transcript.add(*now, self.host, conn.into(), what);
    }

    /// The wire of a stream, and which end of it this is.
    fn wire(&mut self, conn: ConnId) -> Option<(usize, usize)> {
        self.network.hosts[self.host].socket(conn)?.wire
    }
}

impl Transport for Ends<'_> {
    type Stream = ConnId;
    type Incoming = (WireEnd, ServiceId, Address);

    fn read(&mut self, &mut conn: &mut ConnId) -> ReadOutcome<'_> {
        let Some((wire, side)) = self.wire(conn) else { return ReadOutcome::Nothing };
        let Network { wires, bytes, transcript, traffic, now, .. } = &mut *self.network;
        let pipe = &mut wires[wire].pipes[1 - side];
        if pipe.has_arrived() {
            bytes.clear();
            bytes.extend_from_slice(pipe.next_read());
            pipe.consume(bytes.len());
            traffic.reads += 1;
            traffic.bytes += bytes.len() as u64;
            transcript.add(*now, self.host, Some(conn), Happened::Received(bytes));
            self.network.made_room(wire, 1 - side);
            return ReadOutcome::Bytes { bytes: &self.network.bytes, filled: false };
        }
        match pipe.mark() {
            Some(Mark::End) => {
                pipe.take_mark();
                if let Some(socket) = self.network.hosts[self.host].socket(conn) {
                    socket.ended = true;
                }
                self.tell(conn, Happened::Eof);
                ReadOutcome::Eof
            }
            Some(Mark::Reset) => {
                pipe.take_mark();
                self.tell(conn, Happened::Reset);
                ReadOutcome::Reset
            }
            Some(Mark::Connected) | None => ReadOutcome::Nothing,
        }
    }

    fn write_region(
        &mut self,
        conn: ConnId,
        stream: &mut ConnId,
        region: FileRegion,
    ) -> RegionOutcome {
        match self.network.region(self.host, conn, region) {
            Ok(bytes) => RegionOutcome::Wrote(self.write(stream, &[&bytes])),
            Err(outcome) => outcome,
        }
    }

    fn file(
        &mut self,
        job: JobId,
        request: FileRequest,
    ) -> Poll<Result<FileAnswer, FileErrorKind>> {
        match self.network.file(self.host, job, request) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    fn close_file(&mut self, file: FileId) {
        self.network.close_file(self.host, file);
    }

    fn write(&mut self, &mut conn: &mut ConnId, slices: &[&[u8]]) -> WriteOutcome {
        let Some((wire, side)) = self.wire(conn) else { return WriteOutcome::Took(0) };
        let Network { wires, bytes, transcript, traffic, now, .. } = &mut *self.network;
        if wires[wire].pipes[1 - side].mark() == Some(Mark::Reset) {
            // As with sockets: writing fails, and what arrived before can still be read.
            self.tell(conn, Happened::WriteFailed);
            self.network.make_ready(self.host, conn);
            return WriteOutcome::Failed { reset: false };
        }
        let pipe = &mut wires[wire].pipes[side];
        let room = pipe.next_write();
        bytes.clear();
        for slice in slices {
            bytes.extend_from_slice(&slice[..slice.len().min(room - bytes.len())]);
        }
        let n = bytes.len();
        if n > 0 {
            traffic.writes += 1;
            transcript.add(*now, self.host, Some(conn), Happened::Sent(bytes));
        }
        let wrote = pipe.write(*now, bytes);
        let all = slices.iter().map(|slice| slice.len()).sum::<usize>();
        pipe.writer_waits = n < all;
        if n < all && pipe.room() > 0 {
            self.network.make_ready(self.host, conn);
        }
        self.network.wrote(wire, side, wrote);
        WriteOutcome::Took(n)
    }

    fn shut_down(&mut self, conn: ConnId, _: &mut ConnId) -> Result<(), Lost> {
        self.tell(conn, Happened::HalfClosed);
        if let Some((wire, side)) = self.wire(conn) {
            self.network.wires[wire].pipes[side].put(self.network.now, Mark::End);
            self.network.get_on(wire, side);
        }
        Ok(())
    }

    fn watch(&mut self, conn: ConnId, _: &mut ConnId, interest: Interest) -> Result<(), Lost> {
        if let Some(socket) = self.network.hosts[self.host].socket(conn) {
            let resumes = interest.readable && !socket.interest.readable;
            socket.interest = interest;
            if resumes {
                self.network.make_ready(self.host, conn);
            }
        }
        Ok(())
    }

    fn close(&mut self, _: Instant, conn: ConnId, _: Option<ConnId>, end: crate::machine::End) {
        self.tell(
            conn,
            match end {
                crate::machine::End::Close(cause) => Happened::Closed(cause),
                crate::machine::End::Abort(cause) => Happened::Aborted(cause),
            },
        );
        let removed = self.network.hosts[self.host].remove_socket(conn);
        if let Some((wire, side)) = removed {
            if end.is_abort() {
                self.network.wires[wire].pipes[side].put(self.network.now, Mark::Reset);
            }
            self.network.leave(wire, side);
        }
    }

    fn open(&mut self, conn: ConnId, incoming: Self::Incoming) -> Result<ConnId, Lost> {
        let (end, service, from) = incoming;
        self.tell(conn, Happened::Accepted(service, from));
        let wire = self.network.join(end, Some(WireEnd::Host(self.host, conn)));
        self.network.vacate(self.host, conn);
        self.network.hosts[self.host].add_socket(conn, Some((wire, 1)));
        self.network.begin(wire);
        Ok(conn)
    }

    fn refuse(&mut self, service: ServiceId, from: Address, incoming: Self::Incoming, _: Refused) {
        self.tell(None, Happened::Refused(service, from));
        // As in an operating system: the connection is made, and then closed.
        let wire = self.network.join(incoming.0, None);
        self.network.wires[wire].pipes[1].put(self.network.now, Mark::End);
        self.network.begin(wire);
    }

    fn connect(&mut self, conn: ConnId, address: Address) -> Result<ConnId, ConnectErrorKind> {
        self.tell(conn, Happened::Connects(address));
        self.network.vacate(self.host, conn);
        let Address::Socket(address) = address else {
            let why = ConnectErrorKind::Unsupported;
            self.tell(conn, Happened::ConnectFailed(why));
            return Err(why);
        };
        self.network.hosts[self.host].add_socket(conn, None);
        self.network.reach(WireEnd::Host(self.host, conn), WireTarget::Address(address));
        Ok(conn)
    }

    fn connected(&mut self, &mut conn: &mut ConnId, _: bool) -> ConnectOutcome {
        let Some((wire, side)) = self.wire(conn) else { return ConnectOutcome::UnderWay };
        let pipe = &mut self.network.wires[wire].pipes[1 - side];
        if pipe.mark() != Some(Mark::Connected) {
            return ConnectOutcome::UnderWay;
        }
        pipe.take_mark();
        self.tell(conn, Happened::Connected);
        if let Some(socket) = self.network.hosts[self.host].socket(conn) {
            socket.interest = Interest::READABLE;
        }
        self.network.get_on(wire, 1 - side);
        ConnectOutcome::Done
    }

    fn resolve(
        &mut self,
        job: JobId,
        name: &HostName,
    ) -> Poll<Result<Vec<SocketAddr>, ResolveErrorKind>> {
        match self.network.resolve(self.host, job, name) {
            Some(addresses) => Poll::Ready(addresses),
            None => Poll::Pending,
        }
    }

    fn run_job(&mut self, id: JobId, job: Job) -> Poll<JobOutcome> {
        match self.network.run_job(self.host, id, job) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }

    fn cancel(&mut self, job: JobId) {
        self.network.cancel_job(self.host, job);
    }

    fn unacked(&mut self, &mut conn: &mut ConnId) -> Option<u64> {
        // An operating system may acknowledge bytes that arrived and were not read; this
        // network does not.
        let (wire, side) = self.wire(conn)?;
        Some(self.network.wires[wire].pipes[side].held() as u64)
    }

    fn accepts(&mut self, _: Instant, service: ServiceId, accepts: bool) {
        self.network.stop_accepting(self.host, service, !accepts);
    }

    fn notice(&mut self, _: &Hub, _: Option<ServiceId>, notice: Notice) {
        self.tell(None, Happened::Notice(&notice));
    }

    fn now(&mut self) -> Instant {
        self.network.now
    }
}
