"""Builds one environment of this project (SCons, run by PlatformIO)."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from SCons.Script import COMMAND_LINE_TARGETS, Action, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
platform = env.PioPlatform()
board = env.BoardConfig()
tools_dir = Path(platform.get_dir()) / "tools"
sys.path.insert(0, str(tools_dir))

import budget  # noqa: E402 (found once its folder is on the path)
import object_cache  # noqa: E402

PREFIX = "arm-none-eabi-"


def find_program(name):
    return shutil.which(name, path=env["ENV"]["PATH"])


if not find_program(PREFIX + "gcc"):
    sys.stderr.write(
        "Error: arm-none-eabi-gcc is not on the PATH.\n"
        "  Debian, Ubuntu: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi\n"
        "  macOS:          brew install --cask gcc-arm-embedded\n"
        "  others:         https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads\n"
    )
    env.Exit(1)


def has_cpp_library():
    """Whether the compiler finds the headers of the C++ library, which Debian packs apart from it."""
    command = [find_program(PREFIX + "g++") or PREFIX + "g++", "-x", "c++", "-fsyntax-only", "-"]
    program = b"#include <cstdint>\n"
    try:
        return subprocess.run(command, input=program, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if any(Path(env.subst("$PROJECT_DIR"), "lib").glob("*/**/*.cc")) and not has_cpp_library():
    sys.stderr.write(
        "Error: arm-none-eabi-g++ has no C++ library.\n"
        "  Debian, Ubuntu: apt install libstdc++-arm-none-eabi-newlib\n"
        "  others:         the compiler of https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads has it\n"
    )
    env.Exit(1)


def heap_bytes():
    """Return the size of the heap that user.ini asks for."""
    text = env.GetProjectOption("custom_heap_bytes", "0")
    try:
        size = int(text, 0)
    except ValueError:
        size = -1
    if not 0 <= size < 1 << 32:
        sys.stderr.write(f"Error: custom_heap_bytes is {text!r}; give a number of bytes, such as 4096.\n")
        env.Exit(1)
    return size


# Relative, as everything here: SCons does not quote a space in the middle of a linker flag.
build_dir = Path(os.path.relpath(env.subst("$BUILD_DIR"), env.subst("$PROJECT_DIR"))).as_posix()


def prefix_map():
    """Write the flag that makes two builds in two folders give the same bytes; return its file.

    In a file no shell reads the folder's name.
    """
    flag = "-ffile-prefix-map=" + env.subst("$PROJECT_DIR") + "=."
    file = Path(env.subst("$PROJECT_DIR"), build_dir, "prefix_map.rsp")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(re.sub(r"([\s'\"\\])", r"\\\1", flag) + "\n", encoding="utf-8")
    return f"{build_dir}/{file.name}"


# The compiler and the linker must agree on the core and the FPU, or the link mixes calling conventions.
machine = board.get("build.machine_flags")

env.Replace(
    AR=PREFIX + "gcc-ar",
    AS=PREFIX + "gcc",
    CC=PREFIX + "gcc",
    CXX=PREFIX + "g++",
    GDB=PREFIX + "gdb" if find_program(PREFIX + "gdb") else "gdb-multiarch",
    OBJCOPY=PREFIX + "objcopy",
    RANLIB=PREFIX + "gcc-ranlib",
    SIZETOOL=PREFIX + "size",
    ARFLAGS=["rcD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    # Berkeley's format counts every allocated section whatever its name, the arena included.
    SIZECHECKCMD="$SIZETOOL -B -d $SOURCES",
    SIZEPROGREGEXP=r"^(\d+)\s+(\d+)\s+\d+\s",
    SIZEDATAREGEXP=r"^\d+\s+(\d+)\s+(\d+)\s+\d+",
)
env.Append(
    ASFLAGS=[*machine, "-x", "assembler-with-cpp"],
    CFLAGS=["-std=gnu11"],
    CXXFLAGS=["-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics"],
    CCFLAGS=[
        *machine,
        "-Os",
        "-g",
        "-ffunction-sections",
        "-fdata-sections",
        "-fno-common",
        "-fstack-usage",
        "-Wall",
        "-Wextra",
        # $( and $) keep it out of what decides whether an object is up to date.
        "$(",
        f"@{prefix_map()}",
        "$)",
    ],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS=[
        *machine,
        "-nostartfiles",
        "--specs=nano.specs",
        "--specs=nosys.specs",
        "-Wl,--gc-sections",
        "-Wl,--build-id=sha1",  # the linker's hash of the image: what the self-test calls its build
        f"-Wl,-Map={build_dir}/firmware.map",
        f"-Wl,--defsym=_heap_bytes={heap_bytes()}",
    ],
    LIBS=["c", "m", "gcc"],
    BUILDERS={
        "Hex": Builder(
            action=env.VerboseAction("$OBJCOPY -O ihex $SOURCES $TARGET", "Building $TARGET"), suffix=".hex"
        )
    },
)
env.Replace(LDSCRIPT_PATH="lib/board/board.ld")
object_cache.use(env)

if "nobuild" in COMMAND_LINE_TARGETS:
    firmware = env.File("$BUILD_DIR/${PROGNAME}.elf")
else:
    firmware = env.BuildProgram()
    env.Depends(firmware, "$PROJECT_DIR/$LDSCRIPT_PATH")
AlwaysBuild(env.Alias("nobuild", firmware))
AlwaysBuild(
    env.Alias("size", firmware, env.VerboseAction("$SIZETOOL -A -d $SOURCES", "Sections of $SOURCES"))
)


def emulate(target, source, env):
    """Run the image in the board's emulator; the exit status says whether the self-test passed, or is the program's."""
    return subprocess.call([env.subst("$PYTHONEXE"), str(tools_dir / "emulator.py"), str(source[0])])


def check_budget(target, source, env):
    """Compare the image with the limits of user.ini."""
    limits = {name: env.GetProjectOption(f"custom_{name}_budget", "") for name in ("flash", "ram")}
    return budget.check(str(source[0]), {name: int(limit, 0) for name, limit in limits.items() if limit})


env.AddPlatformTarget(
    "emulate",
    firmware,
    env.VerboseAction(emulate, "Emulating $SOURCE"),
    title="Emulate",
    description="Run the image and its self-test without the board",
)
env.AddPlatformTarget(
    "budget",
    firmware,
    env.VerboseAction(check_budget, "Comparing $SOURCE with its limits"),
    title="Budget",
    description="Check flash and RAM against the limits of user.ini",
)


def upload_action():
    """Return the action that runs $UPLOADCMD and, where that fails, says what a probe needs."""
    command = Action(
        env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")
    )  # env.Action would expand $SOURCE now

    def run(target, source, env):
        status = command(target, source, env)
        if status:
            sys.stderr.write(
                "Error: the image was not uploaded. Is the board connected over USB, is its debug probe free, and may "
                "you use it (on Linux: udev rules, https://docs.platformio.org/page/core/installation/udev-rules.html)?"
                " `pio run -t emulate` runs the image without a board.\n"
            )
        return status

    return env.Action(run, None)


def upload_command():
    """Return the upload's sources and actions for the chosen protocol."""
    protocol = env.subst("$UPLOAD_PROTOCOL")
    upload = board.get("upload")
    interfaces = {"stlink": upload.get("openocd_interface", ""), "cmsis-dap": "cmsis-dap"}
    if protocol in interfaces:
        package = platform.get_package_dir("tool-openocd") if not find_program("openocd") else None
        scripts = ["-s", str(Path(package) / "openocd" / "scripts")] if package else []
        env.Replace(
            UPLOADER="openocd",
            UPLOADERFLAGS=[
                *scripts,
                *(
                    "-f",
                    f"interface/{interfaces[protocol]}.cfg",
                    "-f",
                    f"target/{upload['openocd_target']}.cfg",
                ),
                *("-c", "program {$SOURCE} verify reset; shutdown"),
            ],
            UPLOADCMD="$UPLOADER $UPLOADERFLAGS",
        )
        return firmware, [upload_action()]
    if protocol == "jlink":
        script = env.subst("$BUILD_DIR/upload.jlink")

        def write_script(target, source, env):
            Path(script).write_text(f"h\nloadfile {source[0]}\nr\ng\nq\n", encoding="utf-8")

        env.Replace(
            UPLOADER="JLink.exe" if os.name == "nt" else "JLinkExe",
            UPLOADERFLAGS=[
                *("-device", upload["jlink_device"], "-speed", "4000", "-if", "swd"),
                *("-autoconnect", "1", "-NoGui", "1", "-ExitOnError", "1", "-CommanderScript", script),
            ],
            UPLOADCMD="$UPLOADER $UPLOADERFLAGS",
        )
        image = env.Hex("$BUILD_DIR/${PROGNAME}", firmware)
        return image, [
            env.VerboseAction(write_script, "Writing the commands for J-Link"),
            upload_action(),
        ]
    if protocol == "blackmagic":
        env.Replace(
            UPLOADER="$GDB",
            UPLOADERFLAGS=[
                *("-nx", "--batch", "-ex", "target extended-remote $UPLOAD_PORT"),
                *("-ex", "monitor swdp_scan", "-ex", "attach 1", "-ex", "load", "-ex", "compare-sections"),
                *("-ex", "kill"),
            ],
            UPLOADCMD="$UPLOADER $UPLOADERFLAGS $SOURCE",
        )
        find_port = env.VerboseAction(env.AutodetectUploadPort, "Looking for the probe...")
        return firmware, [find_port, upload_action()]
    if protocol == "custom":
        return firmware, [upload_action()]

    def refuse(target, source, env):
        known = ", ".join(upload.get("protocols", []))
        reason = (
            f"upload_protocol must be one of {known}" if known else "the board exists in the emulator only"
        )
        sys.stderr.write(
            f"Error: cannot upload: {reason}; `pio run -t emulate` runs the image without one.\n"
        )
        return 1

    return firmware, [env.VerboseAction(refuse, "Uploading $SOURCE")]


image, actions = upload_command()
env.AddPlatformTarget("upload", image, actions, title="Upload", description="Write the image to the board")

Default([firmware, "size"] if "size" in COMMAND_LINE_TARGETS else [firmware])
