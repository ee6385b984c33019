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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "pio" / "micronets" / "tools"))

from emulate.errors import EmulationError
from emulate.lines import shown
from emulate.protocol import ProtocolReader


class CustomTestRunner(TestRunnerBase):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # A board that was reset while it was talking starts anew.
        self._reader = ProtocolReader(self.on_line, restartable=True)

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
        command = [sys.executable, str(emulator), str(image)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
            while chunk := process.stdout.read1(65536):
                self.on_testing_data_output(chunk)
        self._reader.close()
        if not self.test_suite.is_finished():
            click.echo("\n".join(map(shown, self._reader.output.splitlines())))

    def on_testing_data_output(self, data):
        try:
            self._reader.feed(data.encode() if isinstance(data, str) else data)
            if self._reader.finished and not self.test_suite.is_finished():
                self.add_cases()
                self.test_suite.on_finish()
        except EmulationError as error:
            raise UnitTestSuiteError(str(error)) from error

    def on_line(self, line):
        if self.options.verbose:
            click.echo(shown(line))

    def add_cases(self):
        if self._reader.fault is not None:
            fault = self._reader.fault
            name = shown(f"fault {fault.what} at 0x{fault.address:08x}")
            self.add_case(name, TestStatus.FAILED, "the firmware stopped in a fault handler")
            return
        result = self._reader.result("")
        for vector in result.vectors:
            message = None
            if not vector.passed:
                first = vector.differences[0]
                message = (
                    f"{vector.mismatches} bytes differ, first at byte {first.offset}: "
                    f"expected {first.expected}, got {first.got}"
                )
            status = TestStatus.PASSED if vector.passed else TestStatus.FAILED
            self.add_case(f"vector {vector.index}", status, message)
        if result.labelled:
            click.echo(f"accuracy: {result.correct} of {result.labelled} labelled vectors")
        if not result.passed and all(vector.passed for vector in result.vectors):
            self.add_case("result", TestStatus.FAILED, f"FAIL with {len(result.vectors)} vectors")

    def add_case(self, name, status, message):
        case = TestCase(name=name, status=status, message=message)
        self.test_suite.add_case(case)
        click.echo(case.humanize())
