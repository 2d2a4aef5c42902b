"""connection_pool_load_test.sh with a load tester of our own making, so that nothing is built."""

import os
import signal
import subprocess
import tempfile
import textwrap
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "connection_pool_load_test.sh")
FIXTURE = os.path.join(HERE, "fixtures", "oversubscribe.json")
SETTINGS = ("CONNECTION_POOL_SIZE", "NUM_THREADS", "DURATION", "CONNECTIONS_PER_THREAD", "OUT", "POOL_LOADTEST_BIN")


class LoadTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.out = os.path.join(self.directory, "out")

    def fake(self, body):
        """A load tester: notes its arguments, puts the output path in $output, then does what `body` says."""
        path = os.path.join(self.directory, "pool-loadtest")
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                textwrap.dedent(
                    f"""\
                    #!/usr/bin/env bash
                    echo "$@" >'{self.directory}/arguments'
                    output=${{@: -1}}
                    {body}
                    """
                )
            )
        os.chmod(path, 0o755)
        return path

    def environment(self, **settings):
        environment = {key: value for key, value in os.environ.items() if key not in SETTINGS}
        return {**environment, "OUT": self.out, "PYTHONIOENCODING": "utf-8", **settings}

    def run_script(self, body, *arguments, **settings):
        return subprocess.run(
            ["bash", SCRIPT, *arguments],
            env=self.environment(**{"POOL_LOADTEST_BIN": self.fake(body), **settings}),
            cwd=self.directory,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
        )

    def arguments(self):
        with open(os.path.join(self.directory, "arguments"), encoding="utf-8") as file:
            return file.read().split()

    def test_a_pass_shows_the_row_and_the_analysis_and_exits_0(self):
        finished = self.run_script(f"cp '{FIXTURE}' \"$output\"")
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertRegex(
            finished.stdout, r"oversubscribe +sqlite +1997/2000 +200 +9\.74ms +0  PASS\n== 1 of 1 passed =="
        )
        self.assertIn("acquire wait distribution", finished.stdout)
        self.assertTrue(finished.stdout.endswith("exit 0\n1 passed, 0 failed, 0 skipped\n"), finished.stdout)

    def test_the_seeds_flags_are_passed_with_their_defaults(self):
        self.run_script("exit 0")
        expected = "--pool-size 20 --threads 10 --duration 60 --connections-per-thread 100 --output"
        self.assertEqual(self.arguments(), [*expected.split(), os.path.join(self.out, "results.json")])

    def test_the_environment_overrides_them(self):
        self.run_script(
            "exit 0", CONNECTION_POOL_SIZE="5", NUM_THREADS="6", DURATION="7", CONNECTIONS_PER_THREAD="8", OUT="here"
        )
        expected = "--pool-size 5 --threads 6 --duration 7 --connections-per-thread 8 --output"
        self.assertEqual(self.arguments(), [*expected.split(), os.path.join(self.directory, "here", "results.json")])

    def test_the_exit_code_is_the_load_testers_and_the_analysis_still_runs(self):
        for code, meaning in (
            (5, "pool defect"),
            (99, "threshold"),
            (4, "result invalid"),
            (130, "interrupted"),
            (42, "exit 42"),
        ):
            with self.subTest(code):
                finished = self.run_script(f"cp '{FIXTURE}' \"$output\"; exit {code}")
                self.assertEqual(finished.returncode, code)
                self.assertIn(f"FAIL {meaning}\n== 0 of 1 passed ==", finished.stdout)
                self.assertIn("acquire wait distribution", finished.stdout)
                self.assertTrue(finished.stdout.endswith("0 passed, 1 failed, 0 skipped\n"))

    def test_without_results_the_row_is_dashes(self):
        finished = self.run_script("echo 'cannot open the database' >&2; exit 3")
        self.assertEqual(finished.returncode, 3)
        self.assertRegex(finished.stdout, r"– +– +– +– +– +–  FAIL could not start")
        self.assertIn("results.json was not written", finished.stdout)
        self.assertIn("cannot open the database", finished.stderr)

    def test_results_that_cannot_be_read_are_no_pass(self):
        finished = self.run_script("echo '{' >\"$output\"")
        self.assertEqual(finished.returncode, 1)
        self.assertIn("is not JSON", finished.stderr)

    def test_a_binary_that_is_not_there_fails(self):
        finished = self.run_script("", POOL_LOADTEST_BIN=os.path.join(self.directory, "none"))
        self.assertNotEqual(finished.returncode, 0)
        self.assertTrue(finished.stdout.endswith("0 passed, 1 failed, 0 skipped\n"))

    def fake_cargo(self, build):
        """A cargo that does `build` to build, and says that its target directory is here."""
        path = os.path.join(self.directory, "bin", "cargo")
        os.makedirs(os.path.dirname(path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(
                "#!/usr/bin/env bash\n"
                f"echo \"$@\" >>'{self.directory}/cargo'\n"
                f'case $1 in build) {build} ;; metadata) echo \'{{"target_directory": "{self.directory}"}}\' ;; esac\n'
            )
        os.chmod(path, 0o755)
        return os.path.dirname(path) + os.pathsep + os.environ["PATH"]

    def test_without_a_binary_it_builds_one_and_runs_it_from_where_cargo_puts_it(self):
        binary = self.fake(f"cp '{FIXTURE}' \"$output\"")
        release = os.path.join(self.directory, "release")
        path = self.fake_cargo(f"mkdir -p '{release}' && cp '{binary}' '{release}/pool-loadtest'")
        finished = self.run_script(f"cp '{FIXTURE}' \"$output\"", POOL_LOADTEST_BIN="", PATH=path)
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertRegex(finished.stdout, r"build     release, rustc \S+, commit .+ \((clean|changed)\)")
        with open(os.path.join(self.directory, "cargo"), encoding="utf-8") as file:
            self.assertEqual(file.readline(), "build --locked --release --package pool-loadtest\n")

    def test_a_build_that_fails_could_not_start(self):
        finished = self.run_script("", POOL_LOADTEST_BIN="", PATH=self.fake_cargo("exit 101"))
        self.assertEqual(finished.returncode, 3)
        self.assertIn("pool-loadtest could not be built", finished.stderr)
        self.assertTrue(finished.stdout.endswith("exit 3\n0 passed, 1 failed, 0 skipped\n"))

    def test_an_older_result_is_kept_and_not_taken_for_this_runs(self):
        self.run_script(f"cp '{FIXTURE}' \"$output\"")
        finished = self.run_script("exit 3")
        self.assertIn("was not written", finished.stdout)
        self.assertEqual(os.listdir(self.out), ["results.previous.json"])

    def test_ctrl_c_still_shows_what_the_load_tester_wrote(self):
        process = subprocess.Popen(
            ["bash", SCRIPT],
            env=self.environment(
                POOL_LOADTEST_BIN=self.fake(
                    f"trap 'cp \"{FIXTURE}\" \"$output\"; exit 130' INT\n: >'{self.directory}/started'\n"
                    "for _ in {1..300}; do sleep 0.1; done"
                )
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
            # Whoever runs the tests in the background may have it ignored, which a shell cannot change.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        for _ in range(300):
            if os.path.exists(os.path.join(self.directory, "started")):
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertIn("FAIL interrupted", out)
        self.assertIn("acquire wait distribution", out)

    def test_help_tells_every_setting_and_runs_nothing(self):
        finished = self.run_script("exit 0", "--help")
        self.assertEqual(finished.returncode, 0)
        for setting in SETTINGS:
            self.assertIn(f"  {setting} ", finished.stdout)
        self.assertFalse(os.path.exists(os.path.join(self.directory, "arguments")))

    def test_an_unknown_argument_is_usage(self):
        self.assertEqual(self.run_script("exit 0", "--fast").returncode, 2)


if __name__ == "__main__":
    unittest.main()
