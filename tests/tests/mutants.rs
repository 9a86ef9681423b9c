//! What `.cargo/mutants*.toml` names is there: cargo-mutants passes over what is not, in silence.

use std::fs;
use std::path::Path;

#[test]
fn each_glob_of_cargo_mutants_names_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut globs = 0;
    for entry in fs::read_dir(root.join(".cargo")).unwrap() {
        let config = entry.unwrap().path();
        let text = fs::read_to_string(&config).unwrap();
        for glob in text.split('"').filter(|text| text.starts_with("diesel-proto/")) {
            globs += 1;
            let path = root.join(glob);
            let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap());
            let is_there = match name.to_str().unwrap() {
                "*.rs" => fs::read_dir(folder).is_ok_and(|entries| {
                    entries.flatten().any(|it| it.path().extension().is_some_and(|it| it == "rs"))
                }),
                _ => path.is_file(),
            };
            assert!(is_there, "{}: {glob} names nothing", config.display());
        }
    }
    assert!(globs > 10, "{globs}");
}
