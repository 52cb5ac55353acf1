# Sourced by the scripts: makes .venv from a hashed lock file and checks system packages.
# Everything that is missing is either installed or named, with the line that installs it.

find_python() {
  for name in python3.13 python3.12 python3.11 python3; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "Python 3.11 or newer is needed and was not found. On Debian or Ubuntu: apt-get install python3 python3-venv" >&2
  return 1
}

# install_debian MESSAGE PACKAGE…: installs when root, else says what to run and fails.
install_debian() {
  local why=$1
  shift
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $* ($why)" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q "$@" >/dev/null 2>&1 || { apt-get update -q >/dev/null && apt-get install -y -q "$@" >/dev/null; }
  else
    echo "Missing: $why. As root: apt-get install $*" >&2
    return 1
  fi
}

# make_environment LOCK_FILE: brings .venv to exactly this lock; does nothing when it is there.
make_environment() {
  local lock=$1 python wanted
  wanted=$(sha256sum "$lock" pyproject.toml | sha256sum | cut -c1-64)
  [ "$(cat ".venv/.$lock" 2>/dev/null)" = "$wanted" ] && return
  if [ ! -x .venv/bin/pip ]; then
    python=$(find_python)
    "$python" -c 'import ensurepip' 2>/dev/null || install_debian "Python's venv module" python3-venv
    "$python" -m venv .venv
  fi
  echo "Installing Python packages from $lock" >&2
  .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
  .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
  echo "$wanted" >".venv/.$lock"
}

has_pdf_libraries() {
  local libraries
  # Only root has the folder of ldconfig on its path.
  libraries=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p)
  grep -q libpangoft2-1.0 <<<"$libraries" && grep -q libharfbuzz-subset <<<"$libraries" &&
    [ -n "$(find /usr/share/fonts "$HOME/.fonts" -name '*.ttf' -print -quit 2>/dev/null)" ]
}

ensure_pdf_libraries() {
  has_pdf_libraries ||
    install_debian "libraries that draw invoices" libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core
}
