"""PlatformIO development platform of this project.

Uses the system's compiler and uploader; where there are none, PlatformIO's packages.
"""

import importlib.util
import shutil
import sys
from pathlib import Path

import click
from platformio.exception import UserSideException
from platformio.platform.base import PlatformBase

COMPILER = "arm-none-eabi-gcc"
TOOLCHAIN = "toolchain-gccarmnoneeabi"
OPENOCD = "tool-openocd"
ADVICE = {
    TOOLCHAIN: """\
  compiler: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi  (Debian, Ubuntu)
            brew install --cask gcc-arm-embedded                   (macOS)
            https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads""",
    OPENOCD: """\
  uploader: apt install openocd  (Debian, Ubuntu)
            brew install openocd (macOS)""",
}


def _tool(name):
    # By path: with this folder on sys.path, this file would stand in for the standard module "platform".
    path = Path(__file__).resolve().parent / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"micronets_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class MicronetsPlatform(PlatformBase):
    def configure_default_packages(self, options, targets):
        super().configure_default_packages(options, targets)
        offline = _tool("offline")
        offline.prepare_cppcheck(quiet=True)
        if not offline.prepare(quiet=True):
            click.echo(
                f"PlatformIO downloads SCons; without its registry: {sys.executable} -m pip install scons",
                err=True,
            )

        chosen = " ".join(self._custom_packages or [])
        if TOOLCHAIN not in chosen:
            if shutil.which(COMPILER):
                # A copy that another project installed must not come before the system's compiler.
                self.packages.pop(TOOLCHAIN, None)
            elif "nobuild" not in targets:
                self.packages[TOOLCHAIN]["optional"] = False

        # This package stays listed: PlatformIO takes a platform without an uploader for a native one.
        uploads = {"upload", "program"} & set(targets)
        board = self.board_config(options["board"])
        protocol = options.get("upload_protocol") or board.get("upload.protocol", "")
        by_openocd = protocol in ("stlink", "cmsis-dap")
        if OPENOCD not in chosen:
            self.packages[OPENOCD]["optional"] = not (uploads and by_openocd and not shutil.which("openocd"))

    def install_required_packages(self, force=False):
        missing = [name for name in ADVICE if self._is_missing(name)]
        advice = "\n".join(ADVICE[name] for name in missing)
        if missing:
            click.echo(
                f"This system lacks what PlatformIO downloads now. To install it yourself:\n{advice}",
                err=True,
            )
        try:
            super().install_required_packages(force=force)
        except (UserSideException, OSError) as error:
            reason = str(error).strip() or type(error).__name__
            raise UserSideException(
                f"the download failed: {reason}\nInstall it yourself:\n{advice}"
            ) from error

    def _is_missing(self, name):
        package = self.packages.get(name, {"optional": True})
        return not package.get("optional") and not self.get_package(name)
