//! The time of day, as a `Date` field contains it.
//!
//! Rules of this file:
//!
//! - It is formatted once per second, however many responses there are: the caller keeps one and
//!   refreshes it.
//! - Only the format that RFC 9110, 5.6.7, has a sender generate: IMF-fixdate, 29 bytes, in GMT.
//!
//! It must never read a clock: the time is an input.

use core::fmt;

/// A time, to the second, as a `Date` field contains it: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// ```
/// use diesel_proto::http1::HttpDate;
///
/// let mut date = HttpDate::from_unix(784_111_777);
/// assert_eq!(date.as_str(), "Sun, 06 Nov 1994 08:49:37 GMT");
/// date.refresh(784_111_778);
/// assert_eq!(date.to_string(), "Sun, 06 Nov 1994 08:49:38 GMT");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HttpDate {
    unix: u64,
    /// A whole field line, so that it is written in one piece.
    line: [u8; LINE],
}

const NAME: usize = b"Date: ".len();
const TEXT: usize = 29;
const LINE: usize = NAME + TEXT + b"\r\n".len();

/// 9999-12-31T23:59:59: a year has four digits.
const LAST: u64 = 253_402_300_799;

const DAY: u64 = 24 * 60 * 60;

impl HttpDate {
    /// The date of this Unix time, in seconds. Times after the year 9999 become its last second.
    pub const fn from_unix(seconds: u64) -> Self {
        let unix = min(seconds, LAST);
        HttpDate { unix, line: line_of(format(unix)) }
    }

    /// Makes this the date of this Unix time. If it already is, this costs one comparison.
    pub const fn refresh(&mut self, seconds: u64) {
        if self.unix != seconds {
            *self = HttpDate::from_unix(seconds);
        }
    }

    /// The date as text.
    pub fn as_str(&self) -> &str {
        // All of it is ASCII.
        core::str::from_utf8(&self.line[NAME..NAME + TEXT]).unwrap_or_default()
    }

    /// The date as a whole field line.
    pub(in crate::http1) const fn line(&self) -> &[u8; LINE] {
        &self.line
    }

    /// The Unix time, in seconds.
    pub const fn unix(&self) -> u64 {
        self.unix
    }
}

impl fmt::Display for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for HttpDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const fn line_of(text: [u8; TEXT]) -> [u8; LINE] {
    let mut line = *b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n";
    let mut at = 0;
    while at < TEXT {
        line[NAME + at] = text[at];
        at += 1;
    }
    line
}

/// `unix <= LAST`.
const fn format(unix: u64) -> [u8; TEXT] {
    // The first of January 1970 was a Thursday.
    const WEEKDAYS: [[u8; 3]; 7] = [*b"Thu", *b"Fri", *b"Sat", *b"Sun", *b"Mon", *b"Tue", *b"Wed"];
    const MONTHS: [[u8; 3]; 12] = [
        *b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct",
        *b"Nov", *b"Dec",
    ];
    let days = unix / DAY;
    let (year, month, day) = civil(days);
    let [w1, w2, w3] = WEEKDAYS[(days % 7) as usize];
    let [m1, m2, m3] = MONTHS[(month % 12) as usize];
    let [d1, d2] = two_digits(day);
    let [y1, y2] = two_digits(year / 100);
    let [y3, y4] = two_digits(year % 100);
    let [h1, h2] = two_digits(unix % DAY / 3600);
    let [n1, n2] = two_digits(unix % 3600 / 60);
    let [s1, s2] = two_digits(unix % 60);
    [
        w1, w2, w3, b',', b' ', d1, d2, b' ', m1, m2, m3, b' ', y1, y2, y3, y4, b' ', h1, h2, b':',
        n1, n2, b':', s1, s2, b' ', b'G', b'M', b'T',
    ]
}

/// `n < 100`.
const fn two_digits(n: u64) -> [u8; 2] {
    [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8]
}

