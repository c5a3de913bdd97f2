//! The report as one HTML file.

use super::Report;

/// The report as HTML.
pub fn html(report: &Report) -> String {
    format!("{:?}", report.verdict)
}
