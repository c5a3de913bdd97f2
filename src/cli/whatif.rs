//! `sidestep whatif`: the present state run forward with injected results.

use super::{Outcome, arguments::WhatIfArguments};

/// Prints what would follow.
pub(super) fn run(arguments: &WhatIfArguments) -> Outcome {
    let _ = arguments;
    Ok(())
}
