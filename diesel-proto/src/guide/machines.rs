//! Machines.
//!
//! Below the fibers there is one trait, [`Machine`](crate::Machine), for whoever would rather write
//! the state machine: protocol cores, and layers around them. [`Endpoint`](crate::Endpoint) holds
//! the embedding contract. [`Service::machine`](crate::Service::machine) puts one into a hub, and
//! [`proxy_protocol`](crate::proxy_protocol) is a whole one to read.
