# Sourced by demo and test: a virtual environment beside the code, made once and updated when pyproject.toml changes.
# $1: the extras to install, e.g. "" or "[test]". Leaves its Python's path in $PYTHON.
# The working folder stays the caller's: files that options name are found from there.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
make_environment() {
  local extras=$1 base=${MPC_PYTHON:-} candidate
  if [ -z "$base" ]; then
    for candidate in python3.13 python3.12 python3.11 python3; do
      if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        base=$candidate
        break
      fi
    done
  fi
  if [ -z "$base" ]; then
    echo "Python 3.11 or newer with the venv module is needed; install it, or name it in MPC_PYTHON." >&2
    return 2
  fi
  local folder=${MPC_VENV:-$here/.venv}
  PYTHON=$folder/bin/python
  local stamp=$folder/.installed$extras wanted
  wanted=$(cksum <"$here/pyproject.toml")
  if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    echo "Setting up $folder (once) ..." >&2
    [ -x "$PYTHON" ] || "$base" -m venv "$folder"
    "$PYTHON" -m pip install --quiet --disable-pip-version-check --editable "$here$extras" >&2 || return
    "$PYTHON" -c 'import sys; from protocol.kernels import ready; ready(lambda text: print(text, file=sys.stderr))'
    echo "$wanted" >"$stamp"
  fi
}
