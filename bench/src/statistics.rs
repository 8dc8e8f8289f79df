//! Median, range, least-squares line, and power of growth of a few numbers. Pure.

/// The median: the middle of some numbers, or the mean of the two in the middle; `None` without a number.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

/// The smallest and the largest of some numbers; `None` without a number.
pub fn range(values: &[f64]) -> Option<(f64, f64)> {
    let smallest = values.iter().copied().min_by(f64::total_cmp)?;
    let largest = values.iter().copied().max_by(f64::total_cmp)?;
    Some((smallest, largest))
}

/// A straight line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// How much y grows where x grows by one.
    pub slope: f64,
    /// The y where x is zero.
    pub start: f64,
}

impl Line {
    /// The least-squares line through points; `None` for fewer than two different x.
    pub fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = count(points.len());
        let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / count;
        let spread = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum::<f64>();
        let together = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>();
        let slope = together / spread;
        // Without two different x this is a division by zero.
        slope.is_finite().then_some(Self { slope, start: mean_y - slope * mean_x })
    }

    /// The y of an x.
    pub fn at(&self, x: f64) -> f64 {
        self.start + self.slope * x
    }
}

/// The power of x with which y grows from one point to another: 1 is linear, 0 is constant, 2 is quadratic. `None` where a
/// value is not above zero, since nothing grows from there.
pub fn growth((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Option<f64> {
    let power = (y2 / y1).ln() / (x2 / x1).ln();
    (y1 > 0.0 && y2 > 0.0 && power.is_finite()).then_some(power)
}

/// A count as a number to calculate with. Counts here are far below 2^52, so that no digit is lost.
#[allow(clippy::cast_precision_loss)]
pub fn count(counted: impl TryInto<u64>) -> f64 {
    counted.try_into().map_or(f64::NAN, |counted| counted as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_one_outlier_does_not_move_it() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1000.0, 2.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn the_range_is_from_the_smallest_to_the_largest() {
        assert_eq!(range(&[]), None);
        assert_eq!(range(&[3.0, 1.0, 2.0]), Some((1.0, 3.0)));
    }

    #[test]
    fn the_line_goes_through_points_that_lie_on_one() {
        let line = Line::through(&[(1.0, 12.0), (5.0, 20.0), (10.0, 30.0)]).unwrap();
        assert!((line.slope - 2.0).abs() < 1e-9 && (line.start - 10.0).abs() < 1e-9, "{line:?}");
        assert!((line.at(100.0) - 210.0).abs() < 1e-9);
    }

    #[test]
    fn one_size_has_no_slope() {
        assert_eq!(Line::through(&[]), None);
        assert_eq!(Line::through(&[(5.0, 1.0)]), None);
        assert_eq!(Line::through(&[(5.0, 1.0), (5.0, 2.0)]), None);
    }

    #[test]
    fn growth_is_the_power() {
        let close = |power: Option<f64>, expected: f64| (power.unwrap() - expected).abs() < 1e-9;
        assert!(close(growth((10.0, 7.0), (100.0, 70.0)), 1.0));
        assert!(close(growth((10.0, 7.0), (100.0, 7.0)), 0.0));
        assert!(close(growth((10.0, 7.0), (100.0, 700.0)), 2.0));
        assert_eq!(growth((10.0, 0.0), (100.0, 7.0)), None);
        assert_eq!(growth((10.0, 7.0), (10.0, 7.0)), None);
    }

    #[test]
    fn counts_keep_their_digits() {
        assert!((count(10_000_usize) - 10_000.0).abs() < f64::EPSILON);
    }
}
