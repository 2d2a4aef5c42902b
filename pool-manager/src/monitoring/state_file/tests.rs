use super::*;

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn what_somebody_left_beside_the_file_is_no_obstacle_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    for left in ["alerts.tmp", "alerts.json.tmp"] {
        fs::create_dir(folder.path().join(left)).unwrap();
    }
    write(&file, "long text").unwrap();
    write(&file, "text").unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    assert_eq!(names(folder.path()), ["alerts.json", "alerts.json.tmp", "alerts.tmp"]);
}

#[test]
fn what_cannot_be_written_leaves_nothing_behind_and_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    fs::create_dir_all(file.join("in the way")).unwrap();
    write(&file, "text").unwrap_err();
    assert_eq!(names(folder.path()), ["alerts.json"]);
    assert_eq!(names(&file), ["in the way"]);
}

#[test]
fn of_several_who_write_one_file_each_succeeds_and_it_is_always_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    let texts = ["a".repeat(10_000), "b".repeat(20_000)];
    write(&file, &texts[0]).unwrap();
    std::thread::scope(|scope| {
        for text in &texts {
            scope.spawn(|| (0..50).for_each(|_| write(&file, text).unwrap()));
        }
        for _ in 0..200 {
            let found = fs::read_to_string(&file).unwrap();
            assert!(texts.contains(&found), "{} bytes", found.len());
        }
    });
    assert_eq!(names(folder.path()), ["alerts.json"]);
}

#[test]
fn a_file_without_a_folder_in_its_name_is_in_the_one_of_the_process() {
    assert_eq!(unwritable(Path::new("alerts.json")), None);
    assert_eq!(folder_of(Path::new("alerts.json")), Path::new("."));
}
