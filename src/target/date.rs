//! Days.

use std::fmt;

/// A day, from midnight UTC on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// The year of the Common Era.
    pub year: u16,
    /// From 1.
    pub month: u8,
    /// From 1.
    pub day: u8,
}

/// Eight digits, without anything between them.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}{:02}", self.year, self.month, self.day)
    }
}

impl Date {
    /// Seconds since 1970, for a day after that.
    #[must_use]
    pub fn epoch(self) -> u64 {
        let (year, month, day) = (u64::from(self.year), u64::from(self.month), u64::from(self.day));
        // A year that begins in March ends with its leap day, and its months are of 30.6 days each, rounded.
        let (year, month) = if month > 2 {
            (year, month - 3)
        } else {
            (year - 1, month + 9)
        };
        let days_of_years = 365 * year + year / 4 - year / 100 + year / 400;
        let to_1970 = 719_468;
        (days_of_years + (153 * month + 2) / 5 + day - 1 - to_1970) * 86_400
    }
}

#[cfg(test)]
mod tests {
    use super::Date;

    #[test]
    fn days_are_counted_as_the_calendar_has_them() {
        for (year, month, day, epoch) in [
            (1970, 1, 1, 0),
            (2000, 2, 29, 951_782_400),
            (2018, 4, 26, 1_524_700_800),
            (2100, 3, 1, 4_107_542_400),
        ] {
            assert_eq!(Date { year, month, day }.epoch(), epoch);
        }
    }
}
