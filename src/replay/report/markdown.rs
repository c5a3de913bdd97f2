//! The report as Markdown, for a pull request.

use super::Report;

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    format!("{:?}", report.verdict)
}
