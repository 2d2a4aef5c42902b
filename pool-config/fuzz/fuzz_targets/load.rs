//! Any bytes: loading them ends, without a panic, in a configuration that comes back as it was or in problems that can be
//! shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pool_config::{Config, Loader, diff};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let variables = [("A", "5"), ("B", "true"), ("POOL__DEFAULT_POOL__MAX_USES", "7")];
    let loader = Loader::new().variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    match loader.load_text(text, "fuzz.yaml") {
        Ok(loaded) => {
            drop(loaded.listing(true).to_yaml(true));
            let yaml = loaded.config.to_yaml();
            let back = Config::from_yaml(&yaml, "written.yaml").unwrap_or_else(|error| panic!("{error}\n{yaml}"));
            assert_eq!(back, loaded.config, "{yaml}");
            assert!(diff(&back, &loaded.config).is_empty());
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            for problem in error.problems() {
                drop(problem.render(true));
            }
        }
    }
});
