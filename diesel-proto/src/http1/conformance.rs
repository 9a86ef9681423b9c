//! What the RFCs require, sentence by sentence, and how this crate meets it. Documentation only.
//!
//! Every sentence of RFC 9112 that contains MUST, MUST NOT, SHOULD or SHOULD NOT (or a synonym) has
//! a row. Of RFC 9110, every such sentence has one that binds a server beneath its application, or is
//! about what `web` does: conditional requests, ranges, content codings. The tables of the client ([`rfc9112_client`], [`rfc9110_client`]) have a row for each one that binds
//! a client, or any sender or recipient.
//!
//! - **sentence**: the section, and the number of the sentence among those of the section that
//!   contain a key word at all (MAY and OPTIONAL count): `9.3.5` is the fifth such sentence of
//!   section 9.3.
//! - **hash**: FNV-1a, 32 bits, of the sentence with its white space normalised, so that a row
//!   cannot come to stand for another sentence.
//! - **what it asks**: a paraphrase.
//! - **where** the requirement is met. Some entries begin with a verdict instead: *Not ours*, if
//!   the sentence binds a role other than the table's; *The application's*, if it is left to what
//!   uses the connection, which can meet it; *Not met*, with the reason.
//! - **shown by**: tests. Tests in modules of this crate are named by module path, others by file.
//!
//! The remaining sentences are counted by section, with the reason why they do not apply, and one
//! hash of all of them.
//!
//! Where the RFCs leave a choice, the strict one is taken: [`Rule`](super::Rule) lists what is
//! refused.
//!
//! A test of the repository reads the tables, and checks that everything they name exists and that
//! no sentence is missing.

#[doc = include_str!("conformance/rfc9112.md")]
pub mod rfc9112 {}

#[doc = include_str!("conformance/rfc9110.md")]
pub mod rfc9110 {}

#[doc = include_str!("conformance/rfc9112_client.md")]
pub mod rfc9112_client {}

#[doc = include_str!("conformance/rfc9110_client.md")]
pub mod rfc9110_client {}
