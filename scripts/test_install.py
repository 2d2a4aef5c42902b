"""What test.sh --install installs and refuses, with an apt-get and servers of our own making."""

import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(HERE, "test.sh")
SERVERS = ("initdb", "postgres", "pg_basebackup", "mariadbd", "mariadb-install-db", "redis-server", "pgbouncer", "slapd", "slapadd",
           "prometheus", "promtool", "prometheus-alertmanager", "amtool")
# What the script itself runs. Nothing else is in PATH, so that no server of this machine is found there.
TOOLS = ("bash", "sh", "dirname", "cat", "env", "true", "mkdir", "rm", "chmod")


class Install(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.path = self.folder("bin")
        self.servers = self.folder("servers")
        self.policy = os.path.join(self.directory, "policy-rc.d")
        self.cluster = os.path.join(self.directory, "postgresql-common", "createcluster.conf")
        for tool in TOOLS:
            source = next(
                path
                for path in (os.path.join(folder, tool) for folder in os.environ["PATH"].split(":"))
                if os.access(path, os.X_OK)
            )
            os.symlink(source, os.path.join(self.path, tool))
        for program in ("cargo", "python3", "cc"):
            self.program(self.path, program)

    def folder(self, name):
        path = os.path.join(self.directory, name)
        os.mkdir(path)
        return path

    def program(self, folder, name, body="exit 0"):
        path = os.path.join(folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"#!/bin/sh\n{body}\n")
        os.chmod(path, 0o755)

    def have(self, *servers):
        for server in servers:
            self.program(self.servers, server)

    def apt_get(self, *brings, code=0):
        """An apt-get, and a sudo: apt-get notes what it is asked for, brings these servers and ends with `code`.

        The sudo puts what the script writes to the system into our folder instead.
        """
        notes = os.path.join(self.directory, "apt-get")
        body = [f'echo "$@" >>"{notes}"', "[ $1 = install ] || exit 0"]
        body.append(f'cat "{self.policy}" "{self.cluster}" >"{self.directory}/quiet"')
        for server in brings:
            body.append(f'echo >"{self.servers}/{server}"; chmod 755 "{self.servers}/{server}"')
        self.program(self.path, "apt-get", "\n".join([*body, f"exit {code}"]))
        self.program(self.path, "id", "echo 1000")
        write = f'exec sh -c "$3" sh "{self.policy}" "{self.cluster}"'
        remove = f'exec rm "{self.policy}"'
        self.program(self.path, "sudo", f'case $1 in sh) {write} ;; rm) {remove} ;; *) exec "$@" ;; esac')

    def asked(self):
        try:
            with open(os.path.join(self.directory, "apt-get"), encoding="utf-8") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def run_script(self):
        environment = {"PATH": self.path, "POOL_SERVER_FOLDERS": self.servers}
        bash = os.path.join(self.path, "bash")
        return subprocess.run(
            [bash, SCRIPT, "--install"], env=environment, capture_output=True, encoding="utf-8", timeout=60
        )

    def test_nothing_is_installed_when_nothing_is_missing(self):
        self.have(*SERVERS)
        self.apt_get()
        finished = self.run_script()
        self.assertEqual((finished.returncode, finished.stdout, finished.stderr), (0, "", ""))
        self.assertEqual(self.asked(), [])

    def test_the_package_of_each_missing_server_is_installed_once(self):
        for missing, packages in (
            (("initdb", "postgres"), "postgresql"),
            (("mariadbd", "mariadb-install-db"), "mariadb-server"),
            (("pg_basebackup", "redis-server", "pgbouncer"), "postgresql-client redis-server pgbouncer"),
        ):
            with self.subTest(packages):
                self.have(*(server for server in SERVERS if server not in missing))
                for server in missing:
                    if os.path.exists(os.path.join(self.servers, server)):
                        os.remove(os.path.join(self.servers, server))
                self.apt_get(*missing)
                finished = self.run_script()
                self.assertEqual(finished.returncode, 0, finished.stderr)
                update, install = self.asked()[-2:]
                self.assertEqual(update, "update")
                self.assertTrue(install.startswith("install --yes --no-install-recommends "), install)
                self.assertTrue(install.endswith(f"--force-confold {packages}"), install)

    def test_a_library_is_there_if_the_loader_finds_it(self):
        with open(SCRIPT, encoding="utf-8") as script:
            function = next(line for line in script if line.startswith("library_is_there()"))
        for library, code in (("libc.so.6", 0), ("libnowhere_at_all.so", 1)):
            with self.subTest(library):
                asked = subprocess.run(["bash", "-c", f"{function}\nlibrary_is_there {library}"], timeout=60)
                self.assertEqual(asked.returncode, code)

    def test_a_failing_apt_get_is_an_error_that_names_the_packages(self):
        self.have(*(server for server in SERVERS if server != "pgbouncer"))
        self.apt_get(code=100)
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("error: could not install pgbouncer; install them by hand", finished.stderr)

    def test_a_package_without_its_server_is_an_error_that_names_both(self):
        self.have(*(server for server in SERVERS if server != "mariadbd"))
        self.apt_get()
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("error: mariadbd is not to be found after installing mariadb-server", finished.stderr)

    def test_without_apt_get_the_packages_are_to_be_installed_by_hand(self):
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        packages = "postgresql postgresql-client mariadb-server redis-server pgbouncer slapd prometheus prometheus-alertmanager"
        self.assertIn(f"error: missing: {packages}; there is no apt-get here", finished.stderr)

    def test_no_service_starts_and_no_cluster_is_created_while_packages_are_installed(self):
        for code in (0, 100):
            with self.subTest(code):
                self.apt_get(*SERVERS, code=code)
                finished = self.run_script()
                self.assertEqual(finished.returncode, min(code, 1), finished.stderr)
                with open(os.path.join(self.directory, "quiet"), encoding="utf-8") as file:
                    self.assertEqual(file.read(), "#!/bin/sh\nexit 101\ncreate_main_cluster = false\n")
                self.assertFalse(os.path.exists(self.policy), "the policy was for the installation only")
                for server in SERVERS:
                    os.remove(os.path.join(self.servers, server))

    def test_what_is_said_about_services_already_stays(self):
        with open(self.policy, "w", encoding="utf-8") as file:
            file.write("the administrator's\n")
        self.apt_get(*SERVERS)
        self.assertEqual(self.run_script().returncode, 0)
        with open(self.policy, encoding="utf-8") as file:
            self.assertEqual(file.read(), "the administrator's\n")

    def test_services_are_kept_from_starting_or_nothing_is_installed(self):
        self.apt_get(*SERVERS)
        self.program(self.path, "sudo", 'case $1 in sh) exit 1 ;; *) exec "$@" ;; esac')
        finished = self.run_script()
        self.assertEqual(finished.returncode, 1)
        self.assertIn("without which services would be started", finished.stderr)
        self.assertEqual(self.asked(), [])


if __name__ == "__main__":
    unittest.main()
