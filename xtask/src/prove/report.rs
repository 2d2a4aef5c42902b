//! Reads what the tests printed.

/// The line of one model.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Model<'a> {
    pub(super) name: &'a str,
    pub(super) executions: u64,
}

/// What a model says at its end: `model NAME: N executions, S s`.
pub(super) fn executions(output: &str) -> Option<Model<'_>> {
    // The test runner may have begun the line.
    let (_, line) = output.lines().find_map(|line| line.split_once("model "))?;
    let (name, rest) = line.split_once(": ")?;
    let (executions, _) = rest.split_once(" executions, ")?;
    Some(Model { name, executions: executions.parse().ok()? })
}

/// The message of the first panic. `None` if the model does not know the defect that it was to be shown.
pub(super) fn first_panic(output: &str) -> Option<&str> {
    let mut lines = output.lines().skip_while(|line| !line.contains("panicked at "));
    lines.next()?;
    let message = lines.next()?.trim();
    (!message.contains("POOL_PLANTED names")).then_some(message)
}

/// How many tests passed, by the runner's closing lines.
pub(super) fn tests_passed(output: &str) -> u64 {
    let passed = |line: &str| {
        let (count, _) = line.strip_prefix("test result: ok. ")?.split_once(" passed")?;
        count.parse::<u64>().ok()
    };
    output.lines().filter_map(passed).sum()
}

/// The paths in what `--list` prints that begin with `prefix`.
pub(super) fn listed<'a>(output: &'a str, prefix: &str) -> Vec<&'a str> {
    output
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|path| path.starts_with(prefix))
        .collect()
}
