//! Documents that must not drift from the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pool_config::{ConfigError, Loaded, Loader};

use crate::root;

/// The names of all functions in the project's Rust and Python files.
fn functions(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                functions(&path, names);
            }
        } else if name.ends_with(".rs") || name.ends_with(".py") {
            let text = fs::read_to_string(&path).unwrap();
            let words: Vec<_> = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
            let defined = words.windows(2).filter(|pair| pair[0] == "fn" || pair[0] == "def");
            names.extend(defined.map(|pair| pair[1].to_owned()));
        }
    }
}

/// The ids of all cases: A1 to A12 and so on.
fn cases() -> Vec<String> {
    let groups = [
        ('A', 12),
        ('B', 12),
        ('C', 12),
        ('D', 14),
        ('E', 14),
        ('F', 15),
        ('G', 5),
        ('H', 11),
        ('I', 6),
        ('J', 12),
    ];
    groups
        .iter()
        .flat_map(|(group, last)| (1..=*last).map(move |number| format!("{group}{number}")))
        .collect()
}

#[test]
fn every_acceptance_case_names_tests_that_exist_or_a_reason() {
    let text = fs::read_to_string(root().join("docs/acceptance.md")).unwrap();
    let mut names = BTreeSet::new();
    functions(&root(), &mut names);
    let mut missing = Vec::new();
    for case in cases() {
        let start = format!("| {case} |");
        let Some(row) = text.lines().find(|line| line.starts_with(&start)) else {
            missing.push(format!("{case}: no row"));
            continue;
        };
        let cell = row.split('|').nth(3).unwrap_or_default().trim();
        if cell.is_empty() {
            missing.push(format!("{case}: neither a test nor a reason"));
        }
        let quoted = cell.split('`').skip(1).step_by(2);
        for test in quoted.filter(|word| !names.contains(*word)) {
            missing.push(format!("{case}: there is no test `{test}`"));
        }
    }
    assert!(missing.is_empty(), "docs/acceptance.md:\n{}", missing.join("\n"));
}

#[test]
fn the_readme_has_exactly_two_set_up_commands() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let commands: Vec<_> = text
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("sh\n"))
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    assert_eq!(
        commands,
        [
            "cargo run --release -p pool-loadtest -- --config config/connection_pool.yaml --threads 32 --duration 10",
            "scripts/test.sh",
        ]
    );
}

#[test]
fn the_configurations_of_the_guide_to_the_manager_load_without_a_warning() {
    let text = fs::read_to_string(root().join("docs/manager.md")).unwrap();
    let blocks = text.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("yaml\n"));
    let [base, overlay, secrets, careful, group, watched, measured] = blocks.collect::<Vec<_>>()[..] else {
        panic!("other blocks")
    };
    let check = |outcome: Result<Loaded, ConfigError>| {
        let Loaded { config, warnings, .. } = outcome.unwrap_or_else(|error| panic!("failed to {error}"));
        assert!(warnings.is_empty(), "{warnings:?}");
        config
    };
    for block in [base, secrets, careful, group, watched, measured] {
        check(Loader::without_variables().load_text(block, "docs/manager.md"));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("connection_pool.yaml");
    fs::write(&file, base).unwrap();
    fs::write(folder.path().join("connection_pool.production.yaml"), overlay).unwrap();
    let production = check(Loader::without_variables().environment("production").load(file));
    assert_eq!(production.pool("orders").unwrap().settings.max_connections, 60);
}

/// What it takes from the environment has defaults.
#[test]
fn the_configuration_of_the_example_service_loads_without_a_warning() {
    let file = root().join("pool-manager/examples/service/connection_pool.yaml");
    let loaded = Loader::without_variables().load(file).unwrap_or_else(|error| panic!("failed to {error}"));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}
