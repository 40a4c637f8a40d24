#!/bin/sh
# Install the system libraries that bpy needs, or name the exact command where that is not allowed.
# Usage: system_libraries.sh PYTHON PACKAGE...
python=$1
shift
if "$python" -c "import bpy" >/dev/null 2>&1; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
fi
if ! "$python" -c "import bpy"; then
    echo "Blender's module cannot be loaded: install its system libraries with" >&2
    echo "    sudo apt-get install $*" >&2
    exit 1
fi
