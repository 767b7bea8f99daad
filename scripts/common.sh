# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# shellcheck shell=bash
#
# Shared by scripts/setup, scripts/demo and scripts/check; sourced, not run.
# Every step looks first whether its work is done already.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/build/venv
cd "$ROOT" || exit 1

say() { printf '\n==> %s\n' "$*"; }
note() { printf '    %s\n' "$*"; }
die() {
  printf '\ntwilight: error: %s\n' "$1" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  exit 1
}

# Prints a script's own header comment, from line 5 to the first empty line.
usage() { sed -n '5,/^$/s/^# \{0,1\}//p' "$0"; }

# The build folder of a preset, relative to the root.
build_dir() {
  case $1 in
  release) echo build ;;
  *) echo "build/$1" ;;
  esac
}

debian_packages() { sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' scripts/debian-packages.txt; }

install_packages() {
  local wanted missing
  wanted=$(debian_packages)
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    note "no apt on this machine: taking it as set up. What is needed, by Debian name:"
    note "$(echo $wanted)"
    return
  fi
  # shellcheck disable=SC2086 # one word a package
  missing=$(comm -23 <(echo "$wanted" | sort) \
    <(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $wanted 2>/dev/null |
      sed -n 's/^installed //p' | sort -u))
  if [ -z "$missing" ]; then
    note "Debian packages: all there"
    return
  fi
  missing=$(echo $missing)
  note "installing Debian packages: $missing"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "these Debian packages are missing, and there is no sudo to install them with: $missing" \
        "as root: apt-get install --no-install-recommends $missing"
    as_root=(sudo)
    [ -t 0 ] || as_root=(sudo -n)
  fi
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  # A mirror that is down is only a reason to stop if the packages cannot be had.
  "${apt[@]}" update </dev/null || note "apt-get update failed; trying with the lists that are there"
  # shellcheck disable=SC2086
  "${apt[@]}" install -y --no-install-recommends $missing </dev/null ||
    die "apt-get could not install: $missing" \
      "LLVM and MLIR 22 come with Debian 12 and later, from its security updates: is that source enabled?" \
      "elsewhere, install LLVM 22 from the LLVM project's own apt source and run this again"
}

# The interpreter the environment is made from: Debian's, which python3-venv serves.
base_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if command -v "$python" >/dev/null &&
      "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$python"
      return
    fi
  done
  die "no Python 3.11 or later with venv and ensurepip found" \
    "on Debian: apt-get install python3 python3-venv"
}

make_venv() {
  local stamp python
  stamp=$( (cat python/requirements.txt && echo "$VENV") | sha256sum | cut -d' ' -f1)
  if [ "$(cat "$VENV/.stamp" 2>/dev/null)" = "$stamp" ] && "$VENV/bin/python" -c '' 2>/dev/null; then
    note "Python packages: all there ($("$VENV/bin/python" --version), build/venv)"
    return
  fi
  python=$(base_python) || exit 1
  note "making build/venv with $python and python/requirements.txt"
  mkdir -p build
  "$python" -m venv --clear "$VENV" || die "could not make a Python environment in build/venv with $python"
  "$VENV/bin/python" -m pip --disable-pip-version-check install -q -r python/requirements.txt </dev/null ||
    die "pip could not install python/requirements.txt into build/venv (its message is above)"
  echo "$stamp" >"$VENV/.stamp"
}

# The tools a build cannot start without, named before CMake gets to say it in its own way.
require_tools() {
  local tool missing=
  for tool in clang++-22 ninja cmake ccache; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
  done
  [ -e /usr/lib/llvm-22/lib/cmake/mlir/MLIRConfig.cmake ] || missing="$missing MLIRConfig.cmake (libmlir-22-dev)"
  [ -e /usr/lib/llvm-22/bin/FileCheck ] || missing="$missing FileCheck (llvm-22-tools)"
  [ -z "$missing" ] || die "missing:$missing" "see scripts/debian-packages.txt for what the build needs"
}

configure() { # preset
  local preset=$1 dir stamp
  dir=$(build_dir "$preset")
  stamp=$( (cat CMakePresets.json && echo "$ROOT") | sha256sum | cut -d' ' -f1)
  if [ -e "$dir/build.ninja" ] && [ "$(cat "$dir/.configured" 2>/dev/null)" = "$stamp" ]; then
    note "$dir: configured"
    return
  fi
  note "configuring $dir (preset $preset)"
  cmake --fresh --preset "$preset" >"$ROOT/build/configure-$preset.log" 2>&1 </dev/null || {
    tail -n 40 "build/configure-$preset.log" >&2
    die "CMake could not configure preset $preset; all of it is in build/configure-$preset.log"
  }
  echo "$stamp" >"$dir/.configured"
}

# One job a core, but no more than memory allows: an MLIR source takes up to 2 GB to compile.
jobs() {
  local cores mem
  cores=$(nproc)
  mem=$(awk '/^MemAvailable/ {print int($2 / 2000000)}' /proc/meminfo)
  echo $((mem < 1 ? 1 : mem < cores ? mem : cores))
}

build() { # preset [target...]
  local preset=$1 dir
  shift
  dir=$(build_dir "$preset")
  note "building ${*:-everything} in $dir"
  ninja -C "$dir" -j "$(jobs)" "$@" </dev/null ||
    die "the build of preset $preset failed (the compiler's message is above)"
}
