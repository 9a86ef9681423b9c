//! What the RFCs ask, sentence by sentence, and what comes of it here. Nothing but documentation.
//!
//! Every sentence of RFC 9112 that holds a MUST, MUST NOT, SHOULD or SHOULD NOT (or a word that
//! means the same) has a row; of RFC 9110, every one that binds a server beneath its application.
//!
//! - **sentence**: its section, and which it is of those of the section that hold a word of
//!   requirement at all (MAY and OPTIONAL count): `9.3.5` is the fifth of section 9.3, if it stands
//!   below that heading.
//! - **hash**: FNV-1a, 32 bits, of the sentence, its white space normalised: so a row cannot come to
//!   stand for another sentence.
//! - **what it asks**, in words of our own.
//! - **where** it is seen to. Some begin with whose affair it is otherwise: *Not ours*, where it
//!   binds another role than that of a server; *The application's*, where it is left to that, and
//!   possible; *Not met*, with the reason.
//! - **shown by**: tests. Those of this crate's modules are named by their paths, others by file.
//!
//! The other sentences of RFC 9110 are counted by section, with the reason why they are not our
//! affair, and a hash of all of them together.
//!
//! What the RFCs leave open is decided strictly: [`Rule`](super::Rule) lists what is refused.
//!
//! A test of the repository reads the tables: that whatever they name exists, and that no sentence
//! was forgotten.

#[doc = include_str!("conformance/rfc9112.md")]
pub mod rfc9112 {}

#[doc = include_str!("conformance/rfc9110.md")]
pub mod rfc9110 {}
