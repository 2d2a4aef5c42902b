use super::*;
use crate::source::SourceId;

fn mistake(found: &str) -> Mistake {
    Mistake::new(found, "5", "write 5")
}

fn at_line(line: u32) -> Place {
    Place { line, ..Place::START }
}

#[test]
fn problems_are_sorted_as_their_sources_are_read_whatever_their_severity() {
    let mut sources = Sources::of("a.yaml", "a\nb\n");
    let overlay = sources.add_file("b.yaml", "c\n".to_owned());
    let (variable, _) = sources.add_variable("POOL__X", "1", false);
    let mut problems = Problems::new(Arc::new(sources));
    problems.push(variable, String::new(), mistake("4"));
    problems.push(Place::start_of(overlay), String::new(), mistake("3"));
    problems.warn(at_line(2), String::new(), mistake("2"));
    problems.push(at_line(1), String::new(), mistake("1"));
    let problems = problems.into_findings().problems;
    let found: Vec<_> =
        problems.iter().map(|p| (p.found.as_str(), p.severity, p.source_name.as_str())).collect();
    assert_eq!(
        found,
        [
            ("1", Severity::Error, "a.yaml"),
            ("2", Severity::Warning, "a.yaml"),
            ("3", Severity::Error, "b.yaml"),
            ("4", Severity::Error, "environment variable POOL__X"),
        ]
    );
}

#[test]
fn a_problem_reads_as_a_link_a_line_of_the_file_and_a_cure() {
    let mut problems = Problems::of("a.yaml", "port: 4\n");
    let place = Place { column: 7, start: 6, end: 7, ..Place::START };
    problems.warn(place, "port".to_owned(), mistake("4"));
    insta::assert_snapshot!(problems.into_findings().problems[0], @r"
    a.yaml:1:7: warning: port: found 4, expected 5
      |
    1 | port: 4
      |       ^
      |
      = help: write 5
    ");
}

#[test]
fn a_problem_without_a_line_to_show_still_tells_the_cure() {
    let mut problems = Problems::of("a.yaml", "");
    problems.push(Place::START, String::new(), mistake("nothing"));
    insta::assert_snapshot!(problems.into_findings().problems[0], @r"
    a.yaml:1:1: error: found nothing, expected 5
      = help: write 5
    ");
}

#[test]
fn colours_are_those_of_the_severity() {
    let mut problems = Problems::of("a.yaml", "");
    problems.push(Place::START, String::new(), mistake("1"));
    problems.warn(Place::START, String::new(), mistake("2"));
    let problems = problems.into_findings().problems;
    let colored: Vec<_> = problems.iter().map(|problem| problem.render(true)).collect();
    assert!(colored[0].contains("\u{1b}[1m\u{1b}[91merror\u{1b}[0m: "), "{:?}", colored[0]);
    assert!(colored[1].contains("\u{1b}[1m\u{1b}[93mwarning\u{1b}[0m: "), "{:?}", colored[1]);
}

#[test]
fn too_many_problems_are_counted_and_warnings_do_not_crowd_out_errors() {
    let mut problems = Problems::of("a.yaml", "");
    for _ in 0..2 * MAX_KEPT {
        problems.warn(Place::START, String::new(), mistake("1"));
    }
    assert_eq!(problems.len(), 0);
    for _ in 0..MAX_KEPT + 7 {
        problems.push(Place::START, String::new(), mistake("2"));
    }
    assert_eq!(problems.len(), MAX_KEPT + 7);
    let Findings { problems, omitted } = problems.into_findings();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    assert_eq!((problems.len(), errors, omitted), (2 * MAX_KEPT, MAX_KEPT, 7));
}

#[test]
fn a_place_in_no_source_is_reported_all_the_same() {
    let mut problems = Problems::new(Arc::new(Sources::default()));
    problems.push(Place::start_of(SourceId::FIRST), String::new(), mistake("1"));
    assert_eq!(problems.into_findings().problems.len(), 1);
}
