#!/bin/bash
# Builds consumer.c against the randla installed in a Python environment, as a C user would, and runs it on
# NumPy's BLAS.  Usage: run.sh [python]
set -euo pipefail
python=${1:-python3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" # not a folder that holds a `randla` of its own

include=$("$python" -c 'import randla; print(randla.get_include())')
package=$(dirname "$include")
export PKG_CONFIG_PATH=$package/lib/pkgconfig
# -pedantic: the public headers are ISO C
# shellcheck disable=SC2046  # flags are words
${CC:-cc} -std=c11 -D_DEFAULT_SOURCE -Wall -Wextra -Werror -pedantic "$here/consumer.c" -o consumer \
  $(pkg-config --cflags --libs randla) -Wl,-rpath,"$package/lib" -ldl -lm
version=$(pkg-config --modversion randla)
"$python" -c "import randla; assert randla.__version__ == '$version', (randla.__version__, '$version')"
# the file and the spelling that randla itself found
"$python" -c '
from randla._cpu import blas
print(blas.path, blas.prefix, blas.suffix, int(blas.ilp64), sep="\n")' >blas
mapfile -t blas <blas
./consumer "${blas[@]}"
# the program of the guide, built as the guide says
# shellcheck disable=SC2046
${CC:-cc} -Wall -Wextra -Werror "$here/../../../docs/guide/expm.c" -o expm $(pkg-config --cflags --libs randla) \
  -Wl,-rpath,"$(pkg-config --variable=libdir randla)" -ldl
./expm "${blas[@]}"
# C++ reads the headers too
printf '#include <randla.h>\nint main() { return rl_strerror(RL_OK) == nullptr; }\n' >headers.cpp
if command -v c++ >/dev/null; then
  # shellcheck disable=SC2046
  c++ -std=c++11 -Wall -Wextra -Werror -pedantic $(pkg-config --cflags randla) headers.cpp -o headers \
    $(pkg-config --libs randla) -Wl,-rpath,"$package/lib"
  ./headers
fi
