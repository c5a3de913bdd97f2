//! Tests that need a process of their own, since limits are a whole process's.

use std::process::Command;

const ALONE: &str = "SIDESTEP_TEST_ALONE";

/// Runs a test of this program that is ignored elsewhere; panics where it fails, or is not there.
pub(super) fn run_alone(test: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    assert!(said.contains("1 passed"), "{said}");
}

/// Whether this process runs for one test.
pub(super) fn is_alone() -> bool {
    std::env::var_os(ALONE).is_some()
}
