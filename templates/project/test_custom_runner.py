"""Lets `pio test` run the golden vectors.

In the emulator, or on the board where a port is given (`upload_port` or `test_port` in user.ini,
`--upload-port` or `--test-port` on the command line).
"""

import subprocess
import sys
from pathlib import Path

import click
from platformio.exception import ReturnErrorCode
from platformio.test.exception import UnitTestSuiteError
from platformio.test.result import TestCase, TestStatus
from platformio.test.runners.base import TestRunnerBase


class CustomTestRunner(TestRunnerBase):
    @property
    def environment(self):
        return f"env:{self.test_suite.env_name}"

    @property
    def on_board(self):
        options = (self.options.upload_port, self.options.test_port)
        settings = (
            self.project_config.get(self.environment, name, None) for name in ("upload_port", "test_port")
        )
        return any(options) or any(settings)

    def stage_building(self):
        if self.on_board:
            return super().stage_building()
        if self.options.without_building:
            return None
        click.secho("Building...", bold=True)
        try:
            return self.run_project_targets(["__test", "checkprogsize"])
        except ReturnErrorCode as error:
            raise UnitTestSuiteError(
                "The build has failed, see the errors above (`pio test -vvv` shows more)"
            ) from error

    def stage_uploading(self):
        return super().stage_uploading() if self.on_board else None

    def stage_testing(self):
        if self.options.without_testing:
            return
        if self.on_board:
            super().stage_testing()
        else:
            self.emulate()
        if not self.test_suite.is_finished():
            raise UnitTestSuiteError("The firmware did not run to its end (it prints `MN,end` there)")

    def emulate(self):
        click.secho("Testing in the emulator...", bold=True)
        build_dir = Path(self.project_config.get("platformio", "build_dir"))
        emulator = Path(self.platform.get_dir()) / "tools" / "emulator.py"
        image = build_dir / self.test_suite.env_name / "firmware.elf"
        result = subprocess.run(
            [sys.executable, str(emulator), str(image)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        self.on_testing_data_output(result.stdout)
        if not self.test_suite.is_finished():
            click.echo(result.stdout)

    def on_testing_line_output(self, line):
        if self.options.verbose:
            click.echo(line, nl=False)
        kind, *fields = line.strip().removeprefix("MN,").split(",") if line.startswith("MN,") else [""]
        if kind == "begin":
            # A board that was reset while it was talking starts anew.
            self.test_suite._cases.clear()
        elif kind == "vector":
            self.add_vector(*fields)
        elif kind == "accuracy":
            click.echo(f"accuracy: {fields[0]} of {fields[1]} labelled vectors")
        elif kind == "fault":
            self.add_case(
                f"fault {' at '.join(fields)}", TestStatus.FAILED, "the firmware stopped in a fault handler"
            )
            self.test_suite.on_finish()
        elif (
            kind == "result"
            and fields[0] != "PASS"
            and self.test_suite.get_status_nums(TestStatus.FAILED) == 0
        ):
            self.add_case("result", TestStatus.FAILED, f"{fields[1]} of {fields[2]} vectors passed")
        elif kind == "end":
            self.test_suite.on_finish()

    def add_vector(self, index, verdict, mismatches, *difference):
        message = None
        if difference:
            first, expected, got = difference
            message = f"{mismatches} bytes differ, first at byte {first}: expected {expected}, got {got}"
        self.add_case(
            f"vector {index}", TestStatus.PASSED if verdict == "PASS" else TestStatus.FAILED, message
        )

    def add_case(self, name, status, message):
        case = TestCase(name=name, status=status, message=message)
        self.test_suite.add_case(case)
        click.echo(case.humanize())