/// Converts a number of days since 1970-01-01 to a date of the Gregorian calendar: the year, the
/// number of months before this one in it, and the day of the month.
///
/// Years are taken to begin in March: then a leap day is the last day of its year, and one division
/// finds the month: any five months in a row that begin with March or August have 153 days
/// together.
const fn civil(days: u64) -> (u64, u64, u64) {
    const CENTURY: u64 = 36_524;
    const FOUR_CENTURIES: u64 = 4 * CENTURY + 1;
    const FOUR_YEARS: u64 = 4 * 365 + 1;
    // Days since the first of March of the year 0.
    let days = days + 719_468;
    let within = days % FOUR_CENTURIES;
    // The last day of four centuries belongs to the fourth century, and that of four years to the
    // fourth year.
    let century = min(within / CENTURY, 3);
    let within = within - century * CENTURY;
    let leap = within / FOUR_YEARS;
    let within = within - leap * FOUR_YEARS;
    let single = min(within / 365, 3);
    let within = within - single * 365;
    let year = days / FOUR_CENTURIES * 400 + century * 100 + leap * 4 + single;
    let months = (5 * within + 2) / 153;
    let day = within - (153 * months + 2) / 5 + 1;
    // The next year begins ten months after March.
    (year + months / 10, (months + 2) % 12, day)
}

const fn min(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use quickcheck::QuickCheck;

    /// Calls `check` for each day up to the end of the year 9999, by counting.
    fn each_day(mut check: impl FnMut(u64, (u64, u64, u64))) {
        let mut days = 0;
        for year in 1970..10_000 {
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let february = if is_leap { 29 } else { 28 };
            let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (0..).zip(lengths) {
                for day in 1..=length {
                    check(days, (year, month, day));
                    days += 1;
                }
            }
        }
    }

    #[test]
    fn each_day_of_each_year_is_the_one_that_counting_gives() {
        let mut last = 0;
        each_day(|days, expected| {
            assert_eq!(civil(days), expected, "day {days}");
            last = days;
        });
        assert_eq!(last, LAST / DAY);
    }

    #[test]
    fn well_known_seconds_are_written_as_they_should() {
        for (unix, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (68_169_599, "Mon, 28 Feb 1972 23:59:59 GMT"),
            (68_169_600, "Tue, 29 Feb 1972 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (978_307_199, "Sun, 31 Dec 2000 23:59:59 GMT"),
            (1_000_000_000, "Sun, 09 Sep 2001 01:46:40 GMT"),
            (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
            (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            let date = HttpDate::from_unix(unix);
            assert_eq!(
                (date.as_str(), format!("{date} {date:?}")),
                (text, format!("{text} {text}"))
            );
        }
    }

    #[test]
    fn each_second_of_a_day_and_each_weekday_is_written() {
        const NAMES: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        fn property(days: u16, second: u32) -> bool {
            let second = u64::from(second) % DAY;
            let date = HttpDate::from_unix(u64::from(days) * DAY + second);
            let (hour, minute) = (second / 3600, second / 60 % 60);
            let (weekday, time) = (NAMES[usize::from(days % 7)], second % 60);
            let end = format!(" {hour:02}:{minute:02}:{time:02} GMT");
            date.as_str().ends_with(&end) && date.as_str().starts_with(&format!("{weekday}, "))
        }
        QuickCheck::new().tests(1_000).quickcheck(property as fn(u16, u32) -> bool);
    }

    #[test]
    fn a_refreshed_date_is_one_made_anew() {
        fn property(seconds: Vec<u32>) -> bool {
            let mut date = HttpDate::from_unix(0);
            seconds.into_iter().all(|second| {
                let second = u64::from(second);
                date.refresh(second);
                let once = date;
                date.refresh(second);
                date == once && date == HttpDate::from_unix(second) && date.unix() == second
            })
        }
        use alloc::vec::Vec;
        QuickCheck::new().quickcheck(property as fn(Vec<u32>) -> bool);
    }

    #[test]
    fn time_ends_with_the_year_9999() {
        let last = HttpDate::from_unix(LAST);
        for seconds in [LAST + 1, u64::MAX] {
            let mut date = HttpDate::from_unix(seconds);
            assert_eq!(date, last);
            date.refresh(seconds);
            assert_eq!(date, last);
        }
        assert_ne!(HttpDate::from_unix(LAST - 1), last);
    }
}
