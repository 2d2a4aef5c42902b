//! What is said about each of many broken files: a snapshot beside each, to be read as a user would.

use std::fs;
use std::path::{Path, PathBuf};

use pool_config::{ConfigError, Loader};

fn broken_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    let entries = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file of it").path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a file has a name").to_string_lossy().into_owned()
}

#[test]
fn each_broken_file_is_refused_with_messages_that_help() {
    let variables =
        [("WORD", "canary"), ("NUMBER", "10001")].map(|(name, value)| (name.into(), value.into()));
    let loader = Loader::new().variables(variables);
    let files = broken_files();
    assert!(files.len() >= 60, "{} files", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("broken");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let stem = stem(&path);
            let error = loader.load_text(&text, &format!("{stem}.yaml")).expect_err(&stem);
            let ConfigError::Invalid { problems, .. } = &error else { panic!("{stem}: {error}") };
            assert!(problems.iter().all(|problem| !problem.help.is_empty()), "{stem}: {error}");
            let message = error.to_string();
            assert!(
                !message.contains("canary") && !message.contains("1234567"),
                "{stem} shows a secret:\n{message}"
            );
            insta::assert_snapshot!(stem, message);
        }
    });
}

/// A snapshot that belongs to no file any more would only mislead.
#[test]
fn each_snapshot_belongs_to_a_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "snap") {
            assert!(path.with_extension("yaml").exists(), "{}", path.display());
        }
    }
}
