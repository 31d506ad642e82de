//! A small chart of one figure over time. Whole numbers only.

use super::super::formatter::human;
use crate::domain::time::{UtcMillis, Zone};

/// The picture, without its margins.
const WIDTH: i64 = 300;
const HEIGHT: i64 = 64;
const TOP: i64 = 18;
/// Points that are drawn; of more, every second or third.
const POINTS_MAX: usize = 150;

/// A figure at an instant.
pub(super) type Point = (UtcMillis, i64);

/// A chart, ready to be written.
#[derive(Debug)]
pub(super) struct Chart {
    /// Tells charts of a page apart.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// The newest figure, with its unit.
    pub(super) newest: String,
    /// The text alternative.
    pub(super) description: String,
    /// The points of the line; empty where there are fewer than two.
    pub(super) line: String,
    /// The same, closed at the bottom.
    pub(super) area: String,
    pub(super) max: String,
    pub(super) from: String,
    pub(super) until: String,
}

/// The size of the picture.
pub(super) const VIEW: (i64, i64) = (WIDTH + 8, HEIGHT + TOP + 22);

impl Chart {
    /// Of points in the order of time; `unit` puts a figure into words, `words` are those for the newest and the largest.
    pub(super) fn new(
        (id, title): (&'static str, &'static str),
        points: &[Point],
        unit: impl Fn(i64) -> String,
        (newest_word, largest_word, nothing): (&str, &str, &str),
        zone: &Zone,
    ) -> Self {
        let step = points.len().div_ceil(POINTS_MAX).max(1);
        // The newest is always there.
        let drawn: Vec<Point> = points.iter().rev().step_by(step).rev().copied().collect();
        let max = points.iter().map(|(_, value)| *value).max().unwrap_or_default();
        let newest = points.last().map_or_else(|| nothing.to_owned(), |(_, value)| unit(*value));
        let clock = |point: Option<&Point>| {
            let text = point.map(|(at, _)| human(&zone.rfc3339(*at), "")).unwrap_or_default();
            text.get(11..16).unwrap_or_default().to_owned()
        };
        let line = if drawn.len() < 2 { String::new() } else { line(&drawn, max.max(1)) };
        let bottom = TOP + HEIGHT;
        let area =
            if line.is_empty() { String::new() } else { format!("4,{bottom} {line} {},{bottom}", 4 + WIDTH) };
        Self {
            id,
            title,
            description: format!("{newest_word}: {newest}. {largest_word}: {}.", unit(max)),
            newest,
            line,
            area,
            max: unit(max),
            from: clock(drawn.first()),
            until: clock(drawn.last()),
        }
    }
}

fn line(points: &[Point], max: i64) -> String {
    let (Some((from, _)), Some((until, _))) = (points.first(), points.last()) else { return String::new() };
    let span = i128::from(until.since(*from).max(1));
    let place = |&(at, value): &Point| {
        let x = i128::from(at.since(*from)) * i128::from(WIDTH) / span;
        let y = i128::from(value.clamp(0, max)) * i128::from(HEIGHT) / i128::from(max);
        format!("{},{}", 4 + x, i128::from(TOP + HEIGHT) - y)
    };
    points.iter().map(place).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(values: &[i64]) -> Chart {
        let points: Vec<Point> =
            (0..).zip(values).map(|(nth, &v)| (UtcMillis::new(nth * 15_000), v)).collect();
        Chart::new(("x", "X"), &points, |v| format!("{v} s"), ("now", "most", "none"), &Zone::utc())
    }

    #[test]
    fn a_line_goes_from_edge_to_edge_and_the_largest_reaches_the_top() {
        let drawn = chart(&[0, 10, 5]);
        assert_eq!(drawn.line, "4,82 154,18 304,50");
        assert_eq!(drawn.area, "4,82 4,82 154,18 304,50 304,82");
        assert_eq!(drawn.description, "now: 5 s. most: 10 s.");
        assert_eq!((drawn.from.as_str(), drawn.until.as_str()), ("00:00", "00:00"));
    }

    #[test]
    fn few_points_and_many_are_drawn() {
        assert_eq!((chart(&[]).line.as_str(), chart(&[]).newest.as_str()), ("", "none"));
        assert_eq!(chart(&[7]).line, "");
        assert_eq!(chart(&[0, 0]).line, "4,82 304,82");
        let many: Vec<i64> = (0..960).collect();
        let drawn = chart(&many);
        assert!(
            drawn.line.split(' ').count() <= POINTS_MAX && drawn.line.ends_with("304,18"),
            "{}",
            drawn.line
        );
    }
}
