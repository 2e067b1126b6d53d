#!/usr/bin/env bash
# Runs core's tests on cuda:0 without a GPU: on the fake driver and the fake cuBLASLt, with g++ in NVRTC's
# place. Slow (a compilation per kernel, kept in TENON_KERNEL_CACHE), so by hand:
#   bazel build //backends/cuda:libtenon_backend_cuda.so //tests/cuda/... //core/...
#   tests/cuda/core_on_fake.sh [PROGRAM...]       # default: all bazel-bin/core/*/*_test_program
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/backends" "$work/include/tenon"
ln -s "$PWD/bazel-bin/backends/cuda/libtenon_backend_cuda.so" "$work/backends/"
ln -s "$PWD/core/abi" "$work/include/tenon/abi"  # as Bazel offers it: tenon/abi/...
fake=$PWD/bazel-bin/tests/cuda
export TENON_CUDA_DRIVER=$fake/libfake_cuda.so TENON_CUDA_NVRTC=$fake/libfake_cuda.so
export TENON_CUDA_CUBLASLT=$fake/libfake_cublaslt.so TENON_FAKE_INCLUDE="-I$PWD -I$work/include"
export TENON_KERNEL_CACHE=${TENON_KERNEL_CACHE:-$PWD/out/fake_kernels} TENON_BACKEND_PATH=$work/backends
export TENON_TEST_DEVICE=cuda TENON_TEST_SMALL=1
[ $# -gt 0 ] || set -- bazel-bin/core/*/*_test_program
failed=0
for program in "$@"; do
  if "$program" > "$work/log" 2>&1; then
    echo "passed  $program ($(grep -c 'runs on the host' "$work/log") operations left to the host)"
  else
    echo "FAILED  $program"
    tail -20 "$work/log"
    failed=$((failed + 1))
  fi
done
[ "$failed" = 0 ]
