//! Runs a scenario with many seeds, and reports the first that fails and how to reproduce it.

use core::fmt;

/// A seed with which a scenario failed.
///
/// Its `Debug` is its `Display`, so that `unwrap` in a test shows it.
///
/// Example: see [`explore`], [`explore_sizes`].
#[derive(Clone, PartialEq, Eq)]
pub struct Found<E> {
    /// The seed.
    pub seed: u64,
    /// The error of the scenario.
    pub error: E,
    /// How many seeds passed before it.
    pub passed: u64,
    /// The smallest failing case, if the scenario has sizes.
    pub smallest: Option<Smallest<E>>,
}

/// A failing case of a scenario that has sizes.
///
/// Example: see [`explore`], [`explore_sizes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smallest<E> {
    /// Its size.
    pub size: u64,
    /// The error of the scenario at this size.
    pub error: E,
}

impl<E: fmt::Display> fmt::Display for Found<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {} failed, after {} that passed: {}", self.seed, self.passed, self.error)?;
        if let Some(Smallest { size, error }) = &self.smallest {
            write!(f, "\nthe smallest failing size with this seed is {size}: {error}")?;
            return write!(f, "\nto reproduce it, run the scenario with ({}, {size})", self.seed);
        }
        write!(f, "\nto reproduce it, run the scenario with ({})", self.seed)
    }
}

impl<E: fmt::Display> fmt::Debug for Found<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<E: fmt::Display> core::error::Error for Found<E> {}

/// Runs `scenario` with one seed after another. If all pass, returns their number.
///
/// A scenario should return an error rather than panic: a panic ends the exploration without
/// reporting the seed.
///
/// ```
/// use diesel_proto::testkit::net::explore;
///
/// let scenario = |seed| if seed < 7 { Ok(()) } else { Err("seven is too many") };
/// assert_eq!(explore(0..5, scenario).unwrap(), 5);
/// let found = explore(0..100, scenario).unwrap_err();
/// assert_eq!(found.seed, 7);
/// ```
///
/// # Errors
///
/// The first seed that fails.
pub fn explore<E>(
    seeds: impl IntoIterator<Item = u64>,
    mut scenario: impl FnMut(u64) -> Result<(), E>,
) -> Result<u64, Found<E>> {
    let mut passed = 0;
    for seed in seeds {
        if let Err(error) = scenario(seed) {
            return Err(Found { seed, error, passed, smallest: None });
        }
        passed += 1;
    }
    Ok(passed)
}

/// Like [`explore`], for a scenario with a size, such as a number of clients or messages. Seeds are
/// tried at `size`; with the first that fails, smaller sizes are tried: one, two, three and so on
/// (beyond 16 in growing steps), up to the first that fails.
///
/// A smaller size need not fail if a larger one does, nor the other way round. So there is no
/// bisection, and the reported size is the smallest failing one of those that were tried.
///
/// ```
/// use diesel_proto::testkit::net::explore_sizes;
///
/// let scenario = |seed, size| if seed < 7 || size < 3 { Ok(()) } else { Err("too many") };
/// let found = explore_sizes(0..100, 50, scenario).unwrap_err();
/// assert_eq!((found.seed, found.smallest.unwrap().size), (7, 3));
/// ```
///
/// # Errors
///
/// The first seed that fails.
pub fn explore_sizes<E>(
    seeds: impl IntoIterator<Item = u64>,
    size: u64,
    mut scenario: impl FnMut(u64, u64) -> Result<(), E>,
) -> Result<u64, Found<E>> {
    let mut found = match explore(seeds, |seed| scenario(seed, size)) {
        Ok(passed) => return Ok(passed),
        Err(found) => found,
    };
    let mut smaller = 1;
    while smaller < size {
        if let Err(error) = scenario(found.seed, smaller) {
            found.smallest = Some(Smallest { size: smaller, error });
            break;
        }
        smaller += 1 + smaller / 16;
    }
    Err(found)
}
