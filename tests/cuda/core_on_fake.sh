#!/usr/bin/env bash
# Runs core's tests on cuda:0 without a GPU: on the fake driver and the fake cuBLASLt, with g++ in NVRTC's
# place. A compilation per kernel, kept in TENON_KERNEL_CACHE (out/fake_kernels), so by hand:
#   bazel build //backends/cuda:libtenon_backend_cuda.so //tests/cuda/... //core/...
#   tests/cuda/core_on_fake.sh [PROGRAM...]       # default: all bazel-bin/core/*/*_test_program
# BIN=DIR: programs built elsewhere than in bazel-bin.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
bin=${BIN:-$PWD/bazel-bin}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/backends" "$work/include/tenon"
ln -s "$bin/backends/cuda/libtenon_backend_cuda.so" "$work/backends/"
ln -s "$PWD/core/abi" "$work/include/tenon/abi"  # as Bazel offers it: tenon/abi/...
export TENON_CUDA_DRIVER=$bin/tests/cuda/libfake_cuda.so TENON_CUDA_NVRTC=$bin/tests/cuda/libfake_cuda.so
export TENON_CUDA_CUBLASLT=$bin/tests/cuda/libfake_cublaslt.so TENON_FAKE_INCLUDE="-I$PWD -I$work/include"
export TENON_KERNEL_CACHE=${TENON_KERNEL_CACHE:-$PWD/out/fake_kernels} TENON_BACKEND_PATH=$work/backends
export TENON_TEST_DEVICE=cuda TENON_TEST_SMALL=1
mkdir -p "$TENON_KERNEL_CACHE"
[ $# -gt 0 ] || set -- "$bin"/core/*/*_test_program
failed=0
for program in "$@"; do
  start=$SECONDS
  if "$program" > "$work/log" 2>&1; then
    echo "passed  $program ($((SECONDS - start)) s; left to the host:" \
      "$(sed -n 's/.*warning: \(.*\) on cuda:0 runs on the host.*/\1/p' "$work/log" | sort -u | paste -sd, -))"
  else
    echo "FAILED  $program ($((SECONDS - start)) s)"
    tail -20 "$work/log"
    failed=$((failed + 1))
  fi
done
[ "$failed" = 0 ]
