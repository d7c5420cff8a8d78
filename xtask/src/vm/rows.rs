//! The rows of `docs/kernels.md`, as `procmon doctor --json` has them. `cargo xtask vmtest --write`
//! writes the page by them, and the tests of kernels, which take this file in, compare it with them.

use serde_json::Value;

/// Of each: feature, road taken, why no better one.
pub fn rows(diagnosis: &Value) -> Vec<[&str; 3]> {
    let mut rows = vec![[
        "probes",
        diagnosis["summary"].as_str().unwrap_or("none"),
        diagnosis["error"].as_str().unwrap_or_default(),
    ]];
    for roads in diagnosis["roads"].as_array().into_iter().flatten() {
        let mut all = roads["roads"].as_array().into_iter().flatten();
        let taken = all.find(|road| road["taken"] == true);
        rows.push([
            roads["to"].as_str().unwrap_or_default(),
            taken
                .and_then(|road| road["road"].as_str())
                .unwrap_or("none"),
            roads["reason"].as_str().unwrap_or_default(),
        ]);
    }
    rows
}
