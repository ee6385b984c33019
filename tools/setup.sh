#!/bin/sh
# Installs what is missing: system packages (Debian, Ubuntu), a virtual environment in .venv, the package.
#
#   tools/setup.sh demo   the cross compiler and the generator
#   tools/setup.sh quick  what tests need that need nothing but Python
#   tools/setup.sh test   those, QEMU, TensorFlow and what else the tests need; where the sources of the tflm runtime
#                         can be had, those too, and the C++ library that it needs
set -eu
cd "$(dirname "$0")/.."

purpose=${1:-demo}
case $purpose in
demo) extras="" ;;
quick | test) extras="[dev,search]" ;;
*)
    echo "usage: tools/setup.sh demo|quick|test" >&2
    exit 2
    ;;
esac

missing=""
need() { # need COMMAND PACKAGE...: the packages that bring a command which is not there
    command -v "$1" >/dev/null 2>&1 && return
    shift
    missing="$missing $*"
}
install_missing() { # install what $missing names
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        cat >&2 <<EOF
error: something is missing that this script can install only on Debian and Ubuntu.
  Debian's names of it:$missing
  what to do: install it with your system's package manager, then run this again. The cross compiler is also at
  https://developer.arm.com/downloads/-/arm-gnu-toolchain-downloads (macOS: brew install --cask gcc-arm-embedded);
  Python must be 3.11 or later (macOS: brew install python qemu).
EOF
        exit 1
    fi
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "error: run this as root once:  apt-get install$missing" >&2
            exit 1
        fi
        sudo=sudo
    fi
    echo "installing$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
    missing=""
}

[ "$purpose" = quick ] || need arm-none-eabi-gcc gcc-arm-none-eabi libnewlib-arm-none-eabi
if [ "$purpose" = test ]; then
    need qemu-system-arm qemu-system-arm
    need git git
    need cppcheck cppcheck
    need openocd openocd
    need espeak-ng espeak-ng
    need gcc gcc libc6-dev
fi

python=""
for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    missing="$missing python3 python3-venv"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    missing="$missing python3-venv"
fi

install_missing
[ -n "$python" ] || python=python3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "error: $("$python" --version) is too old; install Python 3.11 or later and run this again" >&2
    exit 1
fi

# The stamp says for which pyproject.toml and purpose .venv was made.
wanted="${extras:-demo} $(cksum <pyproject.toml)"
stamp=.venv/.made-for
if ! { [ -x .venv/bin/python ] && grep -qsxF -e "$wanted" -e "[dev,search] ${wanted#* }" "$stamp"; }; then
    echo "installing the package into .venv"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable ".$extras"
    echo "$wanted" >"$stamp"
fi

if [ "$purpose" = test ]; then
    if .venv/bin/micronets-gen sources fetch >/dev/null 2>&1; then
        if ! echo '#include <cstdint>' | arm-none-eabi-g++ -x c++ -fsyntax-only - 2>/dev/null; then
            missing="$missing libstdc++-arm-none-eabi-newlib"
            install_missing
        fi
    else
        echo "the sources of the tflm runtime cannot be had: its tests that need them will be skipped"
    fi
fi
