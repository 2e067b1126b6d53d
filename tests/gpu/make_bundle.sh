#!/usr/bin/env bash
# Puts out/gpu together: the CUDA plug-in, the tests, the training program, the benchmark and run.sh, for a
# machine with a GPU and glibc 2.36 or newer, without Bazel and network. Called by ./dev gpu.
#   tests/gpu/make_bundle.sh [DIRECTORY]
# BAZEL and BAZEL_OPTIONS name the Bazel to use and its options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-out/gpu}
bazel=${BAZEL:-bazel}
most=$((60 << 20))

plugin=//backends/cuda:libtenon_backend_cuda.so
programs=(//tests/gpu:gpu_benchmark //tests/gpu:gpu_test_program //tools:devices //tools:train)
# Every core test there is, as its program (build_defs/core_test.bzl).
mapfile -t tests < <("$bazel" query 'filter("_test_program$", kind("cc_binary rule", //core/... + //interop:dlpack_foreign_test_program))' 2>/dev/null)
[ "${#tests[@]}" -gt 0 ] || { echo "make_bundle.sh: found no core tests" >&2; exit 1; }
# shellcheck disable=SC2086  # options are words
"$bazel" build ${BAZEL_OPTIONS:-} "$plugin" "${programs[@]}" "${tests[@]}"

file_of() { local label=${1#//}; echo "bazel-bin/${label/://}"; }
rm -rf "$out"
mkdir -p "$out/bin" "$out/backends" "$out/lib"
for label in "${programs[@]}" "${tests[@]}"; do
  strip -o "$out/bin/${label##*:}" "$(file_of "$label")"
done
strip -o "$out/backends/libtenon_backend_cuda.so" "$(file_of "$plugin")"
# What the programs link beyond glibc.
for program in "$out"/bin/*; do ldd "$program"; done |
  awk '/=> \// && $1 !~ /^(libc|libm|libdl|libpthread|librt|ld-linux.*)\.so/ { print $3 }' | sort -u |
  while read -r library; do cp -L "$library" "$out/lib/"; done
cp tests/gpu/run.sh tests/gpu/compare.py "$out/"
# Thirty programs share most of their code: packed together they are small.
tar -C "$out" -cf - bin | xz -T2 --lzma2=preset=2,dict=192MiB > "$out/programs.tar.xz"
rm -rf "$out/bin"
bytes=$(du -sb "$out" | cut -f1)
echo "$out: $((bytes >> 20)) MiB, ${#tests[@]} tests; copy it to a machine with a GPU and call run.sh there"
[ "$bytes" -lt "$most" ] || { echo "make_bundle.sh: more than $((most >> 20)) MiB" >&2; exit 1; }
