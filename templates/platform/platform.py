"""PlatformIO development platform of this project.

Uses the system's compiler and uploader; where there are none, PlatformIO's packages.
"""

import importlib.util
import shutil
from pathlib import Path

from platformio.exception import UserSideException
from platformio.package.exception import PackageException
from platformio.platform.base import PlatformBase

COMPILER = "arm-none-eabi-gcc"
TOOLCHAIN = "toolchain-gccarmnoneeabi"
OPENOCD = "tool-openocd"


def _sibling(name):
    path = Path(__file__).resolve().parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"micronets_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class MicronetsPlatform(PlatformBase):
    def configure_default_packages(self, options, targets):
        super().configure_default_packages(options, targets)
        _sibling("offline").prepare(quiet=True)

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
        try:
            super().install_required_packages(force=force)
        except (PackageException, UserSideException, OSError) as error:
            raise UserSideException(f"{error}\n{self._advice()}") from error

    def _advice(self):
        missing = [name for name, package in self.packages.items() if not package.get("optional")]
        lines = ["PlatformIO could not download what this system lacks. Install it and try again:"]
        if TOOLCHAIN in missing:
            lines.append(
                "  compiler: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi  (Debian, Ubuntu)"
            )
            lines.append("            brew install --cask gcc-arm-embedded                   (macOS)")
            lines.append("            https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads")
        if OPENOCD in missing:
            lines.append("  uploader: apt install openocd   or   brew install openocd")
        return "\n".join(lines)
