//! Random numbers as an input: a seed from the embedder, and a generator.
//!
//! The generator is ChaCha with 20 rounds: its past output reveals neither its future output nor
//! the seed. So masks, nonces and cookies may be drawn from it, as long as the seed is a secret.
//!
//! It must never know what the numbers are for.

use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Hub;

/// The seed of a hub's random numbers: 256 bits.
///
/// For a hub that serves real peers, use bytes from the operating system's generator, and keep them
/// secret; `Debug` does not show them. For a test, any number will do.
///
/// Example: see [`Hub::seed`].
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed made from a number. For tests and simulations only: the output can be guessed by
    /// trying numbers.
    pub fn from_number(number: u64) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Seed(seed)
    }
}

impl From<[u8; 32]> for Seed {
    fn from(bytes: [u8; 32]) -> Self {
        Seed(bytes)
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// The generator of a hub.
pub(crate) struct HubRandom(ChaCha20Rng);

impl HubRandom {
    pub(crate) fn new(Seed(seed): Seed) -> Self {
        HubRandom(ChaCha20Rng::from_seed(seed))
    }

    pub(crate) fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

impl Hub {
    /// Seeds the generator of random numbers: see [`Ctx::random`](crate::fiber::Ctx::random). Call
    /// this before the first [`run`](Self::run), with bytes from the operating system's generator.
    ///
    /// A hub that was never seeded uses [`Seed::from_number`] of zero, the same in every process:
    /// fit for tests only. It reports this by
    /// [`Notice::Unseeded`](crate::machine::Notice::Unseeded), once, when something is drawn.
    ///
    /// ```
    /// use diesel_proto::Hub;
    /// use diesel_proto::hub::Seed;
    ///
    /// let drawn = |number| -> u64 {
    ///     let mut hub = Hub::default();
    ///     hub.seed(Seed::from_number(number));
    ///     u64::from_le_bytes(hub.ctx().random())
    /// };
    /// assert_eq!(drawn(1), drawn(1));
    /// assert_ne!(drawn(1), drawn(2));
    /// ```
    pub fn seed(&mut self, seed: impl Into<Seed>) {
        *self.core.random.borrow_mut() = Some(HubRandom::new(seed.into()));
    }
}
