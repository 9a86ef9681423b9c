//! Routes and handlers, over the simulated network.

mod bodies;
mod connections;
mod methods;
mod middleware;
mod paths;
mod routers;
