#!/bin/sh
# Compare two commits: asv_bench/compare.sh COMMIT COMMIT [options of `asv run`, such as --bench X]
#
# Both are built for the interpreter that runs this, each into a folder of its own from a worktree of
# its own, so nothing is downloaded and the surrounding environment stays as it is.  The commits take
# turns, ROUNDS times (default 2; the order changes): a slow drift of the machine hits both.  Builds
# are kept in CACHE (default asv_bench/.asv/compare) and used again.
set -eu
if [ $# -lt 2 ]; then sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2; fi
here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
old=$(git rev-parse --verify "$1^{commit}")
new=$(git rev-parse --verify "$2^{commit}")
shift 2
cache=${CACHE:-$here/.asv/compare}
rounds=${ROUNDS:-2}
mkdir -p "$cache"

build() {
  [ -d "$cache/$1" ] && return
  echo "building $1"
  git worktree add -q --detach --force "$cache/$1.src" "$1"
  if ! python -m pip install -q --no-build-isolation --no-deps \
      --target "$cache/$1.part" "$cache/$1.src" > "$cache/$1.log" 2>&1; then
    cat "$cache/$1.log" >&2
    git worktree remove --force "$cache/$1.src"
    exit 1
  fi
  git worktree remove --force "$cache/$1.src"
  mv "$cache/$1.part" "$cache/$1"
}

measure() {
  commit=$1
  shift
  echo "measuring $commit"
  # the benchmarks are those of the working tree, for both
  ASV_PYTHONPATH="$cache/$commit" PYTHONPATH= asv run --python=same \
    --set-commit-hash="$commit" --append-samples "$@"
}

build "$old"
build "$new"
asv machine --yes > "$cache/machine.log" 2>&1
round=0
while [ "$round" -lt "$rounds" ]; do
  if [ $((round % 2)) = 0 ]; then order="$old $new"; else order="$new $old"; fi
  for commit in $order; do measure "$commit" "$@"; done
  round=$((round + 1))
done
asv compare --factor 1.1 --split "$old" "$new"
