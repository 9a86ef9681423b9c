//! The `rust-version` of the workspace holds for its dependencies: none in `Cargo.lock` needs a
//! newer Rust. (That the workspace uses nothing newer itself is a lint,
//! `clippy::incompatible_msrv`.)

use std::process::Command;

use serde_json::Value;

/// Parses `1.88`, or `1.88.0`. A missing part is zero.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().unwrap());
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// The packages in the output of `cargo metadata` that need a newer Rust than `ours`.
fn too_new(metadata: &Value, ours: &str) -> Vec<String> {
    let packages = metadata["packages"].as_array().unwrap();
    assert!(!packages.is_empty());
    let needs = |package: &Value| package["rust_version"].as_str().map(str::to_owned);
    let newer = packages.iter().filter_map(|package| {
        let needs = needs(package).filter(|needs| version(needs) > version(ours))?;
        let (name, version) = (package["name"].as_str()?, package["version"].as_str()?);
        Some(format!("{name} {version} needs Rust {needs}"))
    });
    newer.collect()
}

/// Ignored by default, because it downloads the dependencies of all platforms. `.ci/run` runs it.
#[test]
#[ignore = "downloads the dependencies of all platforms"]
fn no_dependency_needs_a_newer_rust() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments =
        ["metadata", "--locked", "--all-features", "--format-version=1", "--manifest-path"];
    let output = Command::new(env!("CARGO")).args(arguments).arg(manifest).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).unwrap();
    let newer = too_new(&metadata, env!("CARGO_PKG_RUST_VERSION"));
    assert!(newer.is_empty(), "rust-version = {:?}: {newer:#?}", env!("CARGO_PKG_RUST_VERSION"));
}

#[test]
fn a_dependency_that_needs_a_newer_rust_is_found() {
    let metadata = r#"{"packages": [
        {"name": "old", "version": "0.1.0", "rust_version": "1.9"},
        {"name": "same", "version": "0.2.0", "rust_version": "1.88.0"},
        {"name": "silent", "version": "0.3.0", "rust_version": null},
        {"name": "patch", "version": "0.4.0", "rust_version": "1.88.1"},
        {"name": "new", "version": "1.0.0", "rust_version": "1.100"}
    ]}"#;
    let metadata = serde_json::from_str(metadata).unwrap();
    let newer = ["patch 0.4.0 needs Rust 1.88.1", "new 1.0.0 needs Rust 1.100"];
    assert_eq!(too_new(&metadata, "1.88"), newer);
}
